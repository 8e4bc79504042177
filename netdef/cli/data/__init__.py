"""`netdef data`: the group of commands for data.  Each command is a file of this folder, imported when it is run."""

from __future__ import annotations

import click

from netdef.cli import shell

COMMANDS = {  # in the order of `netdef data --help`: the first sentence of each command's help
    "convert": "Write the images of SOURCE to OUT, a new database (Caffe's convert_imageset).",
    "mean": "The mean image of SOURCE (Caffe's compute_image_mean).",
    "pca": "The principal components of the colours of SOURCE, for transform_param's color_shift.",
    "info": "What SOURCE holds: records, shapes, classes, and a contact sheet of pictures.",
    "split": "Divide SOURCE into a list for training and one for testing, class by class.",
    "mnist": "Write MNIST, or data in its form such as Fashion-MNIST, to databases (Caffe's convert_mnist_data).",
    "cifar10": "Write CIFAR-10 to databases (Caffe's convert_cifar_data).",
}
ALIASES = {  # Caffe's names
    "convert_imageset": "convert",
    "compute_image_mean": "mean",
    "convert_mnist_data": "mnist",
    "convert_cifar_data": "cifar10",
}


@click.group(cls=shell.Commands, summaries=COMMANDS, room="netdef.cli.data", aliases=ALIASES)
def command() -> None:
    """Tools for data: make, copy and look at databases, lists and means, as Caffe's tools do.

    SOURCE is a list with a path and a label on each line, a folder with one folder of images for each class, an LMDB, a LevelDB or
    an HDF5 file. Caffe's names of its tools are taken too.
    """
