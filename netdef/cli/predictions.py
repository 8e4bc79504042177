"""The best classes of images, as text for people, JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from netdef.cli.labels import Classes

FORMATS = ("text", "json", "csv")
COLUMNS = ("image", "rank", "class", "name", "probability")


@dataclass(frozen=True)
class Guess:
    """A class of an image: its number, its name, and its probability."""

    number: int
    name: str
    probability: float


def best(row: np.ndarray, classes: Classes, count: int) -> list[Guess]:
    """The classes of the highest probabilities, highest first, the lower number first among equals."""
    order = (-row).argsort(kind="stable")[:count]
    return [Guess(int(index), classes.name(int(index)), float(row[index])) for index in order]


class Writer(Protocol):
    """Takes the classes of one image after the other."""

    def __call__(self, image: str, guesses: Sequence[Guess]) -> None: ...


@contextmanager
def writer(form: str) -> Iterator[Writer]:
    """What prints predictions in one of FORMATS; JSON is one array, printed at the end."""
    if form == "text":
        yield print_text
    elif form == "csv":
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(COLUMNS)
        yield lambda image, guesses: table.writerows(
            (image, rank, guess.number, guess.name, f"{guess.probability:.6g}") for rank, guess in enumerate(guesses, 1)
        )
    else:
        found: list[dict[str, Any]] = []
        yield lambda image, guesses: found.append({"image": image, "classes": list(map(described, guesses))})
        print(json.dumps(found, indent=1))


def print_text(image: str, guesses: Sequence[Guess]) -> None:
    print("\n".join([image, *(f"  {guess.probability:7.2%}  {guess.name}" for guess in guesses)]))


def described(guess: Guess) -> dict[str, Any]:
    return {"class": guess.number, "name": guess.name, "probability": guess.probability}
