"""What only a run finds: how many images some layers let through.  A net that is built again takes their shapes from here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdef.graph.layer import Layer

_found: ContextVar[Mapping[str, int]] = ContextVar("found", default=MappingProxyType({}))


@contextmanager
def images_found(counts: Mapping[str, int]) -> Iterator[None]:
    """Let nets that are built inside have these numbers of images, by the names of the layers that let them through."""
    token = _found.set(counts)
    try:
        yield
    finally:
        _found.reset(token)


def images_kept(layer: Layer, most: int) -> int:
    """How many of `most` images a run has let through a layer; all of them where there was none."""
    return min(_found.get().get(layer.name, most), most)
