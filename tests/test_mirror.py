"""The folders of tests are those of what they test: tests/A/test_X.py tests A/X.py, A/X/, or the folder A as a whole."""

from __future__ import annotations

from tests.paths import ROOT, TESTS


def test_every_folder_of_tests_is_one_of_the_tree() -> None:
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    assert [str(folder) for folder in sorted(folders) if not (ROOT / folder).is_dir()] == []
    assert len(folders) > 20
