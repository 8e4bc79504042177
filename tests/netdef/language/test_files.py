"""Whatever a path leads to, there is one clear message."""

import os
import subprocess
import sys

import pytest

from netdef.language import NetdefError, read_file, read_text
from tests.paths import TESTS

GOLDENS = TESTS / "goldens" / "files"


def fails(path, message="NetParameter"):
    with pytest.raises(NetdefError) as caught:
        read_file(path, message)
    assert len(caught.value.diagnostics) == 1
    return str(caught.value)


def test_not_found(tmp_path):
    (tmp_path / "alexnet.net").write_text('name: "x"')
    assert "alexnet.net?" in fails(tmp_path / "alexnt.net")
    assert "alexnet.net?" in fails(tmp_path / "alexnet.prototxt")
    assert "no such file" in fails(tmp_path / "quite_another")
    assert "there is no directory" in fails(tmp_path / "models" / "alexnet.net")


def test_directory(tmp_path):
    (tmp_path / "alexnet.net").write_text('name: "x"')
    said = fails(tmp_path)
    assert "is a directory" in said and "alexnet.net?" in said


@pytest.mark.parametrize("data", [b"", b"  \n\t\n", b"\xef\xbb\xbf"])
def test_empty(tmp_path, data):
    (tmp_path / "x.net").write_bytes(data)
    assert "x.net is empty" in fails(tmp_path / "x.net")


def test_only_comments(tmp_path):
    (tmp_path / "x.net").write_text("# nothing\n")
    assert "nothing but comments" in fails(tmp_path / "x.net")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG image"),
        (b"\x89HDF\r\n\x1a\n\0", "an HDF5 file"),
        (b"\x1f\x8b\x08\0", "a gzip archive"),
        (bytes(range(256)), "is binary"),
    ],
)
def test_binary(tmp_path, data, kind):
    (tmp_path / "x.net").write_bytes(data)
    said = fails(tmp_path / "x.net")
    assert kind in said and "not a network" in said


def test_columns_with_line_ends_of_other_systems():
    """The position of what is no text is counted after line ends have become one newline."""
    for text in (b"# a\r\n# b\r\nlayer \xff", "# a\r\n# b\r\nlayer \ud800", b"# a\r# b\rlayer \xff", "# a\r# b\rlayer \ud800"):
        with pytest.raises(NetdefError) as caught:
            read_text(text, "x.net", "NetParameter")
        assert str(caught.value).startswith("x.net:3:7: error: ")


def test_not_utf8(tmp_path):
    (tmp_path / "x.net").write_bytes('name: "x"\n# größe\n'.encode("latin1"))
    said = fails(tmp_path / "x.net")
    assert "x.net:2:5: error: byte 0xf6 is not UTF-8" in said
    (tmp_path / "y.net").write_bytes('name: "x"'.encode("utf-16"))
    assert "UTF-16" in fails(tmp_path / "y.net")


def test_byte_order_mark():
    assert read_text(b'\xef\xbb\xbfname: "x"', "x.net", "NetParameter").message.name == "x"


def test_half_a_character():
    with pytest.raises(NetdefError, match="D800"):
        read_text('name: "\ud800"', "x.net", "NetParameter")


def test_weights_written_by_caffe():
    bound = read_file(GOLDENS / "snap_iter_4.caffemodel", "NetParameter")
    assert len(bound.message.layer) == 9
    assert bound.position(("layer", 0)) is None
    assert read_file(GOLDENS / "snap_iter_4.solverstate", "SolverState").message.iter == 4
    assert read_file(GOLDENS / "mean.binaryproto", "BlobProto").message.data


def test_weights_given_as_a_solver():
    assert "HDF5" in fails(GOLDENS / "snap_iter_4.caffemodel.h5")
    assert "not a solver" in fails(GOLDENS / "snap_iter_4.caffemodel.h5", "SolverParameter")


def test_text_under_a_binary_name(tmp_path):
    (tmp_path / "x.caffemodel").write_text('name: "a network in text"')
    assert read_file(tmp_path / "x.caffemodel", "NetParameter").message.name == "a network in text"


def test_reading_imports_no_arrays():
    """A cold start takes a tenth of a second because only protobuf is imported."""
    program = (
        "import sys; from netdef.language import read_file; read_file(sys.argv[1], 'NetParameter');"
        "loaded = {name.split('.')[0] for name in sys.modules};"
        "print(*{'lark', 'numpy', 'numba', 'PIL', 'rich', 'matplotlib', 'h5py', 'yaml'} & loaded)"
    )
    ran = subprocess.run([sys.executable, "-c", program, GOLDENS / "tiny.prototxt"], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


def test_devices_and_impossible_names():
    assert "is a device" in fails(os.devnull)
    assert "cannot be read" in fails("a\0b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_no_permission(tmp_path):
    (tmp_path / "x.net").write_text("x")
    (tmp_path / "x.net").chmod(0)
    assert "cannot be read: Permission denied" in fails(tmp_path / "x.net")
