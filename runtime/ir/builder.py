"""The builder that lowerings write a program with.

A family's lowering (runtime/ops/*/lower.py) is one function that asks the builder for buffers and appends kernels:

    @lowers(Pooling)
    def lower(layer, build):
        x, y = build.bottom(layer, 0), build.top(layer, 0)
        argmax = build.saved(layer, "argmax", y.shape, "uint8")
        build.forward("pool_max_forward", x, out=(y, argmax), kernel=layer.kernel, ...)
        if build.needs_gradient(layer, 0):
            dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0)
            build.backward("pool_max_backward", dy, argmax, out=dx, kernel=layer.kernel, ...)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zlib import crc32

from runtime.ir.program import Buffer, Instruction, SinkOutput, SourceInput, internal_shape

if TYPE_CHECKING:
    from netdef.graph.cuts import Region, Run
    from netdef.graph.layer import Blob, Layer, Parameter
    from netdef.graph.net import Net


@dataclass(frozen=True, eq=False)
class Partial:
    """A gradient of some channels and images of a blob.

    Parameters
    ----------
    buffer: holds it, as one run of elements.
    channels, images: which, counted in the blob.
    demand: what those have in common that come from one reader's shares.
    fresh: whether one instruction writes the buffer and nothing else will read it, so that it may be written into the whole.
    """

    buffer: Buffer
    channels: Run
    images: Run
    demand: object
    fresh: bool


def no_region(blob: Blob) -> None:
    """Of a net that is not divided, no blob is a region of another."""


Outputs = Buffer | tuple[Buffer, ...]
Regions = Callable[["Blob"], "tuple[Region, tuple[int, ...]] | None"]

_PARAMETER_SUFFIXES = {0: "w", 1: "b"}


class Builder:
    """Collects the instructions of a net while its layers are lowered one after another.

    Parameters
    ----------
    net: the graph.
    live: the layers whose backward runs; empty for a program without backward.
    wanted: the bottoms, as (layer, index), that need this layer's contribution to their gradient.
    seeds: the blobs whose gradient the host gives (the program's outputs, or its losses).
    seed: the run's random seed.
    region: of a net divided over devices, which region of which shape a blob is.
    """

    def __init__(
        self,
        net: Net,
        live: Collection[Layer] = (),
        wanted: Collection[tuple[Layer, int]] = (),
        seeds: Collection[Blob] = (),
        seed: int = 0,
        region: Regions = no_region,
    ):
        self.net = net
        self._live, self._wanted, self._seed = live, wanted, seed
        self._layer: Layer | None = None
        self.region = region
        self.forward_list: list[Instruction] = []
        self.update_list: list[Instruction] = []
        self.backward_lists: dict[Layer, list[Instruction]] = {}
        self.blobs: dict[Blob, Buffer] = {}
        self.parameters: dict[Parameter, Buffer] = {}
        self.parameter_contributions: dict[Parameter, list[Buffer]] = {}
        self.next_values: dict[Parameter, Buffer] = {}
        self.contributions: dict[Blob, list[Buffer]] = {}
        self.partial_contributions: dict[Blob, list[Partial]] = {}
        self.substitutes: dict[Buffer, Buffer] = {}
        self.gradients: dict[Blob, Buffer] = {}
        self.seeds: dict[Blob, Buffer] = {}
        self.scalars: dict[tuple[str, int], Buffer] = {}
        self.sources: list[SourceInput] = []
        self.sinks: list[SinkOutput] = []
        for blob in seeds:
            self.seeds[blob] = Buffer(f"{blob}.seed", internal_shape(blob.shape), "input", device=blob.producer.device)
            self.contributions[blob] = [self.seeds[blob]]
        for parameter in net.parameters:
            if parameter.owner is parameter:
                suffix = _PARAMETER_SUFFIXES.get(parameter.index, f"p{parameter.index}")
                name = f"{parameter.layer.name}.{suffix}"
                self.parameters[parameter] = Buffer(name, parameter.shape, "parameter", device=parameter.layer.device)

    def begin(self, layer: Layer) -> None:
        """Let the instructions that follow be this layer's."""
        self._layer = layer
        self.backward_lists[layer] = []

    # Buffers of the graph

    def bottom(self, layer: Layer, index: int) -> Buffer:
        """The buffer of a layer's input blob."""
        return self.blobs[layer.bottoms[index]]

    def top(self, layer: Layer, index: int, role: str = "activation") -> Buffer:
        """A new buffer for a layer's output blob (the same one when asked again)."""
        blob = layer.tops[index]
        if blob not in self.blobs:
            self.blobs[blob] = Buffer(str(blob), internal_shape(blob.shape), role, device=layer.device)
        return self.blobs[blob]

    def alias(self, layer: Layer, top: int, bottom: int) -> None:
        """Let a top be its bottom's memory under the top's shape (Flatten, Reshape, Split): no instruction at all."""
        source, blob = self.bottom(layer, bottom), layer.tops[top]
        self.blobs[blob] = Buffer(str(blob), internal_shape(blob.shape), source.role, source.dtype, base=source)

    def alias_gradient(self, layer: Layer, top: int, bottom: int) -> None:
        """The backward of `alias`: the bottom's gradient is the top's under the bottom's shape."""
        gradient, blob = self.top_gradient(layer, top), layer.bottoms[bottom]
        view = Buffer(f"{blob}.grad.{layer.name}", internal_shape(blob.shape), "gradient", base=gradient)
        self.contributions.setdefault(blob, []).append(view)

    def saved(self, layer: Layer, name: str, shape: tuple[int, ...], dtype: str = "float32") -> Buffer:
        """A new internal buffer that lives from its first write to its last read."""
        return Buffer(f"{layer.name}.{name}", shape, "saved", dtype, device=layer.device)

    def carried(self, layer: Layer, name: str, shape: tuple[int, ...]) -> Buffer:
        """A new internal buffer that keeps its values from run to run; zeros at first."""
        return Buffer(f"{layer.name}.{name}", shape, "carried", device=layer.device)

    def host_input(self, layer: Layer, name: str, shape: tuple[int, ...], dtype: str) -> Buffer:
        """A new buffer that the host writes before each forward run."""
        return Buffer(f"{layer.name}.{name}", shape, "input", dtype, device=layer.device)

    def source(self, layer: Layer, tops: Mapping[str, Blob] = MappingProxyType({}), /, **fields: Buffer) -> None:
        """Declare that a data source feeds these buffers, by its batch's field names.

        Parameters
        ----------
        tops: which top a field is of; one that is not here, and is no top itself, is of the first.
        """
        blobs = {self.blobs[top]: top for top in layer.tops}
        of = {name: tops.get(name) or blobs.get(buffer, layer.tops[0]) for name, buffer in fields.items()}
        regions = {name: self.region(blob) for name, blob in of.items()}
        self.sources.append(SourceInput(layer, fields, {name: region[0].images for name, region in regions.items() if region}))

    def sink(self, layer: Layer, **bottoms: int) -> None:
        """Copy bottoms, by field names, to where the host reads them after each forward run."""
        fields = {}
        for name, index in bottoms.items():
            x = self.bottom(layer, index)
            fields[name] = Buffer(f"{layer.name}.{name}", x.shape, "output", device=layer.device)
            self.forward("copy", x.flat(), out=fields[name].flat())
        self.sinks.append(SinkOutput(layer, fields))

    def parameter(self, layer: Layer, index: int) -> Buffer:
        """The buffer of a layer's parameter (its owner's if it is shared)."""
        return self.parameters[layer.parameters[index].owner]

    def next_value(self, layer: Layer, index: int) -> tuple[Buffer, Buffer]:
        """Of a parameter that no gradient changes: its value after the forward instructions before, and where the next one goes.

        The parameter itself becomes the last of these in the update, so that an iteration that is broken off leaves it as it was.
        The first of the two holds from the first batch of an iteration on, see the scalar `added`.
        """
        owner = layer.parameters[index].owner
        now = self.parameters[owner]
        if owner in self.next_values:
            return self.next_values[owner], self.next_values[owner]
        made = self.next_values[owner] = Buffer(f"{now.name}.next", now.shape, "state", device=now.device)
        self.update_list.append(Instruction("copy", (made.flat(),), (now.flat(),), {}, layer.name))
        return now, made

    def scalar(self, name: str) -> Buffer:
        """One number that the host sets: `iteration` is int64, any other float32."""
        device = self._layer.device if self._layer else 0
        if (name, device) not in self.scalars:
            dtype = "int64" if name == "iteration" else "float32"
            self.scalars[name, device] = Buffer(name, (1,), "scalar", dtype, device=device)
        return self.scalars[name, device]

    def seed(self, layer: Layer, part: str = "") -> tuple[int, int]:
        """The Philox key of a layer, or of a part of it: the run's seed and a hash of the names, 32 bits each."""
        return self._seed & 0xFFFFFFFF, crc32(f"{layer.name}{part}".encode())

    # Gradients

    def needs_gradient(self, layer: Layer, bottom: int) -> bool:
        """Whether backward must compute the gradient of a bottom."""
        return layer in self._live and (layer, bottom) in self._wanted

    def needs_parameter_gradient(self, layer: Layer, index: int) -> bool:
        """Whether backward must compute the gradient of a parameter."""
        return layer in self._live and layer.parameters[index].lr_mult != 0

    def top_gradient(self, layer: Layer, index: int) -> Buffer:
        """The gradient of a layer's output blob: all its consumers' contributions summed."""
        return self.gradient(layer.tops[index])

    def gradient(self, blob: Blob) -> Buffer:
        """The buffer that will hold a blob's whole gradient."""
        if blob not in self.gradients:
            device = blob.producer.device
            self.gradients[blob] = Buffer(f"{blob}.grad", internal_shape(blob.shape), "gradient", device=device)
        return self.gradients[blob]

    def bottom_gradient(self, layer: Layer, index: int) -> Buffer:
        """A new buffer for this layer's contribution to the gradient of a bottom."""
        blob = layer.bottoms[index]
        device = blob.producer.device
        contribution = Buffer(f"{blob}.grad.{layer.name}", internal_shape(blob.shape), "gradient", device=device)
        self.contributions.setdefault(blob, []).append(contribution)
        return contribution

    def parameter_gradient(self, layer: Layer, index: int) -> Buffer:
        """A new buffer for this layer's contribution to the gradient of a parameter."""
        owner = layer.parameters[index].owner
        shares = self.parameter_contributions.setdefault(owner, [])
        suffix = ".grad" if not shares else f".grad.{layer.name}"
        role = "parameter_gradient" if not shares else "gradient"
        shares.append(Buffer(self.parameters[owner].name + suffix, owner.shape, role, device=layer.device))
        return shares[-1]

    # Instructions

    def forward(self, kernel: str, /, *inputs: Buffer, out: Outputs, **options: Any) -> None:
        """Append a kernel to the forward list.  `inplace` and `macs` are the instruction's; the rest are constants."""
        self.forward_list.append(self._instruction(kernel, inputs, out, options))

    def backward(self, kernel: str, /, *inputs: Buffer, out: Outputs, **options: Any) -> None:
        """Append a kernel to the current layer's backward list."""
        assert self._layer is not None
        self.backward_lists[self._layer].append(self._instruction(kernel, inputs, out, options))

    def _instruction(self, kernel: str, inputs: tuple[Buffer, ...], out: Outputs, options: dict[str, Any]) -> Instruction:
        outputs = out if isinstance(out, tuple) else (out,)
        own = {name: options[name] for name in ("inplace", "macs") if name in options}
        constants = {name: value for name, value in options.items() if name not in own}
        layer = self._layer.name if self._layer else ""
        return Instruction(kernel, inputs, outputs, constants, layer, **own)
