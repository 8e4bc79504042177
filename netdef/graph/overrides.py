"""Changes to a net from outside its file: fields by name, and the batch size of its sources.

Each change is a text, `conv1.kernel_size=5`, from the command line's --set or made from a mapping in Python. The language's parser
reads its value, and diagnostics quote the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any

from netdef.graph.layer import LAYERS, Path
from netdef.language.bind import bind
from netdef.language.diagnostics import Diagnostic, NetdefError, coded
from netdef.language.parser import parse
from netdef.language.source import Position, Source, excerpt
from netdef.language.spelling import did_you_mean, one_of_namesakes
from netdef.language.units import shortened
from netdef.language.vocabulary import FieldInfo, fields, layer_vocabulary
from netdef.schema import LAYER_TYPES, is_repeated, layer_fields

NAME = "<override>"
OPTION = "--set"
OF_SOLVER = "solver."  # how keys of a solver's fields begin
MOST_IMAGES = 2**31 - 1  # of a batch: what every field that counts them can hold


class Setting:
    """One change as a text: a key, an equals sign, a value.

    Attributes
    ----------
    source: the text, with its origin as a name.
    key: the text before the equals sign. value_at: the offset of the value.
    """

    def __init__(self, text: str, name: str = OPTION, given: Any = None):
        """`given`: the value in Python; the text then only serves diagnostics.

        Raises
        ------
        NetdefError: the text has no equals sign, or nothing before it.
        """
        self.given = given
        self.source = Source(name, text)
        self.source.by_caller = True
        self.text = self.source.text
        self.equals = self.text.find("=")
        self.key = self.text[: max(0, self.equals)].rstrip()
        if not self.key.strip():
            hint = "write LAYER.FIELD=VALUE or TYPE:FIELD=VALUE, such as conv1.num_output=64"
            raise NetdefError(f"{excerpt(text)!r} sets nothing", self.at(0, len(text)), hint)

    @property
    def value_at(self) -> int:
        rest = self.text[self.equals + 1 :]
        return self.equals + 1 + len(rest) - len(rest.lstrip())

    @property
    def value(self) -> str:
        return self.text[self.value_at :].rstrip()

    def at(self, start: int, end: int) -> Position:
        return self.source.position(start, max(end, start + 1))

    def names(self, start: int) -> list[tuple[str, int]]:
        """The names of the key from offset `start` on, each with its offset."""
        found = []
        for name in self.key[start:].split("."):
            found.append((name.strip(), start + len(name) - len(name.lstrip())))
            start += len(name) + 1
        return found


def settings_of(texts: Iterable[str]) -> dict[str, Setting]:
    """The settings of --set, by their keys; the later of two for one key.

    Raises
    ------
    NetdefError: with every text that is not a setting.
    """
    found: dict[str, Setting] = {}
    errors: list[Diagnostic] = []
    for text in texts:
        try:
            setting = Setting(text)
            found[setting.key] = setting
        except NetdefError as error:
            errors.extend(error.diagnostics)
    if errors:
        raise NetdefError(errors)
    return found


class Overrides:
    """Applies changes, and remembers their positions for later diagnostics."""

    def __init__(self, where: Callable[[Path], Position | None]):
        self._where = where
        self._changed: dict[Path, Position] = {}

    def where(self, path: Path) -> Position | None:
        """The position of a path: in the change that set it, else in the file."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._changed:
                return self._changed[path[:length]]
        return self._where(path)

    def apply(self, message: Any, changes: Mapping[str, Any]) -> None:
        """Set fields of a NetParameter: {"conv1.num_output": 64, "conv1.weight_filler.std": 0.1, "name": "mine"}.

        A key is the name of a layer, a dot, and a field of its type or of LayerParameter; or a type, a colon and a field, for all
        layers of that type; or a field of the net.
        A number selects one of a repeated message: "conv1.param.0.lr_mult". A list replaces a repeated field. Each value is
        a Python value, or a Setting.

        Raises
        ------
        NetdefError: with every key or value that does not fit.
        """
        errors: list[Diagnostic] = []
        layers: dict[str, list[int]] = {}
        for index, layer in enumerate(message.layer):
            layers.setdefault(layer.name, []).append(index)
        for key, value in changes.items():
            setting = value if isinstance(value, Setting) else Setting(f"{key} = {_text(value)}", NAME, value)
            try:
                for path, target, start in _targets(message, layers, setting):
                    self._set(setting, path, target, start)
            except NetdefError as error:
                errors.extend(coded(error.diagnostics, "ND002"))
        if errors:
            raise NetdefError(errors)

    def apply_to_solver(self, message: Any, changes: Mapping[str, Any]) -> None:
        """Set fields of a SolverParameter: {"solver.base_lr": 0.01}; errors as in `apply`."""
        errors: list[Diagnostic] = []
        for key, value in changes.items():
            setting = value if isinstance(value, Setting) else Setting(f"{key} = {_text(value)}", NAME, value)
            try:
                self._set(setting, [], message, len(setting.key) - len(setting.key.lstrip()) + len(OF_SOLVER))
            except NetdefError as error:
                errors.extend(coded(error.diagnostics, "ND002"))
        if errors:
            raise NetdefError(errors)

    def _set(self, setting: Setting, path: list[str | int], target: Any, start: int) -> None:
        """Set the field that the key names from offset `start` on, in the message `target` at `path`."""
        names = setting.names(start)
        known = _known(target, bool(path))
        while True:
            (name, at), *names = names
            if name not in known:
                text = f"unknown field {excerpt(name)!r} of {_called(target)}"
                plain, bracket, number = name.rstrip("]").partition("[")
                hint = f"write {plain}.{number}" if bracket and plain in known else did_you_mean(plain, known)
                raise NetdefError(text, setting.at(at, at + len(name)), hint)
            holder, info = known[name]
            if holder:
                target = getattr(target, holder)
                path.append(holder)
            path.append(name)
            if not names:
                break
            if info.kind != "message":
                end = names[-1][1] + len(names[-1][0])
                raise NetdefError(f"{name} has no fields of its own", setting.at(at, end), f"write ...{name}=VALUE")
            target = getattr(target, name)
            if info.repeated:
                target = _item(setting, target, info, names)
                path.append(int(names.pop(0)[0]))
                if not names:
                    self._assign(setting, target, None, setting.equals)
                    self._changed[tuple(path)] = setting.at(setting.value_at, len(setting.text.rstrip()))
                    return
            known = _known(target, False)
        self._assign(setting, target, info, at)
        self._changed[tuple(path)] = setting.at(setting.value_at, len(setting.text.rstrip()))

    @staticmethod
    def _assign(setting: Setting, target: Any, info: FieldInfo | None, at: int) -> None:
        """Parse the value and assign it to `target`, or to its field `info`, whose name is at offset `at`."""
        if info is not None and setting.given is None and info.kind == "string" and setting.value[:1] not in ("'", '"', "["):
            values = [setting.value] if info.repeated else setting.value  # a word needs no quotes here
            if info.repeated:
                getattr(target, info.name)[:] = values
            else:
                setattr(target, info.name, values)
            return
        if info is None:  # one message of a list: its fields are in braces
            inside = setting.value.strip()
            if not (inside.startswith("{") and inside.endswith("}")):
                raise NetdefError("expected a block in braces", setting.at(setting.value_at, len(setting.text)))
            at_brace = setting.text.index("{", setting.equals)
            text = " " * (at_brace + 1) + setting.text[at_brace + 1 : setting.text.rindex("}")]
        else:
            text = " " * at + setting.text[at : setting.equals] + ":"
            text += setting.text[setting.equals + 1 :] if setting.given is None else _text(setting.given, info)
        if info is not None and setting.given is None and not setting.value:
            raise NetdefError(f"{info.name} has no value", setting.at(at, setting.equals), f"write ...{info.name}=VALUE")
        tree = parse(_Quoted(setting, text))
        if info is not None and len(tree.statements) > 1:
            second = tree.statements[1].start
            raise NetdefError("a setting has one value", setting.at(second, len(setting.text)), "give --set for each")
        bound = bind(tree, target.DESCRIPTOR.name)
        if info is not None and info.repeated:
            target.ClearField(info.name)
        target.MergeFrom(bound.message)


class _Quoted(Source):
    """A text of the same offsets that is parsed instead of a setting's; diagnostics quote the setting."""

    def __init__(self, setting: Setting, text: str):
        super().__init__(setting.source.name, text)
        self.setting = setting

    def line(self, number: int) -> str:
        return self.setting.source.line(number)


def _item(setting: Setting, target: Any, info: FieldInfo, names: list[tuple[str, int]]) -> Any:
    """One message of a repeated field, made if it is the next one."""
    text, at = names[0]
    if not text.isdecimal() or len(text) > 18 or int(text) > len(target):
        count = f"there are {len(target)}" if target else "there is none yet"
        hint = f"write {info.name}.0 for the first; {count}"
        raise NetdefError(f"which {info.name}?", setting.at(at, at + len(text)), hint)
    if int(text) == len(target):
        target.add()
    return target[int(text)]


def _known(target: Any, is_layer: bool) -> dict[str, tuple[str, FieldInfo]]:
    """The fields that a key can name in a message, each with the field of the message that holds it, or ""."""
    name = target.DESCRIPTOR.name
    plain = {field: ("", info) for field, info in fields(name).items()}
    return {**plain, **layer_vocabulary(target.type)} if is_layer and target.type in LAYER_TYPES else plain


def _called(target: Any) -> str:
    name = target.DESCRIPTOR.name
    kind = getattr(target, "type", "") or "a layer"
    return {"LayerParameter": kind, "NetParameter": "a network", "SolverParameter": "a solver"}.get(name, name)


def set_batch_size(message: Any, batch_size: int) -> None:
    """Set the number of images in a batch, in all sources of a NetParameter.

    Raises
    ------
    NetdefError: it is no whole number, less than 1, or more than a field can hold.
    """
    if not isinstance(batch_size, Integral):
        raise NetdefError(f"a batch of {batch_size!r} images", hint="the batch size must be a whole number")
    if batch_size < 1:
        raise NetdefError(f"a batch of {batch_size} images", hint="the batch size must be at least 1")
    if batch_size > MOST_IMAGES:
        raise NetdefError(f"a batch of {batch_size:,} images", hint=f"the batch size must be at most {MOST_IMAGES:,}")
    shapes: list[Any] = []
    for layer in message.layer:
        own = getattr(layer, (layer_fields(layer.type) or ("",))[0], None)
        if own is not None and "batch_size" in own.DESCRIPTOR.fields_by_name:
            own.batch_size = batch_size
        elif own is not None and layer.type in LAYERS and LAYERS[layer.type].is_source:
            known = own.DESCRIPTOR.fields_by_name
            if "shape" in known and is_repeated(known["shape"]):
                shapes.extend(own.shape)
            if "num" in known:
                own.num[:] = [batch_size] * len(own.num)
    for shape in shapes:
        if len(shape.dim):
            shape.dim[0] = batch_size


def set_input_shapes(message: Any, shapes: Mapping[str, Sequence[int]]) -> None:
    """Set the shapes of tops of Input layers in a NetParameter, by their names."""
    for layer in message.layer:
        if layer.type == "Input" and not shapes.keys().isdisjoint(layer.top):
            own = layer.input_param.shape
            while len(own) < len(layer.top):  # one shape is for all tops
                own.add().CopyFrom(own[0])
            for top, shape in zip(layer.top, own, strict=True):
                shape.dim[:] = shapes.get(top, shape.dim)


def _targets(message: Any, layers: dict[str, list[int]], setting: Setting) -> Iterator[tuple[list[str | int], Any, int]]:
    """(path, message, offset of the fields in the key) for each layer that a key names, or for the net."""
    key, start = setting.key, len(setting.key) - len(setting.key.lstrip())
    for at in range(len(key) - 1, 0, -1):  # a layer's name may hold dots itself: the longest one wins
        if key[at] == "." and key[start:at].strip() in layers:
            for index in layers[key[start:at].strip()]:
                yield ["layer", index], message.layer[index], at + 1
            return
    kind, colon, _ = key[start:].partition(":")
    if colon and "." not in kind:
        yield from _of_type(message, kind.strip(), setting, start + len(kind) + 1)
        return
    (first, at), *others = setting.names(0)
    if first in fields("NetParameter"):
        yield [], message, 0
        return
    what = f"layer called {excerpt(first)}" if others else f"field {excerpt(first)} of a network"
    known = layers if others else [*fields("NetParameter")]
    hint = one_of_namesakes(first, layers) or did_you_mean(first, known)
    if others and first == OF_SOLVER[:-1]:
        hint = "netdef train, rates and study take a solver, whose fields this sets"
    if not others and first in layers:
        hint = f"write {first}.FIELD={excerpt(setting.value)}"
    raise NetdefError(f"there is no {what}", setting.at(at, at + len(first)), hint)


def _of_type(message: Any, kind: str, setting: Setting, fields_at: int) -> Iterator[tuple[list[str | int], Any, int]]:
    """The same for each layer of a type."""
    found = [index for index, layer in enumerate(message.layer) if layer.type == kind]
    if not found:
        types = list(dict.fromkeys(layer.type for layer in message.layer))
        at = setting.key.index(kind) if kind else 0
        hint = did_you_mean(kind, types) or f"its types: {shortened(types)}"
        raise NetdefError(f"there is no layer of type {excerpt(kind)}", setting.at(at, at + len(kind)), hint)
    for index in found:
        yield ["layer", index], message.layer[index], fields_at


def for_nets(changes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Those of some changes that are not of a solver."""
    return {key: value for key, value in (changes or {}).items() if not key.lstrip().startswith(OF_SOLVER)}


def for_solver(changes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Those of some changes that are of a solver."""
    return {key: value for key, value in (changes or {}).items() if key.lstrip().startswith(OF_SOLVER)}


def _text(value: Any, info: FieldInfo | None = None) -> str:
    """A Python value as the language writes it in a field."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if info is None or info.kind != "string":
            return value
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, Mapping):
        known = fields(info.message) if info is not None and info.kind == "message" else {}
        return "{ " + " ".join(f"{name}: {_text(inner, known.get(name))}" for name, inner in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_text(inner, info) for inner in value) + "]"
    return str(value)
