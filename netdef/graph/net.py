"""The typed graph: a Net of Layers, the Blobs between them, and the Parameters they own.

Plain data. `netdef.load` and `netdef.parse` make it; netdef/graph/build.py shows how.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import NetdefError
from netdef.language.spelling import did_you_mean

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.language.diagnostics import Position

BYTES_PER_ELEMENT = 4  # float32 throughout

Shape = tuple[int, ...]


@dataclass(eq=False, slots=True, repr=False)
class Blob:
    """A value between layers.

    Attributes
    ----------
    name, version: a layer that writes in place makes the next version of the same name (0, 1, 2 ...).
    shape: Caffe's order, N first; () for a scalar.
    producer, index: `producer.tops[index]` is this blob.
    consumers: the layers that read it, in order; one that reads it twice stands here twice.
    """

    name: str
    version: int
    shape: Shape
    producer: Layer
    index: int
    consumers: list[Layer] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Elements, the whole batch."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.count * BYTES_PER_ELEMENT

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" if self.version else self.name

    def __repr__(self) -> str:
        return f"<Blob {self} {shape_text(self.shape)}>"


@dataclass(eq=False, slots=True, repr=False)
class Parameter:
    """A learned array of a layer.

    Attributes
    ----------
    shape: Caffe's, as in a .caffemodel.
    filler: FillerParameter message, or None for zeros.
    lr_mult, decay_mult: factors on the solver's rate and weight decay.
    name: of `param { name }`, or ""; parameters of one name are one array.
    owner: the first parameter of that name; itself unless shared.
    """

    layer: Layer
    index: int
    shape: Shape
    filler: Any
    lr_mult: float
    decay_mult: float
    name: str
    owner: Parameter = field(init=False)

    def __post_init__(self) -> None:
        self.owner = self

    @property
    def count(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.count * BYTES_PER_ELEMENT

    @property
    def shared(self) -> bool:
        """Whether the array belongs to another layer."""
        return self.owner is not self

    def __str__(self) -> str:
        return f"{self.layer.name}/{self.index}"

    def __repr__(self) -> str:
        return f"<Parameter {self} {shape_text(self.shape)}>"


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a net.

    Attributes
    ----------
    parameters: learned numbers, shared ones once.
    macs: multiply-accumulates of one image, forward.
    activation_bytes: of the tops of all layers, the whole batch; what is written in place counts once.
    """

    parameters: int
    macs: int
    activation_bytes: int


@dataclass(eq=False, repr=False)
class Net:
    """A network in one phase, every name bound and every shape known.

    Attributes
    ----------
    layers: in the file's order, which is an order they can run in.
    blobs: by name, the last version of each.
    inputs: what is fed from outside (tops of Input layers).
    outputs: the blobs that nothing reads.
    parameters: of all layers in order, shared ones each time.
    message: the NetParameter as the user wrote it, without the layers of the other phase.
    """

    name: str
    phase: str
    layers: tuple[Layer, ...]
    blobs: dict[str, Blob]
    inputs: tuple[Blob, ...]
    outputs: tuple[Blob, ...]
    parameters: tuple[Parameter, ...]
    force_backward: bool
    message: Any
    filename: str
    _by_name: dict[str, Layer] = field(init=False)

    def __post_init__(self) -> None:
        self._by_name = {layer.name: layer for layer in self.layers}

    def layer(self, name: str) -> Layer:
        """The layer of that name.

        Raises
        ------
        NetdefError: there is none; the nearest name is in the hint.
        """
        if name not in self._by_name:
            text = f"{self.filename} has no layer {name!r} in phase {self.phase}"
            raise NetdefError(text, hint=did_you_mean(name, self._by_name))
        return self._by_name[name]

    def position(self, layer: Layer | str) -> Position | None:
        """Where a layer stands in its file."""
        return (self.layer(layer) if isinstance(layer, str) else layer).position

    @property
    def batch(self) -> int | None:
        """Images in a batch: the first dimension of the first blob that has one."""
        return next((top.shape[0] for layer in self.layers for top in layer.tops if top.shape), None)

    @property
    def totals(self) -> Totals:
        return Totals(
            parameters=sum(p.count for p in self.parameters if not p.shared),
            macs=sum(layer.macs for layer in self.layers),
            activation_bytes=sum(layer.activation_bytes for layer in self.layers),
        )

    def __repr__(self) -> str:
        return f"<Net {self.name!r} {self.phase}: {len(self.layers)} layers>"


def shape_text(shape: Shape) -> str:
    """A shape as messages print it: 64 x 96 x 55 x 55."""
    return " x ".join(map(str, shape)) or "scalar"
