"""`netdef explain` and `netdef layers`: what a layer type, a field or a code of `netdef check` means."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from textwrap import fill, wrap

from netdef.check.codes import CODES
from netdef.language.diagnostics import NetdefError
from netdef.language.spelling import did_you_mean, nearest
from netdef.layers import LAYERS
from netdef.reference import COMMON, Field, LayerType, common_fields, count_text, fields, layer_type, own_fields
from netdef.schema import documentation

WIDTH = 110  # columns
_DEFAULT_MOST = 16  # letters of a default in its column; a longer one stands with the text
Devices = Mapping[str, Collection[str]]  # the devices that can run a layer, by the name of its class
_IN_HEAD = ("name", "type", "bottom", "top")  # what a layer's line says before its braces
_UNWRITTEN = ("phase", "blobs")  # fields that no file has to set
_NICKNAMES = {
    "layer": COMMON, "solver": "SolverParameter", "net": "NetParameter", "param": "ParamSpec", "filler": "FillerParameter",
}  # fmt: skip


def explain(topic: str, devices: Devices | None = None) -> str:
    """What a topic means: LRN, LRN.alpha, Convolution.weight_filler.std, ND201, solver.base_lr, FillerParameter.

    Parameters
    ----------
    devices: what can run each layer type, to be told along with it.

    Raises
    ------
    NetdefError: there is no such type, field or code; the nearest name is in the hint.
    """
    if topic.upper() in CODES:
        title, why = CODES[topic.upper()]
        return f"{topic.upper()}: {title}\n\n{fill(why, WIDTH)}"
    head, *path = topic.split(".")
    if not path and head in LAYERS:
        return _type(layer_type(head), devices)
    here, known = _start(head)
    if not path:
        message = _NICKNAMES.get(head, head)
        return _message(message, common_fields() if message == COMMON else known)
    for step, name in enumerate(path):
        found = next((field for field in known if field.name == name), None)
        if found is None:
            hint = did_you_mean(name, [field.name for field in known]) or "fields: " + ", ".join(field.name for field in known)
            raise NetdefError(f"{here} has no field {name}", hint=hint)
        here = f"{here}.{name}"
        if step == len(path) - 1:
            return _field(here, found)
        if not found.fields_of:
            raise NetdefError(f"{here} is no message: it has no field {path[step + 1]}")
        known = fields(found.fields_of)
    raise AssertionError


def layers(devices: Devices | None = None, form: str = "text") -> str:
    """All layer types, family by family."""
    types = [layer_type(name) for name in sorted(LAYERS, key=str.lower)]
    families: dict[str, list[LayerType]] = {}
    for found in types:
        families.setdefault(found.family, []).append(found)
    if form == "json":
        facts = [{**asdict(t), "devices": _running(t.name, devices or {})} for t in types]
        return json.dumps(facts, indent=1)
    width = max(len(name) for name in LAYERS)
    blocks = []
    for family, members in sorted(families.items(), key=lambda item: item[0].lower()):
        rows = [f"  {t.name.ljust(width)}  {_run_by(t.name, devices)}{_first_line(t.line, width)}" for t in members]
        blocks.append("\n".join([family, *rows]))
    note = "" if devices is None else "cpu, gpu: the devices that can run it; the rest can be read, shown and compared.  "
    return "\n\n".join([*blocks, f"{note}More: netdef explain TYPE"])


def _run_by(name: str, devices: Devices | None) -> str:
    """The devices in a column of their own."""
    return "" if devices is None else f"{' '.join(_running(name, devices)).ljust(7)}  "


def _running(name: str, devices: Devices) -> list[str]:
    return sorted(devices.get(LAYERS[name].__name__, ()))


def _first_line(text: str, indented: int) -> str:
    room = WIDTH - indented - 13
    return text if len(text) <= room else text[: room - 2].rsplit(" ", 1)[0] + " .."


def _start(head: str) -> tuple[str, list[Field]]:
    """What a topic's first name stands for, and the fields it has."""
    if head in LAYERS:
        return head, own_fields(head) + common_fields()
    message = _NICKNAMES.get(head, head)
    try:
        return head, fields(message)
    except KeyError:
        guess = nearest(head, [*LAYERS, *_NICKNAMES, *CODES])
        lists = "`netdef layers` lists the layer types, `netdef explain solver` the solver's fields"
        hint = f"did you mean {guess}?" if guess else lists
        raise NetdefError(f"there is no layer type, message or code called {head}", hint=hint) from None


def _type(found: LayerType, devices: Devices | None) -> str:
    settings = own_fields(found.name)
    bottoms = "(bottom)" if found.bottoms[1] != 0 else ""
    top = " -> top" if found.tops[1] != 0 else ""
    parts = [found.name, found.about]
    parts.append(f"  layer NAME: {found.name}{bottoms}{top}{' { field: value ... }' if settings else ''}")
    counts = f"bottoms: {count_text(found.bottoms)}   tops: {count_text(found.tops)}"
    if devices is not None:
        running = _running(found.name, devices)
        counts += f"   runs on: {', '.join(running) if running else 'nothing yet; its shapes and costs are known'}"
    parts.append(counts)
    if settings:
        parts.append(_table(settings))
    source = LAYERS[found.name].is_source
    more = [f.name for f in common_fields() if f.name not in (*_IN_HEAD, *_UNWRITTEN) and (source or f.name != "transform_param")]
    like = "others that read images" if source else "every layer"
    parts.append(fill(f"Also {', '.join(more)}, as {like} (netdef explain layer).", WIDTH))
    return "\n\n".join(parts)


def _message(name: str, known: list[Field]) -> str:
    return f"{name}\n\n{fill(documentation(name), WIDTH)}\n\n{_table(known)}"


def _field(path: str, found: Field) -> str:
    default = f", {found.default} by default" if found.default else ""
    parts = [f"{path}: {found.kind}{default}", fill(found.about, WIDTH)]
    if found.values:
        width = max(len(value) for value, _ in found.values)
        parts.append("\n".join(f"  {value.ljust(width)}  {about}" for value, about in found.values))
    if found.fields_of:
        parts += [f"{found.fields_of}: {documentation(found.fields_of)}", _table(fields(found.fields_of))]
    return "\n\n".join(parts)


def _table(rows: list[Field]) -> str:
    """Fields below one another: name, what it takes, default, and what it means."""
    heads = ("field", "takes", "default")
    cells = [(row.name, row.kind, row.default if len(row.default) <= _DEFAULT_MOST else "") for row in rows]
    widths = [max(len(row[column]) for row in (heads, *cells)) for column in range(3)]
    left = sum(widths) + 2 * len(widths)
    lines = ["  ".join(head.ljust(width) for head, width in zip(heads, widths, strict=True)).rstrip()]
    for cell, row in zip(cells, rows, strict=True):
        about = row.about
        if row.values:
            about += f" {' or '.join(value for value, _ in row.values)}."
        if row.default and not cell[2]:
            about += f" Default: {row.default}."
        first, *rest = wrap(about, WIDTH - left) or [""]
        lines.append("  ".join([*(text.ljust(width) for text, width in zip(cell, widths, strict=True)), first]).rstrip())
        lines += [" " * left + line for line in rest]
    return "\n".join(lines)
