"""`netdef data mnist`."""

from __future__ import annotations

import click

from netdef.cli.data.options import backend_option, pad_option, threads_option
from netdef.cli.shell import Command


@click.command(cls=Command)
@click.argument("folder")
@click.argument("out")
@backend_option
@pad_option
@threads_option
def command(folder: str, out: str, backend: str | None, pad: int, threads: int | None) -> None:
    """Write MNIST, or data in its form such as Fashion-MNIST, to databases (Caffe's convert_mnist_data).

    FOLDER has the four IDX files as they are published (train-images-idx3-ubyte.gz ...), packed or not. Written are OUT_train and
    OUT_test; with --backend folder OUT/train and OUT/test, which --data reads.
    """
    from netdef.cli.data.phases import write_phases
    from runtime.data.published import read_mnist

    for line in write_phases(lambda phase: read_mnist(folder, phase, pad), out, backend, threads):
        click.echo(line)
