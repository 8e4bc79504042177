"""`netdef rates`: the loss against the learning rate, and a rate to train with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from netdef.cli.arguments import net_and_solver, weights_files
from netdef.cli.options import COUNT, data_option, run_options
from netdef.cli.progress import progress
from netdef.cli.ranked import refuse_ranks
from netdef.cli.running import RunOptions
from netdef.cli.seeds import setting_of
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError
from netdef.solver_file.learning_rate import MOST

LEAST = 20  # iterations that show anything
ROWS = 11
BAR = 30  # characters of the longest bar
OF_THE_RATE = ("lr_policy", "gamma", "power", "stepsize", "stepvalue")  # settings of a solver
ENDINGS = (".png", ".svg", ".pdf")


@click.command(cls=Command)
@click.argument("net")
@click.argument("solver", required=False)
@click.option("--low", type=click.FloatRange(0, MOST, min_open=True), default=1e-6, show_default=True, help="The first rate.")
@click.option("--high", type=click.FloatRange(0, MOST, min_open=True), default=1.0, show_default=True, help="The last rate.")
@click.option(
    "--iterations", type=click.IntRange(LEAST), default=100, show_default=True, metavar="N", help="From the one to the other."
)
@click.option("--weights", metavar="FILE", help="Start from these weights, as the training will.")
@data_option
@click.option("--batch", type=COUNT, metavar="N", help="Images in a training batch, instead of the net's.")
@click.option("-o", "--out", metavar="FILE", help="The picture, .png, .svg or .pdf; default: NET-rates.png.")
@run_options
def command(net: str, solver: str | None, **options: Any) -> None:
    """Train NET for a few iterations while the rate rises, draw the loss against the rate, and propose a rate.

    SOLVER says the rest. The proposal is a tenth of the rate of the lowest smoothed loss (Smith 2017). Nothing else is written, and
    no test is made.
    """
    rates(net, solver, Options(**options))


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """What --NAME gives; None for what was not given."""

    low: float
    high: float
    iterations: int
    weights: str | None = None
    data: str | None = None
    batch: int | None = None
    out: str | None = None


def rates(first: str, second: str | None, options: Options) -> None:
    """Run `netdef rates NET SOLVER`, and print what it finds.

    Raises
    ------
    NetdefError: anything a user can cause.
    """
    from runtime.solver.rate_search import draw, search
    from runtime.solver.solver import Solver

    refuse_ranks("rates")
    check_settings(options)
    if options.low >= options.high:
        raise NetdefError(f"--low {options.low:g} is not below --high {options.high:g}")
    if options.out is not None and not options.out.lower().endswith(ENDINGS):
        raise NetdefError(f"{options.out}: unknown ending", hint=f"endings: {', '.join(ENDINGS)}")
    if options.out is not None and not os.path.isdir(Path(options.out).absolute().parent):
        raise NetdefError(f"there is no folder for the picture {options.out}", hint="make it, or give another -o FILE")
    net, path = net_and_solver(first, second, "rates")
    with Solver(
        path,
        net,
        options.choose(),
        threads=options.threads,
        split=options.split,
        seed=1,
        batch_size=options.batch,
        data=options.data,
        overrides=options.overrides,
        weights=weights_files(options.weights) if options.weights else None,
        allow_missing=bool(options.weights),
        say=lambda line: click.echo(line, err=True),
        cuda=options.cuda,
    ) as solver:
        with progress("trying rates", options.iterations) as on_iteration:
            found = search(solver, options.low, options.high, options.iterations, on_iteration)
        name, own = solver.nets.train.name or Path(solver.nets.train.filename).stem, solver.parameters.base_lr
    picture = options.out or f"{Path(solver.nets.train.filename).stem}-rates.png"
    click.echo("\n".join([*lines_of(found, options), *advice(found, own)]))  # before the picture, which may fail
    draw(found, f"{name}: loss while the rate rises", picture)
    click.echo(f"picture: {picture}")


def check_settings(options: Options) -> None:
    """Check that --set says nothing of the solver that this command decides itself.

    Raises
    ------
    NetdefError: it does.
    """
    for field, own in (("max_iter", f"--iterations {options.iterations}"), *((field, "--low and --high") for field in OF_THE_RATE)):
        if setting := setting_of(options, f"solver.{field}"):
            raise NetdefError(f"--set {setting.text} has no effect: netdef rates goes by {own}", hint="leave it out")


def lines_of(found: Any, options: Options) -> list[str]:
    """A row for some of the rates: the rate, the smoothed loss, a bar."""
    from runtime.solver.rate_search import rows

    table = rows(found, ROWS)
    longest = min(max((loss for _, loss in table), default=0.0), 2 * table[0][1] if table else 0.0) or 1.0
    lines = [
        f"{'rate':>9}  loss",
        *(f"{rate:9.2g}  {loss:<9.4g} {'#' * min(BAR, round(BAR * loss / longest))}".rstrip() for rate, loss in table),
    ]
    tried = len(found.rates)
    if tried < options.iterations:
        reached = f"at rate {found.rates[-1]:.2g}" if tried else "at once"
        lines.append(f"ended after {tried} of {options.iterations} iterations: the loss grew {reached}")
    return lines


def advice(found: Any, own: float) -> list[str]:
    """The rate to take."""
    if found.proposal is None:
        return ["no rate of these made the loss fall: netdef train --dry-run looks at data and labels; or try more --iterations"]
    return [f"proposed: --lr {found.proposal:g} (the solver has {own:g})"]
