"""List files and folders of classes."""

import os
from pathlib import Path

import numpy as np
import pytest

from netdef import NetdefError
from runtime.data.listing import folder_names, read_list, scan_folder
from runtime.data.texts import TextRemark, printable


def files(listing):
    return [listing.path(index) for index in range(len(listing.paths))]


def test_a_list_is_paths_and_labels(write_list):
    listing = read_list(write_list("/a/one.png 3", "/a/two words.jpg  12", "", "/a/tab.png\t7", "  /a/b.png -1  "))
    assert listing.paths == ["/a/one.png", "/a/two words.jpg", "/a/tab.png", "/a/b.png"]
    assert listing.labels == [3, 12, 7, -1]
    assert listing.classes is None


def test_the_root_folder_goes_before_each_path(write_list):
    for root in ("/images", "/images/"):
        assert files(read_list(write_list("a/one.png 3", "two.png 1"), root)) == ["/images/a/one.png", "/images/two.png"]
    assert files(read_list(write_list("/val/one.png 3"), "/images")) == ["/images//val/one.png"]


def test_paths_start_here_or_else_at_the_list(tmp_path, monkeypatch, write_list, write_image):
    monkeypatch.chdir(tmp_path)
    write_image("here.png", 2, 2)
    write_image("elsewhere/there.png", 2, 2)
    path = write_list("here.png 1", "missing.png 2", name="elsewhere/list.txt")
    assert files(read_list(path)) == ["here.png", "missing.png"]
    path = write_list("there.png 1", "missing.png 2", name="elsewhere/list.txt")
    assert files(read_list(path)) == [str(tmp_path / "elsewhere/there.png"), str(tmp_path / "elsewhere/missing.png")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a.png 1", "", " b.png"], r"list\.txt:3:2: .*without a label"),
        (["a.png 1", "7"], r"list\.txt:2:1: .*without a label"),
        (["a.png 1", "b.png cat"], r"list\.txt:2:7: .*'cat' is not an integer"),
        (["b.png 1.5"], r"list\.txt:1:7: .*'1\.5' is not an integer"),
        ([], "lists no images"),
        (["", "  "], "lists no images"),
    ],
)
def test_bad_lists_say_where(write_list, lines, message):
    with pytest.raises(NetdefError, match=message):
        read_list(write_list(*lines))


def test_several_numbers_for_each_image(write_list):
    listing = read_list(write_list("/a/two words.png 0.5 -1 3e2", "/b.png  1 2\t3"), label_size=3)
    assert listing.paths == ["/a/two words.png", "/b.png"]
    assert listing.targets.tolist() == [[0.5, -1, 300], [1, 2, 3]] and listing.targets.dtype == np.float32
    assert listing.divided(True, 2).targets.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.png 1", r"list\.txt:1:1: .*a path without 2 labels"),
        ("a.png 1 x", r"list\.txt:1:9: .*'x' is not a finite number"),
        ("a.png nan 2", r"list\.txt:1:7: .*'nan' is not a finite number"),
    ],
)
def test_lines_with_other_than_these_numbers(write_list, line, message):
    with pytest.raises(NetdefError, match=message):
        read_list(write_list(line), label_size=2)


def test_of_many_bad_lines_the_first_are_shown_and_all_counted(write_list):
    with pytest.raises(NetdefError, match="has 500 such lines in all") as caught:
        read_list(write_list(*["a.png"] * 500))
    assert len(caught.value.diagnostics) == 21


def test_all_bad_lines_are_reported_at_once(write_list):
    with pytest.raises(NetdefError) as caught:
        read_list(write_list("a.png", "b.png 1", "c.png x"))
    assert len(caught.value.diagnostics) == 2


def test_a_list_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(NetdefError, match=r"none\.txt"):
        read_list(str(tmp_path / "none.txt"))
    for content, form in (
        (b"\xff\xfea\x00", "a text in UTF-16"),
        (b"\x00\x80 1\n", "binary"),
        (b"\xff\xd8\xff\xe0\x00\x10", "a JPEG image"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    ):
        (tmp_path / "binary.txt").write_bytes(content)
        with pytest.raises(NetdefError, match=rf"binary\.txt is not a list of images: it is {form}"):
            read_list(str(tmp_path / "binary.txt"))


def test_a_byte_order_mark_and_foreign_line_ends_are_dropped(write_list):
    path = write_list()
    Path(path).write_bytes(b"\xef\xbb\xbf/a/one.png 3\r\n/a/two words.png 4\r\n")
    listing = read_list(path)
    assert listing.paths == ["/a/one.png", "/a/two words.png"] and listing.labels == [3, 4]


def test_paths_that_are_not_utf8_find_their_files_and_are_reported(tmp_path, write_list, write_image):
    os.rename(os.fsencode(write_image("x.png", 2, 2)), os.fsencode(tmp_path) + b"/caf\xe9.png")
    path = write_list()
    Path(path).write_bytes(b"a.png 1\n" + os.fsencode(tmp_path) + b"/caf\xe9.png 2\n\xe9.png 3\n")
    with pytest.warns(TextRemark, match=r"list\.txt: line 2 is not UTF-8 nor 1 lines after it"):
        listing = read_list(path)
    assert os.path.exists(listing.path(1))
    assert printable(listing.path(2)) == "\N{REPLACEMENT CHARACTER}.png"


def test_a_folder_has_one_folder_a_class(tmp_path, write_image):
    for name in ("zebra/b.png", "zebra/a.JPG", "ant/deep/er/c.png", ".hidden/d.png", "empty/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "loose.png").write_bytes(b"")
    listing = scan_folder(str(tmp_path), train=True)
    assert listing.classes == ("ant", "empty", "zebra")
    assert [(path.removeprefix(f"{tmp_path}/"), label) for path, label in zip(listing.paths, listing.labels, strict=True)] == [
        ("ant/deep/er/c.png", 0),
        ("zebra/a.JPG", 2),
        ("zebra/b.png", 2),
    ]


@pytest.mark.parametrize("test_folder", ["test", "val", "validation"])
def test_a_folder_may_keep_the_phases_apart(tmp_path, write_image, test_folder):
    for name in ("train/ant/1.png", "train/bee/2.png", f"{test_folder}/bee/3.png", f"{test_folder}/cow/4.png"):
        write_image(name, 2, 2)
    train, test = scan_folder(str(tmp_path), train=True), scan_folder(str(tmp_path), train=False)
    assert train.classes == test.classes == ("ant", "bee", "cow")
    assert train.labels == [0, 1] and test.labels == [1, 2]
    assert [path[-5:] for path in train.paths + test.paths] == ["1.png", "2.png", "3.png", "4.png"]


def test_a_folder_called_train_alone_is_a_class(tmp_path, write_image):
    write_image("train/1.png", 2, 2)
    write_image("ship/2.png", 2, 2)
    assert scan_folder(str(tmp_path), train=True).classes == ("ship", "train")


def labelled(listing):
    """The label of each class's folder."""
    return {Path(path).parent.name: label for path, label in zip(listing.paths, listing.labels, strict=True)}


def test_folders_that_are_all_numbers_are_in_numeric_order(tmp_path, write_image):
    for name in range(12):
        write_image(f"digits/{name}/1.png", 2, 2)
    listing = scan_folder(str(tmp_path / "digits"), train=True)
    assert listing.classes == folder_names(str(tmp_path / "digits")) == tuple(map(str, range(12)))
    assert labelled(listing) == {str(number): number for number in range(12)}
    write_image("digits/ten/1.png", 2, 2)
    assert scan_folder(str(tmp_path / "digits"), train=True).classes[:4] == ("0", "1", "10", "11")


def test_folders_take_the_labels_of_given_classes(tmp_path, write_image):
    for name in ("ant", "cow"):
        write_image(f"{name}/1.png", 2, 2)
    listing = scan_folder(str(tmp_path), train=False, classes=["cow", "bee", "ant"])
    assert labelled(listing) == {"ant": 2, "cow": 0}
    assert listing.classes == ("cow", "bee", "ant")
    assert [path[-9:] for path in listing.paths] == ["cow/1.png", "ant/1.png"]
    with pytest.raises(NetdefError, match=r"has class ant; the weights were trained on classes bee, cow"):
        scan_folder(str(tmp_path), train=False, classes=["bee", "cow"])


def test_folders_without_images(tmp_path, write_image):
    with pytest.raises(NetdefError, match="one folder for each class"):
        scan_folder(str(tmp_path), train=True)
    write_image("loose.png", 2, 2)
    with pytest.raises(NetdefError, match="one folder for each class"):
        scan_folder(str(tmp_path), train=True)


def test_every_class_is_divided(write_list):
    listing = read_list(write_list(*(f"{label}-{n}.png {label}" for n in range(7) for label in (0, 1))))
    train, test = listing.divided(True, 3), listing.divided(False, 3)
    assert test.paths == [f"{label}-{n}.png" for n in (0, 3, 6) for label in (0, 1)]
    assert sorted(train.paths + test.paths) == sorted(listing.paths)
    assert test.labels == [0, 1] * 3 and len(train.labels) == 8


def test_too_few_to_divide(write_list):
    with pytest.raises(NetdefError, match="too few"):
        read_list(write_list("a.png 0", "b.png 1")).divided(False, 3)


def test_the_only_image_of_a_class_is_for_training(write_list):
    listing = read_list(write_list("a.png 0", "b.png 1", "c.png 1"))
    assert listing.divided(True, 3).paths == ["a.png", "c.png"]
    assert listing.divided(False, 3).paths == ["b.png"]
