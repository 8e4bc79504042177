"""What a run takes from the host: arrays that a caller gives, batches of the data sources, gradients to start from."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import NetdefError
from netdef.language.spelling import did_you_mean
from netdef.language.units import shortened
from runtime.ir.program import SourceInput
from runtime.machine.values import Values, store

if TYPE_CHECKING:
    from netdef.graph.layer import Blob
    from runtime.data.source import Batch, Opener, Rows, Source
    from runtime.machine.device import Wait

START = {"sample": 0}  # the position of a source that begins


class DataError(NetdefError):
    """A source has no next batch: nothing was computed of it, and nothing changed."""


def feed(values: Values, inputs: Mapping[str, Any]) -> bool:
    """Store the arrays that a caller gives; whether any of them replaces a data source."""
    feeds, replaced = _feedable(values), False
    for name, array in inputs.items():
        if name not in feeds:
            hint = did_you_mean(name, feeds) or "those that are: " + (shortened([*feeds]) or "none")
            raise NetdefError(f"'{name}' is not an input of net '{values.net.name}'", hint=hint)
        blob, from_source = feeds[name]
        store(values, values.buffers.blob(blob), array, blob.shape, name)
        replaced |= from_source
    return replaced


def _feedable(values: Values) -> dict[str, tuple[Blob, bool]]:
    """The blobs that can be given to forward, and whether that replaces a data source."""
    feeds = {blob.name: (blob, False) for blob in values.net.inputs}
    for source in values.program.sources:
        feeds |= {blob.name: (blob, True) for blob in values.net.layer(source.layer.name).tops}
    return feeds


def seed_backward(values: Values, top_gradients: Mapping[str, Any]) -> None:
    """Set the gradients that backward starts from: those given, else the losses' weights."""
    for blob in values.buffers.seeded:
        regions = values.buffers.seed(blob)
        if blob.name in top_gradients:
            store(values, regions, top_gradients[blob.name], blob.shape, blob.name)
        else:
            for held in regions:
                values.memory.set(held.buffer, blob.producer.loss_weights[blob.index])


def _keep_near(source: Source, values: Values, inputs: Sequence[SourceInput]) -> None:
    """Let a source keep its batches where the devices that take them copy from by themselves."""
    use = getattr(type(source), "use_memory", None)  # a caller's own may lack it, and wrap another that has it
    if use is not None:
        shares = dict.fromkeys(buffer.device for one in inputs for buffer in one.fields.values())
        use(source, partial(values.memory.host_array, shares))


class OpenSources(dict[str, "Source"]):
    """The open data sources, by data layer."""

    def __init__(self) -> None:
        super().__init__()
        self._taken: dict[str, Batch] = {}  # by `one_pass`, for the run that comes
        self._images: int | None = None  # how many of their images it takes

    def open(
        self,
        values: Values,
        seed: int,
        opener: Opener | None = None,
        classes: Sequence[str] | None = None,
        rows: Callable[[str], Rows | None] = lambda name: None,
    ) -> None:
        """Open those of all data layers that have none yet; see `Executable.open_sources`.

        rows: by data layer, what has to be read of each batch; None: all.
        """
        from runtime.data import open_source

        names = list(dict.fromkeys(source.layer.name for source in values.program.sources))
        for name in names:
            if name not in self:
                layer: Any = values.net.layer(name)  # whole, where the program's are regions of it
                known = classes if len(names) == 1 else None
                some = rows(name)
                only: dict[str, Any] = {} if some is None else {"rows": some}
                self[name] = (opener or open_source)(layer, seed, classes=known, **only)
                _keep_near(self[name], values, [source for source in values.program.sources if source.layer.name == name])

    def close(self) -> None:
        """Close all."""
        for source in self.values():
            source.close()
        self.clear()

    def load(self, values: Values) -> None:
        """Copy the next batch of every source into its buffers, on each device that takes any of it.

        Raises
        ------
        DataError: one cannot be read, or has what does not fit the net.
        """
        takers: dict[str, list[SourceInput]] = {}
        for source in values.program.sources:
            takers.setdefault(source.layer.name, []).append(source)
        for name, inputs in takers.items():
            batch = self._taken.pop(name, None) or self._next(name)
            copies: list[Wait] = []
            for one in inputs:
                for field, buffer in one.fields.items():
                    array = getattr(batch, field)[: self._images]
                    wait = values.memory.upload(buffer, array[slice(*one.images[field])] if field in one.images else array)
                    copies += [wait] if wait is not None else []
            self[name].release(batch, copies) if copies else self[name].release(batch)

    def _next(self, name: str) -> Batch:
        try:
            return self[name].next()
        except NetdefError as error:
            raise DataError(error.diagnostics) from None

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """If a batch cannot be read, go back to where the sources are now: an iteration takes several, of several sources."""
        before = {name: source.position() for name, source in self.items()}
        try:
            yield
        except DataError:
            for name, source in self.items():
                if source.position() != before[name]:
                    source.seek(before[name])
            raise

    @property
    def pass_batches(self) -> int:
        """How many batches a pass over the data has, if all images can be read; 0 without sources."""
        return max((math.ceil(source.size / source.batch_size) for source in self.values()), default=0)

    @property
    def batches_agree(self) -> bool:
        """Whether there are sources, and the batches of all have as many images."""
        return len({source.batch_size for source in self.values()}) == 1

    def one_pass(self) -> Generator[int]:
        """Go through the images of all sources once, from their start.

        Yields how many images the next run takes, before it runs: those of a batch, or in the last one as many as are left, for
        which the net must have that shape by then.  Several sources end with the one that ends first.  Afterwards they are at
        their start again.
        """
        self._restart()
        ends = False
        try:
            while not ends and (images := self._take()):
                ends = any(batch.positions[-1] >= self[name].size - 1 for name, batch in self._taken.items())
                yield images
        finally:
            for name, batch in self._taken.items():
                self[name].release(batch)
            self._taken, self._images = {}, None
            self._restart()

    def taken(self, name: str) -> Batch:
        """The batch of a source that the next run takes, in a pass."""
        return self._taken[name]

    def take_whole(self) -> None:
        """Let the next run take all images of the last batch, those that a pass begins with again too."""
        self._images = None

    def _take(self) -> int:
        """Take the next batch of each source; how many images of the pass are in it."""
        self._taken = {name: self._next(name) for name in self}
        counts = [int((batch.positions < self[name].size).sum()) for name, batch in self._taken.items()]
        self._images = min(counts, default=0)
        return self._images

    def _restart(self) -> None:
        for source in self.values():
            if source.position() != START:
                source.seek(START)
