"""Which images there are: from a list file, or from a folder with one folder a class."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from netdef.language.diagnostics import Diagnostic, NetdefError, Source

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
TEST_FOLDERS = ("test", "val", "validation")


@dataclass(frozen=True)
class Listing:
    """Images in order.

    Attributes
    ----------
    name: the list file or folder.
    paths, labels: one a sample. root: goes before each path.
    classes: a name for each label, or None.
    """

    name: str
    paths: list[str]
    labels: list[int]
    classes: tuple[str, ...] | None = None
    root: str = ""

    def path(self, index: int) -> str:
        """The file of a sample."""
        return self.root + self.paths[index]

    def part(self, train: bool, every: int) -> Listing:
        """The training or the test part when every `every`th image of each class, its first included, is kept for testing.

        The only image of a class is for training.
        """
        seen: Counter[int] = Counter()
        in_all = Counter(self.labels)
        kept = []
        for index, label in enumerate(self.labels):
            held_out = seen[label] % every == 0 and in_all[label] > 1
            seen[label] += 1
            if held_out != train:
                kept.append(index)
        if not kept:
            raise NetdefError(
                f"{self.name} has too few images to keep one in {every} of each class for testing",
                hint="more are needed, or a folder that holds `train` and `test`",
            )
        return replace(self, paths=[self.paths[i] for i in kept], labels=[self.labels[i] for i in kept])


def read_list(path: str, root_folder: str = "") -> Listing:
    """A list file: a path and a label on each line; the label is what follows the last blank.

    Parameters
    ----------
    root_folder: put before each path.  Without it a path starts at the current folder or else at the list's.

    Raises
    ------
    NetdefError: the file is missing, empty or not text; or lines have no label or one that is no integer (all are told).
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise NetdefError(f"cannot read the list of images {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NetdefError(f"{path} is not a list of images: it is not text", hint="expected lines of 'path label'") from None
    source = Source(path, text)
    paths: list[str] = []
    labels: list[int] = []
    errors: list[Diagnostic] = []
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line or line.isspace():
            continue
        try:
            name, label = line.rsplit(None, 1)
            labels.append(int(label))
            paths.append(name.strip())
        except ValueError:
            errors.append(_error(source, number, line))
    if errors:
        raise NetdefError(errors)
    if not paths:
        raise NetdefError(f"{path} lists no images", hint="expected lines of 'path label'")
    return Listing(path, paths, labels, root=f"{root_folder.rstrip('/')}/" if root_folder else _start(paths[0], path))


def _error(source: Source, number: int, line: str) -> Diagnostic:
    """What is wrong with a line of a list."""
    words = line.split()
    wrong = words[-1] if len(words) > 1 else line.strip()
    at = source.starts[number - 1] + line.rindex(wrong)
    message = f"the label '{wrong}' is not an integer" if len(words) > 1 else "a path without a label"
    return Diagnostic(message, source.position(at, at + len(wrong)), hint="expected 'path label'")


def _start(first: str, list_path: str) -> str:
    """What goes before the paths of a list: nothing, or the list's own folder if its first image is only there."""
    beside = os.path.join(os.path.dirname(list_path), "")
    return beside if not os.path.exists(first) and os.path.exists(beside + first) else ""


def scan_folder(path: str, train: bool) -> Listing:
    """A folder with one folder a class, labelled from 0 in the order of their names.

    If it holds `train` beside `test` (or `val`), each phase takes its own, and the classes are those of both.

    Raises
    ------
    NetdefError: there are no class folders, or no images in them.
    """
    root = Path(path)
    roots = {True: root, False: root}
    tests = [root / name for name in TEST_FOLDERS if (root / name).is_dir()]
    if tests and (root / "train").is_dir():
        roots = {True: root / "train", False: tests[0]}
    classes = sorted({entry.name for folder in roots.values() for entry in folder.iterdir() if _is_class(entry)})
    paths, labels = [], []
    for label, name in enumerate(classes):
        images = _images(roots[train] / name)
        paths += images
        labels += [label] * len(images)
    if not paths:
        raise NetdefError(f"{roots[train]} holds no images", hint="expected one folder a class, with the images in it")
    return Listing(str(roots[train]), paths, labels, tuple(classes))


def _is_class(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(".")


def _images(folder: Path) -> list[str]:
    """All images below a folder, sorted."""
    found = (os.path.join(base, name) for base, _, names in os.walk(folder) for name in names)
    return sorted(path for path in found if os.path.splitext(path)[1].lower() in SUFFIXES)
