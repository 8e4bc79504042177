"""Names of classes."""

import pytest

from netdef import NetdefError
from runtime.data.classes import in_order, read_labels
from runtime.data.texts import TextRemark


@pytest.fixture
def labels(tmp_path):
    def write(content):
        (tmp_path / "labels.txt").write_bytes(content)
        return tmp_path / "labels.txt"

    return write


def test_a_name_a_line(labels):
    assert read_labels(labels(b"tench\ngreat white shark\n\n \n")) == ("tench", "great white shark")
    assert read_labels(labels(b"n01440764 tench, Tinca tinca\nn014 x\n")) == ("tench, Tinca tinca", "n014 x")
    assert read_labels(labels(b"a\n\nc")) == ("a", "", "c")


def test_a_byte_order_mark_and_foreign_line_ends_are_dropped(labels):
    assert read_labels(labels(b"\xef\xbb\xbfn01440764 tench\r\ncat\r\n")) == ("tench", "cat")
    assert read_labels(labels(b"cat\rdog\r")) == ("cat", "dog")
    assert read_labels(labels("naïve\x85x\u2028y\n".encode())) == ("naïve\x85x\u2028y",)


def test_bytes_that_are_not_utf8_are_replaced_and_reported(labels):
    with pytest.warns(TextRemark, match=r"labels\.txt: line 2 is not UTF-8; other bytes are shown as"):
        assert read_labels(labels(b"cat\nch\xe2teau\n")) == ("cat", "ch\N{REPLACEMENT CHARACTER}teau")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no labels"),
        (b"\n \n", "holds no labels"),
        (b"\x89PNG\r\n\x1a\n\0", "is not a file of labels: it is a PNG image"),
        ("cat".encode("utf-16"), "it is a text in UTF-16"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
    ],
)
def test_other_files_are_named(labels, content, said):
    with pytest.raises(NetdefError, match=said):
        read_labels(labels(content))
    with pytest.raises(NetdefError, match="cannot read a file of labels gone: No such file"):
        read_labels("gone")


def test_numbers_are_in_numeric_order_only_where_all_are_numbers():
    assert in_order(["10", "9", "011", "0"]) == ("0", "9", "10", "011")
    assert in_order(["10", "9", "x"]) == ("10", "9", "x")
    assert in_order(["²", "10", "9"]) == ("10", "9", "²")
