"""`netdef test`: a net's loss and accuracies over its test data."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.arguments import weights_for
from netdef.cli.caffe import Command
from netdef.cli.options import COUNT, allow_missing_option, batch_option, data_option, fold_option, run_options, weights_option
from netdef.cli.progress import progress
from netdef.cli.ranked import refuse_ranks
from netdef.cli.tested import Options, held_out, say_skip, tested_net
from netdef.cli.tested_report import Subject, check_outputs, report_files
from netdef.language.units import plural

if TYPE_CHECKING:
    from runtime.machine.executable import Executable
    from runtime.solver.results import TestResult


@click.command(cls=Command)
@click.argument("net")
@click.argument("others", nargs=-1, metavar="[NET:WEIGHTS...]")
@weights_option
@allow_missing_option
@data_option
@click.option("--iterations", type=COUNT, metavar="N", help="Batches to test; default: all the test data once.")
@click.option("--crops", type=click.Choice(["1", "10", "144"]), default="1", help="Average over so many crops of each image.")
@click.option(
    "--out",
    "-o",
    multiple=True,
    metavar="FILE",
    help="Write a page of confusions and mistakes (.html), or all predictions (.csv); may be repeated.",
)
@batch_option
@run_options
@fold_option
def command(net: str, others: tuple[str, ...], crops: str, **options: Any) -> None:
    """Loss and accuracies of NET with given weights over its test data.

    With --crops, or of several NETs, each given as NET:WEIGHTS: the top-1 and top-5 errors of the mean of their probabilities, as
    Krizhevsky et al. (2012) have them: 10 crops are the corners and the centre, mirrored too; 144 are those of GoogLeNet.

    With -o, the worst confusions are printed too.
    """
    refuse_ranks("test")
    check_outputs(options["out"], options["iterations"])
    if others or crops != "1":
        from netdef.cli.voting import test_votes

        click.echo("\n".join(test_votes([net, *others], int(crops), Options(**options))))
        return
    test(net, Options(**options))


def test(net_path: str, options: Options) -> None:
    """Run `netdef test NET` and print what it finds.

    Raises
    ------
    NetdefError: the net has no data layers, the weights do not fit or lack layers, the data cannot be read, a result is not finite.
    """
    from netdef.cli.predict import scores_of
    from runtime.data import open_source
    from runtime.data.album import open_album
    from runtime.solver.remember import remember_results
    from runtime.solver.snapshot import read_side
    from runtime.solver.testing import batches_of_pass, run_test
    from runtime.solver.votes import Collector

    net = tested_net(net_path, options.overrides, options.batch, options.data)
    weights = weights_for(net_path, options.weights)
    side = read_side(weights[-1])
    scores = scores_of(net) if options.out else None
    keep = "activations" if scores is not None else None
    with options.compiler()(net, seed=side.get("seed"), backward=False, update=remember_results, keep=keep) as exe:
        exe.load_weights(weights, options.allow_missing)
        opener = partial(open_source, hold_out=held_out(side, net), on_skip=say_skip)
        exe.open_sources(opener, side.get("classes"))
        collector = None if scores is None else Collector(exe, scores[0].name, scores[1])
        begun = time.perf_counter()
        with progress("testing", options.iterations or batches_of_pass(exe)) as on_batch:
            result = run_test(exe, options.iterations, on_batch=on_batch, watch=collector)
        assert result is not None
        print("\n".join(report(result, exe, time.perf_counter() - begun)))
        seed = exe.seed
    if collector is not None:
        subject = Subject(net_path, weights, numbers_of(result))
        with open_album(collector.layer, seed, held_out(side, net), side.get("classes")) as album:
            print("\n".join(report_files(options.out, collector.votes, album, side.get("classes") or (), subject)))


def numbers_of(result: TestResult) -> dict[str, str]:
    """The loss and the outputs, as people read them."""
    numbers = {} if result.loss is None else {"loss": f"{result.loss:.5g}"}
    for name, value in result.outputs.items():
        numbers[name] = f"{value:.2%}" if name in result.accuracies else f"{value:.5g}"
    return numbers


def report(result: TestResult, executable: Executable, seconds: float) -> list[str]:
    """A line for each number, and how many images they are means of."""
    from runtime.solver.display import duration

    numbers = numbers_of(result)
    width = max(map(len, numbers), default=0)
    lines = [f"{name:{width}}  {text}" for name, text in numbers.items()]
    images, skipped = result.images, sum(len(source.skipped) for source in executable.sources.values())
    size = min((source.size for source in executable.sources.values()), default=0)
    again = images - (size - skipped) if size else 0
    if again > size:
        note = f", {images / size:.3g} times the {size:,} that there are"
    else:
        note = f", {again:,} of them a second time" if again > 0 else f" of {size:,} in all" if size else ""
    lines.append(f"over {images:,} images{note}, {duration(seconds)} ({images / seconds:.1f} images/s)")
    return [*lines, f"{plural(skipped, 'image')} could not be read"] if skipped else lines
