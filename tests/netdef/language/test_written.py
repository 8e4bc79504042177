"""The entries of the texts that netdef wrote."""

import os

from netdef.language import written


def test_the_newest_entries_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(written, "KEPT", 2)
    texts = [tmp_path / f"{number}.net" for number in range(4)]
    for number, text in enumerate(texts):
        text.write_text("")
        written.note_written(text)
        os.utime(written._entry(text), (number, number))
    assert [written.is_written(text) for text in texts] == [False, False, True, True]


def test_a_relative_cache_folder_is_not_used(tmp_path, monkeypatch):
    """It could come with the texts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "a.net").write_text("")
    written.note_written("a.net")
    assert written.is_written("a.net") and not (tmp_path / "cache").exists()
