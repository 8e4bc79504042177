"""`netdef placement`: a net divided over devices, before anything runs: shares, transfers, memory, and which split is best."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.options import COUNT, SPLIT, Overrides, allow_python_option, batch_option, phase_option, set_option, without_effect
from netdef.cli.placement_facts import DEFAULT_SPLIT, LISTS, Load, bytes_sent, loads, program_of, recommended, traffic
from netdef.cli.placement_text import shares, text
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.ir.program import Program

FORMATS = ("text", "json")
MANY = 1 << 30  # runs of channels that are listed one by one for programs


@click.command(cls=Command)
@click.argument("net")
@click.option("--devices", help="How many, or which: 2, or gpu:0-3; default: 2, with --ranks 1 of each rank.")
@click.option("--split", type=SPLIT, help=f"What is cut; default: {DEFAULT_SPLIT}.")
@click.option("--ranks", type=COUNT, metavar="N", help="On paper: N ranks of mpirun or srun, of as many cards as --devices says.")
@click.option("--card", metavar="CARD", help="With --ranks: which card, h100, a100 ..., or cpu: a core of this machine.")
@click.option(
    "--network",
    metavar="SPEED",
    help="With --ranks: the network between ranks, 400gbit, or 8x400gbit; --card cpu can do without.",
)
@click.option(
    "--nodes", type=COUNT, metavar="N", help="Groups of devices in which hybrid cuts channels; default: 1, with --ranks each rank."
)
@phase_option
@batch_option
@set_option
@allow_python_option
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
def command(net: str, phase: str | None, batch: int | None, overrides: Overrides, form: str, **options: Any) -> None:
    """What each of several devices computes of NET, what they send each other, and which split is best.

    With --ranks: how long an iteration takes on a cluster, by each split and by batches of the literature.
    """
    from netdef.loading import load

    loaded = load(net, phase or "train", overrides, batch)
    split, devices, ranks = options["split"], options["devices"], options["ranks"]
    about_ranks = {"--card": options["card"], "--network": options["network"]}
    if ranks is None:
        for note in without_effect(about_ranks, "it is about --ranks"):
            click.echo(note, err=True)
        click.echo(placement(loaded, devices or "2", split or DEFAULT_SPLIT, form, options["nodes"] or 1))
        return
    for note in without_effect({"--split": split}, "with --ranks, all three are shown"):
        click.echo(note, err=True)
    facts = options["card"], options["network"], options["nodes"]
    click.echo(of_ranks(loaded, ranks, devices or "1", facts, batch is not None, form))


def of_ranks(
    net: Net, ranks: int, devices: str, facts: tuple[str | None, str | None, int | None], batch_given: bool, form: str
) -> str:
    """What `netdef placement --ranks` prints.  facts: --card, --network and --nodes.

    Raises
    ------
    NetdefError: `devices` or one of the facts means nothing, or the net does not train.
    """
    from netdef.cli.cluster_text import on_paper, paper

    if net.phase != "train":
        raise NetdefError("--ranks shows what training takes: --phase test does not go with it", hint="leave out one of both")
    hosts_in(devices, least=1)
    return on_paper(net, paper(ranks, len(names_in(devices)), *facts), batch_given, form)


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


def placement(net: Net, devices: str, split: str = DEFAULT_SPLIT, form: str = "text", nodes: int = 1) -> str:
    """What `netdef placement` prints.

    Parameters
    ----------
    devices: how many, or their names.  split: "groups", "batch" or "hybrid".  form: of FORMATS.  nodes: of "hybrid".

    Raises
    ------
    NetdefError: `devices` means nothing, or the net cannot run.
    """
    from runtime.compiler.placement.choice import SPLITS

    hosts = hosts_in(devices)
    programs = {name: program_of(net, hosts, name, nodes if name == "hybrid" else 1) for name in SPLITS}
    one = program_of(net)
    names = names_in(devices)
    if form == "json":
        return json.dumps(data(net, split, programs, one, names), indent=1)
    return "\n".join(text(net, split, programs, one, names))


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
