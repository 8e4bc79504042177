"""Probabilities of each test image, averaged over several views of it and over several nets, and the errors that they make."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netdef.language.diagnostics import NetdefError
from runtime.data.source import Batch
from runtime.solver.results import NotFiniteError
from runtime.solver.testing import sizes_of_pass

if TYPE_CHECKING:
    from runtime.machine.executable import Executable


@dataclass
class Votes:
    """What a net says of all test images.

    Attributes
    ----------
    probabilities: float32 (images, classes), means over the views of an image.  labels: int64 (images,).
    seen: whether an image could be read.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    seen: NDArray[np.bool_]

    def errors(self, most: int) -> float:
        """The share of images whose label is not among the `most` highest; equal ones count against it, as in Accuracy."""
        rows, labels = self.probabilities[self.seen], self.labels[self.seen]
        own = rows[np.arange(len(rows)), labels]
        return float(((rows >= own[:, None]).sum(axis=1) > most).mean())

    @property
    def images(self) -> int:
        return int(self.seen.sum())


def votes_of(
    executable: Executable,
    scores: str,
    are_probabilities: bool,
    views: int = 1,
    on_batch: Callable[[int], None] = lambda done: None,
) -> Votes:
    """Run a net once over all views of the images of its data source.

    Parameters
    ----------
    scores: the blob with a score for each class.  are_probabilities: else softmax makes them so.
    views: of each image, one after the other in the source.

    Raises
    ------
    NotFiniteError: a score is not finite.
    NetdefError: the net has several sources, or a row of scores belongs to no image.
    """
    if len(executable.sources) != 1:
        raise NetdefError(f"{executable.net.filename} has {len(executable.sources)} data sources: votes are of the images of one")
    ((name, source),) = executable.sources.items()
    count = source.size // views
    classes = executable.net.blobs[scores].shape[1]
    sums = np.zeros((count, classes), np.float32)
    labels, seen = np.zeros(count, np.int64), np.zeros(count, np.int64)
    with closing(sizes_of_pass(executable)) as sizes:
        for done, (images, batch) in enumerate(sizes):
            taken = executable.sources.taken(name)
            if not isinstance(taken, Batch) or taken.labels.ndim != 1:
                raise NetdefError(f"layer {name} gives no images with a label each: there is nothing to vote on")
            index = taken.positions[:images] // views
            labels[index] = check_classes(taken.labels[:images].astype(np.int64), classes, executable)
            executable.run_forward(done)
            rows = executable.blob(scores)
            if len(rows) != batch:
                raise NetdefError(f"{scores} has {len(rows)} rows of scores for {batch} images: whose they are is not known")
            rows = rows[:images].reshape(images, classes, -1).mean(axis=2, dtype=np.float64)
            if not np.isfinite(rows).all():
                first = executable.first_non_finite()
                where = f": the first output that is not finite is of {first}" if first else ""
                raise NotFiniteError(f"{scores} is not finite in batch {done + 1} of the test{where}")
            np.add.at(sums, index, (rows if are_probabilities else softmax(rows)).astype(np.float32))
            np.add.at(seen, index, 1)
            on_batch(done + 1)
    mean = (sums / np.maximum(seen, 1)[:, None]).astype(np.float32)
    return Votes(mean, labels, seen > 0)


def check_classes(labels: NDArray[np.int64], classes: int, executable: Executable) -> NDArray[np.int64]:
    """The labels, all of which are classes.

    Raises
    ------
    NetdefError: one is not.
    """
    wrong = labels[(labels < 0) | (labels >= classes)]
    if wrong.size:
        raise NetdefError(
            f"{executable.net.filename} has {classes} classes, and its data label {wrong[0]}", hint="labels count from 0"
        )
    return labels


def softmax(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(x) / sum(exp(x)) along each row."""
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def together(votes: list[Votes]) -> Votes:
    """The mean of what several nets say of the same images.

    Raises
    ------
    NetdefError: they are not the same images, or have other classes.
    """
    first = votes[0]
    for other in votes[1:]:
        if other.probabilities.shape != first.probabilities.shape or not np.array_equal(other.labels, first.labels):
            raise NetdefError(
                f"the nets test on other images: {first.images:,} of {first.probabilities.shape[1]} classes and "
                f"{other.images:,} of {other.probabilities.shape[1]}",
                hint="--data SOURCE gives all of them the same",
            )
    total = first.probabilities.copy()
    for other in votes[1:]:
        total += other.probabilities
    return Votes(total / np.float32(len(votes)), first.labels, np.logical_and.reduce([vote.seen for vote in votes]))
