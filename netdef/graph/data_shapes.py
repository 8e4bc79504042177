"""What only a source's data say: the shapes of its samples.  The runtime looks at the data where they are; the graph only asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.graph.shape import Shape


@dataclass(frozen=True)
class SampleShapes:
    """What the first sample of a source is like.

    Attributes
    ----------
    shapes: of one sample, for each top; images (channels, height, width), before they are cropped.
    floats: whether its images are float32 numbers, not bytes.
    """

    shapes: tuple[Shape, ...]
    floats: bool = False


# What looks at a layer's data. None: they are not here.  It raises NetdefError where they are here and cannot be read.
Look = Callable[["Layer"], SampleShapes | None]
_look: ContextVar[Look | None] = ContextVar("look", default=None)


@contextmanager
def data_looked_at(look: Look) -> Iterator[None]:
    """Let nets that are built inside take from their data what their files do not say."""
    token = _look.set(look)
    try:
        yield
    finally:
        _look.reset(token)


def shapes_kept(found: Mapping[str, SampleShapes]) -> Look:
    """Gives a net that is built again what was found before, by the names of layers; of others what is found now."""
    before = _look.get()
    return lambda layer: found.get(layer.name) or (before(layer) if before is not None else None)


def sample_shapes(layer: Layer) -> SampleShapes | None:
    """What a layer's data say; None where nothing looks at them, or they are not here; raises as `Look`."""
    look = _look.get()
    return look(layer) if look is not None else None
