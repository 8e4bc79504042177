"""The intermediate representation: a straight list of kernels on named buffers, one list each for forward, backward and update.

Nothing runs that these lists do not show.  Passes take a Program and return a new one; `text` prints it after any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any

from netdef.language.html_table import table
from netdef.language.units import binary, plural

if TYPE_CHECKING:
    from netdef.graph.layer import Blob, Parameter
    from netdef.graph.net import Net
    from runtime.ir.division import Division

NARROW = "bfloat16"  # the upper halves of float32 numbers, which NumPy lacks: on the host arrays of uint16
ITEM_BYTES = {"float32": 4, "float64": 8, "int32": 4, "int64": 8, "uint8": 1, "uint16": 2, NARROW: 2}


@dataclass(frozen=True, eq=False, repr=False)
class Buffer:
    """A named array in internal layout (batch innermost), or a view of another one (`base`) with another shape.

    Parameters
    ----------
    name: printed with a % before it.
    shape: internal shape, e.g. (C, H, W, N).
    role: what it holds, and so for how long (see `plan_memory`).  For the whole program: `input`, written by the host before a run;
        `output`, read by the host after a run; `scalar`, a number that it may set between runs (rate, iteration); `parameter`,
        weights; `parameter_gradient`; `state`, what a solver keeps over iterations; `carried`, what a layer keeps over runs.  From
        the first write to the last read, or longer if it is to be read after a run: `activation`, `gradient` (of a blob),
        `saved`, what a layer keeps for its backward; and `folded`, weights with what followed them.
    base: the buffer whose memory this one shares, starting `offset` elements in; None if it has memory of its own.
    device: whose memory it lies in, by its index among the program's devices; a view lies where its base does.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    dtype: str = "float32"
    base: Buffer | None = None
    offset: int = 0
    device: int = 0

    def __post_init__(self) -> None:
        if self.base is not None:
            object.__setattr__(self, "device", self.base.device)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * ITEM_BYTES[self.dtype]

    @property
    def byte_offset(self) -> int:
        """Where this buffer starts in its root's memory."""
        if self.base is None:
            return 0
        return self.base.byte_offset + self.offset * ITEM_BYTES[self.dtype]

    @property
    def root(self) -> Buffer:
        """The buffer that holds the memory."""
        return self if self.base is None else self.base.root

    def view(self, shape: tuple[int, ...], offset: int = 0) -> Buffer:
        """The same memory, from element `offset` on, under another shape."""
        return Buffer(self.name, shape, self.role, self.dtype, base=self, offset=offset)

    def flat(self) -> Buffer:
        """The same memory as one run of elements."""
        return self.view((self.size,))

    def columns(self, count: int) -> Buffer:
        """The same memory as a matrix of so many columns: with the images as columns, a row holds one number of each image."""
        return self.view((self.size // count, count))

    @property
    def user_shape(self) -> tuple[int, ...]:
        """The shape users see: batch first for a blob, even where a kernel takes another view of it."""
        whole = self if self.base is None or self.size != self.root.size else self.root
        if whole.role not in ("activation", "gradient", "input", "output") or not whole.shape:
            return whole.shape
        return (whole.shape[-1], *whole.shape[:-1])

    def __str__(self) -> str:
        return f"%{self.name}:bf16" if self.dtype == NARROW else f"%{self.name}"

    def __repr__(self) -> str:
        return f"<Buffer {self} {self.role} {self.shape} {self.dtype} on device {self.device}>"


SEND = "send"  # the copy from one device to another, which is no kernel
REDUCE = "sum_ranks"  # one device's side of a sum over all ranks by their library, which is no kernel either
COLUMNS = ("layer", "device", "outputs", "kernel", "inputs", "constants", "shape", "MMAC/image")  # of Instruction.row


@dataclass(frozen=True, eq=False, repr=False)
class Instruction:
    """One kernel call.  Outputs are written, whole or in part; without any, inputs that are no scalars are updated.

    Parameters
    ----------
    constants: bound at compile time, by the kernel's parameter names.
    inplace: the first output may take the memory of the first input, if no other instruction needs that.
    macs: multiply-accumulates per image, 0 if it has no matrix products.
    once: it depends only on parameters, and need not run again until one of them changes; what it makes lasts.
    lasting: its parameters do not change in most runs, so that a device may keep what it makes of them.
    """

    kernel: str
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    constants: Mapping[str, Any] = field(default_factory=dict)
    layer: str = ""
    inplace: bool = False
    macs: int = 0
    once: bool = False
    lasting: bool = False

    @property
    def device(self) -> int:
        """Whose queue it is put on: that of its inputs, so that what is sent is sent by the device that has it."""
        return next((buffer.device for buffer in self.buffers), 0)

    @property
    def is_send(self) -> bool:
        """Whether it copies from its device to another."""
        return self.kernel == SEND

    @property
    def is_reduce(self) -> bool:
        """Whether it adds up buffers over all ranks; the device of the constant `root` has the sums then, in the same buffers."""
        return self.kernel == REDUCE

    @property
    def sent_bytes(self) -> int:
        """Of a send, or a sum over ranks: how much it copies.  It may have several buffers, each for the one in its place."""
        return sum(buffer.bytes for buffer in self.outputs)

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        return self.inputs + self.outputs

    def renamed(self, substitute: Mapping[Buffer, Buffer]) -> Instruction:
        """The same instruction on other buffers."""
        return replace(
            self,
            inputs=tuple(substitute.get(b, b) for b in self.inputs),
            outputs=tuple(substitute.get(b, b) for b in self.outputs),
        )

    def __str__(self) -> str:
        targets = f"{self._targets} = " if self.outputs else ""
        left = f"{targets}{self.kernel} {' '.join(map(str, self.inputs))}"
        cost = f"{self.macs / 1e6:.1f} MMAC/image" if self.macs else ""
        return "  ".join(
            text
            for text in (f"dev{self.device}", left, self._constants, self._flags, self._extent, cost, "once" * self.once)
            if text
        )

    def __repr__(self) -> str:
        return f"<Instruction {self}>"

    @property
    def row(self) -> tuple[str, ...]:
        """The same as a row under COLUMNS."""
        constants = f"{self._constants} {self._flags}".strip()
        cost = f"{self.macs / 1e6:.1f}" if self.macs else ""
        inputs = " ".join(map(str, self.inputs))
        return (self.layer, f"dev{self.device}", self._targets, self.kernel, inputs, constants, self._extent, cost)

    @property
    def _targets(self) -> str:
        return " ".join(map(self._named, self.outputs))

    @property
    def _constants(self) -> str:
        return " ".join(f"{key} {_constant_text(value)}" for key, value in self.constants.items() if not isinstance(value, bool))

    @property
    def _flags(self) -> str:
        return " ".join(f"+{key}" for key, value in self.constants.items() if value is True)

    @property
    def _extent(self) -> str:
        """The shape of the first output; the bytes of what is sent."""
        if self.is_send or self.is_reduce:
            return f"{self.sent_bytes:,} bytes"
        return str(self.outputs[0].user_shape) if self.outputs else ""

    def _named(self, output: Buffer) -> str:
        """An output by its name, and by its device where that is another than the instruction's."""
        return str(output) if output.device == self.device else f"{output}:{output.device}"


def _constant_text(value: Any) -> str:
    extents = value if isinstance(value, tuple) else getattr(value, "shape", ())  # of an array only its shape
    if extents:
        return "x".join(map(str, extents))
    return f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())


@dataclass(frozen=True, eq=False)
class SourceInput:
    """What a data layer's source feeds: its buffers, by the names of the source's batch fields.

    images: by field, which of the batch's images the buffer takes; a field that is not there takes all.
    """

    layer: Any
    fields: Mapping[str, Buffer]
    images: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SinkOutput:
    """What the host takes from a program after each forward run, for a layer that writes it elsewhere: buffers, by field names."""

    layer: Any
    fields: Mapping[str, Buffer]


PARAMETERS, STATES, WORKING = "parameters", "states", "working"  # the arenas of a device


def arena_of(kind: str, device: int) -> str:
    """The name of a device's arena of a kind."""
    return f"{kind}:{device}" if device else kind


@dataclass(frozen=True, eq=False)
class MemoryPlan:
    """Where every buffer lies.

    Parameters
    ----------
    offsets: the arena of each root buffer, by its name, and its byte offset there.
    arenas: bytes of each arena, three for each device: what training changes lies apart from what each run makes anew.
    totals: bytes by what they hold: weights, activations, gradients, ..., as `netdef compile` prints them.
    by_device: the same for each device.
    recycled: buffers whose memory other buffers take over, so that they cannot be read afterwards.
    """

    offsets: Mapping[Buffer, tuple[str, int]]
    arenas: Mapping[str, int]
    totals: Mapping[str, int]
    recycled: frozenset[Buffer]
    by_device: tuple[Mapping[str, int], ...] = ()

    def span(self, buffer: Buffer) -> tuple[str, int, int]:
        """A buffer's arena, and its first byte there and the one after its last."""
        arena, offset = self.offsets[buffer.root]
        begin = offset + buffer.byte_offset
        return arena, begin, begin + buffer.bytes


@dataclass(frozen=True, eq=False, repr=False)
class Program:
    """A compiled network: what `runtime.compile_program` returns.

    `text` prints it.  A pass takes a Program and returns a new one.

    Parameters
    ----------
    net: the graph that was lowered; on several devices the divided one.
    forward, backward, update: the instructions of each list, in the order they run.
    iteration: all three lists as one, in the order in which devices that run ahead of the host take them.
    blobs, gradients: which buffer holds which blob of it.
    seeds: the gradient that backward starts from, for each blob that it starts at.
    parameters, parameter_gradients: which buffer holds which parameter and its gradient.
    states: what the solver keeps for each parameter, by parameter and name ("history": its momentum).
    learned: where copies of a parameter on several devices are updated, a slice on each: the slices, as parameters, and where
        they lie.  Such a parameter's gradients and solver states are those of its slices.
    scalars: numbers that the host sets between runs (rate, iteration), by name and device.
    sources: the buffers that data layers fill.
    sinks: the buffers that layers which write files are given.
    remembered: blobs of which something stays from every run, and the rings where it does: (rounds, ...) float64, the blob's
        shape behind the number of rounds, or nothing for its sum.
    division: how the net was divided; None on one device.
    plan: where every buffer lies in memory; None before the pass `plan_memory`.
    forms: which buffers of an instruction its device takes as bfloat16; None where all are kept as float32.
    """

    net: Net
    forward: tuple[Instruction, ...] = ()
    backward: tuple[Instruction, ...] = ()
    update: tuple[Instruction, ...] = ()
    iteration: tuple[Instruction, ...] = ()
    blobs: Mapping[Blob, Buffer] = field(default_factory=dict)
    gradients: Mapping[Blob, Buffer] = field(default_factory=dict)
    seeds: Mapping[Blob, Buffer] = field(default_factory=dict)
    parameters: Mapping[Parameter, Buffer] = field(default_factory=dict)
    parameter_gradients: Mapping[Parameter, Buffer] = field(default_factory=dict)
    learned: Mapping[Parameter, Buffer] = field(default_factory=dict)
    states: Mapping[tuple[Parameter, str], Buffer] = field(default_factory=dict)
    scalars: Mapping[tuple[str, int], Buffer] = field(default_factory=dict)
    sources: tuple[SourceInput, ...] = ()
    sinks: tuple[SinkOutput, ...] = ()
    remembered: Mapping[Blob, Buffer] = field(default_factory=dict)
    division: Division | None = None
    plan: MemoryPlan | None = None
    forms: Callable[[Instruction], Collection[int]] | None = None

    def weights(self, parameter: Parameter) -> Buffer:
        """Where a parameter lies that has a gradient."""
        return self.learned[parameter] if parameter in self.learned else self.parameters[parameter]

    @property
    def shares(self) -> list[list[int]]:
        """By device of the machine, which of this program's devices it is: each one of them, unless some have several shares."""
        hosts = self.division.hosts if self.division else (0,)
        return [[share for share, host in enumerate(hosts) if host == device] for device in range(max(hosts) + 1)]

    @property
    def learning(self) -> tuple[Instruction, ...]:
        """Backward and update as one list, in the order of `iteration`."""
        forward = set(self.forward)
        return tuple(instruction for instruction in self.iteration if instruction not in forward)

    @property
    def instructions(self) -> Iterator[Instruction]:
        yield from self.forward
        yield from self.backward
        yield from self.update

    @property
    def lists(self) -> dict[str, tuple[Instruction, ...]]:
        """The lists that are not empty, by name, in the order they run."""
        lists = {"forward": self.forward, "backward": self.backward, "update": self.update}
        return {name: instructions for name, instructions in lists.items() if instructions}

    def text(self) -> str:
        """The whole program, a section each for forward, backward and update."""
        return "\n".join(f"{name}:\n{_listing(instructions)}" for name, instructions in self.lists.items())

    def __repr__(self) -> str:
        net = self.division.whole if self.division else self.net
        counts = ", ".join(f"{len(instructions)} {name}" for name, instructions in self.lists.items())
        planned = f"; {binary(sum(self.plan.arenas.values()))}" if self.plan else ""
        on = f"batch {net.batch} on {plural(len(self.shares), 'device')}"
        return f"<Program {net.name!r} {net.phase}: {on}; {counts} instructions{planned}>"

    def _repr_html_(self) -> str:
        """`text` as tables, for notebooks."""
        return "".join(
            table(f"{name}: {plural(len(instructions), 'instruction')}", COLUMNS, (one.row for one in instructions))
            for name, instructions in self.lists.items()
        )


def _listing(instructions: Iterable[Instruction]) -> str:
    return "".join(f"  {instruction}\n" for instruction in instructions)


def internal_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Caffe's (N, d1, d2, ...) as it is stored: (d1, d2, ..., N)."""
    return (*shape[1:], shape[0]) if shape else ()
