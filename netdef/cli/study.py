"""`netdef study`: several nets trained alike from several seeds, and one table of what they reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdef.cli import train_options
from netdef.cli.options import COUNT, data_option, run_options
from netdef.cli.ranked import refuse_ranks
from netdef.cli.running import RunOptions
from netdef.cli.seeds import RATE, check_settings, setting_of
from netdef.cli.shell import Command
from netdef.cli.study_rates import best_rate, read_rates
from netdef.cli.train_options import SEED
from netdef.graph.overrides import for_nets
from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from runtime.solver.comparison import Run

OUT = "study"
TRIAL_SEED = 0  # none of the table's, which begin at 1: a rate that suits a seed by chance must not count for it


@click.command(cls=Command)
@click.argument("net")
@click.argument("others", nargs=-1, metavar="[NET...]")
@click.option("--solver", required=True, metavar="SOLVER", help="How each is trained.")
@click.option("--seeds", type=COUNT, default=3, show_default=True, metavar="N", help="Runs of each net, from seeds 1, 2 ... N.")
@click.option("--out", default=OUT, show_default=True, metavar="DIR", help="Where the runs are; those that are there go on.")
@click.option("--over", metavar="DEVICES", help="Train on each of these devices, a run at a time, such as gpu:0-3.")
@click.option(
    "--rates",
    metavar="RATE,RATE...",
    callback=read_rates,
    help="First train each net at each of these rates instead of base_lr, and go on with its best.",
)
@click.option("--reach", type=click.FloatRange(0, 1), metavar="SHARE", help="Count iterations until a test's accuracy is so high.")
@data_option
@click.option("--iterations", type=COUNT, metavar="N", help="Of each run, instead of max_iter.")
@click.option("--epochs", type=click.FloatRange(min=0, min_open=True), metavar="N", help="The same in passes over the data.")
@click.option("--test-every", metavar="N", help="Iterations between tests, or '1 epoch', instead of test_interval.")
@click.option("--batch", type=COUNT, metavar="N", help="Images in a training batch, instead of the net's.")
@click.option("--dry-run", is_flag=True, help="Compute the room and time that the runs take; train nothing.")
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
    rates: tuple[float, ...] = ()
    reach: float | None = None
    data: str | None = None
    iterations: int | None = None
    epochs: float | None = None
    test_every: str | None = None
    batch: int | None = None
    dry_run: bool = False


def study(nets: Sequence[str], options: Options) -> int:
    """Run `netdef study NET...`; returns the exit code: 0, or that of the run that was interrupted.

    Raises
    ------
    NetdefError: two nets have one name, a net or the solver is wrong, options exclude each other, or a run failed.
    """
    from runtime.solver.comparison import table
    from runtime.solver.nets import load_net, read_solver

    refuse_ranks("study")
    devices_of(options)
    check_solver_settings(options)
    names = [Path(net).stem for net in nets]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise NetdefError(f"two nets are called {twice}", hint="their runs would have one directory: rename a file")
    parameters, _ = read_solver(options.solver, options.iterations, options.overrides)
    options = replace(options, overrides=for_nets(options.overrides))  # each run's own solver file has the others
    for net in nets:  # all of them, before hours of training
        for phase in ("train", "test"):
            load_net(net, phase, options.overrides, options.batch if phase == "train" else None, options.data)
    files, rates = dict(zip(names, nets, strict=True)), dict.fromkeys(names, 0.0)
    tried = trials(files, options)
    if options.dry_run:
        return dry_run(files, [list(tried.values()), list(table_of(files, rates, options).values())], parameters, options)
    if tried:
        if code := train_all(list(tried.values()), parameters, options):
            return code
        found = {key: run_in(entry.out, options.reach) for key, entry in tried.items()}
        rates = {name: best_rate({rate: found[name, rate] for rate in options.rates}) for name in names}
    entries = table_of(files, rates, options)
    if code := train_all(list(entries.values()), parameters, options):
        return code
    runs = {name: [run_in(entry.out, options.reach) for (own, _), entry in entries.items() if own == name] for name in names}
    lines = table(runs, options.reach)
    if options.rates:
        lines.append(f"rates by one run at each of {', '.join(f'{rate:g}' for rate in options.rates)}, of seed {TRIAL_SEED}:")
        lines += [f"  {name} {rate:g}" for name, rate in rates.items()]
    click.echo("\n".join(lines))
    return 0


def check_solver_settings(options: Options) -> None:
    """Check that --set says nothing of the solver that the study itself sets.

    Raises
    ------
    NetdefError: it does.
    """
    check_settings(options)
    if setting := setting_of(options, SEED):
        text = f"--set {setting.text} has no effect: a study's runs have seeds 1 to {options.seeds}"
        raise NetdefError(text, hint="leave it out; --seeds N says how many")
    if options.rates and (setting := setting_of(options, RATE)):
        raise NetdefError(f"--rates and --set {setting.text} exclude each other", hint="give one of them")


def trials(files: Mapping[str, str], options: Options) -> dict[tuple[str, float], Entry]:
    """A run for each net and each of --rates."""
    return {
        (name, rate): Entry(Path(options.out) / f"{name}-rate-{rate:g}", net, TRIAL_SEED, rate)
        for name, net in files.items()
        for rate in options.rates
    }


def table_of(files: Mapping[str, str], rates: Mapping[str, float], options: Options) -> dict[tuple[str, int], Entry]:
    """A run for each net and seed, at the net's rate."""
    seeds = range(1, options.seeds + 1)
    return {
        (name, seed): Entry(Path(options.out) / f"{name}-{seed}", files[name], seed, rates[name])
        for seed in seeds
        for name in files
    }


def dry_run(files: Mapping[str, str], phases: Sequence[Sequence[Entry]], parameters: Any, options: Options) -> int:
    """Run `netdef study --dry-run`; returns the exit code."""
    from netdef.cli.study_dry_run import dry_study, left_of

    names = {net: name for name, net in files.items()}
    left = [[(names[entry.net], 0.0 if is_finished(entry) else left_of(entry.out)) for entry in phase] for phase in phases]
    how = train_options.Options(out=str(Path(options.out) / "dry-run"), **shared_options(options))
    over = devices_of(options)
    if over:
        how = replace(how, devices=over[0])
    return dry_study(files, left, solver_text(parameters, 1), how, max(1, len(over)))


def devices_of(options: Options) -> list[str]:
    """The devices of --over; none without it.

    Raises
    ------
    NetdefError: --devices is given too.
    """
    from runtime.machine.open import device_names

    if options.over is None:
        return []
    if options.devices is not None:
        raise NetdefError("--over and --devices exclude each other", hint="each run of --over has one device")
    return list(device_names(options.over))


@dataclass(frozen=True)
class Entry:
    """A run of a study: its directory, its net, its seed, and its rate where that is not the solver's."""

    out: Path
    net: str
    seed: int
    rate: float = 0.0

    @property
    def is_trial(self) -> bool:
        """Whether it only tries a rate: a loss that grows without end is then a result."""
        return self.out.name.endswith(f"-rate-{self.rate:g}")


def run_in(out: Path, reach: float | None) -> Run:
    """What a finished run reached."""
    from runtime.solver.comparison import run_of
    from runtime.solver.log import read_log

    return run_of(read_log(out), reach)


def train_all(entries: Sequence[Entry], parameters: Any, options: Options) -> int:
    """Train what is not finished; returns 0, or the exit code of the run that was interrupted."""
    solvers = [solver_file(entry.out, parameters, entry.seed, entry.rate) for entry in entries]
    due = [(entry, solver) for entry, solver in zip(entries, solvers, strict=True) if not is_finished(entry)]
    return in_turn(due, options) if options.over is None else over_devices(due, options)


def in_turn(due: Sequence[tuple[Entry, Path]], options: Options) -> int:
    """Train each with its solver, one after the other; returns 0, or the exit code of the run that was interrupted."""
    from netdef.cli.train import train
    from runtime.solver.diverged import DivergedError

    for entry, solver in due:
        click.echo(f"{entry.out}:", err=True)
        try:
            code = train(entry.net, str(solver), training_options(entry.out, options))
        except DivergedError as error:
            if not entry.is_trial:
                raise
            click.echo(f"{entry.out} ended: {error.diagnostics[0].message}", err=True)
            code = 0
        if code:
            return code
    return 0


def over_devices(due: Sequence[tuple[Entry, Path]], options: Options) -> int:
    """The same on the devices of --over, side by side; raises NetdefError: a run failed."""
    from netdef.cli.study_devices import Job, run_over
    from netdef.cli.train_options import CommandLine

    jobs = []
    for entry, solver in due:
        how = training_options(entry.out, options)
        resume = ["--resume", how.resume] if how.resume else []
        jobs.append(Job((*CommandLine(entry.net, str(solver), how).words(), *resume), entry.out, partial(ended_as_trial, entry)))
    return run_over(devices_of(options), jobs)


def training_options(out: Path, options: Options) -> train_options.Options:
    """The options of `netdef train` for one run, which goes on if it has a snapshot."""
    resume = "latest" if list(out.glob("*.solverstate*")) else None
    if resume is None:
        (out / "log.jsonl").unlink(missing_ok=True)  # of a run that ended before its first snapshot
    return train_options.Options(out=str(out), resume=resume, **shared_options(options))


def ended_as_trial(entry: Entry) -> bool:
    """Whether a run that failed only tried a rate, and so found that it is too high."""
    return entry.is_trial and is_finished(entry)


def shared_options(options: Options) -> dict[str, Any]:
    """The options that are those of `netdef train`."""
    names = ("data", "iterations", "epochs", "test_every", "batch", *RunOptions.__dataclass_fields__)
    return {name: getattr(options, name) for name in names}


def is_finished(entry: Entry) -> bool:
    """Whether a run came to its end; for one that tries a rate, numbers that are not finite are one."""
    from runtime.solver.log import read_log

    if not (entry.out / "log.jsonl").exists():
        return False
    ends = [record for record in read_log(entry.out) if record["event"] in ("start", "end")]
    reasons = ("finished", "diverged") if entry.is_trial else ("finished",)
    return bool(ends) and ends[-1]["event"] == "end" and ends[-1].get("reason") in reasons


def solver_file(out: Path, parameters: Any, seed: int, rate: float = 0.0) -> Path:
    """The solver of a run, with its seed, and with a rate if that is not the solver's own, in the study's directory.

    Raises
    ------
    NetdefError: another solver is there: the runs are of another study.
    """
    from netdef.language.writing import write_over

    text = solver_text(parameters, seed, rate)
    path = out.parent / f"{out.name}.solver.txt"
    if path.exists() and path.read_text() != text:
        raise NetdefError(f"{path} is another solver: {out.parent} holds another study", hint="--out DIR names another directory")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_over(path, text)
    return path


def solver_text(parameters: Any, seed: int, rate: float = 0.0) -> str:
    """A solver that names no nets, with a seed, and with a rate if that is not its own."""
    from netdef.cli.run_files import NAMES_NETS
    from netdef.language.printer import print_message

    own = type(parameters)()
    own.CopyFrom(parameters)
    own.random_seed = seed
    if rate:
        own.base_lr = rate
    own.snapshot_prefix = ""
    for field in NAMES_NETS:
        own.ClearField(field)
    return print_message(own)
