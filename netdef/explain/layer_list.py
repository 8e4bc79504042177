"""`netdef layers`: all layer types, family by family, each with a line about it and the devices that run it."""

from __future__ import annotations

import json
from dataclasses import asdict
from textwrap import fill, wrap

from netdef.explain.reference import NARROWEST, WIDTH, Devices, LayerType, layer_type, running
from netdef.graph.layer import LAYERS


def layers(devices: Devices | None = None, form: str = "text", width: int = WIDTH) -> str:
    """List all layer types, family by family."""
    types = [layer_type(name) for name in sorted(LAYERS, key=str.lower)]
    families: dict[str, list[LayerType]] = {}
    for found in types:
        families.setdefault(found.family, []).append(found)
    if form == "json":
        facts = [{**asdict(t), "devices": running(t.name, devices or {})} for t in types]
        return json.dumps(facts, indent=1)
    longest = max(len(name) for name in LAYERS)
    room = max(NARROWEST, width - longest - (4 if devices is None else 13))
    blocks = []
    for family, members in sorted(families.items(), key=lambda item: item[0].lower()):
        rows = [f"  {t.name.ljust(longest)}  {_run_by(t.name, devices)}{_shortened(t.line, room)}" for t in members]
        blocks.append("\n".join([*wrap(family, width), *rows]))
    note = "" if devices is None else "cpu, gpu: the devices that can run it; the rest can be read, shown and compared.  "
    return "\n\n".join([*blocks, fill(f"{note}More: netdef explain TYPE", width)])


def _run_by(name: str, devices: Devices | None) -> str:
    """The devices, as a column."""
    return "" if devices is None else f"{' '.join(running(name, devices)).ljust(7)}  "


def _shortened(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 2].rsplit(" ", 1)[0] + " .."
