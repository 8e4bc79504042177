"""`netdef data convert`."""

from __future__ import annotations

from typing import Any

import click

from netdef.cli.data.options import backend_option, reading_options, seed_option, threads_option
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError


@click.command(cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="[ROOT] SOURCE OUT")
@backend_option
@reading_options
@click.option("--shuffle", is_flag=True, help="Write the records in an order drawn from --seed.")
@seed_option
@click.option("--encoded", is_flag=True, help="Store image files instead of pixels: as they are, if nothing changes them.")
@click.option(
    "--encode-type", "--encode_type", type=click.Choice(["jpg", "png"]), help="The form of --encoded files; default: jpg."
)
@click.option("--check-size", "--check_size", is_flag=True, help="Fail at a record whose size is not that of the first.")
@threads_option
def command(names: tuple[str, ...], **options: Any) -> None:
    """Write the images of SOURCE to OUT, a new database (Caffe's convert_imageset).

    SOURCE is a list, a folder with one folder a class, a database, an HDF5 file, or a list of HDF5 files. ROOT, as Caffe has it, is
    --root. What is interrupted goes on when the same command is given again; records whose files were changed meanwhile are written
    anew.
    """
    if len(names) not in (2, 3):
        raise NetdefError("netdef data convert takes SOURCE and OUT, or ROOT, SOURCE and OUT", hint="netdef data convert --help")
    if len(names) == 3:
        options["root"], names = names[0], names[1:]
    click.echo(convert(names[0], names[1], options))


def convert(source: str, out: str, options: dict[str, Any]) -> str:
    """Run `netdef data convert SOURCE OUT`; returns what it wrote.

    Raises
    ------
    NetdefError: the source cannot be read, or OUT is there or cannot be written.
    """
    from netdef.cli.data.options import kind_for, records_of
    from netdef.cli.data.writing import write

    encoded = options["encode_type"] or ("jpg" if options["encoded"] else "")
    kind = kind_for(out, options["backend"])
    if encoded and kind in ("HDF5", "FOLDER"):
        raise NetdefError(f"--encoded is for lmdb and leveldb, not for {kind.lower()}")
    records = records_of(source, options, encoded)
    seed = options["seed"] if options["shuffle"] else None
    return write(records, out, kind, options["threads"], seed=seed, one_size=options["check_size"])
