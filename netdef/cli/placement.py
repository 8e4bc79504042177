"""`netdef placement`: a net divided over devices, before anything runs: shares, transfers, memory, and which split is best."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.options import SPLIT, Overrides, allow_python_option, batch_option, phase_option, set_option
from netdef.cli.shell import Command
from netdef.graph.cuts import Region, length, region_of
from netdef.language.diagnostics import NetdefError
from netdef.language.units import binary, decimal, plural, thousands
from netdef.schema import message_class

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.graph.net import Net
    from runtime.ir.division import Division
    from runtime.ir.program import Program

FORMATS = ("text", "json")
DEFAULT_SPLIT = "groups"
LISTS = ("forward", "backward", "update")
GRADIENTS = ("weight gradients", "activation gradients")
FEW_PAIRS = 4  # of devices that are listed one by one
WIDTH = 80  # columns that a table of many devices takes where it can
UNEVEN = 1.5  # a split whose busiest device does so many times the work that another split's does divides the work too little
RUNS, MANY = 2, 1 << 30  # of channels that are listed one by one: for people, for programs


@click.command(cls=Command)
@click.argument("net")
@click.option("--devices", default="2", show_default=True, help="How many, or which: 2, or gpu:0-3.")
@click.option("--split", type=SPLIT, default=DEFAULT_SPLIT, show_default=True, help="What is cut.")
@phase_option
@batch_option
@set_option
@allow_python_option
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
def command(net: str, devices: str, split: str, phase: str | None, batch: int | None, overrides: Overrides, form: str) -> None:
    """What each of several devices computes of NET, what they send each other, and which split is best."""
    from netdef.loading import load

    click.echo(placement(load(net, phase or "train", overrides, batch), devices, split, form))


@dataclass
class Traffic:
    """What one layer is sent of one blob, or of its own copies' gradients and weights: bytes of each list by (from, to)."""

    layer: str
    what: str
    bytes: dict[str, dict[tuple[int, int], int]] = field(default_factory=lambda: {name: {} for name in LISTS})

    def total(self, name: str) -> int:
        return sum(self.bytes[name].values())

    def add(self, name: str, pair: tuple[int, int], size: int) -> None:
        self.bytes[name][pair] = self.bytes[name].get(pair, 0) + size


@dataclass(frozen=True)
class Load:
    """What one device holds and computes.

    Attributes
    ----------
    parameters: numbers.  macs: multiply-accumulates of one pass forward over the batch.  memory: bytes by what they hold.
    """

    parameters: int
    macs: int
    memory: dict[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.memory.values())


def hosts_in(devices: str, least: int = 2) -> tuple[int, ...]:
    """Which device has each share of a net that is divided over what `--devices` means: a number, or names.

    Raises
    ------
    NetdefError: it is neither, or too many.
    """
    from runtime.machine.open import MOST, device_names, hosts_of

    count = int(devices) if devices.isdecimal() else len(device_names(devices))
    if not least <= count <= MOST:
        raise NetdefError(f"a net is divided over {least} to {MOST} devices, not {count}", hint="--devices 2, say")
    return tuple(range(count)) if devices.isdecimal() else hosts_of(device_names(devices))


def names_in(devices: str) -> list[str]:
    """What each of these devices is called: by its name, or where only their number is given, by its number."""
    from runtime.machine.open import device_names, different

    return [f"device {index}" for index in range(int(devices))] if devices.isdecimal() else different(device_names(devices))


def placement(net: Net, devices: str, split: str = DEFAULT_SPLIT, form: str = "text") -> str:
    """What `netdef placement` prints.

    Parameters
    ----------
    devices: how many, or their names.  split: "groups", "batch" or "hybrid".  form: of FORMATS.

    Raises
    ------
    NetdefError: `devices` means nothing, or the net cannot run.
    """
    from runtime.compiler.placement.choice import SPLITS

    hosts = hosts_in(devices)
    programs = {name: program_of(net, hosts, name) for name in SPLITS}
    one = program_of(net)
    names = names_in(devices)
    if form == "json":
        return json.dumps(data(net, split, programs, one, names), indent=1)
    return "\n".join(text(net, split, programs, one, names))


def program_of(net: Net, hosts: Sequence[int] = (0,), split: str = DEFAULT_SPLIT) -> Program:
    """The program that `netdef train` would run, or `netdef test` in phase test.  hosts: by share, which device has it."""
    from runtime.compiler.pipeline import compile_program
    from runtime.solver.update import updates

    if net.phase != "train":
        return compile_program(net, devices=len(hosts), hosts=hosts, split=split, backward=False)
    update = updates(message_class("SolverParameter")())
    return compile_program(net, devices=len(hosts), hosts=hosts, split=split, keep="activations", losses_only=True, update=update)


def traffic(program: Program) -> list[Traffic]:
    """What is sent in one iteration, by the layer it is for, in the order of the layers."""
    assert program.division is not None
    hosts = program.division.hosts
    rows: dict[tuple[str, str], Traffic] = {}
    learned = {parameter.layer.name for parameter in program.learned}
    for name in LISTS:
        for instruction in getattr(program, name):
            if instruction.kernel != "send":
                continue
            source = instruction.inputs[0]
            held = source.name.removesuffix(".part")
            if name == "update" or (source.root.role == "parameter_gradient" and instruction.layer in learned):
                what = "weights"
            elif name == "forward":
                what = held.partition("@")[0]
            else:
                what = next((blob for layer, blob in rows if layer == instruction.layer and held.startswith(blob)), held)
            row = rows.setdefault((instruction.layer, what), Traffic(instruction.layer, what))
            row.add(name, (hosts[instruction.device], hosts[instruction.outputs[0].device]), instruction.outputs[0].bytes)
    order = {layer.name: index for index, layer in enumerate(program.division.whole.layers)}
    return sorted(rows.values(), key=lambda row: order[row.layer])


def loads(program: Program) -> list[Load]:
    """What each device holds and computes."""
    from runtime.ops.transfer.layer import Transfer

    assert program.plan is not None
    result = []
    for shares in program.shares:
        layers = [layer for layer in program.net.layers if layer.device in shares and not isinstance(layer, Transfer)]
        held = [buffer for parameter, buffer in program.parameters.items() if not parameter.layer.frozen_parameters]
        parameters = sum(prod(buffer.shape) for buffer in held if buffer.device in shares)
        memory: Counter[str] = Counter()
        for share in shares:
            memory.update(program.plan.by_device[share])
        result.append(Load(parameters, sum(map(batch_macs, layers)), dict(memory)))
    return result


def batch_macs(layer: Layer) -> int:
    """Multiply-accumulates of a layer forward over its batch."""
    return layer.macs * (layer.tops[0].shape[0] if layer.tops and layer.tops[0].shape else 1)


def bytes_sent(program: Program) -> int:
    """Bytes of all transfers of one iteration."""
    return sum(row.total(name) for row in traffic(program) for name in LISTS)


def most_work(program: Program) -> int:
    """Multiply-accumulates forward of the busiest device."""
    return max(load.macs for load in loads(program))


def uneven(programs: dict[str, Program]) -> list[str]:
    """The splits that leave too much of the work to one device: a batch of one image cannot be divided."""
    fair = min(map(most_work, programs.values()))
    return [split for split, program in programs.items() if most_work(program) > UNEVEN * fair]


def recommended(programs: dict[str, Program]) -> str:
    """The split that sends the fewest bytes, of those that divide the work."""
    left_out = uneven(programs)
    return min((split for split in programs if split not in left_out), key=lambda split: bytes_sent(programs[split]))


# As text


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


# As data


def data(net: Net, split: str, programs: dict[str, Program], one: Program, names: Sequence[str]) -> dict[str, Any]:
    """All of it, for other programs; sizes in bytes, devices by their indices in `names`."""
    program = programs[split]
    assert program.division is not None

    def load(each: Load) -> dict[str, Any]:
        return {"parameters": each.parameters, "macs": each.macs, "memory": each.memory, "bytes": each.bytes}

    return {
        "name": net.name,
        "phase": net.phase,
        "batch": net.batch or 1,
        "devices": len(names),
        "names": list(names),
        "hosts": list(program.division.hosts),
        "split": split,
        "layers": [dict(zip(("name", "type"), row, strict=False)) | {"shares": row[2:]} for row in shares(net, program, few=MANY)],
        "transfers": [
            {"for": row.layer, "what": row.what, "list": name, "from": a, "to": b, "bytes": size}
            for row in traffic(program)
            for name in LISTS
            for (a, b), size in sorted(row.bytes[name].items())
        ],
        "each": [load(each) for each in loads(program)],
        "one_device": load(loads(one)[0]),
        "sent": {name: bytes_sent(program) for name, program in programs.items()},
        "recommended": recommended(programs),
    }
