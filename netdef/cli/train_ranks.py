"""The options of `netdef train` about ranks and nodes: taken by the ranks, and named where they have no effect."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdef.cli.options import without_effect
from netdef.cli.train_options import Options
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural

if TYPE_CHECKING:
    from runtime.machine.ranks.ranks import Ranks
    from runtime.solver.solver import Solver


def check_ranks(ranks: Ranks | None, options: Options) -> None:
    """Let the ranks take their options, the same ones and none that takes one process.

    Raises
    ------
    NetdefError: they were not.
    """
    from runtime.machine.ranks.bucket import bucket_size

    size = None if options.bucket is None else bucket_size(options.bucket)
    if ranks is None:
        return
    if options.dry_run:
        raise NetdefError("--dry-run looks at a run of one process", hint="start it without mpirun or srun")
    if options.elastic:
        from runtime.machine.ranks.mpi import check_elastic

        check_elastic()
    from runtime.machine.ranks.ranks import MEASURED

    ranks.bucket, ranks.fast = MEASURED if size is None else size, options.reduce == "fast"
    if options.gradients not in (None, "fp32"):
        from runtime.machine.ranks.rounding import Rounding

        if ranks.fast:
            hint = "leave out one of both: what is rounded is widened again and then added, by the ranks"
            raise NetdefError(f"--gradients {options.gradients} and --reduce fast exclude each other", hint=hint)
        ranks.rounding = Rounding(options.gradients)
    own = ("devices", "threads", "overrides")  # of which each rank may have its own, and what the nets show
    ranks.check_same({f"--{f.name.replace('_', '-')}": getattr(options, f.name) for f in fields(options) if f.name not in own})


def about_processes(options: Options, ranks: Ranks | None) -> list[str]:
    """Notes of the options about ranks where there are none, and of those that take one process where there are ranks."""
    if ranks is not None:
        return without_effect({"--histograms": options.histograms}, "the weights lie on several ranks")
    only = {name: getattr(options, name.removeprefix("--")) for name in ("--gradients", "--bucket", "--reduce", "--elastic")}
    return without_effect(only, "there is one process, and no other rank")


def about_sums(options: Options, solver: Solver) -> list[str]:
    """Notes of the options about gradients, where no gradients go between ranks, or none are summed over all of them."""
    if solver.ranks is None:
        return []
    given = {"--bucket": options.bucket, "--gradients": options.gradients, "--reduce": options.reduce}
    if not ranks_send_gradients(solver):
        return without_effect(given, "with this split, ranks send each other no gradients of weights")
    if solver.ranks.fast and not any(one.is_reduce for one in solver.executable.program.instructions):
        return without_effect({"--reduce": options.reduce}, "with this split, no weights are on all ranks")
    return []


def ranks_send_gradients(solver: Solver) -> bool:
    """Whether the ranks that train send each other gradients of weights."""
    from runtime.machine.ranks.bucket import gradients_between
    from runtime.machine.ranks.shares import ranks_of

    executable = solver.executable
    return solver.ranks is not None and gradients_between(executable.program, ranks_of(executable.devices, solver.ranks)) > 0


def about_nodes(options: Options, devices: str, ranks: Ranks | None) -> list[str]:
    """A note where --nodes has no effect, or where it would help."""
    from runtime.machine.open import device_names

    given = {"--nodes": options.nodes}
    if options.split != "hybrid":
        return without_effect(given, "it is about --split hybrid")
    if ranks is None and len(device_names(devices)) == 1:
        return without_effect(given, "there is one device")
    if ranks is not None and ranks.nodes > 1 and options.nodes is not None and options.nodes % ranks.nodes:
        keeps = f"--nodes {ranks.nodes}, the default, keeps activations of fully connected layers within a host"
        return [f"note: {keeps}; with large batches that sends less between hosts"]
    return []


def without_lost_nodes(options: Options, ranks: Ranks | None) -> Options:
    """Options without --nodes where the ranks that are left cannot be as many nodes; rank 0 says so."""
    from netdef.cli.run_files import nodes_left
    from runtime.machine.open import device_names

    shares = len(device_names(options.devices or "cpu")) * (1 if ranks is None else ranks.size)
    nodes = nodes_left(options.nodes, shares)
    if nodes != options.nodes and (ranks is None or ranks.first):
        click.echo(f"--nodes {options.nodes} is left out: it does not divide the {plural(shares, 'share')} that are left", err=True)
    return replace(options, nodes=nodes)


def with_nodes_of(snapshot: Path | None, options: Options, devices: str, ranks: Ranks | None) -> Options:
    """Options with the nodes of a snapshot's run, where they name none and the shares can be these: its numbers go on."""
    from netdef.cli.run_files import nodes_left
    from runtime.machine.open import device_names
    from runtime.solver.snapshot import read_side

    if snapshot is None or options.split != "hybrid" or options.nodes is not None:
        return options
    nodes = read_side(snapshot).get("nodes")
    shares = len(device_names(devices)) * (1 if ranks is None else ranks.size)
    return replace(options, nodes=nodes_left(nodes, shares) if isinstance(nodes, int) and shares > 1 else None)
