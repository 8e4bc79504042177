"""The folders of tests are those of what they test: tests/A/test_X.py tests A/X.py, or A/X/, or it is listed here."""

from __future__ import annotations

from pathlib import Path

from tests.paths import ROOT, TESTS

ANYWHERE = {"goldens", "layers"}  # results of Caffe's, and a family's layers
# What else tests a folder as a whole, or what its modules do together.
WHOLE = {
    "": "imports mirror",
    "docs": "samples",
    "models": "zoo zoo_runs",
    "netdef": "learning_rate rate_range wrong_arguments",
    "netdef/check": "findings",
    "netdef/cli": "classes fold images set unused_options weights",
    "netdef/diff": "any_field any_nets unsized",
    "netdef/fmt": "command",
    "netdef/language": "any_input compact every_reader include positions replacing text_format",
    "netdef/layers": "any_layer arranging costs learned sources traits",
    "netdef/lsp": "answers any_text diagnostics",
    "netdef/schema": "descriptors",
    "netdef/weights": "commands damage",
    "runtime": "alexnet",
    "runtime/compiler/placement": (
        "cuts each_iteration full_size images same_numbers shares to_the_bit training transfers transposes"
    ),
    "runtime/data": "lowering open",
    "runtime/kernels/cuda": "against_cpu costs large nvrtc packs plans races references sanitizers",
    "runtime/machine": "failures full_disk",
    "runtime/machine/cuda": "commands costs fake_cupy fit iteration losses networks runs split surface",
    "runtime/ops": "gradients lowering",
    "runtime/ops/elementwise": "functions",
    "runtime/ops/loss": "infogain nan",
    "runtime/solver": "residual resume updates",
}


def names() -> dict[str, set[str]]:
    """The X of all test_X.py, by folder."""
    found: dict[str, set[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        folder = path.parent.relative_to(TESTS).as_posix().strip(".")
        found.setdefault(folder, set()).add(path.stem.removeprefix("test_"))
    return found


def exists(folder: Path, name: str) -> bool:
    """Whether a folder has a module or page of a name, or a folder."""
    return any(folder.glob(f"{name}.*")) or (folder / name).is_dir()


def test_every_folder_of_tests_is_one_of_the_tree() -> None:
    assert [folder for folder in names() if not (ROOT / folder).is_dir()] == []


def test_every_file_of_tests_has_its_counterpart_or_is_listed() -> None:
    alone = {folder: {name for name in found - ANYWHERE if not exists(ROOT / folder, name)} for folder, found in names().items()}
    assert {folder: found for folder, found in alone.items() if found} == {f: set(listed.split()) for f, listed in WHOLE.items()}
