"""`netdef fmt` as it is called."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from netdef.cli.main import run
from netdef.fmt.files import MOST_COMPARED

BAD = "layer a:ReLU(x)   {negative_slope:1}"
GOOD = "layer a: ReLU(x) { negative_slope: 1 }\n"


def test_printed(file, capsys):
    name = file(BAD)
    assert run(["fmt", name]) == 0
    assert capsys.readouterr().out == GOOD
    assert Path(name).read_text() == BAD


def test_in_place(file, capsys, tmp_path):
    name, good = file(BAD), file(GOOD, "good.net")
    before = os.stat(good).st_mtime_ns
    assert run(["fmt", "-i", name, good]) == 0
    assert capsys.readouterr().out == "x.net rewritten\n"
    assert Path(name).read_text() == GOOD
    assert os.stat(good).st_mtime_ns == before
    assert sorted(os.listdir(tmp_path)) == ["good.net", "x.net"]  # the temporary file is gone


def test_check(file, capsys):
    name, good = file(BAD), file(GOOD, "good.net")
    assert run(["fmt", "--check", good]) == 0
    assert run(["fmt", "--check", good, name]) == 1
    shown = f"""x.net is not in its form
--- x.net
+++ x.net in its form
@@ -1 +1 @@
-{BAD}
+{GOOD}"""
    assert capsys.readouterr().out == shown
    assert Path(name).read_text() == BAD
    assert run(["fmt", "--check", "-i", name]) == 2


def test_files_with_errors_are_not_changed(file, capsys):
    wrong = file("layer a: ReLU(x) { slope: 1 }", "wrong.net")
    name = file(BAD)
    assert run(["fmt", "-i", wrong, name, "missing.net"]) == 2
    err = capsys.readouterr().err
    assert "wrong.net:1:20: error: unknown field 'slope' of ReLU" in err
    assert "missing.net: no such file" in err
    assert Path(wrong).read_text() == "layer a: ReLU(x) { slope: 1 }"
    assert Path(name).read_text() == GOOD


def test_binary_files(file, tmp_path, capsys):
    (tmp_path / "x.caffemodel").write_bytes(b"\x0a\x01x\x00\x01")
    assert run(["fmt", "x.caffemodel"]) == 2
    assert "binary" in capsys.readouterr().err


def test_the_other_form(file, capsys):
    name = file(BAD)
    assert run(["fmt", "--to", "prototxt", name]) == 0
    assert capsys.readouterr().out.startswith('layer {\n  name: "a"\n')
    assert run(["fmt", "-i", "--to", "prototxt", name]) == 0
    assert run(["fmt", name]) == 0
    assert capsys.readouterr().out.endswith(GOOD)  # .net is the short form again


def test_the_form_of_the_ending(file, capsys):
    for name, first in (("x.net", "layer a: ReLU(x)"), ("x.prototxt", "layer {"), ("x.txt", "layer a: ReLU(x)")):
        run(["fmt", file(BAD, name)])
        assert capsys.readouterr().out.startswith(first)
    run(["fmt", file("layer { name: 'a' type: 'ReLU' bottom: 'x' top: 'a' }", "y.txt")])
    assert capsys.readouterr().out.startswith("layer {\n")


def test_standard_input():
    command = [sys.executable, "-m", "netdef", "fmt", "-"]
    done = subprocess.run(command, input=BAD, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, GOOD)


@pytest.mark.slow
def test_standard_input_is_checked_as_files_are():
    for given, code, said in (
        (BAD.encode(), 1, b"<stdin> is not in its form\n--- <stdin>"),
        (GOOD.encode(), 0, b""),
        (b"name: '\xff'", 2, b"<stdin>:1:8: error: byte 0xff is not UTF-8"),
        (b"\x00\x01", 2, b"<stdin> is binary, not text"),
    ):
        command = [sys.executable, "-m", "netdef", "fmt", "--check", "-"]
        done = subprocess.run(command, input=given, capture_output=True, check=False)
        assert done.returncode == code
        assert said in done.stdout + done.stderr


@pytest.mark.slow
def test_differences_that_no_lines_show(file, tmp_path, capsys):
    (tmp_path / "x.net").write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert run(["fmt", "--check", "x.net"]) == 1
    assert "x.net: only the ends of its lines would change\n" in capsys.readouterr().out
    long = file("".join(f"layer a{index}:ReLU(x)\n" for index in range(MOST_COMPARED + 1)), "long.net")
    assert run(["fmt", "--check", long]) == 1
    assert f"long.net: {MOST_COMPARED + 1} lines would become" in capsys.readouterr().out


def test_permissions_are_kept(file, tmp_path):
    name = file(BAD)
    os.chmod(name, 0o640)
    run(["fmt", "-i", name])
    assert stat.S_IMODE(os.stat(name).st_mode) == 0o640


def test_a_link_stays_a_link(file, tmp_path):
    os.symlink(file(BAD), tmp_path / "link.net")
    run(["fmt", "-i", "link.net"])
    assert os.path.islink("link.net")
    assert Path("x.net").read_text() == GOOD


def test_a_disk_that_is_full(file, monkeypatch, capsys, tmp_path):
    """The file is as it was, and no temporary file is left."""
    name = file(BAD)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert run(["fmt", "-i", name]) == 2
    assert "cannot write x.net: No space left on device" in capsys.readouterr().err
    assert Path(name).read_text() == BAD
    assert os.listdir(tmp_path) == ["x.net"]
