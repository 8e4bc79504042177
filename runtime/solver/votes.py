"""Probabilities of each test image, averaged over several views of it and over several nets, and the errors that they make."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netdef.language.diagnostics import NetdefError
from runtime.data.rows import RowBatch, field_of
from runtime.data.source import Batch
from runtime.machine.non_finite import with_origin
from runtime.solver.counted import rearranged
from runtime.solver.results import NotFiniteError
from runtime.solver.testing import sizes_of_pass

if TYPE_CHECKING:
    from netdef.graph.layer import Blob, Layer
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable


@dataclass
class Votes:
    """What a net says of all test images.

    Attributes
    ----------
    probabilities: float32 (images, classes), means over the views of an image.  labels: int64 (images,).
    seen: whether an image could be read and has a label that counts.  ignored: how many have a label that the net ignores.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    seen: NDArray[np.bool_]
    ignored: int = 0

    def errors(self, most: int) -> float:
        """The share of images whose label is not among the `most` highest; equal ones count against it, as in Accuracy."""
        rows, labels = self.probabilities[self.seen], self.labels[self.seen]
        own = rows[np.arange(len(rows)), labels]
        return float(((rows >= own[:, None]).sum(axis=1) > most).mean()) if len(rows) else float("nan")

    @property
    def images(self) -> int:
        return int(self.seen.sum())


class Collector:
    """Gathers what a net says of the images of its data source, in a pass over them.

    Parameters
    ----------
    scores: the blob with a score for each class.  are_probabilities: else softmax makes them so.
    views: of each image, one after the other in the source.

    Raises
    ------
    NetdefError: the net has several sources, or one that gives no images with a label each.
    """

    def __init__(self, executable: Executable, scores: str, are_probabilities: bool, views: int = 1):
        sources = executable.sources
        if len(sources) != 1:
            raise NetdefError(f"{executable.net.filename} has {len(sources)} data sources: votes are of the images of one")
        ((self._name, source),) = sources.items()
        count = source.size // views
        self._classes = executable.net.blobs[scores].shape[1]
        self._executable, self._scores, self._are_probabilities, self._views = executable, scores, are_probabilities, views
        self._sums = np.zeros((count, self._classes), np.float32)
        self._labels, self._seen = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self._ignored, self._left_out = ignored_labels(executable.net), np.zeros(count, np.bool_)
        self._index = np.zeros(0, np.int64)
        self._batches = 0

    def before(self) -> None:
        """Note which images the next run takes; to be called once the net has the size of the batch.

        Raises
        ------
        NetdefError: the source gives no labels, one that is no class, or several of which it is not known whose they are.
        """
        executable = self._executable
        source, taken = executable.sources[self._name], executable.sources.taken(self._name)
        given = labels_in(taken, self.layer, executable.net.blobs[self._scores], executable.net)
        if given is None:
            raise NetdefError(f"layer {self._name} gives no images with a label each: votes and reports are of such")
        images = int((taken.positions < source.size).sum())
        self._index = taken.positions[:images] // self._views
        labels = given[:images].astype(np.int64)
        self._left_out[self._index] = left_out = np.isin(labels, self._ignored)
        check_classes(labels[~left_out], self._classes, executable)
        self._labels[self._index] = np.where(left_out, 0, labels)

    def after(self) -> None:
        """Add the scores of that run.

        Raises
        ------
        NotFiniteError: one is not finite.
        NetdefError: a row of scores belongs to no image.
        """
        executable, images, scores = self._executable, len(self._index), self._scores
        rows, batch = executable.blob(scores), executable.net.batch
        self._batches += 1
        if len(rows) != batch:
            raise NetdefError(f"{scores} has {len(rows)} rows of scores for {batch} images: whose they are is not known")
        rows = rows[:images].reshape(images, self._classes, -1).mean(axis=2, dtype=np.float64)
        if not np.isfinite(rows).all():
            raise NotFiniteError(with_origin(f"{scores} is not finite in batch {self._batches} of the test", executable))
        np.add.at(self._sums, self._index, (rows if self._are_probabilities else softmax(rows)).astype(np.float32))
        np.add.at(self._seen, self._index, 1)

    @property
    def layer(self) -> Layer:
        """The data layer that has the images."""
        return self._executable.net.layer(self._name)

    @property
    def votes(self) -> Votes:
        mean = (self._sums / np.maximum(self._seen, 1)[:, None]).astype(np.float32)
        return Votes(mean, self._labels, (self._seen > 0) & ~self._left_out, int(self._left_out.sum()))


def labels_in(batch: Any, layer: Layer, scores: Blob, net: Net) -> NDArray[np.float32] | None:
    """The label of each sample of a batch; None where its source gives none, or several each.

    Of rows of arrays, the labels are what a layer compares with the scores, or else the only ones that any layer reads.

    Raises
    ------
    NetdefError: these are several, or something else.
    """
    if isinstance(batch, Batch):
        return batch.labels if batch.labels.ndim == 1 else None
    if not isinstance(batch, RowBatch):
        return None
    arrays = {top: batch.arrays[field_of(number)] for number, top in enumerate(layer.tops)}
    single = {top: array.reshape(-1) for top, array in arrays.items() if array.size == len(array)}
    made_of = scores.producer.bottoms[:1] if scores.producer.gives_probabilities else ()
    read = {reader: rearranged(reader.bottoms[reader.label_bottom]) for reader in net.layers if reader.reads_labels}
    compared = [labels for reader, labels in read.items() if reader.bottoms[0] in (scores, *made_of)]
    own = set(compared) or {top for top in single if top in read.values()}
    if not own or own <= arrays.keys() - single.keys():
        return None
    if len(own) == 1 and own <= single.keys():
        return single[own.pop()]
    names = " and ".join(sorted(map(str, own)))
    raise NetdefError(
        f"the labels of {scores} are not known: it is compared with {names if compared else f'none of {names}'}",
        hint=f"use a copy of the net that compares {scores} with one label that {layer} gives",
    )


def votes_of(
    executable: Executable,
    scores: str,
    are_probabilities: bool,
    views: int = 1,
    on_batch: Callable[[int], None] = lambda done: None,
) -> Votes:
    """Run a net once over all views of the images of its data source; parameters and errors as of `Collector`."""
    collector = Collector(executable, scores, are_probabilities, views)
    with closing(sizes_of_pass(executable)) as sizes:
        for done, _ in enumerate(sizes):
            collector.before()
            executable.run_forward(done)
            collector.after()
            on_batch(done + 1)
    return collector.votes


def ignored_labels(net: Net) -> list[int]:
    """The labels that all layers which read labels leave out."""
    ignored = {layer.ignore_label for layer in net.layers if layer.reads_labels}
    return [label for label in ignored if label is not None] if len(ignored) == 1 else []


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
    seen = np.logical_and.reduce([vote.seen for vote in votes])
    return Votes(total / np.float32(len(votes)), first.labels, seen, max(vote.ignored for vote in votes))
