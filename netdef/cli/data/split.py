"""`netdef data split`."""

from __future__ import annotations

import os

import click

from netdef.cli.data.options import root_option, seed_option
from netdef.cli.shell import Command


@click.command(cls=Command)
@click.argument("source")
@click.argument("train")
@click.argument("test")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Of each class to test.",
)
@seed_option
@root_option
def command(source: str, train: str, test: str, share: float, seed: int, root: str | None) -> None:
    """Divide SOURCE into a list for training and one for testing, class by class.

    SOURCE is a list, or a folder with one folder a class; TRAIN and TEST are the lists to write. Each class with two images or more
    has one at least in both. The names of a folder's classes go to TRAIN.classes, for `netdef predict --labels`.
    """
    from netdef.language.diagnostics import NetdefError
    from netdef.language.writing import write_over
    from runtime.data.listing import read_list, scan_folder
    from runtime.data.splitting import split

    if os.path.realpath(train) == os.path.realpath(test):
        raise NetdefError(f"{train} cannot be both lists")
    listing = scan_folder(source, True) if os.path.isdir(source) else read_list(source, root or "")
    for path, part in zip((train, test), split(listing, share, seed), strict=True):
        lines = "".join(f"{part.path(index)} {label}\n" for index, label in enumerate(part.labels))
        write_over(path, lines.encode("utf-8", "surrogateescape"))
        click.echo(f"{path}: {len(part.paths):,} images of {len(set(part.labels)):,} classes")
    if listing.classes:
        write_over(f"{train}.classes", "".join(f"{name}\n" for name in listing.classes))
