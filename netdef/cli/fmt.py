"""`netdef fmt`."""

from __future__ import annotations

import click

from netdef.cli.shell import Command


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--check", "only_check", is_flag=True, help="Name the files that are not in their form, and how; change nothing.")
@click.option("--to", type=click.Choice(["net", "prototxt"]), help="The short form, or Caffe's; by default that of the ending.")
@click.option("-i", "--in-place", is_flag=True, help="Write the files instead of printing them.")
def command(files: tuple[str, ...], only_check: bool, to: str | None, in_place: bool) -> int:
    """Bring nets and solvers into one canonical form, comments and meaning kept; - is the standard input.

    --to net finds the defaults of a net in Caffe's form by itself; --to prototxt also writes files of Caffe's older formats in
    the present one. Exit code 1: with --check, a file is not in its form; 2: a file has mistakes, and was left as it is.
    """
    from netdef.fmt.files import format_files

    return format_files(files, only_check, to, in_place, click.echo)
