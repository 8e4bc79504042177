"""Files that are written whole or not at all."""

import os
import stat
import threading

import pytest

from netdef import NetdefError
from netdef.language.writing import replacing_files, write_over


def test_a_new_file_has_usual_permissions(tmp_path):
    write_over(tmp_path / "new", "text")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == 0o666 & ~mask
    assert (tmp_path / "new").read_text() == "text"


def test_a_pipe_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_over(pipe, b"bytes")
    reader.join(10)
    assert read == [b"bytes"]
    assert stat.S_ISFIFO(os.stat(pipe).st_mode)


@pytest.mark.parametrize(("name", "said"), [("folder", "Is a directory"), ("no/where", "No such file or directory\n.*there is no")])
def test_unwritable_files_are_rejected(tmp_path, name, said):
    (tmp_path / "folder").mkdir()
    with pytest.raises(NetdefError, match=rf"cannot write .*{name}: {said}"):
        write_over(tmp_path / name, "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("there", [True, False])
def test_all_files_of_a_folder_or_none(tmp_path, there):
    folder = tmp_path / "deep" / "made"
    if there:
        folder.mkdir(parents=True)
        (folder / "a").write_text("old")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ZeroDivisionError), replacing_files(folder, ("a", "b")) as (a, b):
        a.write_text("new")
        b.write_text(str(1 / 0))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert folder.exists() == there
    with replacing_files(folder, ("a", "b")) as files:
        for file in files:
            file.write_text(file.name)
    assert {path.name for path in folder.iterdir()} == {"a", "b"}
    (folder / "b").unlink()
    (folder / "b").mkdir()
    with pytest.raises(NetdefError, match="Is a directory"), replacing_files(folder, ("a", "b")) as (a, _):
        a.write_text("newer")
    assert (folder / "a").read_text() != "newer"
