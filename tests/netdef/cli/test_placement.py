"""`netdef placement`, and commands that run on several devices."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import netdef
import runtime
from netdef.cli.compile import report
from netdef.cli.main import run
from netdef.weights import read_weights
from runtime.machine.open import different
from tests.marks import slow_except
from tests.paths import ROOT
from tests.runtime.solver.nets import IMAGES, SOLVER


def test_alexnet_on_two_devices(capsys):
    assert run(["placement", "alexnet", "--devices", "2"]) == 0
    out = capsys.readouterr().out
    assert "AlexNet, phase train, batches of 32, on 2 devices, split by groups" in out
    assert re.search(r"^conv2 +Convolution +channels 0-127 +channels 128-255$", out, re.M)
    assert re.search(r"^loss +SoftmaxWithLoss +all +-$", out, re.M)
    sent = out.partition("sent in one iteration:")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in sent.split("\n")[2:]] == ["conv3", "fc6", "fc7", "fc8", "loss", "all"]
    assert re.search(r"^conv3 +pool2 +0 -> 1, 1 -> 0 +5.28 MiB +5.28 MiB$", sent, re.M)
    assert re.search(r"^parameters +30,482,612 +30,482,612 +60,965,224$", out, re.M)
    assert "recommended: --split groups, which sends 14.9 MiB an iteration" in out


def test_with_larger_batches_images_are_cheaper_to_cut_than_channels(capsys):
    assert run(["placement", "alexnet", "--batch", "256"]) == 0
    assert "recommended: --split hybrid" in capsys.readouterr().out


def test_an_uneven_split_is_not_recommended(capsys):
    """A batch of one image cannot be halved: nothing is sent, because nothing is divided."""
    assert run(["placement", "alexnet", "--batch", "1"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^batch +0 B +100.0%", out, re.M)
    assert "recommended: --split groups, which sends 477.9 KiB an iteration\n" in out
    assert "not --split batch: it leaves 100.0% of the work to one device" in out


def test_splits_of_equal_traffic(tmp_path, capsys):
    net = tmp_path / "by_hand.net"
    net.write_text("layer data: Input { shape { dim: [2, 3] } }\nlayer a: InnerProduct(data) { num_output: 4 device: 1 }\n")
    assert run(["placement", str(net), "--phase", "test"]) == 0
    assert "recommended: --split groups; all three send 0 B a batch" in capsys.readouterr().out


@pytest.mark.slow
def test_many_devices_take_no_more_columns_than_few(capsys):
    assert run(["placement", "alexnet", "--devices", "16"]) == 0
    sent = capsys.readouterr().out.partition("sent in one iteration:")[2].partition("\n\n")[0]
    assert re.search(r"^conv2 +pool1 +\d+ pairs of 16 ", sent, re.M)
    assert re.search(r"^fc6 +pool5 +each to each ", sent, re.M)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "pieces"), [(4, (1, 1)), (8, (2, 2))])
def test_tables_of_many_devices_fit_a_screen(count, pieces, capsys):
    """In pieces, if they must be; everything about each device stays."""
    assert run(["placement", "alexnet", "--devices", str(count)]) == 0
    found, _, rest = capsys.readouterr().out.partition("sent in one iteration:\n")
    sent, _, rest = rest.partition("\n\n")
    held, _, _ = rest.partition("\n\nsplit ")
    assert max(map(len, [*found.splitlines(), *sent.splitlines(), *held.splitlines()])) <= 80
    assert (found.count("\nlayer "), held.count("\nweights ")) == pieces
    starts = [f" {4096 // count * device}-" for device in range(count)]
    fc6 = "".join(line for line in found.splitlines() if line.startswith("fc6 "))
    assert "InnerProduct     channels  0-" in fc6
    assert all(start in fc6 for start in starts)
    head = " ".join(line for line in held.splitlines() if line.lstrip().startswith("device"))
    assert head.split() == [*(word for d in range(count) for word in ("device", str(d))), "one", "device"]


def test_transfers_in_both_directions_are_listed_once(capsys):
    assert run(["placement", "alexnet", "--devices", "4"]) == 0
    assert re.search(r"^conv2 +pool1 +0 <-> 1, 2 <-> 3 +8.54 MiB +8.54 MiB$", capsys.readouterr().out, re.M)


@pytest.mark.slow
def test_json_lists_all_runs_of_channels(capsys):
    words = ["placement", "googlenet", "--devices", "2"]
    assert run(words) == 0
    assert re.search(r"^inception_3a/output +Concat +channels +128 in 4 runs +128 in 4 runs$", capsys.readouterr().out, re.M)
    assert run([*words, "--format", "json"]) == 0
    layers = {layer["name"]: layer for layer in json.loads(capsys.readouterr().out)["layers"]}
    assert layers["inception_3a/output"]["shares"][0] == "channels 0-31, 64-127, 192-207, 224-239"


@pytest.mark.parametrize(("net", "phase"), slow_except("lenet", [("googlenet", "train"), ("lenet", "test")]))
def test_as_json(net, phase, capsys):
    assert run(["placement", net, "--devices", "cpu:0,cpu:1,cpu:2", "--format", "json", "--phase", phase]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["devices"] == 3
    lists = {"forward", "backward"} if phase == "train" else {"forward"}
    assert {transfer["list"] for transfer in found["transfers"]} == lists
    assert sum(transfer["bytes"] for transfer in found["transfers"]) == found["sent"]["groups"]
    assert min(found["sent"], key=found["sent"].get) == found["recommended"]
    one = found["one_device"]
    assert sum(each["parameters"] for each in found["each"]) == one["parameters"]
    assert all(each["bytes"] < one["bytes"] for each in found["each"])
    assert all(each["bytes"] == sum(each["memory"].values()) for each in found["each"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--devices", "1"], "2 to 64 devices, not 1"),
        (["--devices", "many"], "there is no device 'many'"),
        (["--devices", "cpu:0,gpu:0"], "on CPU devices or on cards, not on both"),
        (["--devices", "gpu:0-4000000000"], "more than 64 shares"),
        (["--split", "rows"], "rows"),
    ],
)
def test_invalid_devices_are_rejected(arguments, message, capsys):
    assert run(["placement", "alexnet", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.net").write_text(IMAGES)
    Path("solver.txt").write_text(SOLVER + "display: 2 test_iter: 2 test_interval: 40 snapshot: 400")
    return tmp_path


@pytest.mark.slow
def test_training_on_two_devices(folder, capsys):
    assert run(["train", "small.net", "solver.txt", "--out", "one"]) == 0
    for split in ("groups", "batch", "hybrid"):
        words = ["--devices", "cpu:0,cpu:1", "--split", split, "--threads", "2"]
        assert run(["train", "small.net", "solver.txt", "--out", split, *words]) == 0
        out = capsys.readouterr().out
        assert "running on cpu:0 (1 thread), cpu:1 (1 thread)" in out
        weights = [read_weights(f"{path}/small_iter_10.caffemodel") for path in ("one", split)]
        for layer, arrays in weights[0].items():
            for a, b in zip(arrays, weights[1][layer], strict=True):
                assert abs(a - b).max() <= 1e-5 * abs(a).max()
        trained = f"{split}/small_iter_10.caffemodel"
        assert run(["test", "small.net", "--weights", trained, "--iterations", "2", *words]) == 0
        assert "accuracy" in capsys.readouterr().out


def test_one_device_with_two_shares_trains_as_two_do(folder, capsys):
    """The same snapshots, byte for byte, but for the path of the weights that the solver's state has in it."""
    for split in ("groups", "batch"):
        for devices, out, says in (
            ("cpu:0,cpu:0", f"{split}1", "running on cpu:0 (2 threads) with 2 shares"),
            ("cpu:0,cpu:1", f"{split}2", "running on cpu:0 (1 thread), cpu:1 (1 thread)"),
        ):
            words = ["--devices", devices, "--split", split, "--threads", "2", "--out", out]
            assert run(["train", "small.net", "solver.txt", *words]) == 0
            out = capsys.readouterr().out
            assert says in out
            assert "has no effect" not in out
        for name in ("small_iter_10.caffemodel", "small_iter_10.solverstate"):
            one, two = (Path(f"{split}{count}", name).read_bytes() for count in (1, 2))
            assert one.replace(f"{split}1/".encode(), f"{split}2/".encode()) == two


def test_shares_of_a_device_are_counted_as_its_own(capsys):
    """Copies within a device are not sent, and a device has the sum of its shares."""
    placements = {}
    for devices in ("cpu:0,cpu:0,cpu:1", "3", "cpu:0,cpu:0,cpu:0"):
        assert run(["placement", "lenet", "--devices", devices, "--format", "json"]) == 0
        placements[devices] = json.loads(capsys.readouterr().out)
    mixed, apart, one = placements.values()
    assert (mixed["devices"], mixed["hosts"]) == (2, [0, 0, 1])
    assert (one["devices"], one["transfers"], one["sent"]["groups"]) == (1, [], 0)
    assert {(t["from"], t["to"]) for t in mixed["transfers"]} == {(0, 1), (1, 0)}
    assert 0 < mixed["sent"]["groups"] < apart["sent"]["groups"]
    for key in ("parameters", "macs", "bytes"):
        each = [device[key] for device in apart["each"]]
        assert [device[key] for device in mixed["each"]] == [each[0] + each[1], each[2]]
        assert [device[key] for device in one["each"]] == [sum(each)]
    assert run(["placement", "lenet", "--devices", "cpu:0,cpu:0,cpu:1"]) == 0
    out = capsys.readouterr().out
    assert "on 2 devices in 3 shares, split by groups" in out
    assert re.search(r"conv2 +Convolution +channels 0-16 \+ channels 17-33 +channels 34-49\n", out)
    assert re.search(r"mnist +ImageData +all +all\n", out)


def test_a_program_for_shares(capsys):
    assert run(["compile", "lenet", "--devices", "cpu:0,cpu:0", "--print"]) == 0
    out = capsys.readouterr().out
    assert " = send " not in out
    assert out.count(" = copy ") > 4
    assert "of which device" not in out
    assert run(["compile", "lenet", "--devices", "gpu:0,gpu:0,gpu:1"]) == 0
    held = dict(re.findall(r"of which (gpu:\d) +([\d,]+) bytes", capsys.readouterr().out))
    assert list(held) == ["gpu:0", "gpu:1"]
    assert int(held["gpu:0"].replace(",", "")) > int(held["gpu:1"].replace(",", ""))


BY_HAND = """
layer data: Input -> data, label { shape { dim: [2, 3, 40, 40] } shape { dim: 2 } }
layer conv: Convolution(data) { num_output: 8 kernel_size: 5 device: 1 }
layer fc: InnerProduct(conv) { num_output: 5 }
layer loss: SoftmaxWithLoss(fc, label)
"""


@pytest.mark.slow
def test_memory_of_a_card_is_that_of_all_its_shares():
    def sizes(net: netdef.Net, devices: str) -> dict[str, int]:
        lines = re.findall(r"^(.*?) +([\d,]+) bytes", report(net, devices=devices), re.M)
        return {name: int(size.replace(",", "")) for name, size in lines}

    net = netdef.load("alexnet", batch_size=4)
    shared, apart = sizes(net, "gpu:0,gpu:0,gpu:1"), sizes(net, "gpu:0-2")
    assert shared["of which gpu:0"] + shared["of which gpu:1"] == shared["total"]
    for kind in ("data on their way", "constants"):
        assert shared[kind] == apart[kind] > 0
    assert 0 < shared["workspace"] < apart["workspace"]
    by_hand = netdef.parse(BY_HAND, phase="train")
    assert sizes(by_hand, "gpu:0,gpu:0")["workspace"] == sizes(by_hand, "gpu:0,gpu:1")["workspace"] > 0


def test_devices_are_listed_by_name(capsys):
    """Whatever their order: the device named first has the first share, and need not be number 0."""
    assert run(["placement", "lenet", "--devices", "gpu:3,gpu:1,gpu:3"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^layer +type +gpu:3 +gpu:1$", out, re.M)
    assert re.search(r"^loss +ip2 +gpu:1 -> gpu:3 ", out, re.M)
    assert re.search(r"^ +gpu:3 +gpu:1 +one device$", out, re.M)
    assert run(["placement", "lenet", "--devices", "gpu:3,gpu:1,gpu:3", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["names"] == ["gpu:3", "gpu:1"]


def test_workspaces_of_cores():
    """As many as threads will run: one at least for each device, of what its own shares need; all counted to their device."""
    net = netdef.parse(BY_HAND, phase="train")
    for devices, threads in (("cpu:0,cpu:1,cpu:0", 5), ("cpu:0,cpu:1", 1), ("cpu,cpu", 2)):
        out = report(net, devices=devices, threads=threads)
        with runtime.compile(net, devices, threads=threads, keep="all", losses_only=True) as exe:
            opened = different(exe.devices)
            shares = [[share for share, other in enumerate(exe.devices) if other is device] for device in opened]
            taken = [device.workspace_bytes([exe.program], mine) for device, mine in zip(opened, shares, strict=True)]
        assert re.search(rf"^workspace \({sum(device.threads for device in opened)} threads\) +{sum(taken):,} bytes", out, re.M)
        sizes = {name: int(size.replace(",", "")) for name, size in re.findall(r"^([a-z]+).*?([\d,]+) bytes", out, re.M)}
        each = [int(size.replace(",", "")) for size in re.findall(r"of which cpu:\d +([\d,]+) bytes", out)]
        assert sum(each) == (sizes["total"] if len(opened) > 1 else 0)


def test_selftest_is_of_one_device_in_one_share(capsys):
    assert run(["selftest", "--devices", "cpu,cpu"]) == 2
    assert capsys.readouterr().err == (
        "error: netdef selftest tries one device at a time, named once\n    netdef selftest --devices cpu:0\n"
    )


def test_a_split_of_one_device_is_noted_as_without_effect(folder, capsys):
    assert run(["train", "small.net", "solver.txt", "--out", "one", "--devices", "cpu", "--split", "batch"]) == 0
    assert "--split batch has no effect: there is one device" in capsys.readouterr().out
    assert run(["test", "small.net", "--weights", "one/small_iter_10.caffemodel", "--devices", "cpu", "--split", "batch"]) == 0
    assert "--split batch has no effect: there is one device" in capsys.readouterr().err
    assert run(["compile", "small.net", "--split", "batch"]) == 2
    assert "--split batch divides a net over several devices" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("which", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_moves_to_one_device(folder, which, code):
    """Ctrl-C ends the run on two devices with a snapshot, and the command that it prints goes on from there."""
    words = ["train", "small.net", "solver.txt", "--out", "cut", "--iterations", "100000", "--devices", "cpu:0,cpu:1"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "netdef", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "iteration     20  loss" in line:
                break
        process.send_signal(which)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == code
    stopped = int(re.search(r"stopped after (\d+) iterations", rest)[1])
    resume = re.search(r"to go on: +netdef (.*)", rest)[1].split()
    assert resume[resume.index("--devices") + 1] == "cpu:0,cpu:1"
    resume[resume.index("--devices") + 1] = "cpu"
    resume[resume.index("--iterations") + 1] = str(stopped + 5)
    assert run(resume) == 0
    assert (folder / f"cut/small_iter_{stopped + 5}.caffemodel").exists()


def test_the_program_for_two_devices(capsys):
    assert run(["compile", "alexnet", "--devices", "2", "--print"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^  #\d+ dev1  %pool2.all:0 = send %pool2  2,768,896 bytes  waits for #\d+$", out, re.M)
    assert re.search(r"^  #\d+ dev0  %fc6@2 = dropout_region %fc6@1 ", out, re.M)
    assert re.search(r"^of which device 1 ", out, re.M)
    assert run(["compile", "alexnet", "--devices", "2", "--after", "place", "--print"]) == 0
    out = capsys.readouterr().out
    assert "dev1  conv1  Convolution  conv1 (32, 48, 55, 55)\n" in out
    assert " = " not in out  # instructions are made by the next pass


@pytest.mark.parametrize("more", [[], ["--predict", "h100"]])
def test_time_is_of_one_device(more, capsys):
    """Said before anything is opened or computed."""
    for devices in ("gpu:0,gpu:1", "cpu,cpu"):
        assert run(["time", "lenet", "--devices", devices, *more]) == 2
        assert capsys.readouterr().err == (
            "error: netdef time measures a net that is whole on one device\n    netdef placement shows how a net is shared out\n"
        )
    assert run(["time", "lenet", "--devices", "here", *more]) == 2
    assert "there is no device 'here'" in capsys.readouterr().err
