"""The page of `netdef test -o`: the confusion matrix, accuracy by class, and the mistakes that the net was surest of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from netdef.language.html_page import figure, page
from netdef.language.units import plural, thousands
from runtime.data.album import Album
from runtime.data.thumbnails import data_uri, thumbnail
from runtime.pictures.confusion import Confusion

FOLDER = Path(__file__).parent
MOST_CLASSES = 40  # rows of the matrix
MOST_LISTED = 100  # images of a cell
MOST_MISTAKES = 60  # thumbnails in the section of mistakes
MOST_PICTURES = 300  # thumbnails on the page
SIDE = 84  # pixels of a thumbnail


@dataclass(frozen=True)
class Report:
    """What a test found.

    Attributes
    ----------
    title, subtitle: of the page.  numbers: texts by their names, as the terminal has them.
    """

    title: str
    subtitle: str
    numbers: Mapping[str, str]
    confusion: Confusion
    album: Album


def render(report: Report) -> str:
    """The HTML of the page."""
    style, script = ((FOLDER / f"report.{ending}").read_text(encoding="utf-8") for ending in ("css", "js"))
    confusion = report.confusion
    pictures = thumbnails(report)
    shown = classes_shown(confusion)
    body = [
        "<main>",
        f"<section><h2>Results</h2><table>{''.join(_numbers(report))}</table></section>",
        _matrix(confusion, shown),
        _classes(confusion),
        _mistakes(report, pictures),
        "</main>",
    ]
    data = {"cells": cells(report, shown, pictures), "pictures": pictures}
    return page(report.title, body, subtitle=report.subtitle, style=style, script=script, data=data)


def thumbnails(report: Report) -> dict[int, str]:
    """The surest mistakes by their index, as a page holds them; those that cannot be read any more are left out."""
    found = {}
    for index in map(int, report.confusion.mistakes[:MOST_PICTURES]):
        image = report.album.picture(index)
        if image is not None:
            found[index] = data_uri(thumbnail(image, SIDE), photograph=max(image.size) > SIDE)
    return found


def classes_shown(confusion: Confusion) -> list[int]:
    """The classes that the matrix has: all, or of many those that are most often confused, in the order of their numbers."""
    counts = confusion.counts
    if len(counts) <= MOST_CLASSES:
        return list(range(len(counts)))
    wrong = counts - np.diag(np.diag(counts))
    involved = wrong.sum(axis=0) + wrong.sum(axis=1)
    return sorted(int(number) for number in np.argsort(-involved, kind="stable")[:MOST_CLASSES])


def cells(report: Report, shown: Sequence[int], pictures: Mapping[int, str]) -> dict[str, Any]:
    """The images of each cell of the matrix by "truth,guess": [title, probability of the guess, index of the thumbnail or -1]."""
    confusion, found = report.confusion, {}
    for truth in shown:
        for guess in shown:
            if not confusion.counts[truth, guess]:
                continue
            index = confusion.in_cell(truth, guess)[:MOST_LISTED]
            found[f"{truth},{guess}"] = [
                [report.album.title(int(image)), round(float(sure), 4), int(image) if int(image) in pictures else -1]
                for image, sure in zip(index, confusion.sure(index), strict=True)
            ]
    return found


def _numbers(report: Report) -> Iterator[str]:
    votes = report.confusion.votes
    unread = len(votes.seen) - votes.images - votes.ignored
    counted = {"images": thousands(votes.images), "right": thousands(report.confusion.right)}
    if votes.ignored:
        counted["with a label that the net ignores"] = thousands(votes.ignored)
    if unread:
        counted["could not be read"] = thousands(unread)
    for name, value in {**report.numbers, **counted}.items():
        yield f'<tr><th>{escape(name)}</th><td class="n">{escape(value)}</td></tr>'


def _matrix(confusion: Confusion, shown: Sequence[int]) -> str:
    counts, names = confusion.counts, confusion.names
    head = "".join(
        f'<th scope="col" title="{escape(names[guess], quote=True)}"><span>{escape(names[guess])}</span></th>' for guess in shown
    )
    rows = []
    for truth in shown:
        total = max(1, int(counts[truth].sum()))
        row = "".join(_cell(names, truth, guess, int(counts[truth, guess]), total) for guess in shown)
        rows.append(f"<tr>{_row_head(names[truth])}{row}</tr>")
    note = "A row for each class, a column for what its images are taken for. A cell lists its images."
    if len(shown) < len(names):
        note += f" Of {thousands(len(names))} classes, the {len(shown)} that are most often confused."
    return (
        f'<section><h2>Confusion matrix</h2><p class="note">{note}</p>'
        f'<div class="scroll"><table id="matrix"><tr><td></td>{head}</tr>{"".join(rows)}</table></div>'
        '<div id="cell" hidden aria-live="polite"><h3></h3><div class="row"></div><p class="note"></p></div></section>'
    )


def _row_head(name: str) -> str:
    return f'<th scope="row" title="{escape(name, quote=True)}">{escape(name)}</th>'


def _cell(names: Sequence[str], truth: int, guess: int, count: int, total: int) -> str:
    if not count:
        return "<td></td>"
    says = f"{names[truth]} taken for {names[guess]}: {count} of {total} ({count / total:.1%})"
    kind = "right" if truth == guess else "wrong"
    return (
        f'<td><button class="{kind}" style="--share:{count / total:.3f}" data-cell="{truth},{guess}" data-count="{count}"'
        f' title="{escape(says, quote=True)}" aria-label="{escape(says, quote=True)}">{count}</button></td>'
    )


def _classes(confusion: Confusion) -> str:
    rows = []
    order = sorted(range(len(confusion.names)), key=lambda number: (confusion.accuracy(number) is None, confusion.accuracy(number)))
    for number in order:
        accuracy, count = confusion.accuracy(number), int(confusion.counts[number].sum())
        share = "no images" if accuracy is None else f"{accuracy:.1%}"
        bar = "<i></i>" if accuracy is None else f'<i style="--share:{100 * accuracy:.1f}%"></i>'
        rows.append(
            f"<b>{escape(confusion.names[number])}</b>{bar}<span>{share} of {count}</span>"
            if count
            else f"<b>{escape(confusion.names[number])}</b>{bar}<span>{share}</span>"
        )
    return f'<section><h2>Accuracy by class</h2><div class="bars">{"".join(rows)}</div></section>'


def _mistakes(report: Report, pictures: Mapping[int, str]) -> str:
    confusion = report.confusion
    if not len(confusion.mistakes):
        return '<section><h2>Surest mistakes</h2><p class="note">There are none.</p></section>'
    shown = [image for image in map(int, confusion.mistakes) if image in pictures][:MOST_MISTAKES]
    figures, lines = [], []
    for image in shown or map(int, confusion.mistakes[:MOST_MISTAKES]):
        truth, guess = confusion.names[confusion.votes.labels[image]], confusion.names[confusion.guesses[image]]
        sure = float(confusion.votes.probabilities[image, confusion.guesses[image]])
        caption = f"{truth} taken for {guess}, {sure:.1%}"
        if image not in pictures:
            lines.append(f"<tr><th>{escape(report.album.title(image))}</th><td>{escape(caption)}</td></tr>")
            continue
        figures.append(figure(pictures[image], caption, alt=f"{report.album.title(image)}: {caption}", class_="pixels"))
    note = f"{plural(len(confusion.mistakes), 'mistake')} in all."
    head = f'<section><h2>Surest mistakes</h2><p class="note">{note}</p>'
    if lines:  # of data without pictures
        return f"{head}<table>{''.join(lines)}</table></section>"
    return f'{head}<div class="row mistakes">{"".join(figures)}</div></section>'
