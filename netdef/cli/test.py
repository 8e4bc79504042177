"""`netdef test`: a net's loss and accuracies over its test data."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.arguments import weights_for
from netdef.cli.caffe import Command
from netdef.cli.options import COUNT, allow_missing_option, batch_option, data_option, fold_option, run_options, weights_option
from netdef.cli.progress import progress
from netdef.cli.running import RunOptions
from netdef.language.diagnostics import NetdefError
from netdef.layers.data import ImageData

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable
    from runtime.solver.results import TestResult


@click.command(cls=Command)
@click.argument("net")
@weights_option
@allow_missing_option
@data_option
@click.option("--iterations", type=COUNT, metavar="N", help="Batches to test; default: all the test data once.")
@batch_option
@run_options
@fold_option
def command(net: str, **options: Any) -> None:
    """Loss and accuracies of NET with given weights over its test data."""
    test(net, Options(**options))


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """What --NAME gives; None for what was not given."""

    weights: str | None = None
    allow_missing: bool = False
    data: str | None = None
    iterations: int | None = None
    batch: int | None = None


def test(net_path: str, options: Options) -> None:
    """Run `netdef test NET` and print what it finds.

    Raises
    ------
    NetdefError: the net has no data layers, the weights do not fit or lack layers, the data cannot be read, a result is not finite.
    """
    from runtime.data import open_source
    from runtime.solver.remember import remember_results
    from runtime.solver.snapshot import read_side
    from runtime.solver.testing import batches_of_pass, run_test

    net = tested_net(net_path, options.overrides, options.batch, options.data)
    weights = weights_for(net_path, options.weights)
    side = read_side(weights[-1])
    with options.compiler()(net, seed=side.get("seed"), backward=False, update=remember_results) as exe:
        exe.load_weights(weights, options.allow_missing)
        opener = partial(open_source, hold_out=held_out(side, net), on_skip=say_skip)
        exe.open_sources(opener, side.get("classes"))
        begun = time.perf_counter()
        with progress("testing", options.iterations or batches_of_pass(exe)) as on_batch:
            result = run_test(exe, options.iterations, on_batch=on_batch)
        assert result is not None
        print("\n".join(report(result, exe, time.perf_counter() - begun)))


def tested_net(path: str, overrides: Mapping[str, Any] | None, batch: int | None, data: str | None) -> Net:
    """A net in phase test, which brings its own data.

    Raises
    ------
    NetdefError: it takes data from outside.
    """
    from runtime.solver.nets import load_net

    net = load_net(path, "test", overrides, batch, data)
    if net.inputs or all(layer.bottoms for layer in net.layers):
        raise NetdefError(
            f"{net.filename} takes its data from outside (Input layers) in phase test: there is nothing to test it on",
            hint="a layer such as `test layer data: ImageData -> data, label { ... }` gives it data; netdef predict takes images",
        )
    return net


def say_skip(path: str, reason: str) -> None:
    print(f"skipping {path}: {reason}", file=sys.stderr)


def held_out(side: dict[str, Any], net: Net) -> int:
    """How the run that made the weights divided the data that the net reads: what it trained on is no test."""
    sources = [layer.source for layer in net.layers if isinstance(layer, ImageData)]
    same = side.get("data") and os.path.realpath(side["data"]) in map(os.path.realpath, sources)
    return side.get("hold_out", 0) if same else 0


def report(result: TestResult, executable: Executable, seconds: float) -> list[str]:
    """A line for each number, and how many images they are means of."""
    from runtime.solver.display import duration

    numbers = {} if result.loss is None else {"loss": f"{result.loss:.5g}"}
    for name, value in result.outputs.items():
        numbers[name] = f"{value:.2%}" if name in result.accuracies else f"{value:.5g}"
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
    return [*lines, f"{skipped} images could not be read and were skipped"] if skipped else lines
