"""`netdef train`: a run from its arguments to its last line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.arguments import is_run, net_and_solver, weights_files
from netdef.cli.caffe import Command
from netdef.cli.options import COUNT, data_option, fuse_option, run_options
from netdef.cli.options import without_effect as options_without_effect
from netdef.cli.ranked import lost_from, on_all_ranks
from netdef.cli.seeds import RATE, check_alone, in_folders_apart, one_for_each_seed, train_seeds, with_rate
from netdef.cli.train_end import finished, stopped
from netdef.cli.train_events import open_events
from netdef.cli.train_options import CommandLine, Counts, Options
from netdef.cli.train_ranks import about_nodes, about_processes, about_sums, check_ranks, with_nodes_of, without_lost_nodes
from netdef.language.diagnostics import NetdefError
from netdef.language.find import RUN_NET
from netdef.language.units import plural
from netdef.solver_file import devices_left_out, without_effect
from netdef.solver_file.nets import test_count
from netdef.solver_file.testing import rare_tests

if TYPE_CHECKING:
    from netdef.cli.dry_run import Findings
    from runtime.machine.ranks.ranks import Ranks
    from runtime.solver.epochs import Epoch
    from runtime.solver.loop import TrainingLoop
    from runtime.solver.solver import Solver


@click.command(cls=Command)
@click.argument("net")
@click.argument("solver", required=False)
@click.option("--weights", metavar="FILE", help="Start from the weights in a .caffemodel, not those that the solver names.")
@click.option("--allow-missing", is_flag=True, help="Train layers too that the solver's own weights lack, instead of failing.")
@click.option("--resume", metavar="FILE", help="Go on from a .solverstate; `latest` is the last one that was written.")
@data_option
@click.option("--iterations", type=click.IntRange(min=0), metavar="N", help="How many in all, instead of max_iter.")
@click.option("--epochs", type=click.FloatRange(min=0, min_open=True), metavar="N", help="The same in passes over the data.")
@click.option("--test-every", metavar="N", help="Iterations between tests, or '1 epoch', instead of test_interval.")
@click.option("--snapshot-every", metavar="N", help="Iterations between snapshots, or '1 epoch', instead of snapshot.")
@click.option("--lr", type=click.FloatRange(min=0), metavar="RATE", help="The initial rate, instead of base_lr.")
@click.option("--seed", metavar="N|N..M", help="Of everything random, instead of random_seed; of several, a run for each.")
@click.option("--keep", metavar="best,last=N", help="Which snapshots stay: of the best test, the last N. Default: all.")
@click.option("--patience", type=COUNT, metavar="N", help="End after N tests without a better one.")
@click.option("--out", metavar="DIR", help="Where the run writes its files; default: runs/NET-1, -2 ...")
@click.option("--batch", type=COUNT, metavar="N", help="Images in a training batch, instead of the net's.")
@click.option("--mean", metavar="B,G,R|FILE", help="Subtract these values or this mean image, instead of the net's mean.")
@click.option("--data-mean", is_flag=True, help="Subtract the mean image of the training data, instead of the net's mean.")
@click.option(
    "--gradients",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    help="As what ranks of mpirun or srun send gradients; default: fp32, as they are.",
)
@click.option(
    "--bucket", metavar="SIZE", help="In messages of which size ranks send gradients, 4MB, say; default: measured, 16MB of cards."
)
@click.option(
    "--reduce",
    type=click.Choice(["ordered", "fast"]),
    help="Who adds up gradients: ranks, in their order (default), or MPI or NCCL, in an order that their number decides.",
)
@click.option(
    "--nodes", type=COUNT, metavar="N", help="With --split hybrid: N groups of shares, each cuts channels; default: the hosts."
)
@click.option("--elastic", is_flag=True, help="Go on from the last snapshot without ranks that are killed; for MPI with ULFM.")
@click.option("--tensorboard", is_flag=True, help="Write TensorBoard's events into the run's directory too.")
@click.option("--histograms", is_flag=True, help="With --tensorboard: the distribution of each layer's weights at each test.")
@click.option("--dry-run", is_flag=True, help="Read all data, and compute the room and time of the run; train nothing.")
@run_options
@fuse_option
def command(net: str, solver: str | None, **options: Any) -> int:
    """Train NET as SOLVER says.  `netdef train SOLVER` trains the net that the solver names, `netdef train DIR` a run again.

    Ctrl-C ends the run after the iteration, with a snapshot to go on from.
    """
    given, *others = one_for_each_seed(with_rate(Options(**options)))
    if others:

        def train_one(options: Options, on_run: Callable[[Path], None]) -> int:
            return train(net, solver, options, on_run=on_run)

        def train_all(ranks: Ranks | None) -> int:
            from runtime.solver.nets import read_solver

            check_alone([given, *others], ranks)
            parameters, _ = read_solver(net_and_solver(net, solver)[1], given.iterations, given.overrides)
            return train_seeds(in_folders_apart([given, *others], parameters.snapshot_prefix), train_one)

        return on_all_ranks(train_all)

    def resumed(out: Path) -> Callable[[Ranks | None], int]:
        again = replace(given, weights=None, resume="latest", out=str(out))
        return lambda ranks: train(net, solver, without_lost_nodes(again, ranks), ranks)

    return on_all_ranks(lambda ranks: train(net, solver, given, ranks), resumed if given.elastic else None)


def train(
    first: str,
    second: str | None,
    options: Options,
    ranks: Ranks | None = None,
    on_dry_run: Callable[[Findings], None] = lambda findings: None,
    on_run: Callable[[Path], None] = lambda out: None,
) -> int:
    """Run `netdef train FIRST [SECOND]`; returns the exit code: 0, or 130 and 143 after a signal.

    Parameters
    ----------
    ranks: this process among those of an MPI job.  on_dry_run: called with what a dry run found.
    on_run: called with the run's directory.

    Raises
    ------
    NetdefError: anything a user can cause, a loss that is not finite among them.
    """
    from netdef.cli import run_folders as runs
    from netdef.cli.data_mean import discard_alone
    from netdef.cli.prefix_lock import prefix_locked
    from netdef.cli.run_files import RunFiles, options_of_run
    from runtime.solver.devices import choose_devices
    from runtime.solver.display import PlainDisplay, Reporter, open_display
    from runtime.solver.diverged import DivergedError
    from runtime.solver.keep import read_keep
    from runtime.solver.log import NAME as LOG
    from runtime.solver.log import JsonLog, read_log
    from runtime.solver.loop import TrainingLoop
    from runtime.solver.nets import read_solver
    from runtime.solver.stop import StopRequest
    from runtime.solver.tensorboard import check_library

    if options.weights and options.resume:
        raise NetdefError("--weights and --resume exclude each other", hint="--resume brings its own weights along")
    net, solver_path = net_and_solver(first, second)
    parameters, _ = read_solver(solver_path, options.iterations, options.overrides)
    choice = choose_devices(options.devices, parameters, 0 if ranks is None else ranks.local)
    if second is None and is_run(first):
        options = options_of_run(first, options, choice.devices, ranks)
    check_ranks(ranks, options)
    if options.mean is not None and options.data_mean:
        raise NetdefError("--mean and --data-mean exclude each other", hint="each says which mean is subtracted")
    if options.histograms and not options.tensorboard:
        raise NetdefError("--histograms goes with --tensorboard", hint="give both")
    if options.tensorboard:
        check_library()
    if options.iterations is not None and options.epochs is not None:
        raise NetdefError("--iterations and --epochs exclude each other", hint="each says how long the whole run is")
    if options.weights:
        options = replace(options, weights=",".join(weights_files(options.weights)))  # of a run, those of now
    counts, keep = Counts.of(options), None if options.keep is None else read_keep(options.keep)
    if not parameters.HasField("max_iter") and options.epochs is None:
        hint = "add max_iter: 1000, or give --iterations or --epochs"
        raise NetdefError(f"{solver_path} has no max_iter: how long to train?", hint=hint)
    if not test_count(parameters):
        for name in ("test_every", "patience"):
            if getattr(options, name) is not None:
                raise NetdefError(
                    f"--{name.replace('_', '-')} needs tests: {solver_path} asks for none", hint="add test_interval: 500, say"
                )
    writes = ranks is None or ranks.first
    run = open_run(net, solver_path, parameters, options) if writes else Run(Path())
    on_run(run.out)
    if ranks is not None:
        run = Run(*ranks.broadcast(astuple(run)))
    with ExitStack() as stack:
        stack.enter_context(lost_from(run.out))
        if writes:
            stack.callback(runs.remove_if_empty, run.made)
            stack.callback(discard_alone, run.out)
        display = open_display() if ranks is None else PlainDisplay(sys.stdout)
        stack.callback(display.close)
        reporter = Reporter(*[display] if writes else [])
        idle = [f"{name} has no effect: {why}" for name, why in without_effect(parameters).items()]
        idle += [": ".join(devices_left_out(parameters))] if options.devices is None and len(parameters.device_id) > 1 else []
        counted = (options.iterations, options.epochs, options.test_every)
        rare = [rare_tests(parameters)[1]] if counted == (None, None, None) else []
        if options.weights or run.snapshot or not parameters.weights:
            why = "it is about weights that a solver names, and none of those are read"
            idle += options_without_effect({"--allow-missing": options.allow_missing}, why)
        if options.dry_run:
            events_of = {"--tensorboard": options.tensorboard, "--histograms": options.histograms and ranks is None}
            idle += options_without_effect(events_of, "a dry run writes nothing")
        if parameters.lr_policy == "multifixed" and RATE in (options.overrides or {}):
            idle.append("base_lr has no effect: lr_policy multifixed takes its rates from stagelr")
        options = with_nodes_of(run.snapshot, options, choice.devices, ranks)
        idle += [*about_processes(options, ranks), *about_nodes(options, choice.devices, ranks)]
        for note in filter(None, [*run.notes, *options.notes(choice, ranks), *idle, *rare]):
            reporter.note(note)
        solver, epoch = prepare(run, net, solver_path, replace(options, devices=choice.devices), counts, reporter.note, ranks)
        stack.callback(solver.close)
        if options.dry_run:
            from netdef.cli.dry_run import dry_run

            findings = dry_run(solver, run.out, keep)
            click.echo("\n".join(findings.lines))
            on_dry_run(findings)
            return 1 if findings.problems else 0
        if writes:
            stack.enter_context(prefix_locked(solver.prefix, run.out))
            if not (run.snapshot or run.anew):
                runs.check_prefix_free(solver.prefix)  # a run may have ended since
        log = JsonLog(run.out / LOG) if writes else None
        if log is not None:
            stack.callback(log.close)
            reporter.join(log)
        events = open_events(run.out, solver, options, reporter.note) if writes and options.tensorboard else None
        if events is not None:
            stack.callback(events.close)
            reporter.join(events)
        stop = stack.enter_context(StopRequest(ranks))
        loop = TrainingLoop(solver, reporter, stop, keep=keep, patience=options.patience, epoch=epoch)
        if run.snapshot:
            records = read_log(run.out) if writes else []
            loop.go_on(records if ranks is None else ranks.broadcast(records))
        command, files = CommandLine(net, solver_path, options), RunFiles(run.out)
        try:
            if writes and (note := files.write(solver, command, run.snapshot)):
                reporter.note(note)
            return drive(loop, run, command)
        except NetdefError as error:
            if not (run.snapshot or solver.iteration or isinstance(error, DivergedError)):
                if log is not None:
                    log.discard()  # so that the same command can be given again
                if events is not None:
                    events.discard()
                files.discard()
            raise


@dataclass(frozen=True)
class Run:
    """Where a run writes, and the snapshot it goes on from.

    made: its directories that were not there before, inner first.  notes: why it starts from the beginning, or from an earlier one.
    anew: whether it takes the place of a run that was killed before its first snapshot.
    """

    out: Path
    snapshot: Path | None = None
    made: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    anew: bool = False


def open_run(net: str | None, solver_path: str, parameters: Any, options: Options) -> Run:
    """Find or make the run's directory."""
    from netdef.cli import run_folders as runs

    named = net or parameters.net or parameters.train_net or solver_path
    if Path(named).name == RUN_NET:  # of another run, which called its files after its net
        named = parameters.snapshot_prefix or Path(solver_path).parent
    name, out = Path(named).stem, Path(options.out) if options.out else None
    fixed, notes = Path(parameters.snapshot_prefix), list[str]()
    there = fixed.parent if out is None and fixed.is_absolute() else out
    if there is not None:
        runs.check_not_running(there)
    if options.resume:
        snapshot = runs.find_snapshot(options.resume, there, name, notes.append)
        if snapshot is not None:
            found = out or runs.run_of(snapshot, parameters)
            runs.check_not_running(found)
            return Run(found, snapshot, notes=tuple(notes))
        where = f"no run of {name} under {runs.RUNS} has a snapshot" if there is None else f"there is no snapshot under {there}"
        notes.append(f"{where} to resume from: the run starts from the beginning")
    if there is None:
        made = runs.missing(runs.RUNS)
        out = runs.new_run(name)
        return Run(out, made=(out, *made), notes=tuple(notes))
    anew = runs.is_cut_short(there)
    if not anew:
        runs.check_free(there)
    elif not notes:
        notes.append(f"the run in {there} ended before its first snapshot: it starts anew")
    return Run(there, made=runs.missing(there), notes=tuple(notes), anew=anew)


def prepare(
    run: Run,
    net: str | None,
    solver_path: str,
    options: Options,
    counts: Counts,
    say: Callable[[str], None],
    ranks: Ranks | None = None,
) -> tuple[Solver, Epoch | None]:
    """The compiled solver, its weights those of the snapshot or the file that was asked for; an epoch, if it counts them."""
    from netdef.check.initial_weights import without_weights
    from netdef.cli import run_folders as runs
    from runtime.solver.epochs import set_counts
    from runtime.solver.snapshot import read_side
    from runtime.solver.solver import Solver

    seed = read_side(run.snapshot).get("seed") if run.snapshot else None
    say(f"reading {net + ' and ' if net else ''}{solver_path}")
    skipped: set[str] = set()

    def skip(path: str, reason: str) -> None:
        if path not in skipped:  # the training and the test source each find it
            skipped.add(path)
            say(f"skipping {path}: {reason}")

    overrides = options.overrides
    if options.mean is not None:
        from netdef.cli.data_mean import with_mean

        overrides = with_mean(options.mean, net, solver_path, options)
    if options.data_mean:
        from netdef.cli.data_mean import with_data_mean

        overrides = with_data_mean(run.out, net, solver_path, options, run.snapshot is not None, say, ranks)
    solver = Solver(
        solver_path,
        net,
        options.devices,
        threads=options.threads,
        split=options.split,
        seed=seed,
        batch_size=options.batch,
        data=options.data,
        overrides=overrides,
        max_iter=options.iterations,
        out=run.out,
        on_skip=skip,
        weights=[] if run.snapshot else weights_files(options.weights) if options.weights else None,
        allow_missing=options.allow_missing,
        say=say,
        cuda=options.cuda,
        ranks=ranks,
        nodes=options.nodes,
    )
    try:
        for note in about_sums(options, solver):
            say(note)
        epoch = set_counts(solver, counts.epochs, counts.test_every, counts.snapshot_every)
        if epoch is not None:
            end = f"to iteration {solver.parameters.max_iter:,}"
            say(f"an epoch is {epoch.images:,} images, {epoch.iterations:,.2f} iterations; {end}")
        if run.snapshot:
            solver.restore(run.snapshot)
            check_end(solver)
            say(f"resuming from {run.snapshot}")
            for note in otherwise(read_side(run.snapshot), solver.side_state()):
                say(note)
        elif solver.writes and not (run.anew and solver.prefix.resolve().is_relative_to(run.out.resolve())):
            runs.check_prefix_free(solver.prefix)
        if solver.loaded is not None:
            say(f"weights of {plural(len(solver.loaded.filled), 'layer')} from {' and '.join(map(str, solver.loaded.files))}")
        elif not run.snapshot and (text := without_weights(solver.nets.train)):
            say(f"warning: {text}; --weights FILE starts from a file's")
        if solver.writes:
            runs.check_writable(solver.prefix)
        if not solver.kernels_cached:
            say("compiling kernels for this machine: done once, takes up to a minute")
    except BaseException:
        solver.close()
        raise
    return solver, epoch


def otherwise(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """A note for each setting that differs from the snapshot's run, so that this run ends elsewhere."""
    images = "the net's own images"
    notes = {
        "batch_size": f"note: the snapshot's run had batches of {before.get('batch_size')}, this one has {now['batch_size']}",
        "data": f"note: the snapshot's run had {before.get('data') or images}, this one has {now['data'] or images}",
        "gradients": f"note: the snapshot's run sent gradients as {before.get('gradients')}, this one as {now.get('gradients')}",
        "reduce": f"note: the snapshot's run had --reduce {before.get('reduce')}, this one has {now.get('reduce')}",
        "split": f"note: the snapshot's run had --split {before.get('split')}, this one has {now.get('split')}",
        "nodes": f"note: the snapshot's run had --nodes {before.get('nodes')}, this one has {now.get('nodes')}",
    }
    alone = {name for name in ("split", "nodes") if None in (before.get(name), now.get(name))}  # of one share in all
    return [note for name, note in notes.items() if name in before and before[name] != now[name] and name not in alone]


def check_end(solver: Solver) -> None:
    """Check that a resumed run does not end before it starts.

    Raises
    ------
    NetdefError: it would.
    """
    if solver.iteration > solver.parameters.max_iter:
        raise NetdefError(
            f"the snapshot is of iteration {solver.iteration}, the run is to end at {solver.parameters.max_iter}",
            hint="--iterations counts all iterations, those before the snapshot too",
        )


def drive(loop: TrainingLoop, run: Run, command: CommandLine) -> int:
    """Run the loop, and report how it ended."""
    from runtime.solver.diverged import DivergedError
    from runtime.solver.log import FORMAT as LOG_FORMAT

    solver = loop.solver
    loop.report(
        "start",
        format=LOG_FORMAT,
        name=solver.nets.train.name or Path(solver.nets.train.filename).stem,
        net=solver.nets.train.filename,
        solver=solver.filename,
        iteration=solver.iteration,
        max_iter=loop.max_iter,
        batch_size=solver.batch_size,
        devices=solver.devices,
        threads=solver.executable.threads,
        **({} if solver.ranks is None else {"ranks": solver.ranks.size}),
        seed=solver.seed,
        out=str(run.out),
    )
    try:
        outcome = loop.run()
    except DivergedError as error:
        loop.report("end", reason="diverged", iteration=error.iteration, lines=[], error=str(error))
        raise
    if outcome.interrupted:
        loop.report("end", reason="interrupted", iteration=solver.iteration, lines=stopped(outcome, solver, command))
        return loop.stop.exit_code
    loop.report("end", reason="finished", iteration=solver.iteration, lines=finished(outcome, solver, run.out, command))
    return 0
