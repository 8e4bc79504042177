"""Which classes a test confuses, and the wrong predictions that it is surest of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from runtime.solver.votes import Votes


@dataclass(frozen=True)
class Confusion:
    """The images of a test by their class (truth) and the class of the highest probability (guess), the lower among equals.

    Attributes
    ----------
    names: of the classes.
    """

    votes: Votes
    names: tuple[str, ...]

    @cached_property
    def guesses(self) -> NDArray[np.int64]:
        """One for each image, those that could not be read included."""
        return self.votes.probabilities.argmax(axis=1)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(truths, guesses): how many images."""
        found = np.zeros((len(self.names), len(self.names)), np.int64)
        seen = self.votes.seen
        np.add.at(found, (self.votes.labels[seen], self.guesses[seen]), 1)
        return found

    @property
    def right(self) -> int:
        return int(np.trace(self.counts))

    def accuracy(self, number: int) -> float | None:
        """The share of a class's images that are recognised; None for a class without images."""
        count = int(self.counts[number].sum())
        return int(self.counts[number, number]) / count if count else None

    def worst(self, most: int) -> list[tuple[int, int, int]]:
        """(truth, guess, images) of the cells with the most images beside the diagonal."""
        wrong = self.counts - np.diag(np.diag(self.counts))
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        cells = [divmod(int(index), len(self.names)) for index in order]
        return [(truth, guess, int(wrong[truth, guess])) for truth, guess in cells if wrong[truth, guess]]

    def in_cell(self, truth: int, guess: int) -> NDArray[np.int64]:
        """The images of a cell, those with the surest guess first."""
        index = np.flatnonzero(self.votes.seen & (self.votes.labels == truth) & (self.guesses == guess))
        return index[np.argsort(-self.sure(index), kind="stable")]

    @cached_property
    def mistakes(self) -> NDArray[np.int64]:
        """The images with a wrong guess, the surest first."""
        index = np.flatnonzero(self.votes.seen & (self.votes.labels != self.guesses))
        return index[np.argsort(-self.sure(index), kind="stable")]

    def sure(self, images: NDArray[np.int64]) -> NDArray[np.float32]:
        """The probability of the guess."""
        return self.votes.probabilities[images, self.guesses[images]]
