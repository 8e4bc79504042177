"""`netdef time`: how long each layer takes, and how long it must take at least."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.caffe import Command
from netdef.cli.options import (
    COUNT,
    allow_python_option,
    batch_option,
    card_options,
    device_option,
    fold_option,
    fuse_option,
    phase_option,
    set_option,
    threads_option,
    without_effect,
)
from netdef.cli.running import RunOptions
from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.ir.program import Instruction, Program
    from runtime.machine.costs import Cost
    from runtime.machine.limits import Limits

LISTS = ("forward", "backward", "update")  # of a program's instructions
ROUNDS = 10  # iterations that are measured by default


@click.command(cls=Command)
@click.argument("net")
@device_option
@click.option("--predict", metavar="CARD", help="Only compute the least it takes on a card: h100, a100, 4090, t4 ...")
@phase_option
@batch_option
@set_option
@allow_python_option
@click.option("--iterations", type=COUNT, metavar="N", help="How many are measured; 10.")
@threads_option
@card_options
@fuse_option
@fold_option
def command(net: str, **options: Any) -> None:
    """Measure each layer of NET, and compute the least time that its memory traffic and its arithmetic need."""
    click.echo(time(net, Options(**options)))


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """What --NAME gives; None for what was not given."""

    predict: str | None = None
    phase: str | None = None
    batch: int | None = None
    iterations: int | None = None


@dataclass
class Row:
    """What one layer's instructions of a list take.

    Attributes
    ----------
    bytes: moved. operations: floating point ones. floor: seconds at least. seconds: measured, or with whole waves of blocks.
    """

    bytes: float = 0.0
    operations: float = 0.0
    floor: float = 0.0
    seconds: float = 0.0

    @classmethod
    def of(cls, cost: Cost, floor: float, seconds: float = 0.0) -> Row:
        return cls(cost.bytes, cost.flops + cost.products, floor, seconds)

    def __add__(self, other: Row) -> Row:
        sums = self.bytes + other.bytes, self.operations + other.operations
        return Row(*sums, self.floor + other.floor, self.seconds + other.seconds)


NOTHING = Row()
Table = dict[str, dict[str, Row]]  # layer -> list -> row


def empty(net: Net) -> Table:
    """A table of a net's layers in their order."""
    return {layer.name: {} for layer in net.layers}


def time(net_path: str, options: Options) -> str:
    """Run `netdef time NET` and return its table.

    Raises
    ------
    NetdefError: the net cannot run, a device is not here, there is no such card; shapes change from run to run.
    """
    from runtime.machine.open import device_names
    from runtime.ops.changed_shapes import ShapesChangedError
    from runtime.solver.nets import load_net

    if options.devices and len(device_names(options.devices)) > 1:
        message = "netdef time measures a net that is whole on one device"
        raise NetdefError(message, hint="netdef placement shows how a net is shared out")
    net = load_net(net_path, options.phase or "train", options.overrides, options.batch)
    if options.predict:
        return predict(net, options)
    try:
        return measure(net, options)
    except ShapesChangedError as changed:
        message = f"{changed.diagnostics[0].message}: netdef time measures shapes that stay"
        hint = "--predict computes the floor for the shapes that `netdef shapes` shows"
        raise NetdefError(message, changed.diagnostics[0].position, hint) from None


def predict(net: Net, options: Options) -> str:
    """The floor on a card that need not be here."""
    from runtime.compiler.pipeline import compile_program
    from runtime.kernels.cuda.registry import forms_on
    from runtime.machine.costs import launches, total
    from runtime.machine.cuda import needs as cuda_needs
    from runtime.machine.limits import find_limits

    limits = find_limits(options.predict or "")
    for note in unused_in_prediction(options, limits):
        click.echo(note, err=True)
    cuda = options.cuda
    target = cuda.target(limits.multiprocessors, limits.capability)
    program = compile_program(net, narrow=forms_on(target), **how(net, options), cards=cuda.fuse, apart=True)
    cuda_needs.workspace(program, 0, cuda, target)  # which refuses one that is too small
    table = empty(net)
    for name, instruction in _instructions(program):
        costs = launches(instruction, target)
        floor = sum(cost.seconds(limits, target.math) for cost in costs)
        in_waves = sum(cost.in_waves(limits, target.math) for cost in costs)
        _put(table, instruction, name, Row.of(total(costs), floor, in_waves))
    rate = f"{limits.bandwidth / 1e9:,.0f} GB/s and {limits.products(target.math) / 1e12:.1f} TFLOP/s"
    all_ = whole(table)
    lines = [
        f"{net.name or net.filename}, phase {net.phase}, batches of {net.batch or 1}: the floor on {limits.name}",
        *predicted_lines(table),
        f"an iteration takes {milliseconds(all_.floor)} ms or more: at most {images(net, all_.floor)} images/s",
        f"{milliseconds(all_.seconds)} ms where the last wave of a kernel's blocks takes as long as a full one: "
        f"{images(net, all_.seconds)} images/s",
        f"computed, not measured: bytes and operations of the kernels against {rate} of {target.math} ({limits.source})",
    ]
    return "\n".join(lines)


def unused_in_prediction(options: Options, limits: Limits) -> list[str]:
    """A note for each option that --predict has no use for."""
    measuring = {"--devices": options.devices, "--iterations": options.iterations, "--threads": options.threads}
    measuring["--no-graph"] = options.no_graph
    tensor = {"--math": options.math if options.math != "fp32" and not limits.tf32 else None}
    why = f"{limits.name} has no tensor cores for it"
    return without_effect(measuring, "--predict measures nothing") + without_effect(tensor, why)


def how(net: Net, options: Options) -> dict[str, Any]:
    """How a net is compiled: to train it, or in phase test as for inference, where nothing reads the blobs between layers."""
    from runtime.solver.update import plain_update

    train = net.phase == "train"
    for note in without_effect({"--no-fold": options.no_fold and train}, "only phase test folds"):
        click.echo(note, err=True)
    for note in without_effect({"--no-fuse": options.no_fuse and not train}, "only training has gradients"):
        click.echo(note, err=True)
    return {"backward": train, "keep": "outputs", "losses_only": True, "update": plain_update(net), "fold": not options.no_fold}


def measure(net: Net, options: Options) -> str:
    """The measured time on a device of this machine, and its floor."""
    from runtime.machine.compile import compile
    from runtime.machine.costs import launches, plain, total
    from runtime.machine.cuda.cards import target_of
    from runtime.machine.device import repeated
    from runtime.machine.yardstick import measured_limits
    from runtime.selftest.agreement import write_noise
    from runtime.selftest.speed import iteration_timer

    devices = options.choose()
    cuda = options.cuda
    with compile(net, devices, threads=options.threads, cuda=cuda, **how(net, options)) as executable:
        device = executable.device
        target = target_of(device.name, cuda)
        own = device.threads == 0 and target.math == "3xtf32"  # a mode that cuBLAS, which is measured in the others, does not know
        math = target.math if own else "fp32"
        before = measured_limits(device, math)
        write_noise(executable)
        table = empty(net)
        rounds = options.iterations or ROUNDS
        whole_iterations = iteration_timer(executable, LISTS)  # which compiles, and makes what later runs keep
        lists = {name: [(one, repeated(bound)) for one, bound in executable.bound(name) if not one.once] for name in LISTS}
        iteration = 0.0
        for _ in range(rounds):  # in turns, so that a machine whose speed drifts treats both alike
            for name, pairs in lists.items():
                seconds = executable.times([bound for _, bound in pairs])
                for (instruction, _), duration in zip(pairs, seconds, strict=True):
                    _put(table, instruction, name, Row(seconds=duration / rounds))
            iteration += whole_iterations(1) / rounds
        limits = before.best(measured_limits(device, math))  # others may have kept the device busy during one of the two
        for name, pairs in lists.items():
            for instruction, _ in pairs:
                costs = [plain(instruction)] if device.threads else launches(instruction, target)
                _put(table, instruction, name, Row.of(total(costs), sum(cost.seconds(limits, math) for cost in costs)))
    what = f"{net.name or net.filename}, phase {net.phase}, batches of {net.batch or 1}"
    lines = [
        f"{what}, on {device.name}: means of {rounds} iterations",
        *measured_lines(table),
        f"an iteration takes {milliseconds(iteration)} ms: {images(net, iteration)} images/s",
        f"floor: {limits.bandwidth / 1e9:,.1f} GB/s (a large copy) and {limits.fp32 / 1e9:,.0f} GFLOP/s (a large matrix product), "
        "measured here",
    ]
    return "\n".join(lines)


def _instructions(program: Program) -> Iterable[tuple[str, Instruction]]:
    return ((name, instruction) for name in LISTS for instruction in getattr(program, name) if not instruction.once)


def _put(table: Table, instruction: Instruction, name: str, row: Row) -> None:
    layer = table.setdefault(instruction.layer, {})
    layer[name] = layer.get(name, NOTHING) + row


def whole(table: Table) -> Row:
    """The sum over all layers and lists."""
    return sum(sums(table, LISTS).values(), NOTHING)


def sums(table: Table, lists: Iterable[str]) -> dict[str, Row]:
    """The sum over the layers, of each list."""
    return {name: sum((layer[name] for layer in table.values() if name in layer), NOTHING) for name in lists}


def lists_of(table: Table) -> list[str]:
    """The lists in which any layer has instructions."""
    return [name for name in LISTS if any(name in layer for layer in table.values())]


def lines_of(head: Sequence[str], line: Callable[[Mapping[str, Row]], list[str]], table: Table) -> list[str]:
    """A line for each layer that does anything, and one for all together."""
    rows = [[layer, *line(by_list)] for layer, by_list in table.items() if by_list]
    return aligned([["layer", *head], *rows, ["all", *line(sums(table, lists_of(table)))]])


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.3f}"


def images(net: Net, seconds: float) -> str:
    return f"{(net.batch or 1) / seconds:,.0f}"


def predicted_lines(table: Table) -> list[str]:
    """For each layer: megabytes, operations and the floor of each list; the floor of all if there are several, and in waves."""
    lists = lists_of(table)
    several = len(lists) > 1
    head = [f"{name} {unit}" for name in lists for unit in ("MB", "GFLOP", "ms")]

    def line(by_list: Mapping[str, Row]) -> list[str]:
        cells, all_ = [cell for name in lists for cell in _predicted(by_list.get(name))], sum(by_list.values(), NOTHING)
        cells += [milliseconds(all_.floor)] * several
        return [*cells, milliseconds(all_.seconds), f"{all_.floor / all_.seconds:.0%}" if all_.seconds else ""]

    return lines_of([*head, *["total ms"] * several, "in waves ms", "floor"], line, table)


def _predicted(row: Row | None) -> list[str]:
    if row is None:
        return ["", "", ""]
    return [f"{row.bytes / 1e6:,.1f}", f"{row.operations / 1e9:,.2f}", milliseconds(row.floor)]


def measured_lines(table: Table) -> list[str]:
    """For each layer, of each list and of all if there are several: the time, the floor, and how near they are."""
    lists = lists_of(table)
    several = len(lists) > 1
    head = [cell for name in (*lists, "total")[: len(lists) + several] for cell in (f"{name} ms", "floor", "")]

    def line(by_list: Mapping[str, Row]) -> list[str]:
        rows = [by_list.get(name) for name in lists] + [sum(by_list.values(), NOTHING)] * several
        return [cell for row in rows for cell in _measured(row)]

    return lines_of(head, line, table)


def _measured(row: Row | None) -> list[str]:
    if row is None:
        return ["", "", ""]
    return [milliseconds(row.seconds), milliseconds(row.floor), f"{row.floor / row.seconds:.0%}" if row.seconds else ""]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of one width, the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        first, *others = zip(row, widths, strict=True)
        return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip()

    return [line(row) for row in rows]
