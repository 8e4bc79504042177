"""`netdef data cifar10`."""

from __future__ import annotations

import click

from netdef.cli.data.options import backend_option, pad_option, threads_option
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError


@click.command(cls=Command)
@click.argument("source")
@click.argument("out")
@backend_option
@pad_option
@click.option("--rgb", is_flag=True, help="Store red first, as convert_cifar_data does, for nets trained on its databases.")
@threads_option
def command(source: str, out: str, backend: str | None, pad: int, rgb: bool, threads: int | None) -> None:
    """Write CIFAR-10 to databases (Caffe's convert_cifar_data).

    SOURCE is cifar-10-binary.tar.gz or the folder in it. Written are OUT_train and OUT_test; with --backend folder OUT/train and
    OUT/test, which --data reads.
    """
    from netdef.cli.data.phases import write_phases
    from runtime.data.published import read_cifar10

    if rgb and backend == "folder":
        raise NetdefError("--rgb is for databases: the files of a folder have their own order of colours")
    for line in write_phases(lambda phase: read_cifar10(source, phase, rgb, pad), out, backend, threads):
        click.echo(line)
