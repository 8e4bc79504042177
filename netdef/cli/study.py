"""`netdef study`: several nets trained alike from several seeds, and one table of what they reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdef.cli import train_options
from netdef.cli.options import COUNT, data_option, run_options
from netdef.cli.running import RunOptions
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from runtime.solver.comparison import Run

OUT = "study"


@click.command(cls=Command)
@click.argument("net")
@click.argument("others", nargs=-1, metavar="[NET...]")
@click.option("--solver", required=True, metavar="SOLVER", help="How each is trained.")
@click.option("--seeds", type=COUNT, default=3, show_default=True, metavar="N", help="Runs of each net, from seeds 1, 2 ... N.")
@click.option("--out", default=OUT, show_default=True, metavar="DIR", help="Where the runs are; those that are there go on.")
@click.option("--over", metavar="DEVICES", help="Train on each of these devices, a run at a time, such as gpu:0-3.")
@click.option("--reach", type=click.FloatRange(0, 1), metavar="SHARE", help="Count iterations until a test's accuracy is so high.")
@data_option
@click.option("--iterations", type=COUNT, metavar="N", help="Of each run, instead of max_iter.")
@click.option("--epochs", type=click.FloatRange(min=0, min_open=True), metavar="N", help="The same in passes over the data.")
@click.option("--test-every", metavar="N", help="Iterations between tests, or '1 epoch', instead of test_interval.")
@click.option("--batch", type=COUNT, metavar="N", help="Images in a training batch, instead of the net's.")
@run_options
def command(net: str, others: tuple[str, ...], **options: Any) -> int:
    """Train each NET from several seeds, and print what they reach, and how they differ from the first.

    The runs come one after the other, or with --over side by side. Those that are finished are not done again; one that was
    interrupted goes on.
    """
    return study([net, *others], Options(**options))


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """What --NAME gives; None for what was not given."""

    solver: str
    seeds: int
    out: str
    over: str | None = None
    reach: float | None = None
    data: str | None = None
    iterations: int | None = None
    epochs: float | None = None
    test_every: str | None = None
    batch: int | None = None


def study(nets: Sequence[str], options: Options) -> int:
    """Run `netdef study NET...`; returns the exit code: 0, or that of the run that was interrupted.

    Raises
    ------
    NetdefError: two nets have one name, a net or the solver is wrong, or a run failed.
    """
    from runtime.solver.comparison import table
    from runtime.solver.nets import load_net, read_solver

    names = [Path(net).stem for net in nets]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise NetdefError(f"two nets are called {twice}", hint="their runs would have one directory: rename a file")
    parameters, _ = read_solver(options.solver, options.iterations)
    for net in nets:  # all of them, before hours of training
        for phase in ("train", "test"):
            load_net(net, phase, options.overrides, options.batch if phase == "train" else None, options.data)
    seeds = range(1, options.seeds + 1)
    outs = {(name, seed): Path(options.out) / f"{name}-{seed}" for seed in seeds for name in names}
    files = {key: solver_file(out, parameters, key[1]) for key, out in outs.items()}
    due = [(dict(zip(names, nets, strict=True))[key[0]], out, files[key]) for key, out in outs.items() if not is_finished(out)]
    code = in_turn(due, options) if options.over is None else over_devices(due, options)
    if code:
        return code
    runs = {name: [run_in(outs[name, seed], options.reach) for seed in seeds] for name in names}
    click.echo("\n".join(table(runs, options.reach)))
    return 0


def run_in(out: Path, reach: float | None) -> Run:
    """What a finished run reached."""
    from runtime.solver.comparison import run_of
    from runtime.solver.log import read_log

    return run_of(read_log(out), reach)


def in_turn(due: Sequence[tuple[str, Path, Path]], options: Options) -> int:
    """Train each (net, directory, solver), one after the other; returns 0, or the exit code of the run that was interrupted."""
    from netdef.cli.train import train

    for net, out, solver in due:
        click.echo(f"{out}:", err=True)
        code = train(net, str(solver), training_options(out, options))
        if code:
            return code
    return 0


def over_devices(due: Sequence[tuple[str, Path, Path]], options: Options) -> int:
    """The same on the devices of --over, side by side.

    Raises
    ------
    NetdefError: --devices is given too, or a run failed.
    """
    from netdef.cli.study_devices import Job, run_over
    from netdef.cli.train_options import CommandLine
    from runtime.machine.open import device_names

    if options.devices is not None:
        raise NetdefError("--over and --devices exclude each other", hint="each run of --over has one device")
    jobs = []
    for net, out, solver in due:
        how = training_options(out, options)
        resume = ["--resume", how.resume] if how.resume else []
        jobs.append(Job((*CommandLine(net, str(solver), how).words(), *resume), out))
    return run_over(device_names(options.over or ""), jobs)


def training_options(out: Path, options: Options) -> train_options.Options:
    """The options of `netdef train` for one run, which goes on if it has a snapshot."""
    given = {name: getattr(options, name) for name in ("data", "iterations", "epochs", "test_every", "batch")}
    how = {name: getattr(options, name) for name in RunOptions.__dataclass_fields__}
    resume = "latest" if list(out.glob("*.solverstate*")) else None
    if resume is None:
        (out / "log.jsonl").unlink(missing_ok=True)  # of a run that ended before its first snapshot
    return train_options.Options(out=str(out), resume=resume, **given, **how)


def is_finished(out: Path) -> bool:
    """Whether a run came to its end."""
    from runtime.solver.log import read_log

    if not (out / "log.jsonl").exists():
        return False
    ends = [record for record in read_log(out) if record["event"] in ("start", "end")]
    return bool(ends) and ends[-1]["event"] == "end" and ends[-1].get("reason") == "finished"


def solver_file(out: Path, parameters: Any, seed: int) -> Path:
    """The solver of a run, with its seed, in the study's directory.

    Raises
    ------
    NetdefError: another solver is there: the runs are of another study.
    """
    from netdef.cli.run_files import NAMES_NETS
    from netdef.language.printer import print_message
    from netdef.language.writing import write_over

    own = type(parameters)()
    own.CopyFrom(parameters)
    own.random_seed = seed
    own.snapshot_prefix = ""
    for field in NAMES_NETS:
        own.ClearField(field)
    text = print_message(own)
    path = out.parent / f"{out.name}.solver.txt"
    if path.exists() and path.read_text() != text:
        raise NetdefError(f"{path} is another solver: {out.parent} holds another study", hint="--out DIR names another directory")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_over(path, text)
    return path
