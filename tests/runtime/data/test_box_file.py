"""Files of regions."""

import pytest

from netdef import NetdefError
from runtime.data.box_file import read_boxes


def test_names_are_those_of_the_command_or_seen_from_the_file(tmp_path):
    path = tmp_path / "boxes.txt"
    path.write_text("a b.png 0 1 2.5 3\n\nc.png\t4 5 6 7\r\na b.png 8 8 8 8\n", newline="")
    first, second = read_boxes(str(path), ["./c.png", str(tmp_path / "a b.png")])
    assert (first.tolist(), second.tolist()) == ([[4, 5, 6, 7]], [[0, 1, 2.5, 3], [8, 8, 8, 8]])


def test_every_line_that_is_wrong_is_shown(tmp_path):
    path = tmp_path / "boxes.txt"
    path.write_text("a.png 0 1 2\na.png 0 0 x 1\na.png 4 0 3 9\na.png 0 0 nan 1\na.png 0 0 1 1\n")
    with pytest.raises(NetdefError) as caught:
        read_boxes(str(path), ["a.png"])
    assert [one.position.line for one in caught.value.diagnostics] == [1, 2, 3, 4]
    assert "boxes.txt:3:1: error: a box whose sides are not in order" in str(caught.value)
