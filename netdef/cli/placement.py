"""`netdef placement`: a net divided over devices, before anything runs: shares, transfers, memory, and which split is best."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.options import SPLIT, Overrides, allow_python_option, batch_option, phase_option, set_option
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
