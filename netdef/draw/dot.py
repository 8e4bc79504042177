"""A net in DOT, for Graphviz and what else reads its language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netdef.draw.stages import Drawing, Stage, Wire
from netdef.draw.theme import KINDS, LIGHT, mix
from netdef.draw.words import costs, doing, followers, headline, share
from netdef.language.printable import in_page
from netdef.language.units import binary


def dot(drawing: Drawing, devices: Sequence[str] = ()) -> str:
    """A digraph: a node for each stage; those that share a name in a cluster, or those of one device.

    Parameters
    ----------
    devices: of a net that was placed on several, their names.
    """
    number = {stage: index for index, stage in enumerate(drawing.stages)}
    lines = [
        f"digraph {_quoted(headline(drawing.whole)[0])} {{",
        f"  graph [label={_quoted(*headline(drawing.whole))} labelloc=t fontname=Helvetica rankdir=TB]",
        '  node [shape=box style="rounded,filled" fontname=Helvetica fontsize=11]',
        "  edge [color=gray50 fontname=Helvetica fontsize=10]",
    ]
    for name, label, stages in _clusters(drawing, devices):
        nodes = [f"n{number[stage]} {_node(stage)}" for stage in stages]
        if name:
            lines += [f"  subgraph {_quoted('cluster_' + name)} {{", f"    label={_quoted(*label)}", "    color=gray80"]
            lines += [*(f"    {node}" for node in nodes), "  }"]
        else:
            lines += [f"  {node}" for node in nodes]
    lines += [f"  n{number[wire.source]} -> n{number[wire.target]}{_crossing(wire)}" for wire in drawing.wires]
    return in_page("\n".join([*lines, "}", ""]))


def _clusters(drawing: Drawing, devices: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...], list[Stage]]]:
    """Name, lines of the label, and stages of each cluster; what stands in none has no name."""
    if devices:
        for device, name in enumerate(devices):
            mine = [stage for stage in drawing.stages if stage.device == device]
            yield name, (name, *share(drawing, device)), mine
        return
    families: dict[str, list[Stage]] = {}
    for stage in drawing.stages:
        families.setdefault(stage.family, []).append(stage)
    for family, stages in families.items():
        yield (family, (family,), stages) if len(stages) > 1 else ("", (), stages)


def _crossing(wire: Wire) -> str:
    """The attributes of a wire from device to device: its colour, and the bytes it carries."""
    if not wire.crosses:
        return ""
    label = f" label={_quoted(binary(wire.sent))}" if wire.sent else ""
    return f' [color="{LIGHT.crossing}"{label}]'


def _node(stage: Stage) -> str:
    rows = (stage.name, doing(stage), followers(stage), stage.output.replace(" x ", " × "), costs(stage))
    colour = KINDS[stage.kind][1]
    return f'[label={_quoted(*filter(None, rows))} color="{colour}" fillcolor="{mix(colour, LIGHT.paper, 0.85)}"]'


def _quoted(*rows: str) -> str:
    """A string of DOT, its rows one below the other."""
    escaped = (row.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for row in rows)
    return '"' + "\\n".join(escaped) + '"'
