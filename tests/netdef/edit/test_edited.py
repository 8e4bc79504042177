"""The file that is edited: where it is saved, and that nothing of it is lost."""

from pathlib import Path

import pytest

from netdef.edit.edited import NEW, ChangedError, edited
from netdef.language.diagnostics import NetdefError


def test_a_saved_text_is_the_file(file):
    found = edited(file("name: 'x'\n"))
    before = found.on_disk()
    after = found.save("name: 'y'\n", before.digest)
    assert Path("x.net").read_text() == "name: 'y'\n"
    assert found.on_disk().digest == after != before.digest
    assert [path.name for path in Path().iterdir()] == ["x.net"]


def test_a_file_that_changed_meanwhile_is_kept_until_it_may_be_replaced(file):
    found = edited(file("name: 'x'\n"))
    seen = found.on_disk().digest
    Path("x.net").write_text("name: 'other'\n")
    with pytest.raises(ChangedError, match=r"x\.net has changed on disk"):
        found.save("name: 'mine'\n", seen)
    assert Path("x.net").read_text() == "name: 'other'\n"
    found.save("name: 'mine'\n", None)
    assert Path("x.net").read_text() == "name: 'mine'\n"


def test_a_file_that_is_gone_or_new_has_changed_too(file):
    found = edited(file("name: 'x'\n"))
    seen = found.on_disk().digest
    Path("x.net").unlink()
    with pytest.raises(ChangedError):
        found.save("name: 'y'\n", seen)
    assert found.on_disk().digest == NEW


def test_line_ends_and_the_mark_of_utf8_stay(file):
    name = file("")
    Path(name).write_bytes("\ufeffname: 'x'\r\n# é\r\n".encode())
    found = edited(name)
    assert found.on_disk().text == "name: 'x'\n# é\n"
    found.save("name: 'y'\n# é\n", found.on_disk().digest)
    assert Path(name).read_bytes() == "\ufeffname: 'y'\r\n# é\r\n".encode()


@pytest.mark.parametrize(
    ("before", "text", "after"),
    [
        ("a\r\nb\r\nc\n", "a\nb\nc\n", "a\r\nb\r\nc\n"),
        ("a\r\nb\nc\rd\n", "a\nx\ny\nd\n", "a\r\nx\r\ny\r\nd\n"),
        ("a\nb\r\nc\r\n", "x\nb\nc\n", "x\nb\r\nc\r\n"),
        ("a\r\nb", "a\nb\nc\n", "a\r\nb\r\nc\r\n"),
        ("a\r\na\n", "a\na\na\n", "a\r\na\na\n"),
        ("a\r\n", "", ""),
        ("", "a\nb", "a\nb"),
    ],
)
def test_each_line_keeps_its_own_end(before, text, after, file):
    name = file("")
    Path(name).write_bytes(before.encode())
    edited(name).save(text, None)
    assert Path(name).read_bytes() == after.encode()


def test_a_save_of_what_the_file_has_is_no_change(file):
    found = edited(file("name: 'x'\n"))
    seen = found.on_disk().digest
    after = found.save("name: 'y'\n", seen)
    assert found.save("name: 'y'\n", seen) == after


def test_half_a_character_is_not_written(file):
    found = edited(file("name: 'x'\n"))
    with pytest.raises(NetdefError, match="half a character"):
        found.save("name: '\ud800'\n", None)
    assert Path("x.net").read_text() == "name: 'x'\n"


def test_a_model_is_saved_beside_and_not_in_the_package(file, tmp_path):
    file("", "other.txt")
    found = edited("lenet")
    assert (found.path, found.on_disk().digest) == (Path("lenet.net"), NEW)
    assert 'name: "LeNet"' in found.opened().text
    found.save("name: 'mine'\n", NEW)
    assert found.opened().text == "name: 'mine'\n"
    with pytest.raises(NetdefError, match=r"a file lenet\.net is here"):
        edited("lenet")


@pytest.mark.parametrize(
    ("name", "out", "error"),
    [
        ("y.net", None, r"there is no file y\.net\n    did you mean x\.net"),
        ("other.prototxt", None, r"touch other\.prototxt makes an empty one"),
        ("x.net", "x.caffemodel.net", r"already"),
        ("x.net", "no/x.net", "there is no folder no"),
        ("w.caffemodel", None, "is binary"),
        ("run", None, r"netdef edit run -o variant\.net"),
        ("latin.net", None, "not UTF-8"),
    ],
)
def test_what_cannot_be_edited_is_said_at_once(file, name, out, error):
    file("name: 'x'\n")
    file("", "w.caffemodel")
    file("", "x.caffemodel.net")
    Path("run").mkdir()
    Path("run/net.net").write_text("name: 'x'\n")
    Path("latin.net").write_bytes(b"# \xe9\n")
    with pytest.raises(NetdefError, match=error):
        edited(name, out)
