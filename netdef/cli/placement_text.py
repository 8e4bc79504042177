"""What `netdef placement` prints for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from netdef.cli.placement_facts import LISTS, Load, Traffic, bytes_sent, loads, most_work, recommended, traffic, uneven
from netdef.graph.cuts import Region, length, region_of
from netdef.language.units import binary, decimal, plural, thousands

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.graph.net import Net
    from runtime.ir.division import Division
    from runtime.ir.program import Program

GRADIENTS = ("weight gradients", "activation gradients")
FEW_PAIRS = 4  # of devices that are listed one by one
WIDTH = 80  # columns that a table of many devices takes where it can
RUNS = 2  # of channels that are listed one by one


def text(net: Net, split: str, programs: dict[str, Program], one: Program, names: Sequence[str]) -> Iterator[str]:
    """All of it, for people."""
    program = programs[split]
    division = program.division
    assert division is not None
    batch = net.batch or 1
    where = plural(len(names), "device")
    if len(names) < division.devices:
        where = f"{where} in {division.devices} shares"
    yield f"{net.name or net.filename}, phase {net.phase}, batches of {batch}, on {where}, split by {split}"
    yield ""
    yield from share_table(shares(net, program), names)
    yield ""
    rows = traffic(program)
    yield "sent in one iteration:" if rows else "nothing is sent"
    lists = [name for name in LISTS if any(row.total(name) for row in rows)]
    if rows:
        body = [[row.layer, row.what, pairs_text(row, names), *(binary_or_dash(row.total(name)) for name in lists)] for row in rows]
        sums = ["all", "", "", *(binary(sum(row.total(name) for row in rows)) for name in lists)]
        yield from table(["for", "what", "from -> to", *lists], [*body, sums], right=range(3, 3 + len(lists)))
    yield ""
    yield from load_table(loads(program), loads(one)[0], names)
    yield ""
    yield from comparison(programs, loads(one)[0], net.phase == "train")


def shares(net: Net, program: Program, few: int = RUNS) -> list[list[str]]:
    """Each layer's name, type, and what each device makes of it.  few: as many runs of channels are listed one by one."""
    assert program.division is not None
    return [share_row(layer, program.division, program.shares, few) for layer in net.layers]


def share_row(layer: Layer, division: Division, shares: Sequence[Sequence[int]], few: int) -> list[str]:
    if not layer.tops:
        return [layer.name, layer.type, *("" for _ in shares)]
    top = layer.tops[0]
    made = {piece.device: region_text(piece.region, top.shape, few) for piece in division.pieces.get(top, ())}
    by_device = [dict.fromkeys(made[share] for share in mine if share in made) for mine in shares]
    return [layer.name, layer.type, *(" + ".join(regions) or "-" for regions in by_device)]


def region_text(region: Region, shape: tuple[int, ...], few: int = RUNS) -> str:
    """A region of a blob in words: "channels 0-47", "images 16-31"; "all" for all of it."""
    whole, texts = region_of(shape), []
    if region.channels != whole.channels:
        runs = "channels " + ", ".join(run_text(*run) for run in region.channels)
        many = len(region.channels) > few
        texts.append(f"{length(region.channels)} channels in {len(region.channels)} runs" if many else runs)
    if region.images != whole.images:
        texts.append("images " + run_text(*region.images))
    return ", ".join(texts) or "all"


def run_text(begin: int, end: int) -> str:
    return f"{begin}-{end - 1}" if end - begin > 1 else str(begin)


def share_table(rows: list[list[str]], names: Sequence[str]) -> Iterator[str]:
    """What each device makes of each layer; where that is wide, what is cut has a column of its own."""
    head = ["layer", "type", *names]
    if max(map(len, table(head, rows))) > WIDTH:
        head.insert(2, "cut")
        rows = [[*row[:2], *cut_apart(row[2:])] for row in rows]
    yield from folded(head, rows, len(head) - len(names), few=4)


def cut_apart(shares: Sequence[str]) -> list[str]:
    """What all shares are cut along, "" if nothing or not the same, and the shares without that word."""
    found = [word for word in ("channels", "images") if any(word in share for share in shares)]
    if len(found) == 1 and all(found[0] in share or share in ("all", "-", "") for share in shares):
        return [found[0], *(share.replace(f"{found[0]} ", "") for share in shares)]
    return ["", *shares]


def pairs_text(row: Traffic, names: Sequence[str]) -> str:
    """Who sends to whom, going forward; for copies of weights, whoever does."""
    short = [name.removeprefix("device ") for name in names]
    name = next(name for name in LISTS if row.bytes[name])
    pairs = sorted(row.bytes[name])
    devices = {device for pair in pairs for device in pair}
    if len(pairs) == len(devices) * (len(devices) - 1) > 2:
        return "each to each"
    if len(pairs) > 2:
        senders, receivers = {a for a, _ in pairs}, {b for _, b in pairs}
        if len(receivers) == 1:
            return f"others -> {short[pairs[0][1]]}"
        if len(senders) == 1:
            return f"{short[pairs[0][0]]} -> others"
    arrows = [f"{short[a]} -> {short[b]}" for a, b in pairs]
    if len(pairs) > 2 and all((b, a) in pairs for a, b in pairs):
        arrows = [f"{short[a]} <-> {short[b]}" for a, b in pairs if a < b]
    return ", ".join(arrows) if len(arrows) <= FEW_PAIRS else f"{len(pairs)} pairs of {len(devices)}"


def load_table(each: Sequence[Load], one: Load, names: Sequence[str]) -> Iterator[str]:
    """What each device holds and computes, compared with a single device."""
    share = "share of one device's" if len(each) < 4 else "of one device's"  # four still fit on a screen
    kinds = ["weights", *GRADIENTS, "solver state", "activations", "inputs"]
    rows = [["parameters", *(thousands(load.parameters) for load in (*each, one))]]
    rows.append([share, *(percent(load.parameters, one.parameters) for load in each), ""])
    rows.append(["MACs forward", *(decimal(load.macs) for load in (*each, one))])
    rows.append([share, *(percent(load.macs, one.macs) for load in each), ""])
    for kind in kinds:
        if kind in one.memory:
            rows.append([kind, *(binary(load.memory.get(kind, 0)) for load in (*each, one))])
    rows.append(["memory in all", *(binary(load.bytes) for load in (*each, one))])
    rows.append([share, *(percent(load.bytes, one.bytes) for load in each), ""])
    head = ["", *names, "one device"]
    yield from folded(head, rows, 1, few=5, right=True)


def comparison(programs: dict[str, Program], one: Load, training: bool) -> Iterator[str]:
    """The splits compared, and which to take."""
    sent = {split: bytes_sent(program) for split, program in programs.items()}
    rows = []
    for split, program in programs.items():
        most_memory = max(load.bytes for load in loads(program))
        memory = [binary(most_memory), percent(most_memory, one.bytes)]
        rows.append([split, binary(sent[split]), percent(most_work(program), one.macs), *memory])
    head = ["split", "sent an iteration", "most work", "most memory", "of one device's"]
    yield from table(head, rows, right=range(1, len(head)))
    best, what, left_out = recommended(programs), "an iteration" if training else "a batch", uneven(programs)
    others = [f"{binary(sent[split])} with {split}" for split in programs if split != best and split not in left_out]
    if set(sent.values()) == {sent[best]}:
        yield f"recommended: --split {best}; all three send {binary(sent[best])} {what}"
    else:
        compared = f"; it is {', '.join(others)}" if others else ""
        yield f"recommended: --split {best}, which sends {binary(sent[best])} {what}{compared}"
    for split in left_out:
        yield f"not --split {split}: it leaves {percent(most_work(programs[split]), one.macs)} of the work to one device"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> Iterator[str]:
    """Rows under a head, columns as wide as they must be."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    flush = set(right)
    for row in (head, *rows):
        cells = enumerate(zip(row, widths, strict=True))
        yield "  ".join(cell.rjust(width) if i in flush else cell.ljust(width) for i, (cell, width) in cells).rstrip()


def folded(head: Sequence[str], rows: Sequence[Sequence[str]], first: int, few: int, right: bool = False) -> Iterator[str]:
    """A table, its columns after the first ones in several pieces of the same size, if they are too many and too wide.

    few: as many columns stay side by side, however wide.  right: whether they are flush right.
    """
    columns = list(zip(head, *rows, strict=True))
    wide = [max(map(len, column)) + len("  ") for column in columns]
    fit = max(few, (WIDTH + len("  ") - sum(wide[:first])) // max(wide[first:]))
    pieces = -(-(len(head) - first) // fit)
    size = -(-(len(head) - first) // pieces)
    for begin in range(first, len(head), size):
        if begin > first:
            yield ""
        top, *body = zip(*columns[:first], *columns[begin : begin + size], strict=True)
        yield from table(top, body, range(first, len(top)) if right else ())


def percent(count: int, whole: int) -> str:
    return f"{count / whole:.1%}" if whole else "-"


def binary_or_dash(size: int) -> str:
    return binary(size) if size else "-"
