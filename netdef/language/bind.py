"""Bind statements to protobuf messages: check every field against the schema, and record its position in the text.

Both notations of a layer become plain LayerParameter messages, with the fields of `defaults` filled in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from netdef import schema
from netdef.language import hints
from netdef.language.bound import Bound, Unknown
from netdef.language.bypass import BypassError
from netdef.language.contents import MOST_TEXT, text_of_file
from netdef.language.defaults import merge_under
from netdef.language.diagnostics import Diagnostic, NetdefError, Note, coded, in_order
from netdef.language.find import is_packaged, shown
from netdef.language.inherit import Inheritance, assemble, locate
from netdef.language.kept import Unknowns, is_word_of_a_fork
from netdef.language.nodes import Block, Defaults, Field, Include, Layer, List, Remove, Scalar, Statement, Value, shift
from netdef.language.parser import Tree, parse
from netdef.language.reach import CODE, REMEDY, folder_of, outside, refuses_outside
from netdef.language.scalars import MisfitError, convert
from netdef.language.scope import Scope
from netdef.language.source import excerpt
from netdef.language.spelling import did_you_mean, one_of_namesakes
from netdef.language.units import binary
from netdef.language.vocabulary import FieldInfo, fields, layer_vocabulary, misspelt_type
from netdef.schema.origins import Entry, Origins, Span

MOST_HINTS = 200  # errors that get a hint; each costs a search through all names

DEEPEST = 64  # files that include one another


def bind(tree: Tree, message_name: str) -> Bound:
    """The message that a parsed file describes. Raises NetdefError with all errors of the file."""
    binder = _Binder(tree, message_name)
    message = schema.message_class(message_name)()
    origins = Origins((0, 0))
    binder.block(tree.statements, message, origins, Scope(message_name))
    if message_name == "NetParameter":
        binder.assemble(message, origins)
    of_text = coded([*tree.diagnostics, *binder.of_text], "ND001")
    of_fields = coded(binder.diagnostics, "ND002")
    found = of_text + [one for one in of_fields if not _is_suspect(one, tree)]
    if not found and of_fields:
        found = of_fields
    if found:
        error = NetdefError(in_order(found))
        if not of_text and not binder.elsewhere:
            error.partial = Bound(message, tree.source.name, tree.source, origins, broken=frozenset(binder.broken))
        raise error
    idle = sorted(binder.idle.values())
    removed = binder.heritage.removed
    bound = Bound(message, tree.source.name, tree.source, origins, idle_defaults=idle, unknown=binder.kept, removed=removed)
    bound.outside = binder.outside
    return bound


def _same_file(a: FilePath, b: FilePath) -> bool:
    return a.resolve() == b.resolve()


def _layers(message: Any) -> int:
    """How many layers a message holds."""
    return len(message.layer) if message.DESCRIPTOR.name == "NetParameter" else 0


def _is_suspect(diagnostic: Diagnostic, tree: Tree) -> bool:
    """Whether an error may only be a consequence of a syntax error."""
    if diagnostic.position is None or diagnostic.position.source is not tree.source or not tree.suspect:
        return False
    return tree.is_suspect(tree.source.starts[diagnostic.position.line - 1] + diagnostic.position.column - 1)


class _Binder:
    def __init__(self, tree: Tree, message_name: str) -> None:
        self.tree = tree
        self.source = tree.source
        self.file_message = message_name
        self.diagnostics: list[Diagnostic] = []
        self.defaults: dict[str, tuple[Any, Origins]] = {}
        self.idle: dict[str, Span] = {}  # types whose defaults no layer has used
        self.broken: set[int] = set()  # layers with errors
        self.elsewhere = False  # whether there are errors outside layers
        self.chain = [FilePath(tree.source.name)]  # the file being read, after those that include it
        self.heritage = Inheritance()  # of the net being read
        self.of_text: list[Diagnostic] = []  # syntax errors in included files
        self.kept: list[Unknown] = []
        self.unknowns = Unknowns()
        self.outside: list[Diagnostic] = []  # files included from outside of the folder

    # Reporting.

    @property
    def thorough(self) -> bool:
        """Whether the next error gets a hint."""
        return len(self.diagnostics) < MOST_HINTS

    def error(self, message: str, start: int, end: int, hint: str = "", notes: tuple[Note, ...] = (), code: str = "") -> None:
        self.diagnostics.append(Diagnostic(message, self.source.position(start, end), hint, notes, code=code))

    def name_error(self, message: str, statement: Field, hint: str = "", notes: tuple[Note, ...] = ()) -> None:
        self.error(message, statement.start, statement.start + len(statement.name), hint, notes)

    # Blocks and fields.

    def block(self, statements: list[Statement], message: Any, origins: Origins, scope: Scope) -> None:
        """Fill a message from the statements of its block."""
        with self.unknowns.of(message, origins):
            self.statements(statements, message, origins, scope)

    def statements(self, statements: list[Statement], message: Any, origins: Origins, scope: Scope) -> None:
        known = fields(scope.message)
        for statement in statements:
            found, made = len(self.diagnostics), _layers(message)
            if type(statement) is Field:
                info = known.get(statement.name)
                if info is None:
                    self.unknown(statement, statements, scope)
                else:
                    self.field(info, statement, message, origins, scope)
            elif scope.message != "NetParameter":
                self.misplaced(statement, scope)
            elif type(statement) is Layer:
                self.layer(statement, message, origins, scope)
            elif type(statement) is Defaults:
                self.set_defaults(statement)
            elif type(statement) is Include:
                self.include(statement, message, origins, scope)
            elif type(statement) is Remove:
                self.heritage.removals.append((len(message.layer), statement))
            if scope.outer is None and len(self.diagnostics) > found and type(statement) is not Include:
                self.blame(range(made, _layers(message)))

    def blame(self, layers: range) -> None:
        """Record which layer a statement with errors made, if it made one."""
        self.broken.update(layers)
        self.elsewhere |= not layers

    def field(self, info: FieldInfo, statement: Field, message: Any, origins: Origins, scope: Scope) -> None:
        """Set one field of a message."""
        name, value = info.name, statement.value
        if info.repeated:
            entries = origins.fields.setdefault(name, [])
            values = value.items if type(value) is List else (value,)
            for one in values:
                start = statement.start if one is value else one.start
                entry = self.value(info, one, statement, message, start, scope)
                if entry is not None:
                    entries.append(entry)  # type: ignore[union-attr]
            return
        if name in origins.fields and scope.message == "NetParameter" and self.heritage.count:
            if name in self.heritage.inherited:
                message.ClearField(name)
                del origins.fields[name]
                self.heritage.inherited.discard(name)
            elif len(self.chain) > 1:
                return  # the including file sets it
        if name in origins.fields:
            start, end = origins.find((name,))
            note = Note("first given here", self.source.position(start, end))
            self.name_error(f"{name} is given twice", statement, "keep one of them", (note,))
            return
        if type(value) is List:
            self.name_error(f"{name} takes one value, not a list", statement)
            return
        entry = self.value(info, value, statement, message, statement.start, scope)
        origins.fields[name] = entry or (statement.start, value.end)

    def value(self, info: FieldInfo, value: Value, statement: Field, message: Any, start: int, scope: Scope) -> Entry | None:
        """Set or add one value; None if it does not fit."""
        if info.kind == "message":
            return self.message(info, value, statement, message, start, scope)
        if type(value) is not Scalar:
            what = "a block" if type(value) is Block else "a list within a list"
            self.error(f"{info.name} takes {hints.TAKES[info.kind]}, not {what}", value.start, value.start + 1)
            return None
        try:
            made = convert(info, value)
        except MisfitError as misfit:
            if is_word_of_a_fork(info, value, scope) and self.unknowns.keep(statement):
                return None
            if not self.thorough:
                misfit.hint = ""
            elif info.name == "type" and scope.message == "LayerParameter":
                misfit.hint = hints.quoted_type(value) or misfit.hint
            elif info.name == "type" and scope.message == "V1LayerParameter":
                misfit.hint = hints.old_type(value) or misfit.hint
            at = (value.start, value.end) if misfit.offset is None else (misfit.offset, misfit.offset + 1)
            self.error(misfit.message, *at, misfit.hint)
            return None
        if info.repeated:
            getattr(message, info.name).append(made)
        else:
            setattr(message, info.name, made)
        return (value.start if info.kind == "string" else start), value.end

    def message(self, info: FieldInfo, value: Value, statement: Field, message: Any, start: int, scope: Scope) -> Origins | None:
        """Set or add one message."""
        if type(value) is not Block:
            hint = hints.block_wanted(info, value)
            self.error(f"{info.name} takes a block in braces", value.start, value.end, hint)
            return None
        whole = start + len(info.name) if start == statement.start else start + 1
        origins = Origins((start, whole))
        if info.repeated:
            inner = getattr(message, info.name).add()
        else:
            inner = getattr(message, info.name)
            inner.SetInParent()
        if info.message == "V1LayerParameter" and self.defaults:
            self.name_error("defaults do not hold for layers of the older format", statement, "write layer { ... }")
        outer = self.defaults, self.heritage
        if info.message == "NetParameter":
            self.defaults, self.heritage = {}, Inheritance()
        with self.unknowns.inside(f"{info.name}[{len(getattr(message, info.name)) - 1}]" if info.repeated else info.name):
            self.block(value.statements, inner, origins, Scope(info.message, info.name, scope))
        if info.message == "NetParameter":
            self.assemble(inner, origins)
        self.defaults, self.heritage = outer
        if info.message == "LayerParameter":
            self.finish_layer(inner, origins, (start, value.end))
        return origins

    def unknown(self, statement: Field, statements: list[Statement], scope: Scope) -> None:
        """Report a field that is misspelt or misplaced; keep one that is only unknown."""
        of_solver = self.file_message == "SolverParameter" and scope.outer is None
        message, hint, wrong = hints.unknown_field(statement, statements, scope, self.file_message)
        if of_solver and not hint:
            text = self.source.text[statement.start : statement.value.end]
            self.kept.append(Unknown(statement.name, (statement.start, statement.start + len(statement.name)), text))
        elif wrong or self.tree.suspect or not self.unknowns.keep(statement):
            self.name_error(message, statement, hint if self.thorough else "")

    def misplaced(self, statement: Statement, scope: Scope) -> None:
        """Report a layer, defaults, include, remove or bypass inside a message."""
        kind = type(statement)
        word = {Defaults: "defaults", Include: "include"}.get(kind, "a layer")
        if isinstance(statement, Remove):
            word = statement.word
        if self.file_message == "SolverParameter" and scope.outer is None:
            message, hint = f"{word} in a solver file", "layers belong in the network's own file; name it with net: ..."
        else:
            inside = "another layer" if scope.type and scope.name == "layer" else hints.described(scope)
            message, hint = f"{word} inside {inside}", "layers stand side by side; is a '}' missing before this one?"
        self.error(message, statement.start, statement.start + len(word.split()[-1]), hint)

    # Other files.

    def include(self, statement: Include, net: Any, origins: Origins, scope: Scope) -> None:
        """Bind the statements of another file, without fields that are set here already."""
        value = statement.file
        name = self.text(value)
        path = locate(name, self.chain[-1].parent)
        self.elsewhere |= path is None or any(_same_file(path, other) for other in self.chain)
        if path is None:
            hint = "it is searched beside this file, and among the models of the package"
            self.error(f"there is no file {excerpt(name)}", value.start, value.end, hint, code="ND005")
            return
        if any(_same_file(path, other) for other in self.chain):
            circle = " -> ".join([*(other.name for other in self.chain), path.name])
            self.error(f"{path.name} includes itself: {circle}", value.start, value.end, "break the cycle", code="ND005")
            return
        if path.resolve() in self.heritage.files or not self.may_read(path, value):
            return
        if len(self.chain) > DEEPEST:
            self.error(f"includes nest deeper than {DEEPEST} files", value.start, value.end, code="ND005")
            self.elsewhere = True
            return
        self.heritage.files.add(path.resolve())
        tree = self.read(path, value)
        if tree is None:
            return
        outer, before = self.tree, len(self.diagnostics)
        layers = self.heritage.enter(len(net.layer))
        self.tree = tree
        self.chain.append(path)
        given = set(origins.fields)
        self.block(tree.statements, net, origins, scope)
        self.heritage.inherited |= origins.fields.keys() - given
        self.chain.pop()
        self.tree = outer
        self.heritage.leave(len(net.layer), layers)
        self.diagnostics[before:] = [one for one in self.diagnostics[before:] if not _is_suspect(one, tree)]

    def may_read(self, path: FilePath, value: Scalar) -> bool:
        """Whether a file may be included: one from outside of the folder is recorded, or refused inside `only_inside`."""
        found = outside(path, self.chain[-1].parent)
        if found is None or is_packaged(path):
            return True
        text = f"include leads to {found}, outside of {folder_of(self.source.position(value.start))}"
        if refuses_outside():
            self.error(text, value.start, value.end, REMEDY, code=CODE)
            self.elsewhere = True
            return False
        self.outside.append(Diagnostic(text, self.source.position(value.start, value.end), code=CODE))
        return True

    def read(self, path: FilePath, value: Scalar) -> Tree | None:
        """Parse an included file; its offsets continue those of all files before it. None if it cannot be read."""
        at = self.source.position(value.start, value.end)
        name = str(shown(path))
        try:
            tree = parse(text_of_file(path, name), name)
        except NetdefError as error:
            self.diagnostics += [replace(one, position=one.position or at, code="ND005") for one in error.diagnostics]
            self.elsewhere = True
            return None
        tree.source.included_from = at
        self.of_text += tree.diagnostics
        begin = self.source.add(tree.source)
        if begin > MOST_TEXT:
            text = f"with all includes the net holds more than {binary(MOST_TEXT)} of text"
            self.error(text, value.start, value.end, code="ND005")
            self.elsewhere = True
            return None
        shift(tree.statements, begin)
        tree.shifted = begin
        return tree

    def assemble(self, net: Any, origins: Origins) -> None:
        """Merge a net's own layers and those of included files."""

        def missing(statement: Remove, there: Iterable[str]) -> None:
            name = statement.name
            known = list(there)
            if statement.phase is not None and name.name in known:
                text = f"layer {excerpt(name.name)} is not in the {statement.phase.text} phase alone"
                hint = f"write {statement.word} layer {name.name} to leave it out of all its phases"
                self.error(text, name.start, name.end, hint, code="ND005")
                self.elsewhere = True
                return
            hint = one_of_namesakes(name.name, known) or (did_you_mean(name.name, known) if self.thorough else "")
            self.error(f"there is no layer {excerpt(name.name)} to {statement.word}", name.start, name.end, hint, code="ND005")
            self.elsewhere = True

        def several(number: int, count: int) -> None:
            name, span = net.layer[number].name, origins.find(("layer", number, "name"))
            hint = "give each its own name there, or remove all of them with remove layer"
            self.error(f"layer {excerpt(name)} would replace {count} layers of that name", *span, hint, code="ND005")
            self.elsewhere = True

        def impossible(statement: Remove, error: BypassError) -> None:
            self.error(error.message, statement.name.start, statement.name.end, error.hint, code="ND005")
            self.elsewhere = True

        if self.heritage.count or self.heritage.removals:
            new_numbers = assemble(net, origins, self.heritage, missing, several, impossible)
            self.broken = {new_numbers[number] for number in self.broken if number in new_numbers}

    # Layers.

    def layer(self, layer: Layer, net: Any, origins: Origins, scope: Scope) -> None:
        """Add a layer written in one line."""
        message = net.layer.add()
        entries = origins.fields.setdefault("layer", [])
        made = Origins((layer.name.start, layer.name.end))
        entries.append(made)  # type: ignore[union-attr]
        message.name, message.type = self.text(layer.name), self.text(layer.type)
        made.fields["name"] = (layer.name.start, layer.name.end)
        made.fields["type"] = (layer.type.start, layer.type.end)
        for name, given in (("bottom", layer.bottoms or []), ("top", self.tops(layer))):
            if given:
                getattr(message, name).extend(self.text(one) for one in given)
                made.fields[name] = [(one.start, one.end) for one in given]
        if layer.body is not None and not misspelt_type(message.type):
            self.body(layer.body, message, made, Scope("LayerParameter", "layer", scope, message.type))
        if layer.phase is not None:
            self.phase(layer, message, made)
        self.finish_layer(message, made, (layer.start, layer.body.end if layer.body else layer.type.end))

    @staticmethod
    def tops(layer: Layer) -> list[Scalar]:
        """The tops of a layer; without an arrow one of its own name, or none for a type without tops."""
        if layer.tops is not None:
            return layer.tops
        return [] if layer.type.name in schema.NO_TOPS else [layer.name]

    def text(self, value: Scalar) -> str:
        """A name in a head: a word, a number or a string."""
        if value.pieces is None:
            return value.text
        try:
            return convert(fields("LayerParameter")["name"], value)
        except MisfitError as misfit:
            self.error(misfit.message, value.start, value.end, misfit.hint)
            return ""

    def body(self, block: Block, message: Any, origins: Origins, scope: Scope) -> None:
        """The braces of a layer in one line, or of defaults: fields of the type need no enclosing message."""
        with self.unknowns.of(message, origins):
            self.settings(block, message, origins, scope)

    def settings(self, block: Block, message: Any, origins: Origins, scope: Scope) -> None:
        known = layer_vocabulary(scope.type)
        for statement in block.statements:
            if type(statement) is not Field:
                self.misplaced(statement, scope)
                continue
            found = known.get(statement.name)
            if found is None:
                self.unknown(statement, block.statements, scope)
                continue
            holder, info = found
            if holder:
                inner = origins.fields.setdefault(holder, Origins((statement.start, statement.start)))
                if type(inner) is Origins:  # otherwise the holder was given, with errors
                    getattr(message, holder).SetInParent()
                    self.field(info, statement, getattr(message, holder), inner, scope)
            elif info.name in schema.LAYER_TYPES.get(scope.type, ()) and info.name in origins.fields:
                self.own_message(info, statement, message, origins, scope)
            else:
                self.field(info, statement, message, origins, scope)

    def own_message(self, info: FieldInfo, statement: Field, message: Any, origins: Origins, scope: Scope) -> None:
        """A type's own message, given after some of its fields without it."""
        inner = origins.fields[info.name]
        if type(statement.value) is Block and type(inner) is Origins:
            at = Scope(info.message, info.name, scope)
            with self.unknowns.inside(info.name):
                self.block(statement.value.statements, getattr(message, info.name), inner, at)
        else:
            self.field(info, statement, message, origins, scope)

    def phase(self, layer: Layer, message: Any, origins: Origins) -> None:
        """`train` or `test` before a layer: an include rule, or a condition of each rule that the layer has."""
        token = layer.phase
        assert token is not None
        wanted = schema.TRAIN if token.text == "train" else schema.TEST
        span: Span = (token.start, token.end)
        if message.exclude:
            self.error(f"a {token.text} layer cannot have exclude rules", *origins.find(("exclude", 0)), "use include")
            return
        if not message.include:
            message.include.add().phase = wanted
            origins.fields["include"] = [Origins(span, {"phase": span})]
            return
        for index, rule in enumerate(message.include):
            if rule.HasField("phase") and rule.phase != wanted:
                at = origins.find(("include", index, "phase"))
                note = Note(f"the layer is a {token.text} layer", self.source.position(*span))
                self.error("this rule asks for the other phase", *at, f"drop {token.text} or the phase", (note,))
            rule.phase = wanted

    def finish_layer(self, message: Any, origins: Origins, span: Span) -> None:
        """Apply defaults, and check required fields, unless a syntax error may hide them."""
        blurred = bool(self.tree.suspect) and self.tree.is_blurred(*span)
        if "type" not in origins.fields and blurred:
            return
        if "type" not in origins.fields:
            name = f" {message.name}" if message.name else ""
            self.error(f"layer{name} has no type", *origins.at, 'write type: "..."')
            return
        if not message.HasField("type"):
            return  # given, with an error
        if known := misspelt_type(message.type):
            self.unknown_type(message.type, origins.find(("type",)), known)
            return
        if message.type in self.defaults:
            self.idle.pop(message.type, None)
            merge_under(message, origins, *self.defaults[message.type])
        for missing in [] if blurred else message.FindInitializationErrors():
            self.error(f"{message.type} needs {missing.rsplit('.')[-1]}", *origins.at)

    def unknown_type(self, kind: str, span: Span, known: str) -> None:
        self.error(f"unknown layer type {excerpt(kind)!r}", *span, f"did you mean {known}?")

    def set_defaults(self, defaults: Defaults) -> None:
        """Record the fields that layers below inherit."""
        kind = self.text(defaults.type)
        if known := misspelt_type(kind):
            self.unknown_type(kind, (defaults.type.start, defaults.type.end), known)
            return
        message = schema.message_class("LayerParameter")()
        origins = Origins((defaults.type.start, defaults.type.end))
        self.body(defaults.body, message, origins, Scope("LayerParameter", "defaults", Scope("NetParameter"), kind))
        if kind in self.defaults:
            merge_under(message, origins, *self.defaults[kind])
        self.defaults[kind] = (message, origins)
        if len(self.chain) == 1:
            self.idle[kind] = origins.at
