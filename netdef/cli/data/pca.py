"""`netdef data pca`."""

from __future__ import annotations

from typing import Any

import click

from netdef.cli.data.options import Skipped, reading_options, records_of, threads_option, workers
from netdef.cli.progress import progress
from netdef.cli.shell import Command


@click.command(cls=Command)
@click.argument("source")
@reading_options
@threads_option
def command(source: str, **options: Any) -> None:
    """The principal components of the colours of SOURCE, for transform_param's color_shift.

    They replace those of ImageNet, which color_shift has by default (Krizhevsky et al. 2012, section 4.1).
    """
    from runtime.data.statistics import components_of_records

    records = records_of(source, options, labels=False)
    with progress("reading", records.size) as on_done:
        components = components_of_records(records, workers(options["threads"]), Skipped(), on_done)
    click.echo(components.text)
