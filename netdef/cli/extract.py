"""`netdef extract`: the values of blobs for each image, as features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.arguments import weights_for
from netdef.cli.finite import not_finite
from netdef.cli.options import COUNT, allow_missing_option, batch_option, data_option, fold_option, run_options, weights_option
from netdef.cli.progress import progress
from netdef.cli.running import RunOptions
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError
from netdef.language.spelling import did_you_mean
from netdef.language.units import shortened

if TYPE_CHECKING:
    import numpy as np

    from netdef.graph.net import Net
    from runtime.machine.executable import Executable


@click.command(cls=Command)
@click.argument("net")
@weights_option
@allow_missing_option
@click.option("--blobs", required=True, metavar="NAME,...", help="Which, as fc7,label.")
@click.option("--out", "-o", required=True, metavar="FILE", help="Ending in .h5, .npz, .lmdb or .leveldb.")
@data_option
@click.option("--iterations", type=COUNT, metavar="N", help="Batches to run; default: all the test data once.")
@batch_option
@run_options
@fold_option
def command(net: str, **options: Any) -> None:
    """Write the values that blobs of NET have for each image of its test data (Caffe's extract_features)."""
    click.echo(extract(net, Options(**options)))


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """What --NAME gives; None for what was not given."""

    weights: str | None = None
    blobs: str
    out: str
    allow_missing: bool = False
    data: str | None = None
    iterations: int | None = None
    batch: int | None = None


def extract(net_path: str, options: Options) -> str:
    """Run `netdef extract NET`; returns a line about what it wrote.

    Raises
    ------
    NetdefError: there is no such blob, the weights do not fit, the data cannot be read, a value is not finite, or the file cannot
        be written.
    """
    from netdef.cli.tested import held_out, say_skip, tested_net
    from runtime.data import open_source
    from runtime.data.features import writing_features
    from runtime.solver.snapshot import read_side
    from runtime.solver.testing import batches_of_pass

    net = tested_net(net_path, options.overrides, options.batch, options.data)
    blobs = blobs_named(net, options.blobs)
    weights = weights_for(net_path, options.weights)
    side = read_side(weights[-1])
    with options.compiler()(net, seed=side.get("seed"), backward=False, keep="activations") as exe:
        exe.load_weights(weights, options.allow_missing)
        exe.open_sources(partial(open_source, hold_out=held_out(side, net), on_skip=say_skip), side.get("classes"))
        total, images = options.iterations or batches_of_pass(exe), 0
        with writing_features(options.out, blobs) as features, progress("extracting", total) as on_batch:
            for done, rows in enumerate(batches(exe, blobs, options.iterations)):
                features.append(rows)
                images += len(next(iter(rows.values())))
                on_batch(done + 1)
        shapes = {name: " x ".join(map(str, exe.net.blobs[name].shape[1:])) or "1" for name in blobs}
    return f"{options.out}: " + ", ".join(f"{name} {shape}" for name, shape in shapes.items()) + f" of {images:,} images"


def blobs_named(net: Net, text: str) -> list[str]:
    """The blobs that --blobs names.

    Raises
    ------
    NetdefError: there is none of that name, or it has no row for each image.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in net.blobs:
            hint = did_you_mean(name, net.blobs) or f"blobs: {shortened([*net.blobs])}"
            raise NetdefError(f"{net.filename} has no blob '{name}' in phase test", hint=hint)
        shape = net.blobs[name].shape
        if not shape or shape[0] != net.batch:
            text = f"{name} has the shape {' x '.join(map(str, shape)) or '1'}: no row for each of {net.batch} images"
            raise NetdefError(text, hint="extract takes blobs whose first axis is the images")
    return names


def batches(exe: Executable, blobs: list[str], iterations: int | None) -> Iterator[dict[str, np.ndarray]]:
    """The rows of each batch, as many as it has images.

    Parameters
    ----------
    iterations: how many batches; None goes once through all images.

    Raises
    ------
    NetdefError: a value is not finite.
    """
    import numpy as np

    from runtime.solver.testing import batches_of_pass, sizes_of_pass

    whole = exe.net.batch or 1
    by_count = iterations is not None or not exe.sources.batches_agree
    sizes = repeat((whole, whole), iterations or batches_of_pass(exe)) if by_count else sizes_of_pass(exe)
    for number, (images, _) in enumerate(sizes):
        exe.run_forward(number)
        rows = {name: exe.blob(name)[:images] for name in blobs}
        for name, array in rows.items():
            if not np.isfinite(array).all():
                raise not_finite(f"{name} is not finite in batch {number + 1}", exe)
        yield rows
