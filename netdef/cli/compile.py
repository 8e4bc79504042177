"""`netdef compile`: the program a network becomes, and the memory it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.options import (
    SPLIT,
    Overrides,
    allow_python_option,
    batch_option,
    conv_option,
    fuse_option,
    math_option,
    phase_option,
    set_option,
    without_effect,
    workspace_option,
)
from netdef.cli.placement import hosts_in, names_in
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.ir.program import Program
    from runtime.kernels.cuda.options import CudaOptions

ROWS = ("weights", "weight gradients", "solver state", "inputs", "activations", "activation gradients")


@click.command(cls=Command)
@click.argument("net")
@phase_option
@batch_option
@set_option
@allow_python_option
@click.option("--print", "instructions", is_flag=True, help="Print every instruction, and what its device launches.")
@click.option("--after", metavar="PASS", help="Stop after this pass: place, lower, fuse ...; a wrong name lists them all.")
@click.option("--inference", is_flag=True, help="Without backward, memory reused by lifetime.")
@click.option("--devices", metavar="DEVICES", help="Divide it over several: how many, or which.")
@click.option("--split", type=SPLIT, help="What is cut.")
@math_option
@conv_option
@workspace_option
@fuse_option
def command(net: str, phase: str | None, batch: int | None, overrides: Overrides, **options: Any) -> None:
    """The program that NET compiles to, and the memory it takes."""
    from netdef.loading import open_net

    opened = open_net(net, overrides, batch, phase or "train")
    opened.bound.announce()
    chosen = phase or ("train" if opened.has_phase("train") else "test")
    click.echo(report(opened.net(chosen), **options))


def report(
    net: Net,
    after: str | None = None,
    instructions: bool = False,
    inference: bool = False,
    threads: int | None = None,
    devices: str | None = None,
    split: str | None = None,
    math: str | None = None,
    conv: str | None = None,
    workspace: int | None = None,
    no_fuse: bool = False,
) -> str:
    """The program after a pass, or as its devices run it; and a table of the bytes it needs.

    Parameters
    ----------
    after: a pass; by default all are done.
    instructions: print the instruction lists; after all passes with what each device launches for them.
    inference: compile without backward.
    threads: worker threads, each with a workspace; default all cores.
    devices, split: how many devices, or which, and what is cut; default one.  One that is named twice has two shares.
    math, conv, workspace, no_fuse: how graphics cards compute; see CudaOptions.

    Raises
    ------
    NetdefError: `devices` means nothing, `split` is given for one device, the workspace is too small; see `compile_program`.
    """
    from runtime.compiler.pipeline import PASSES, compile_program
    from runtime.kernels.cuda.options import cuda_options
    from runtime.kernels.cuda.registry import forms_on
    from runtime.machine.plans import text_of_plans
    from runtime.solver.update import plain_update

    hosts = hosts_in(devices or "1", least=1)
    if split and len(hosts) == 1:
        raise NetdefError(f"--split {split} divides a net over several devices", hint="--devices 2, say")
    cards = devices is not None and devices.startswith("gpu")
    about_cards = {"--math": math, "--conv": conv, "--workspace": workspace}
    for name, value in {**about_cards, "--no-fuse": no_fuse}.items():
        if value and not cards:
            given = name if value is True else f"{name} {value}"
            raise NetdefError(f"{given} is about graphics cards", hint="--devices gpu:0, say; none need be here")
    options = cuda_options(math, workspace, no_graph=False, conv=conv, no_fuse=no_fuse)
    program = compile_program(
        net,
        devices=len(hosts),
        hosts=hosts,
        split=split,
        backward=not inference,
        after=after or PASSES[-1],
        losses_only=True,
        keep="outputs",
        update=plain_update(net) if instructions and not inference else None,
        narrow=forms_on(options.target()) if cards else None,
        cards=cards and not no_fuse,
        apart=bool(cards),
    )
    if program.plan is None:
        narrowed = math == "bf16" and after is not None and PASSES.index(after) >= PASSES.index("narrow")
        unplanned = {**about_cards, "--math": None, "--conv": None} if narrowed else about_cards
        for note in without_effect(unplanned, f"cards plan their launches after the last pass, not after {after}"):
            click.echo(note, err=True)
    fused = not inference and PASSES.index(after or PASSES[-1]) >= PASSES.index("fuse_gradients")
    for note in without_effect({"--no-fuse": no_fuse and not fused}, "no gradients are fused without backward, or before the pass"):
        click.echo(note, err=True)
    sections = []
    if instructions and after:
        sections.append(program.text() if program.forward else _layers(program))
    elif instructions:
        sections.append(text_of_plans(program, options) if cards else text_of_plans(program, threads=_threads(program, threads)))
    if program.plan is not None:
        workspaces = _on_cards(program, options) if cards else _on_cores(program, threads)
        sections.append(_memory(program, workspaces, names_in(devices or "1")))
    elif not instructions:
        sections.append(_counts(program))
    return "\n".join(sections)


def _layers(program: Program) -> str:
    """The layers of a program that is not lowered yet, each with its device and what it makes."""
    return "".join(
        f"dev{layer.device}  {layer.name}  {layer.type}  {'  '.join(f'{top} {top.shape}' for top in layer.tops)}\n"
        for layer in program.net.layers
    )


def _counts(program: Program) -> str:
    lists = (("forward", program.forward), ("backward", program.backward), ("update", program.update))
    return "  ".join(f"{name}: {len(found)} instructions" for name, found in lists if found)


def _threads(program: Program, threads: int | None) -> list[int]:
    """How many threads each device has."""
    from runtime.machine.cpu.cores import available_cores
    from runtime.machine.open import thread_shares

    return thread_shares(len(program.shares), threads or available_cores())


def _on_cores(program: Program, threads: int | None) -> dict[str, list[int]]:
    """What each device takes in addition to the plan's memory, by what it holds: a workspace for every worker."""
    from runtime.machine.cpu import needs as cpu_needs

    each = _threads(program, threads)
    sizes = [cpu_needs.workspace_bytes([program], shares, count) for count, shares in zip(each, program.shares, strict=True)]
    return {f"workspace ({plural(sum(each), 'thread')})": sizes}


def _on_cards(program: Program, options: CudaOptions) -> dict[str, list[int]]:
    """The same where the devices are graphics cards."""
    from runtime.machine.cuda import needs as cuda_needs

    return {
        "workspace": [max(cuda_needs.workspace(program, share, options) for share in shares) for shares in program.shares],
        "data on their way": [sum(cuda_needs.landing_bytes(program, share) for share in shares) for shares in program.shares],
        "constants": [sum(cuda_needs.constants(program, share, options.target()) for share in shares) for shares in program.shares],
    }


def _memory(program: Program, workspaces: dict[str, list[int]], names: Sequence[str]) -> str:
    """A row for each kind of memory.  Kinds that take turns in the same memory are counted where it was first used."""
    assert program.plan is not None
    totals = {**program.plan.totals, **{name: sum(sizes) for name, sizes in workspaces.items()}}
    rows = [(name, totals[name]) for name in (*ROWS, *workspaces) if name in totals]
    rows.append(("total", sum(size for _, size in rows)))
    shared_out = [sizes for sizes in workspaces.values() if len(sizes) > 1]
    for index, (name, shares) in enumerate(zip(names, program.shares, strict=True) if len(names) > 1 else ()):
        held = sum(sum(program.plan.by_device[share].values()) for share in shares)
        rows.append((f"of which {name}", held + sum(sizes[index] for sizes in shared_out)))
    return "\n".join(f"{name:24}{size:>16,} bytes {size / 2**20:>10.1f} MiB" for name, size in rows)
