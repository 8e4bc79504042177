"""Options that several commands for data have, and what they choose."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.options import COUNT
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.data.records import Records

MOST_WORKERS = 8
MOST_PAD = 1024  # pixels
SHOWN = 10  # records that cannot be read, named one by one
HDF5_ENDINGS = (".h5", ".hdf5")

threads_option = click.option("--threads", type=COUNT, metavar="N", help="Threads that decode, by default one a core.")
seed_option = click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of what is drawn by chance.")
root_option = click.option("--root", metavar="DIR", help="Put before each path of a list.")
pad_option = click.option(
    "--pad", type=click.IntRange(0, MOST_PAD), default=0, metavar="N", help="Put N black pixels around each image."
)
phase_option = click.option(
    "--phase", type=click.Choice(["train", "test"]), default="train", show_default=True, help="Of a folder that has both."
)
backend_option = click.option(
    "--backend",
    type=click.Choice(["lmdb", "leveldb", "hdf5", "folder"]),
    help="What to write; default: hdf5 for a name that ends in .h5, else lmdb.",
)


def read_datasets(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """--datasets."""
    names = None if text is None else tuple(name.strip() for name in text.split(","))
    if names is not None and (len(names) > 2 or not all(names)):
        raise NetdefError(f"--datasets {text} are no datasets", hint="expected the name of one with images, or two: data,label")
    return names


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare how images are read: their size, and whether they are gray."""
    for option in (
        click.option(
            "--datasets",
            metavar="IMAGES[,LABELS]",
            callback=read_datasets,
            help="Of HDF5 files, which datasets to read; default: data,label.",
        ),
        click.option("--gray", is_flag=True, help="One channel instead of three."),
        click.option("--size", type=COUNT, metavar="N", help="Bring the shorter side to N pixels, and keep the centre N x N."),
        click.option("--resize-width", "--resize_width", "width", type=COUNT, metavar="W", help="Stretch images to this width."),
        click.option(
            "--resize-height", "--resize_height", "height", type=COUNT, metavar="H", help="Stretch images to this height."
        ),
        pad_option,
        root_option,
        phase_option,
    ):
        command = option(command)
    return command


def records_of(source: str, options: dict[str, Any], encoded: str = "", labels: bool = True) -> Records:
    """The records of a source, read as the options of `reading_options` say.

    Parameters
    ----------
    labels: whether they are asked for; of HDF5 without them, other datasets do not matter.

    Raises
    ------
    NetdefError: they exclude each other, or the source cannot be read.
    """
    from runtime.data.hdf5_records import IMAGES, LABELS, Hdf5Records, Names
    from runtime.data.record_sources import open_records
    from runtime.data.records import Stored
    from runtime.data.settings import Resize

    height, width, size = options["height"], options["width"], options["size"]
    if size and (height or width):
        raise NetdefError("--size excludes --resize-height and --resize-width", hint="the first keeps the shape of things")
    if bool(height) != bool(width):
        raise NetdefError("--resize-height and --resize-width go together", hint="--size N brings the shorter side to N")
    resize = Resize(size, size, stretch=False) if size else Resize(height, width) if height else None
    stored = Stored(resize, options["gray"], encoded, options["pad"])
    given = options["datasets"]
    images, named = (*(given or (IMAGES,)), LABELS)[:2]
    names = Names(images, named if labels else "", given is not None)
    records = open_records(source, options["root"] or "", stored, options["phase"] == "train", names)
    if labels and isinstance(records, Hdf5Records) and records.others:
        click.echo(f"{source}: {', '.join(records.others)} {'is' if len(records.others) == 1 else 'are'} left out", err=True)
    return records


def kind_for(out: str, backend: str | None) -> str:
    """The kind of database to write at a path."""
    return (backend or ("hdf5" if Path(out).suffix in HDF5_ENDINGS else "lmdb")).upper()


def workers(threads: int | None) -> int:
    return threads or min(MOST_WORKERS, len(os.sched_getaffinity(0)))


class Skipped:
    """Names the first few records that cannot be read, on stderr."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, name: str, reason: str) -> None:
        self.count += 1
        if self.count <= SHOWN:
            click.echo(f"skipping {name}: {reason}", err=True)
        elif self.count == SHOWN + 1:
            click.echo("skipping more; they are counted", err=True)


def skipped_text(skipped: Sequence[str]) -> str:
    """What was left out, as the end of a sentence."""
    return f"; {plural(len(skipped), 'record')} could not be read" if skipped else ""
