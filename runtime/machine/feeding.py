"""What a run takes from the host: arrays that a caller gives, batches of the data sources, gradients to start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import NetdefError
from netdef.language.spelling import did_you_mean
from runtime.ir.program import SourceInput
from runtime.machine.values import Values, store

if TYPE_CHECKING:
    from netdef.graph.layer import Blob
    from runtime.data.source import Opener, Source


def feed(values: Values, inputs: Mapping[str, Any]) -> bool:
    """Store the arrays that a caller gives; whether any of them replaces a data source."""
    feeds, replaced = _feedable(values), False
    for name, array in inputs.items():
        if name not in feeds:
            hint = did_you_mean(name, feeds) or "those that are: " + (", ".join(feeds) or "none")
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


class OpenSources(dict[str, "Source"]):
    """The open data sources, by data layer."""

    def open(self, values: Values, seed: int, opener: Opener | None = None, classes: Sequence[str] | None = None) -> None:
        """Open those of all data layers that have none yet; see `Executable.open_sources`."""
        from runtime.data import open_source

        names = list(dict.fromkeys(source.layer.name for source in values.program.sources))
        for name in names:
            if name not in self:
                layer: Any = values.net.layer(name)  # whole, where the program's are regions of it
                known = classes if len(names) == 1 else None
                self[name] = (opener or open_source)(layer, seed, classes=known)

    def close(self) -> None:
        """Close all."""
        for source in self.values():
            source.close()
        self.clear()

    def load(self, values: Values) -> None:
        """Copy the next batch of every source into its buffers, on each device that takes any of it."""
        takers: dict[str, list[SourceInput]] = {}
        for source in values.program.sources:
            takers.setdefault(source.layer.name, []).append(source)
        for name, inputs in takers.items():
            batch = self[name].next()
            for one in inputs:
                for field, buffer in one.fields.items():
                    array = getattr(batch, field)
                    values.memory.upload(buffer, array[slice(*one.images[field])] if field in one.images else array)
            self[name].release(batch)
