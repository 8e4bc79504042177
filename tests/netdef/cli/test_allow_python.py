"""Commands on nets with Python layers: with --allow-python, and without."""

import re
import sys
from pathlib import Path

import pytest

from netdef.cli.main import run
from netdef.cli.shell import TROUBLE
from tests.runtime.ops.python.layers import LOSS, NET, modules_in, write

SOLVER = """net: "a.net" base_lr: 0.05 lr_policy: "fixed" max_iter: 6 momentum: 0.9 random_seed: 3 display: 2
snapshot: 3 snapshot_prefix: "snap" test_iter: 2 test_interval: 3"""
ALLOWED = "--allow-python"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "a.net", NET)
    write(tmp_path, "b.net", NET.replace("num_output: 2", "num_output: 2 bias_term: false"))
    write(tmp_path, "solver.txt", SOLVER)
    with modules_in(tmp_path):
        yield


def said(capsys, *arguments):
    """What a command prints to stdout and to stderr; it must have worked."""
    assert run([*arguments, ALLOWED]) in (0, 1)
    return capsys.readouterr()


COMMANDS = [
    ["shapes", "a.net"],
    ["diff", "a.net", "b.net"],
    ["draw", "a.net", "-o", "a.dot"],
    ["compile", "a.net"],
    ["placement", "a.net"],
    pytest.param(["time", "a.net", "--iterations", "1", "--devices", "cpu"], marks=pytest.mark.slow, id="time"),
    ["train", "a.net", "solver.txt", "--devices", "cpu"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_only_with_leave(command, capsys):
    looks = command[0] in ("shapes", "draw", "diff")  # the rest is shown without the code
    assert run(command) == (TROUBLE if not looks else 1 if command[0] == "diff" else 0)
    out, errors = capsys.readouterr()
    assert "Python loss: only distance.Distance gives the shapes of its tops" in errors + out
    assert looks or "a.net:7:7: error: Python loss: only" in errors
    assert command[0] == "diff" or "--allow-python (in Python: allow_python=True) runs it;" in errors
    assert "distance" not in sys.modules
    assert "note: importing distance.py, the Python code of layer loss" in said(capsys, *command).err


def test_leave_ends_with_the_command(capsys):
    said(capsys, "shapes", "a.net")
    assert run(["shapes", "a.net"]) == 0
    assert re.search(r"^loss +Python +\?", capsys.readouterr().out, re.M)


def test_shapes(capsys):
    assert re.search(r"^loss +Python +1 in all", said(capsys, "shapes", "a.net").out, re.M)


def test_check(capsys):
    assert run(["check", "a.net"]) == 0
    assert "7:7: warning: Python loss: only distance.Distance gives the shapes of its tops" in capsys.readouterr().out
    assert "nothing found" in said(capsys, "check", "a.net").out
    write(Path(), "distance.py", "import nothing_of_that_name")
    sys.modules.pop("distance")
    assert run(["check", "a.net", ALLOWED]) == 1
    assert "error: Python loss: importing distance raised ModuleNotFoundError" in capsys.readouterr().out


def test_a_run_resumes_with_the_same_numbers(capsys):
    whole = said(capsys, "train", "solver.txt", "--devices", "cpu", "--out", "one").out
    assert "netdef test a.net --weights one/snap_iter_6.caffemodel --allow-python" in whole
    said(capsys, "train", "solver.txt", "--devices", "cpu", "--out", "two", "--resume", "one/snap_iter_3.solverstate")
    assert Path("one/snap_iter_6.caffemodel").read_bytes() == Path("two/snap_iter_6.caffemodel").read_bytes()
    assert "loss" in said(capsys, "test", "a.net", "--weights", "one/snap_iter_6.caffemodel", "--devices", "cpu").out


@pytest.mark.slow
@pytest.mark.parametrize("command", [["train", "solver.txt"], ["time", "a.net"]], ids=["train", "time"])
def test_a_failure_in_a_run_is_one_message(command, capsys):
    write(Path(), "distance.py", LOSS.replace("for i, sign in", "1 / 0\n        for i, sign in"))
    assert run([*command, "--devices", "cpu", ALLOWED]) == TROUBLE
    errors = capsys.readouterr().err
    assert "a.net:7:7: error: Python loss: distance.Distance.backward raised ZeroDivisionError: division by zero" in errors
    assert "Traceback" not in errors


def test_a_test_net_whose_source_is_python(capsys):
    code = """import caffe
class Source(caffe.Layer):
    def setup(self, bottom, top): self.n = 0
    def reshape(self, bottom, top): top[0].reshape(4, 3); top[1].reshape(4)
    def forward(self, bottom, top):
        top[0].data[...] = self.n; top[1].data[...] = self.n % 2; self.n += 1
"""
    text = """layer data: Python -> data, label { module: "source" layer: "Source" }
layer fc: InnerProduct(data) { num_output: 2 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
    write(Path(), "source.py", code)
    write(Path(), "a.net", text)
    said(capsys, "train", "solver.txt", "--devices", "cpu", "--out", "one")
    tested = ["test", "a.net", "--weights", "one/snap_iter_6.caffemodel", "--devices", "cpu", "--iterations", "3"]
    assert "over 12 images" in said(capsys, *tested).out
