"""`netdef test -o`: which classes are confused, on the terminal, as a page and as a table of predictions."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from netdef.cli.labels import Classes
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural
from netdef.language.writing import write_over

if TYPE_CHECKING:
    from runtime.data.album import Album
    from runtime.pictures.confusion import Confusion
    from runtime.solver.votes import Votes

PAGES, TABLES = (".html", ".htm"), (".csv",)
WORST = 5  # confusions on the terminal
COLUMNS = ("image", "truth", "truth_name", "guess", "guess_name", "probability", "truth_probability")


@dataclass
class Subject:
    """What was tested, in words.

    numbers: what the terminal says, by name.
    """

    net: str
    weights: Sequence[str]
    numbers: dict[str, str] = field(default_factory=dict)


def check_outputs(paths: Sequence[str], iterations: int | None) -> None:
    """Check what -o names before the test runs.

    Raises
    ------
    NetdefError: a file ends in another way or cannot be written, or the test is not over all images.
    """
    for path in paths:
        if Path(path).suffix.lower() not in (*PAGES, *TABLES):
            raise NetdefError(f"{path}: a report is a .html, a table of predictions a .csv")
        if not os.path.isdir(Path(path).absolute().parent):
            raise NetdefError(f"cannot write {path}", hint=f"there is no folder {Path(path).parent}")
    if paths and iterations is not None:
        raise NetdefError("a report is of all images: --iterations has no place in it", hint="leave --iterations out")


def report_files(paths: Sequence[str], votes: Votes, album: Album, names: Sequence[str], subject: Subject) -> list[str]:
    """Write the files of -o; returns lines about the worst confusions and the files.

    Parameters
    ----------
    names: of the classes that the weights were trained with, where they say so.
    """
    from runtime.data.texts import printable
    from runtime.pictures.confusion import Confusion
    from runtime.pictures.report_page import Report, render

    count = votes.probabilities.shape[1]
    origin = album.samples.name if album.classes else f"the run of {subject.weights[-1]}"
    classes = Classes(tuple(printable(name) for name in album.classes or names), printable(origin))
    classes.check_count(count, f"{subject.net} has")
    confusion = Confusion(votes, tuple(map(classes.name, range(count))))
    texts = {path: Path(path).suffix.lower() in PAGES for path in dict.fromkeys(paths)}
    subtitle = f"weights of {' and '.join(map(str, subject.weights))}"
    for path, is_page in texts.items():
        page = Report(f"Test of {subject.net}", subtitle, subject.numbers, confusion, album)
        write_over(path, render(page) if is_page else table(confusion, album))
    return [*worst_lines(confusion), *ignored_lines(votes), *(f"{path}: {plural(votes.images, 'image')}" for path in texts)]


def ignored_lines(votes: Votes) -> list[str]:
    """How many images count in nothing, where there are some."""
    return [f"{plural(votes.ignored, 'image')} left out: their label is one that the net ignores"] if votes.ignored else []


def worst_lines(confusion: Confusion) -> list[str]:
    """The cells with the most images that are wrong, a line each."""
    found = confusion.worst(WORST)
    if not found:
        return ["no image is taken for another class"]
    names, counts = confusion.names, confusion.counts
    lines = []
    for truth, guess, count in found:
        total = int(counts[truth].sum())
        lines.append(f"  {count:5,} of {total:5,} ({count / total:.1%})  {names[truth]} taken for {names[guess]}")
    return ["worst confusions:", *lines]


def table(confusion: Confusion, album: Album) -> str:
    """A line for each image that could be read, in the order of the data."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    votes, names = confusion.votes, confusion.names
    for index in votes.seen.nonzero()[0]:
        truth, guess = int(votes.labels[index]), int(confusion.guesses[index])
        row = votes.probabilities[index]
        shares = f"{row[guess]:.6g}", f"{row[truth]:.6g}"
        writer.writerow((album.title(int(index)), truth, names[truth], guess, names[guess], *shares))
    return text.getvalue()
