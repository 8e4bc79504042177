"""Layers, the blobs between them and the parameters they own; what every layer type declares; the registry of all types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, ClassVar, TypeVar

from netdef.graph.cuts import Cuts
from netdef.graph.shape import BYTES_PER_ELEMENT, UNKNOWN, Shape, shape_text
from netdef.language.diagnostics import NetdefError, Note
from netdef.language.source import Position
from netdef.language.units import plural
from netdef.schema.layer_types import LAYER_TYPES

SIZE_UNKNOWN = "ND226"  # code of shapes that only the data have: the net may be correct
SIZE_FROM_OUTSIDE = f"`netdef explain {SIZE_UNKNOWN}` says how to give it without a change to the file"
ANY = None  # no upper bound on the number of bottoms or tops
Path = tuple[str | int, ...]
ParameterShape = tuple[Shape, Any]  # (shape, FillerParameter or None)

LAYERS: dict[str, type[Layer]] = {}
KINDS = (
    "source", "convolution", "pooling", "normalisation", "connected", "activation", "joining", "loss", "result", "other",
)  # fmt: skip


@dataclass(eq=False, slots=True, repr=False)
class Blob:
    """A value between layers.

    Attributes
    ----------
    name, version: a layer that writes in place makes the next version of the same name (0, 1, 2 ...).
    shape: Caffe's order, N first; () for a scalar.
    producer, index: `producer.tops[index]` is this blob.
    consumers: the layers that read it, in order; one that reads it twice is listed twice.
    """

    name: str
    version: int
    shape: Shape
    producer: Layer
    index: int
    consumers: list[Layer] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Elements, the whole batch; 0 where the shape is not known."""
        return prod(self.shape) if self.is_sized else 0

    @property
    def is_sized(self) -> bool:
        """Whether its shape is known."""
        return self.shape != UNKNOWN

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


class Layer:
    """One layer of a net: an operation, bound to the blobs it reads and writes.

    A family subclasses this in its own file and states
    - `bottoms_allowed`, `tops_allowed`: (fewest, most), most None for no limit;
    - `output_shapes(*shapes)`: the shapes of the tops from those of the bottoms;
    - `parameter_shapes(*shapes)`: (shape, filler) of each parameter;
    - `macs`: multiply-accumulates of one image;
    - `channel_groups`: how many groups of channels it keeps apart;
    - `cuts`: how it is divided over several devices;
    - `backward_reads`, `no_gradient_to`, `allows_in_place`: what its backward pass takes, as Caffe computes it;
    - `kind`, `noun` and other traits that drawing, comparing and checking ask for.
    Geometry (kernel, stride, axis ...) is given by properties, which the runtime reads too. They may use
    `self.bottoms`, which are bound before any rule is called.

    Attributes
    ----------
    message: the LayerParameter. p: its own parameter message (`message.lrn_param`), None for a type that has none.
    bottoms, tops: blobs. parameters: learned arrays.
    loss_weights: one for each top: its factor in the objective.
    propagate_down: one for each bottom; None: it gets a gradient if a layer before it needs one.
    in_place: one for each top; whether it has the name of the bottom of the same index.
    device: the program's device that runs it.
    whole: the layer of which this one is a device's share; itself for a layer that is not divided.
    """

    bottoms_allowed: ClassVar[tuple[int, int | None]] = (1, 1)
    tops_allowed: ClassVar[tuple[int, int | None]] = (1, 1)
    is_loss: ClassVar[bool] = False  # its first top has loss weight 1 and may go unnamed
    is_source: ClassVar[bool] = False  # its tops come from outside the net
    is_input: ClassVar[bool] = False  # a source that the caller fills
    is_transfer: ClassVar[bool] = False  # one that placement puts between others, to copy between devices
    brings_arrays: ClassVar[bool] = False  # a source of arrays of any kind, which may be images
    has_shapes_of_run: ClassVar[bool] = False  # only data or code of the user's say what shapes its tops have
    is_report: ClassVar[bool] = False  # its result is read outside the net: no layer has to read it
    is_accuracy: ClassVar[bool] = False  # its first top is the share of right answers
    frozen_parameters: ClassVar[tuple[int, ...]] = ()  # the indices of those that no solver changes
    corrects_rates: ClassVar[bool] = False  # rates of those that no solver changes count as 0; else they are an error
    statistics: ClassVar[tuple[int, ...]] = ()  # the indices of those that are running means or variances
    cuts: ClassVar[Cuts] = Cuts()
    copies_agree: ClassVar[bool] = True  # what several devices each compute of it is the same: each may run it
    channel_groups: int | None = 1  # None: no channel mixes with another; g: only within g equal groups; 1: all may

    # Backward, as Caffe computes it. Of its blobs, those whose values the backward pass cannot do without: "bottom", "top".
    # What Caffe copies before it overwrites it (PReLU, Scale), or reads only the sign of (ReLU), does not count.
    backward_reads: ClassVar[frozenset[str]] = frozenset()
    label_bottom: ClassVar[int] = 1  # of a layer with `label_classes`
    index_bottom: ClassVar[int | None] = None  # whose numbers pick images of the first bottom
    class_unit: ClassVar[str] = "scores"  # what it has one of for each class
    picks_rows: ClassVar[bool] = False  # its `label_classes` are rows of its table, which numbers pick
    no_gradient_to: ClassVar[tuple[int, ...]] = ()  # bottoms that get no gradient; -1: the last
    allows_in_place: ClassVar[bool] = True  # Caffe runs it with a bottom as its top
    keeps_values: ClassVar[bool] = False  # its tops hold the values of its bottom, unchanged
    keeps_some_images: ClassVar[bool] = False  # each run finds how many images its tops have; shapes are those for all

    # What it is to a reader of the net.
    kind: ClassVar[str] = "other"  # one of KINDS; pictures colour by it
    origin: ClassVar[str] = ""  # the fork that it is of; "" for Caffe 1.0 itself and for netdef
    noun: ClassVar[str] = ""  # what sentences call it; its type where empty
    abbreviation: ClassVar[str] = ""  # what a narrow box of a picture calls it; its type where empty
    is_interchangeable: ClassVar[bool] = False  # does much what others of its kind do: `diff` may pair it with one of them
    joins_towers: ClassVar[bool] = False  # puts towers together that are written as layers of their own
    splits_towers: ClassVar[bool] = False  # gives such towers their inputs
    gives_probabilities: ClassVar[bool] = False  # its top holds the probabilities of classes
    reads_probabilities: ClassVar[bool] = False  # its first bottom holds them, where other losses read scores
    idle_unless: ClassVar[str] = ""  # the field without which it does nothing in training; in testing it never does anything
    activation: ClassVar[str] = ""  # of a loss: the type whose function it applies to its scores itself
    settings_by_phase: ClassVar[frozenset[str]] = frozenset()  # fields that may well differ between training and testing

    bottoms: tuple[Blob, ...]
    tops: tuple[Blob, ...]
    parameters: tuple[Parameter, ...]
    loss_weights: tuple[float, ...]
    propagate_down: tuple[bool | None, ...]
    in_place: tuple[bool, ...]

    def __init__(self, name: str, message: Any, phase: str, where: Callable[[Path], Position | None]):
        """`where` returns the position of a path inside this layer's message, of () for the layer itself."""
        self.name = name
        self.type: str = message.type
        self.message = message
        self.phase = phase
        self._where = where
        fields = LAYER_TYPES.get(self.type, ())
        self.param_fields = fields
        self.p: Any = getattr(message, fields[0]) if fields else None
        self.bottoms = self.tops = ()
        self.parameters = ()
        self.loss_weights = ()
        self.propagate_down = ()
        self.in_place = ()
        self.device = 0
        self.whole: Layer = self
        self.file = ""  # of the net
        self.assumed: Shape = ()  # shape of images whose size the file does not give

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        raise NotImplementedError

    def order_in_file(self, shapes: Sequence[Shape | None]) -> tuple[int, ...] | None:
        """Where arrays of these shapes, as some files have the layer, are in another order: the position of each parameter."""
        return None

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        return []

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image, forward."""
        return 0

    @property
    def window_text(self) -> tuple[str, str]:
        """What it looks at, and how its window moves: ("11 x 11", "stride 4"); "" for what it has not."""
        return "", ""

    @property
    def activation_bytes(self) -> int:
        """Of the tops, for the whole batch; a top in place takes none."""
        return sum(top.bytes for top, reused in zip(self.tops, self.in_place, strict=True) if not reused)

    @property
    def parameter_count(self) -> int:
        """Elements of the learned parameters that this layer owns."""
        return sum(p.count for p in self.parameters if not p.shared and p.index not in self.frozen_parameters)

    @property
    def statistic_count(self) -> int:
        """Elements of the running means and variances that this layer owns."""
        return sum(p.count for p in self.parameters if p.index in self.statistics)

    @property
    def is_sized(self) -> bool:
        """Whether the shapes of all that it reads and makes are known."""
        return all(blob.is_sized for blob in (*self.bottoms, *self.tops))

    @property
    def position(self) -> Position | None:
        return self._where(())

    def within(self, path: Path) -> Position | None:
        """The position of a path inside the layer's message."""
        return self._where(path)

    def where(self, *path: str | int) -> Position | None:
        """The position of a field: of the layer's own parameter message if that has it, else of the layer."""
        for name in self.param_fields:
            if path and path[0] in getattr(self.message, name).DESCRIPTOR.fields_by_name:
                return self._where((name, *path))
        return self._where(path)

    def is_frozen(self, index: int) -> bool:
        """Whether no solver changes a parameter, whatever its rates."""
        return index in self.frozen_parameters

    @property
    def uses_batch_statistics(self) -> bool:
        """Whether it normalises an image by the others of its batch."""
        return False

    @property
    def unread_fields(self) -> tuple[str, ...]:
        """Fields of forks that are given here, change what the layer does, and that no kernel reads yet."""
        return ()

    @property
    def label_classes(self) -> int | None:
        """How many classes the labels in its bottom `label_bottom` count; None if it reads no labels."""
        return None

    @property
    def reads_labels(self) -> bool:
        """Whether it compares the scores of classes with labels."""
        return self.label_classes is not None and not self.picks_rows and len(self.bottoms) > self.label_bottom

    @property
    def adds_up(self) -> bool:
        """Whether its top is the sum of its bottoms, as at the end of a residual block."""
        return False

    @property
    def cuts_off_at_zero(self) -> bool:
        """Whether numbers below zero become 0, and others do not."""
        return False

    @property
    def classes_text(self) -> str:
        """What has these classes, in an error about a label."""
        return f"{self.bottoms[0]} has scores of {self.label_classes} classes"

    @property
    def gradient_bottoms(self) -> tuple[int, ...]:
        """Indices of the bottoms that can get a gradient."""
        last = len(self.bottoms) - 1
        without = {last if index == -1 else index for index in self.no_gradient_to}
        return tuple(index for index in range(len(self.bottoms)) if index not in without)

    @property
    def ignore_label(self) -> int | None:
        """The label that it leaves out, if there is one."""
        return None

    def error(self, message: str, *path: str | int, hint: str = "", **details: Any) -> NetdefError:
        """An error of this layer, at the field `path`."""
        return NetdefError(f"{self.type} {self.name}: {message}", position=self.where(*path), hint=hint, **details)

    def expect_axes(self, *fewest: int) -> None:
        """Raises NetdefError if a bottom has fewer axes than these, one number for each bottom."""
        for index, (blob, count) in enumerate(zip(self.bottoms, fewest, strict=False)):
            if len(blob.shape) < count:
                text = f"{blob} ({shape_text(blob.shape)}) must have at least {plural(count, 'axis', 'axes')}"
                raise self.error(text, "bottom", index)

    def expect(self, index: int, shape: Shape) -> None:
        """Raises NetdefError unless a bottom has this shape."""
        blob = self.bottoms[index]
        if blob.shape != shape:
            raise self.error(f"{blob} must be {shape_text(shape)}, it is {shape_text(blob.shape)}", "bottom", index)

    def axis_of(self, axis: int, field: str = "axis") -> int:
        """An axis of the first bottom, counted from the front; a negative `axis` counts from the end.

        Raises
        ------
        NetdefError: there is no such axis.
        """
        axes = len(self.bottoms[0].shape)
        if not -axes <= axis < axes:
            raise self.error(self.no_axis(axis), field)
        return axis % axes

    def no_axis(self, axis: int) -> str:
        """The text of an error: the first bottom has no such axis."""
        blob = self.bottoms[0]
        return f"{blob} ({shape_text(blob.shape)}) has no axis {axis}"

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        reads, makes = (", ".join(f"{blob} {shape_text(blob.shape)}" for blob in blobs) for blobs in (self.bottoms, self.tops))
        wires = f"{reads} -> {makes}" if reads and makes else reads or makes
        return f"<{self.type} {self.name}: {wires}>" if wires else f"<{self.type} {self.name}>"


class AlongAxis(Layer):
    """A layer that works along one axis of its first bottom, or from that axis on: the field `axis`."""

    @cached_property
    def axis(self) -> int:
        """Counted from the front."""
        return self.axis_of(self.p.axis)


Family = TypeVar("Family", bound=type[Layer])


def layer(type_name: str) -> Callable[[Family], Family]:
    """Register a class as the layer type of that name."""

    def register(family: Family) -> Family:
        LAYERS[type_name] = family
        return family

    return register


def enum_name(message: Any, field: str) -> str:
    """The name of an enum field's value."""
    return message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[getattr(message, field)].name


def shapes_disagree(layer: Layer, first: int, second: int, wanted: str) -> NetdefError:
    """An error: the shapes of two bottoms do not fit each other. Its notes name the layers that made them."""
    a, b = layer.bottoms[first], layer.bottoms[second]
    notes = tuple(Note(f"{blob} comes from layer {blob.producer}", blob.producer.position) for blob in (a, b))
    text = f"{a} ({shape_text(a.shape)}) and {b} ({shape_text(b.shape)}) do not have {wanted}"
    return layer.error(text, "bottom", second, notes=notes)
