"""R-CNN's window file: images, and windows around proposed objects in each of them.

    # 0
    path
    channels
    height
    width
    number of windows
    class overlap x1 y1 x2 y2         a line for each window; its last column and row are x2 and y2

and so on for each image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from netdef.language.diagnostics import Diagnostic, NetdefError, Source
from netdef.language.reach import refuse_listed
from runtime.data.texts import read_text_file

EXPECTED = "expected '# 0', and on lines of their own a path, channels, height, width, the number of windows, and each window"
COLUMNS = 6  # of a window
MOST_DIGITS = 9  # of a size or a count
LABEL, OVERLAP, X1, Y1, X2, Y2 = range(COLUMNS)


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of images: of each which image, its class, and its box (x1, y1, x2, y2), all int64."""

    images: NDArray[np.int64]
    labels: NDArray[np.int64]
    boxes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class WindowFile:
    """The paths of a file's images; the windows that are objects, and those that are background, whose class is 0."""

    path: str
    paths: list[str]
    objects: Windows
    background: Windows


def read_windows(path: str, root_folder: str, fg_threshold: float, bg_threshold: float) -> WindowFile:
    """Read a window file.

    Parameters
    ----------
    root_folder: put before each path.
    fg_threshold: a window that overlaps an object at least this much is one.  bg_threshold: of the others, those that overlap less
        are background.

    Raises
    ------
    NetdefError: a line is wrong (the first is named), a window is not within its image, or an object has class 0 or less.
    """
    source = read_text_file(path, "a window file", EXPECTED)
    lines = _Lines(source)
    paths: list[str] = []  # as they stand there
    found: list[NDArray[np.float64]] = []
    counts: list[int] = []
    while (word := lines.next()) is not None:
        if word.replace(" ", "") != f"#{len(paths)}":
            lines.fail(f"expected '# {len(paths)}'")
        paths.append(lines.text("a path"))
        _, height, width, count = (lines.number(what) for what in ("channels", "a height", "a width", "a number of windows"))
        found.append(lines.windows(count, height, width, fg_threshold))
        counts.append(count)
    if not paths:
        raise NetdefError(f"{path} lists no images", hint=EXPECTED)
    whole = [root_folder + one for one in paths]
    refuse_listed(source, paths, whole, root_folder)
    table, images = np.concatenate(found), np.repeat(np.arange(len(paths)), counts)
    objects = table[:, OVERLAP] >= fg_threshold
    background = ~objects & (table[:, OVERLAP] < bg_threshold)
    return WindowFile(path, whole, _chosen(table, images, objects), _chosen(table, images, background, 0))


def _chosen(table: NDArray[np.float64], images: NDArray[np.int64], which: NDArray[np.bool_], label: int | None = None) -> Windows:
    rows = table[which].astype(np.int64)
    labels = rows[:, LABEL] if label is None else np.full(len(rows), label)
    return Windows(images[which], labels, rows[:, X1:])


class _Lines:
    """The lines of a window file that are not empty, in turn."""

    def __init__(self, source: Source):
        self._source = source
        self._lines: Iterator[tuple[int, str]] = ((n, line) for n, line in enumerate(source.text.split("\n"), 1) if line.strip())
        self._number, self._line = 1, ""

    def next(self) -> str | None:
        """The next line; None after the last."""
        number, line = next(self._lines, (self._number, None))
        self._number, self._line = number, line or ""
        return None if line is None else line.strip()

    def text(self, what: str) -> str:
        line = self.next()
        if line is None:
            self.fail(f"the file ends where {what} is expected")
        return line

    def number(self, what: str) -> int:
        line = self.text(what)
        if not (line.isascii() and line.isdecimal() and len(line) <= MOST_DIGITS):
            self.fail(f"'{line}' is not {what}")
        return int(line)

    def windows(self, count: int, height: int, width: int, fg_threshold: float) -> NDArray[np.float64]:
        """So many windows, (count, 6)."""
        rows: list[list[float]] = []  # the count may be more than there are
        for _ in range(count):
            words = self.text("a window").split()
            try:
                label, overlap, x1, y1, x2, y2 = row = [float(word) for word in words]
            except ValueError:
                self.fail("not a window: class overlap x1 y1 x2 y2")
            rows.append(row)
            if not (0 <= x1 <= x2 < width and 0 <= y1 <= y2 < height):
                self.fail(f"a window that is not within its image, {height} x {width}")
            if overlap >= fg_threshold and label < 1:
                self.fail("an object of class 0, which is the background's")
        return np.array(rows).reshape(-1, COLUMNS)

    def fail(self, message: str) -> NoReturn:
        start = self._source.starts[self._number - 1]
        raise NetdefError([Diagnostic(message, self._source.position(start, start + max(1, len(self._line))), hint=EXPECTED)])
