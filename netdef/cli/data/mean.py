"""`netdef data mean`."""

from __future__ import annotations

from typing import Any

import click

from netdef.cli.data.options import Skipped, reading_options, records_of, skipped_text, threads_option, workers
from netdef.cli.progress import progress
from netdef.cli.shell import Command


@click.command(cls=Command)
@click.argument("source")
@click.argument("out", required=False)
@reading_options
@threads_option
def command(source: str, out: str | None, **options: Any) -> None:
    """The mean image of SOURCE (Caffe's compute_image_mean).

    Written to OUT, a .binaryproto or .npy, for transform_param's mean_file; printed for each channel, for mean_value.
    """
    from runtime.data.statistics import mean_of_records, write_mean

    records = records_of(source, options, labels=False)
    with progress("reading", records.size) as on_done:
        mean = mean_of_records(records, workers(options["threads"]), Skipped(), on_done)
    if out is not None:
        write_mean(out, mean.image)
    shape = " x ".join(map(str, mean.image.shape))
    click.echo(f"mean of {mean.count:,} images of {shape}{f' -> {out}' if out else ''}{skipped_text(mean.skipped)}")
    click.echo(f"mean_value: [{', '.join(f'{value:.6g}' for value in mean.values)}]")
