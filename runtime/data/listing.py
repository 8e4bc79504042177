"""The images of a data source, with their labels: from a list file, or from a folder with one folder for each class."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netdef.language.diagnostics import Diagnostic, NetdefError, Source
from netdef.language.foreign import holds_hdf5
from netdef.language.reach import refuse_listed
from netdef.language.units import plural
from runtime.data.classes import check_known, in_order
from runtime.data.texts import read_text_file

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
EXPECTED = "expected lines of 'path label'"
MOST_ERRORS = 20  # lines of a list that are shown
TEST_FOLDERS = ("test", "val", "validation")


@dataclass(frozen=True)
class Listing:
    """Images in order.

    Attributes
    ----------
    name: the list file or folder.
    paths, labels: one a sample. root: goes before each path.
    classes: a name for each label, or None.
    targets: of a list with several numbers for each image, float32 (N, K), in place of labels, which are 0.
    """

    name: str
    paths: list[str]
    labels: list[int]
    classes: tuple[str, ...] | None = None
    root: str = ""
    targets: NDArray[np.float32] | None = None

    def path(self, index: int) -> str:
        """The file of a sample."""
        return self.root + self.paths[index]

    def divided(self, train: bool, every: int) -> Listing:
        """The images for training, or those for testing: every `every`th of each class, its first included.

        The only image of a class is for training.

        Raises
        ------
        NetdefError: that leaves none.
        """
        seen: Counter[int] = Counter()
        count = Counter(self.labels)
        kept = []
        for index, label in enumerate(self.labels):
            held_out = seen[label] % every == 0 and count[label] > 1
            seen[label] += 1
            if held_out != train:
                kept.append(index)
        if not kept:
            raise NetdefError(
                f"{self.name} has too few images to keep one in {every} of each class for testing",
                hint="more are needed, or a folder that holds `train` and `test`",
            )
        targets = None if self.targets is None else self.targets[kept]
        return replace(self, paths=[self.paths[i] for i in kept], labels=[self.labels[i] for i in kept], targets=targets)


def read_list(path: str, root_folder: str = "", label_size: int = 0) -> Listing:
    """A list file: a path and a label on each line; the label is what follows the last blank.

    Parameters
    ----------
    root_folder: put before each path.  Without it a path starts at the current folder or else at the list's.
    label_size: 0 for a label that is an integer; else how many numbers follow the path of each image.

    Raises
    ------
    NetdefError: the file is missing, empty or not text; or lines lack labels, or have one that is no number (the first are
        reported).
    """
    if holds_hdf5(path):
        hint = f"HDF5Data layers read it; `netdef data convert {path} DATABASE` makes a database of its images"
        raise NetdefError(f"{path} is not a list of images: it is an HDF5 file", hint=hint)
    source = read_text_file(path, "a list of images", EXPECTED)
    paths: list[str] = []
    labels: list[int] = []
    targets = array("f")
    known: dict[str, int] = {}  # one object for each label, of which a list of a million lines has few
    errors: list[Diagnostic] = []
    wrong = 0
    for number, line in enumerate(_lines(source.text), 1):
        try:
            if label_size:
                name, *numbers = line.rsplit(None, label_size)
                targets.extend(_finite(numbers, label_size))
            else:
                name, label = line.rsplit(None, 1)
                if label not in known:
                    known[label] = int(label)
                labels.append(known[label])
            paths.append(name.strip())
        except ValueError:
            if not line or line.isspace():
                continue
            wrong += 1
            if len(errors) < MOST_ERRORS:
                errors.append(_error(source, number, line, label_size))
    if wrong > len(errors):
        errors.append(Diagnostic(f"{path} has {wrong:,} such lines in all"))
    if errors:
        raise NetdefError(errors)
    if not paths:
        raise NetdefError(f"{path} lists no images", hint=EXPECTED)
    root = f"{root_folder.rstrip('/')}/" if root_folder else _start(paths[0], path)
    refuse_listed(source, paths, (root + one for one in paths), root_folder and root)
    if not label_size:
        return Listing(path, paths, labels, root=root)
    numbers_of = np.frombuffer(targets, np.float32).reshape(len(paths), label_size)
    return Listing(path, paths, [0] * len(paths), root=root, targets=numbers_of)


def _lines(text: str) -> Iterator[str]:
    """The lines of a text one at a time: all of a long one at once would take twice its memory."""
    at = 0
    while (end := text.find("\n", at)) >= 0:
        yield text[at:end]
        at = end + 1
    yield text[at:]


def _finite(words: Sequence[str], count: int) -> list[float]:
    """The numbers in some words; raises ValueError."""
    numbers = [float(word) for word in words]
    if len(numbers) != count or not all(map(isfinite, numbers)):
        raise ValueError
    return numbers


def _error(source: Source, number: int, line: str, label_size: int) -> Diagnostic:
    """The diagnostic for a line without a path and an integer, or without so many numbers."""
    words = line.split()
    wrong = words[-1] if len(words) > 1 else line.strip()
    what, expected = "integer", "expected 'path label'"
    if label_size:
        what, expected = "finite number", f"expected a path and {plural(label_size, 'number')}, as label_size says"
        given = words[-label_size:] if len(words) > label_size else []
        wrong = next((word for word in given if not _is_finite(word)), line.strip())
    at = source.starts[number - 1] + line.rindex(wrong)
    lacks = wrong == line.strip()
    lacking = "a path without a label" if not label_size else f"a path without {plural(label_size, 'label')}"
    message = lacking if lacks else f"the label '{wrong}' is not {'an' if what == 'integer' else 'a'} {what}"
    return Diagnostic(message, source.position(at, at + len(wrong)), hint=expected)


def _is_finite(word: str) -> bool:
    try:
        return isfinite(float(word))
    except ValueError:
        return False


def _start(first: str, list_path: str) -> str:
    """The prefix of a list's paths: none, or the list's own folder where only that has the first image."""
    folder = os.path.join(os.path.dirname(list_path), "")
    return folder if not os.path.exists(first) and os.path.exists(folder + first) else ""


def scan_folder(path: str, train: bool, classes: Sequence[str] | None = None) -> Listing:
    """A folder with one folder for each class, labelled from 0 in the order of `in_order`.

    If it contains `train` and `test` (or `val`), each phase reads its own, and the classes are those of both.

    Parameters
    ----------
    classes: names of the labels; folders get their labels by these, not by their own order.

    Raises
    ------
    NetdefError: there are no class folders, or no images in them, or one has another name than `classes`.
    """
    roots = _roots(Path(path))
    names = _class_folders(roots.values())
    if classes is not None:
        check_known(names, classes, path)
    label_of = {name: label for label, name in enumerate(names if classes is None else classes)}
    paths, labels = [], []
    for name in sorted(names, key=label_of.__getitem__):
        images = images_below(roots[train] / name)
        paths += images
        labels += [label_of[name]] * len(images)
    if not paths:
        raise NetdefError(f"{roots[train]} holds no images", hint="expected one folder for each class, with images in it")
    return Listing(str(roots[train]), paths, labels, tuple(label_of))


def folder_names(path: str) -> tuple[str, ...]:
    """The names of a folder's classes in the order of their labels; the images in them are not looked at.

    Raises
    ------
    NetdefError: it cannot be read.
    """
    return _class_folders(_roots(Path(path)).values())


def _roots(root: Path) -> dict[bool, Path]:
    """The folder that holds the classes in training, and that in testing."""
    tests = [root / name for name in TEST_FOLDERS if (root / name).is_dir()]
    divided = bool(tests) and (root / "train").is_dir()
    return {True: root / "train", False: tests[0]} if divided else {True: root, False: root}


def _class_folders(roots: Iterable[Path]) -> tuple[str, ...]:
    """The names of the folders in some folders, in the order of their labels."""
    try:
        return in_order({entry.name for root in roots for entry in root.iterdir() if _is_class(entry)})
    except OSError as error:
        raise NetdefError(f"cannot read the folder {error.filename}: {error.strerror}") from None


def _is_class(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(".")


def images_below(folder: str | Path) -> list[str]:
    """All images below a folder, sorted."""
    found = (os.path.join(base, name) for base, _, names in os.walk(folder) for name in names)
    return sorted(path for path in found if os.path.splitext(path)[1].lower() in SUFFIXES)
