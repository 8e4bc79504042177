"""Build a Net from a NetParameter: select layers, bind names, infer shapes. All errors of a net are raised together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from math import prod
from types import MappingProxyType
from typing import Any

from netdef.graph.layer import LAYERS, SIZE_UNKNOWN, Blob, Layer, Parameter, Path
from netdef.graph.missing_blobs import MissingBlobs
from netdef.graph.net import Net
from netdef.graph.phases import State, is_selected, phase_name, state_of
from netdef.graph.reach import reaches
from netdef.graph.shape import UNKNOWN, Shape, shape_text
from netdef.graph.unsized import Unknown, make_unsized
from netdef.language import kept
from netdef.language.diagnostics import Diagnostic, NetdefError, Note, Position, coded
from netdef.language.gc_pause import gc_paused
from netdef.language.reach import refuses_outside
from netdef.language.units import plural, range_text, times
from netdef.language.vocabulary import misspelt_type
from netdef.schema.idle_fields import is_idle

Where = Callable[[Path], Position | None]  # the position of a path inside some message
Chosen = tuple[Any, Where, int]  # a LayerParameter, the positions of its fields, its index in the file
MOST_AXES = 32  # Caffe's kMaxBlobAxes
MOST_ELEMENTS = 1 << 48  # 1 PiB of float32


@gc_paused
def build(
    message: Any,
    where: Where,
    filename: str,
    phase: str | None = None,
    broken: Set[int] = frozenset(),
    assumed: Shape = (),
    partial: bool = False,
    removed: Mapping[str, str] = MappingProxyType({}),
) -> Net:
    """Build the graph of a NetParameter.

    Parameters
    ----------
    where: returns the position of a path such as ("layer", 3, "bottom", 0).
    phase: "train" or "test"; None: the phase of the file's `state`, test by default.
    broken: indices of layers whose errors are reported already; only their names and tops are used.
    assumed: (channels, rows, columns) of images whose size the file does not give; without it such a source is an error.
    partial: shapes that only data or code of the user's have are unknown in the net, rather than errors.
    removed: for each blob of a layer that the file removes, what to write where a layer reads it.

    Raises
    ------
    NetdefError: with all errors of the file.
    """
    return _Builder(message, where, filename, state_of(message, phase), broken, assumed, partial, removed).net()


class _Builder:
    """Visits the layers once, in order. Tables hold what a layer needs to know of earlier ones: time is linear in their number."""

    def __init__(
        self,
        message: Any,
        where: Where,
        filename: str,
        state: State,
        broken: Set[int],
        assumed: Shape,
        partial: bool,
        removed: Mapping[str, str],
    ):
        self.message = message
        self.where = where
        self.filename = filename
        self.state = state
        self.broken = broken
        self.assumed = assumed
        self.partial = partial
        self.removed = removed
        self.unsized: list[Diagnostic] = []  # why shapes are not known
        self.tops_missing = any(not message.layer[index].top for index in broken)  # a missing name may be a top of one of these
        self.errors: list[Diagnostic] = []
        self.layers: list[Layer] = []
        self.by_name: dict[str, Layer] = {}
        self.namesakes: dict[str, list[Layer]] = {}  # by the name in the file
        self.blobs: dict[str, Blob] = {}  # the last version of each name
        self.writers: dict[str, tuple[str, Where]] = {}  # the layer that wrote each name last, and its position
        self.every_blob: list[Blob] = []
        self.unnamed: list[Blob] = []  # tops that Caffe makes for losses that name none
        self.shared: dict[str, Parameter] = {}
        self.multipliers: dict[Parameter, list[float | None]] = {}  # lr_mult, decay_mult as written, of owners by name
        self.missing_blobs: MissingBlobs | None = None  # made when the first name is missing

    def net(self) -> Net:
        chosen = self.choose()
        if refuses_outside():
            self.errors += [one for message, where, _ in chosen for one in reaches(message, where, self.filename)]
            if self.errors:  # before any of their data are looked at
                raise NetdefError(self.errors)
        for message, where, number in chosen:
            self.add(message, where, number)
        self.check_names()
        if self.errors:
            raise NetdefError(self.errors)
        self.settle()
        return Net(
            name=self.message.name,
            phase=self.state.phase,
            layers=tuple(self.layers),
            blobs=self.blobs,
            inputs=tuple(top for layer in self.layers if layer.is_input for top in layer.tops),
            outputs=tuple(blob for blob in self.every_blob if not blob.consumers),
            parameters=tuple(p for layer in self.layers for p in layer.parameters),
            force_backward=self.message.force_backward,
            message=self.resolved(chosen),
            filename=self.filename,
            unsized=tuple(self.unsized),
        )

    def error(self, text: str, at: Position | None, hint: str = "", notes: tuple[Note, ...] = (), code: str = "ND108") -> None:
        self.errors.append(Diagnostic(text, at, hint=hint, notes=notes, code=code))

    # -- selection

    def choose(self) -> list[Chosen]:
        """Select the layers of this state."""
        chosen: list[Chosen] = []
        for index, message in enumerate(self.message.layer):
            where = self.inside("layer", index)
            if len(message.include) and len(message.exclude):
                self.error(f"{self.called(message, index)} has both include and exclude; give one of them", where(("exclude",)))
            elif is_selected(message, self.state):
                chosen.append((message, where, index))
        if not chosen and not self.errors:
            reason = f" in phase {self.state.phase}" if len(self.message.layer) else ""
            self.error(f"{self.filename} has no layers{reason}", None)
        return chosen

    def resolved(self, chosen: list[Chosen]) -> Any:
        """The NetParameter with only these layers."""
        message = self.message
        result = type(message)(name=message.name, force_backward=message.force_backward, debug_info=message.debug_info)
        if message.HasField("state"):
            result.state.CopyFrom(message.state)
        result.kept.extend(message.kept)
        result.layer.extend(layer for layer, _, _ in chosen)
        return result

    def inside(self, *prefix: str | int) -> Where:
        return lambda path: self.where((*prefix, *path))

    @staticmethod
    def called(message: Any, index: int) -> str:
        return f"layer {message.name or index + 1}"

    # -- one layer

    def add(self, message: Any, where: Where, number: int) -> None:
        """Bind one layer, or report its errors. Its tops are made either way, so that no layer after it reports them as missing."""
        if number in self.broken:
            self.tops(None, message, [UNKNOWN] * len(message.top), where)
            return
        layer = self.make(message, where)
        bottoms = [self.bottom(message, i, where, number) for i in range(len(message.bottom))]
        if layer is None:
            self.tops(None, message, [UNKNOWN] * len(message.top), where)
            return
        layer.bottoms = tuple(bottoms)
        shapes = [b.shape for b in bottoms]
        outputs: list[Shape] = [UNKNOWN] * len(message.top)
        fits = self.counts_fit(layer)
        if fits and UNKNOWN in shapes:
            make_unsized(layer)
        elif fits:
            try:
                found = layer.output_shapes(*shapes)
                for index, shape in enumerate(found[: len(message.top)]):
                    check_size(layer, f"blob {message.top[index]}", shape, "top", index)
                outputs = found  # known even if the parameters have errors
                self.parameters(layer, shapes)
            except NetdefError as error:
                if any(not is_idle(name) for name in kept.names(layer.message)):
                    make_unsized(layer)  # its fork's rule may be another: a run is refused in any case
                elif self.partial and all(one.code == SIZE_UNKNOWN for one in error.diagnostics):
                    self.unsized += error.diagnostics
                    make_unsized(layer)
                else:
                    self.errors.extend(coded(error.diagnostics, "ND107"))
        for blob in bottoms:
            blob.consumers.append(layer)
        self.tops(layer, message, outputs, where)
        self.weigh(layer)
        self.propagate(layer)
        self.layers.append(layer)

    def make(self, message: Any, where: Where) -> Layer | None:
        """Make the layer's object; report a missing or unknown type."""
        name = message.name or f"{message.type.lower()}_{len(self.layers)}"
        if not message.type:
            self.error(f"layer {name} has no type", where(()))
            return None
        if known := misspelt_type(message.type):
            self.error(f"unknown layer type {message.type!r}", where(("type",)), f"did you mean {known}?")
            return None
        phase = phase_name(message.phase) if message.HasField("phase") else self.state.phase
        layer = LAYERS.get(message.type, Unknown)(self.own_name(name), message, phase, where)
        layer.assumed, layer.file = self.assumed, self.filename
        self.by_name[layer.name] = layer
        self.namesakes.setdefault(name, []).append(layer)
        if message.device < 0:
            self.error(f"{layer.type} {name}: device {message.device}: devices are counted from 0", where(("device",)))
        return layer

    def own_name(self, name: str) -> str:
        """A layer's name; if other layers have it, the name with a number: relu#2."""
        own, count = name, max(1, len(self.namesakes.get(name, ())))
        while own in self.by_name:
            count += 1
            own = f"{name}#{count}"
        return own

    def check_names(self) -> None:
        """Report layers of one name if any has weights: files of weights store these by the layer's name."""
        for name, layers in self.namesakes.items():
            if len(layers) > 1 and any(layer.parameters for layer in layers):
                notes = (Note("the first one", layers[0].where("name")),)
                hint = "give each its own name: files of weights store them by it"
                for layer in layers[1:]:
                    if layer.parameters and all(p.owner.layer is layers[0] and p.owner.index == p.index for p in layer.parameters):
                        continue  # a file of weights has one array for both
                    self.error(f"two layers are named {name}", layer.where("name"), hint, notes, "ND102")

    def bottom(self, message: Any, index: int, where: Where, number: int) -> Blob:
        """The current version of the blob that a bottom names; a placeholder of unknown shape if there is none."""
        name = message.bottom[index]
        blob = self.blobs.get(name)
        if blob is None:
            self.missing_blobs = self.missing_blobs or MissingBlobs(self.message, self.where, self.state, self.removed)
            if not self.tops_missing:
                found = self.missing_blobs.missing(number, name, where(("bottom", index)), self.blobs)
                self.errors += coded([found], "ND101")
            blob = Blob(name, 0, UNKNOWN, None, 0)  # type: ignore[arg-type]
        return blob

    def counts_fit(self, layer: Layer) -> bool:
        """Whether the numbers of bottoms and tops are those that the type takes."""
        fits = True
        for kind, names, (low, high) in (
            ("bottom", layer.message.bottom, layer.bottoms_allowed),
            ("top", layer.message.top, layer.tops_allowed),
        ):
            count = len(names)
            if kind == "top" and layer.is_loss:
                low = 0
            if count < low or (high is not None and count > high):
                fits = False
                at = layer.where(kind, high) if high is not None and count > high else layer.position
                self.error(
                    f"{layer.type} {layer.name} has {plural(count, kind)}; it takes {range_text(low, high)}", at, code="ND104"
                )
        return fits

    def tops(self, layer: Any, message: Any, shapes: list[Shape], where: Where) -> None:
        """Make the blobs that a layer writes, and record which of them it writes in place."""
        made: list[Blob] = []
        in_place: list[bool] = []
        for index, name in enumerate(message.top):
            reuses = index < len(message.bottom) and message.bottom[index] == name
            before = self.blobs.get(name)
            if before is not None and not reuses:
                self.written_twice(name, before, where(("top", index)))
            version = before.version + 1 if before is not None and reuses else 0
            blob = Blob(name, version, shapes[index], layer, index)
            self.blobs[name] = blob
            self.writers[name] = (message.name, where)
            self.every_blob.append(blob)
            made.append(blob)
            in_place.append(reuses)
        if layer is None:
            return
        if layer.is_loss and not made:
            blob = Blob("(automatic)", 0, (), layer, 0)
            self.unnamed.append(blob)
            self.every_blob.append(blob)
            made, in_place = [blob], [False]
        layer.tops, layer.in_place = tuple(made), tuple(in_place)

    def written_twice(self, name: str, before: Blob, at: Position | None) -> None:
        first = self.writers[name]
        notes = (Note(f"layer {first[0]} writes it first", first[1](("top", before.index))),)
        hint = "give this top its own name, or work in place (bottom = top)"
        self.error(f"blob {name} is written twice", at, hint, notes, "ND103")

    # -- parameters, loss weights, gradients

    def parameters(self, layer: Layer, shapes: list[Shape]) -> None:
        """Make the layer's parameters; those of one name share an array."""
        found = layer.parameter_shapes(*shapes)
        specs = list(layer.message.param)
        if len(specs) > len(found):
            has = f"has {plural(len(found), 'parameter')}, param is given {times(len(specs))}"
            self.error(f"{layer.type} {layer.name} {has}", layer.where("param", len(found)), code="ND105")
            return
        made = []
        for index, (shape, filler) in enumerate(found):
            check_size(layer, f"parameter {index}", shape)
            spec = specs[index] if index < len(specs) else None
            frozen = layer.is_frozen(index)
            if frozen and not layer.corrects_rates and spec is not None and spec.lr_mult:
                text = f"{layer.type} {layer.name}: statistics {index} has lr_mult {spec.lr_mult:g}, but no solver changes them"
                at = layer.where("param", index, "lr_mult")
                self.error(text, at, "set lr_mult: 0, or leave param out", code="ND105")
            lr_mult = 0.0 if frozen else spec.lr_mult if spec is not None else 1.0
            decay_mult = 0.0 if frozen else spec.decay_mult if spec is not None else 1.0
            parameter = Parameter(layer, index, shape, filler, lr_mult, decay_mult, spec.name if spec is not None else "")
            if parameter.name:
                self.share(parameter, spec)
            made.append(parameter)
        layer.parameters = tuple(made)

    def share(self, parameter: Parameter, spec: Any) -> None:
        """Find the owner of a parameter's name; report shapes and multipliers that differ from its own."""
        given = [getattr(spec, field) if spec.HasField(field) else None for field in ("lr_mult", "decay_mult")]
        if parameter.layer.is_frozen(parameter.index):
            given = [0.0, 0.0]
        owner = self.shared.setdefault(parameter.name, parameter)
        if owner is parameter:
            self.multipliers[owner] = given
            return
        parameter.owner = owner
        layer, index = parameter.layer, parameter.index
        note = (Note(f"{owner} is {shape_text(owner.shape)}", owner.layer.where("param", owner.index)),)
        permissive = spec.share_mode == spec.PERMISSIVE
        if permissive and parameter.count != owner.count:
            text = f"{parameter} shares {parameter.name!r} but differs in size: {shape_text(parameter.shape)}"
            self.error(text, layer.where("param", index), notes=note, code="ND106")
        elif not permissive and parameter.shape != owner.shape:
            text = f"{parameter} shares {parameter.name!r} but differs in shape: {shape_text(parameter.shape)}"
            hint = "share_mode: PERMISSIVE asks only for the same size" if parameter.count == owner.count else ""
            self.error(text, layer.where("param", index), hint, note, "ND106")
        for slot, field in enumerate(("lr_mult", "decay_mult")):
            mine, owners = given[slot], self.multipliers[owner][slot]
            if owners is None:
                self.multipliers[owner][slot] = mine
            elif mine is not None and mine != owners:
                text = f"{parameter} shares {parameter.name!r} with {owner}: {field} {mine:g} here, {owners:g} there"
                at = layer.where("param", index, field)
                there = (Note("there", owner.layer.where("param", owner.index)),)
                self.error(text, at, "give it once, or the same", there, "ND106")

    def settle(self) -> None:
        """Set what is known only at the end: multipliers of shared parameters, names of unnamed losses."""
        for owner, (lr_mult, decay_mult) in self.multipliers.items():
            owner.lr_mult = 1.0 if lr_mult is None else lr_mult
            owner.decay_mult = 1.0 if decay_mult is None else decay_mult
        for layer in self.layers:
            for parameter in layer.parameters:
                parameter.lr_mult, parameter.decay_mult = parameter.owner.lr_mult, parameter.owner.decay_mult
        for blob in self.unnamed:
            blob.name = blob.producer.name
            while blob.name in self.blobs:
                blob.name += " (automatic)"
            self.blobs[blob.name] = blob

    def weigh(self, layer: Layer) -> None:
        """Set the weight of each top in the objective."""
        given = list(layer.message.loss_weight)
        if not given:
            layer.loss_weights = tuple(float(layer.is_loss and i == 0) for i in range(len(layer.tops)))
            return
        if len(given) != len(layer.tops):
            has = f"has {plural(len(layer.tops), 'top')}, loss_weight is given {times(len(given))}"
            self.error(
                f"{layer.type} {layer.name} {has}",
                layer.where("loss_weight"),
                "give it once for each top, or not at all",
            )
        layer.loss_weights = tuple(given)

    def propagate(self, layer: Layer) -> None:
        """Set for which bottoms the file asks for, or refuses, a gradient."""
        given = list(layer.message.propagate_down)
        bottoms = len(layer.message.bottom)
        if given and len(given) != bottoms:
            has = f"has {plural(bottoms, 'bottom')}, propagate_down is given {times(len(given))}"
            self.error(
                f"{layer.type} {layer.name} {has}",
                layer.where("propagate_down"),
                "give it once for each bottom, or not at all",
            )
        layer.propagate_down = tuple(given) if given else (None,) * bottoms


def check_size(layer: Layer, what: str, shape: Shape, *at: str | int) -> None:
    """Raises NetdefError if an array is larger than any machine's memory, or has more axes than Caffe supports."""
    if len(shape) > MOST_AXES:
        raise layer.error(f"{what} would have {len(shape)} axes; at most {MOST_AXES} are possible", *at)
    if prod(shape) > MOST_ELEMENTS:
        hint = f"at most {MOST_ELEMENTS:,} are possible: is a number too large?"
        raise layer.error(f"{what} ({shape_text(shape)}) would have {prod(shape):,} elements", *at, hint=hint)
