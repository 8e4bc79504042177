"""Hints for unknown, misplaced and invalid fields."""

from __future__ import annotations

from netdef import schema
from netdef.language.nodes import Block, Field, Layer, Scalar, Statement, Value
from netdef.language.scope import Scope
from netdef.language.source import excerpt
from netdef.language.spelling import did_you_mean, misspelt, nearest
from netdef.language.vocabulary import HEAD, FieldInfo, fields, layer_vocabulary
from netdef.schema.idle_fields import ALSO_OF_NETS, IDLE_FIELDS
from netdef.schema.legacy_layers import v1_type

TAKES = {
    "integer": "an integer",
    "float": "a number",
    "bool": "true or false",
    "enum": "a word",
    "string": "a string in quotes",
    "bytes": "a string in quotes",
    "message": "a block in braces",
}

# Fields of other releases, formats and frameworks, by the message in which files use them.
_ELSEWHERE_CALLED = {
    ("LayerParameter", "blobs_lr"): "the rate of a weight array is now param { lr_mult: ... }",
    ("LayerParameter", "weight_decay"): "the decay of a weight array is now param { decay_mult: ... }",
    ("LayerParameter", "blob_share_mode"): "this is now param { share_mode: ... }",
    ("LayerParameter", "layer"): "layers stand side by side; is a '}' missing?",
    ("LayerParameter", "layers"): "layers stand side by side; is a '}' missing?",
    ("LayerParameter", "input"): "what a layer reads is called bottom",
    ("LayerParameter", "inputs"): "what a layer reads is called bottom",
    ("LayerParameter", "output"): "what a layer makes is called top",
    ("LayerParameter", "outputs"): "what a layer makes is called top",
    ("ConvolutionParameter", "filters"): "the number of filters is num_output",
    ("ConvolutionParameter", "groups"): "did you mean group?",
    ("ConvolutionParameter", "padding"): "did you mean pad?",
    ("ConvolutionParameter", "bias"): "did you mean bias_term?",
    ("SolverParameter", "lr"): "did you mean base_lr?",
    ("SolverParameter", "learning_rate"): "did you mean base_lr?",
    ("SolverParameter", "iterations"): "did you mean max_iter?",
}


def described(scope: Scope) -> str:
    """A block, as messages call it."""
    if scope.type:
        return f"layer type {scope.type}" if scope.name != "defaults" else f"defaults {scope.type}"
    if scope.message == "NetParameter" and scope.outer is None:
        return "a network"
    if scope.message == "SolverParameter":
        return "a solver"
    return {"LayerParameter": "a layer", "V1LayerParameter": "a layer of the old format"}.get(
        scope.message, scope.name or scope.message
    )


OUTSIDE = "it belongs one level up"


def unknown_field(statement: Field, statements: list[Statement], scope: Scope, file: str) -> tuple[str, str, bool]:
    """The message and the hint for a field that its block lacks; and whether it is misspelt or misplaced, not only unknown."""
    name = statement.name
    owner = scope.type or _layer_type(scope, statements) or described(scope)
    message = f"unknown field {excerpt(name)!r} of {owner}"
    if scope.type and name in HEAD:
        return f"{name} belongs before the braces of a layer in one line", "write layer NAME: TYPE(bottoms) -> tops { ... }", True
    if not scope.type and scope.message == "LayerParameter":
        message = f"unknown field {excerpt(name)!r} of {described(scope)}"
    known = list(layer_vocabulary(scope.type)) if scope.type else list(fields(scope.message))
    formerly = _ELSEWHERE_CALLED.get((scope.message, name))
    if scope.type:
        for holder in schema.LAYER_TYPES.get(scope.type, ()):
            formerly = formerly or _ELSEWHERE_CALLED.get((fields("LayerParameter")[holder].message, name))
    hint = formerly or _reads(statement, statements, scope) or _elsewhere(statement, statements, scope, file)
    if name in IDLE_FIELDS and not scope.type:
        return message, "", False
    if hint.startswith(OUTSIDE) and isinstance(statement.value, Block):
        return message, hint, False  # forks put a block into another; where a brace is missing, the text says so elsewhere
    wrong = bool(hint) or misspelt(name, known) is not None or scope.type in schema.LAYER_TYPES
    return message, hint or did_you_mean(name, known) or _all_of(scope), wrong


def quoted_type(value: Scalar) -> str:
    """The hint for `type: Convolution` or `type: CONVOLUTION` in a layer of the present format."""
    kind = v1_type(value.name) or nearest(value.name, schema.LAYER_TYPES)
    return f'write type: "{kind}"' if kind else ""


def old_type(value: Scalar) -> str:
    """The hint for `type: "Convolution"` in `layers { }`, the older format."""
    if value.name in schema.LAYER_TYPES:
        return f'write layer {{ type: "{value.name}" ... }}; layers, in the plural, is an older format'
    return ""


def _reads(statement: Field, statements: list[Statement], scope: Scope) -> str:
    """The hint for `layer relu: ReLU data { }`, where `data { }` looks like a field."""
    if scope.message != "NetParameter" or not isinstance(statement.value, Block):
        return ""
    at = next(index for index, one in enumerate(statements) if one is statement)
    before = statements[at - 1] if at else None
    if isinstance(before, Layer) and (before.bottoms, before.tops, before.body) == (None, None, None):
        return f"bottoms belong in parentheses: {before.type.name}({statement.name})"
    return ""


def _all_of(scope: Scope) -> str:
    """The hint that lists all fields, if they are few."""
    if scope.type:
        known = [name for name, (holder, _) in layer_vocabulary(scope.type).items() if holder]
        if not known:
            return f"{scope.type} has no settings of its own"
    else:
        known = list(fields(scope.message))
    return f"there {'are' if len(known) > 1 else 'is'} {', '.join(known)}" if len(known) <= 8 else ""


def block_wanted(info: FieldInfo, value: Value) -> str:
    """The hint for a scalar or list where a block belongs."""
    inside = fields(info.message)
    if isinstance(value, Scalar) and len(inside) == 1:
        (only,) = inside
        return f"write {info.name} {{ {only}: {excerpt(value.text)} }}"
    if info.message == "FillerParameter" and isinstance(value, Scalar):
        return f'write {info.name} {{ type: "{excerpt(value.name)}" }}'
    for name, field in inside.items():
        if isinstance(value, Scalar) and value.name in (field.names or ()):
            return f"write {info.name} {{ {name}: {value.name} }}"
    if info.message == "LayerParameter" and isinstance(value, Scalar):
        return "write layer NAME: TYPE(bottoms) { ... }, or layer { ... }"
    return f"write {info.name} {{ ... }}"


def _elsewhere(statement: Field, statements: list[Statement], scope: Scope, file: str) -> str:
    """The hint that says where a field belongs that is known, but not here."""
    name = statement.name
    if scope.message == "SolverParameter" and (hint := _other_file(name, scope, file)):
        return hint
    if scope.message == "LayerParameter":
        kind = scope.type or _layer_type(scope, statements)
        for holder in schema.LAYER_TYPES.get(kind, ()):
            if name in fields(fields("LayerParameter")[holder].message):
                return f"it belongs in {holder} {{ }}"
    for holder, info in fields(scope.message).items():
        if info.kind == "message" and name in fields(info.message) and not _is_setting_of_a_type(scope, holder):
            return f"it belongs in {holder} {{ }}"
    outer = scope.outer
    while outer is not None:
        if name in fields(outer.message) and not (outer.type and name in HEAD):
            return f"{OUTSIDE}, in {described(outer)}: is a '}}' missing before it?"
        outer = outer.outer
    return _other_file(name, scope, file) or _other_types(name, scope)


def _is_setting_of_a_type(scope: Scope, holder: str) -> bool:
    if scope.message not in ("LayerParameter", "V1LayerParameter") or holder in ("transform_param", "loss_param"):
        return False
    return holder.endswith("_param")


def _other_file(name: str, scope: Scope, file: str) -> str:
    if file == "NetParameter" and name in fields("SolverParameter") and name not in ALSO_OF_NETS:
        return "it belongs in a solver file"
    if file == "SolverParameter" and scope.outer is None:
        if name in ("layer", "layers"):
            return "this looks like a network; a solver file names it with net: ..."
        if name in fields("NetParameter"):
            return "it belongs in the network's file"
    return ""


def _other_types(name: str, scope: Scope) -> str:
    """The hint that names layer types with a field, if nothing here has a similar name."""
    if not scope.type or nearest(name, layer_vocabulary(scope.type)):
        return ""
    having = [kind for kind in schema.LAYER_TYPES if layer_vocabulary(kind).get(name, ("",))[0]]
    if not having:
        return ""
    some = ", ".join(having[:4]) + (" and others" if len(having) > 4 else "")
    return f"{scope.type} has no such setting; {some} {'have' if len(having) > 1 else 'has'}"


def _layer_type(scope: Scope, statements: list[Statement]) -> str:
    """The type of a layer that is written as a block."""
    if scope.message != "LayerParameter":
        return ""
    for statement in statements:
        if type(statement) is Field and statement.name == "type" and isinstance(statement.value, Scalar):
            return statement.value.name
    return ""
