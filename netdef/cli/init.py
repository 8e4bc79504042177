"""`netdef init`: a net and a solver for a folder of images."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdef.cli.arguments import weights_files
from netdef.cli.recipe import Images, beyond, classifiers, name_of, net_text, solver_text
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError
from netdef.language.find import models_folder
from netdef.language.units import plural, shortened

if TYPE_CHECKING:
    from netdef.graph.net import Net


@click.command(cls=Command)
@click.argument("folder")
@click.option("--from", "source", default="alexnet", show_default=True, metavar="NET", help="The net to start from.")
@click.option(
    "--weights", metavar="FILE", help="Weights of that net, a .caffemodel or a run; without, it learns from the beginning."
)
@click.option("-o", "--out", default=".", metavar="DIR", help="Where to write the two files; default: here.")
def command(folder: str, source: str, weights: str | None, out: str) -> None:
    """Write a net and a solver for the images in FOLDER, one folder a class, and print how to train them.

    The net is another one, its last layer sized to the classes. With --weights that layer is new and learns ten times as fast as
    the others, which start from the weights (fine-tuning). The solver is sized to the images; one in five of each class is for
    testing, where FOLDER does not have them in `train` and `test`.
    """
    click.echo("\n".join(init(folder, source, weights, Path(out))))


def init(folder: str, source: str, weights: str | None, out: Path) -> list[str]:
    """Write the files. Returns lines about them.

    Raises
    ------
    NetdefError: the folder has no classes, the net none to size, the weights are not of the net, or a file is there already.
    """
    from netdef.cli.run_folders import missing, remove_if_empty
    from netdef.language.writing import make_folder, write_over
    from netdef.language.written import note_written

    images = images_in(folder)
    files = [out / f"{images.name}.net", out / f"{images.name}_solver.txt"]
    for path in files:
        if path.exists():
            raise NetdefError(f"{path} exists already", hint="-o DIR names another folder; remove it to have it written anew")
    if images.name == source and os.path.isfile(models_folder() / f"{source}.net"):
        hint = "give the folder of images another name: the net has its name"
        raise NetdefError(f"{files[0]} would include the model {source}, which has the same name", hint=hint)
    if out.exists() and not out.is_dir():
        raise NetdefError(f"{out} is a file, not a folder to write into")
    given = weights_files(weights) if weights is not None else []
    made = missing(out)
    try:
        make_folder(out)  # the net's path to the other one is from here
        text, nets = net_of(images, source, given, files[0])
        batch = min(nets[0].batch or 1, images.training)
        command = ["netdef", "train", *map(str, files), "--data", folder, *(["--weights", weights] if weights else [])]
        command += ["--batch", str(batch)] if batch != nets[0].batch else []
        solver, about = solver_text(files[0].name, images, batch, bool(given), shlex.join(command))
        write_over(files[0], text)
        try:
            write_over(files[1], solver)
        except BaseException:
            files[0].unlink()  # alone it would stop another try
            raise
        note_written(files[0])
    finally:
        remove_if_empty(made)
    names = ", ".join(layer.name for layer in classifiers(nets))
    rates = ["netdef", "rates", *command[2:]]
    count = len(images.classes)
    return [
        f"{folder}: {plural(count, 'class', 'classes')} ({shortened(images.classes)}), "
        f"{plural(images.training, 'image')} for training, {images.testing:,} for testing",
        f"{files[0]}: {source} with {count} outputs of {names}",
        f"{files[1]}: {about}",
        f"next:  {shlex.join(command)}",
        f"       {shlex.join(rates)} looks for a rate first",
    ]


def images_in(folder: str) -> Images:
    """The classes and the images of a folder.

    Raises
    ------
    NetdefError: it has fewer than two classes, or no images.
    """
    from runtime.data.listing import scan_folder
    from runtime.solver.solver import HOLD_OUT

    if not os.path.isdir(folder):
        hint = (
            "it is to have one folder for each class; netdef data converts databases and lists into such folders (--backend folder)"
        )
        raise NetdefError(f"there is no folder {folder}", hint=hint)
    training, testing = (scan_folder(folder, train) for train in (True, False))
    classes = training.classes or ()
    if len(classes) < 2:
        raise NetdefError(f"{folder} has one class alone: {classes[0]}", hint="it is to have one folder for each class")
    if training.name == testing.name:
        training, testing = training.divided(True, HOLD_OUT), testing.divided(False, HOLD_OUT)
    return Images(folder, name_of(folder), classes, len(training.paths), len(testing.paths))


def net_of(images: Images, source: str, weights: Sequence[str], path: Path) -> tuple[str, list[Net]]:
    """The text of the net, and the nets of both phases that are made of it.

    Raises
    ------
    NetdefError: the other net is wrong, has no classes or no data to train on, or the weights are of another net.
    """
    from netdef.language import read_text
    from netdef.loading import Opened, open_net

    opened = open_net(source)
    opened.bound.announce()
    others = [opened.net(phase, partial=True) for phase in ("train", "test")]
    if not any("Loss" in layer.type for layer in others[0].layers):
        hint = "--from takes a net for training (train_val.prototxt), not one to deploy"
        raise NetdefError(f"{opened.filename} has no loss to train", hint=hint)
    last = classifiers(others)
    left_out = beyond(others, len(images.classes))
    text = net_text(opened, source, path.parent, last, left_out, images, bool(weights))
    made = Opened(lambda: read_text(text, str(path), "NetParameter"), str(path))
    nets = [made.net(phase, partial=True) for phase in ("train", "test")]
    check_weights(weights, nets[0])
    return text, nets


def check_weights(files: Sequence[str], net: Net) -> None:
    """Check that training can start from these weights; layers whose shapes only the data have are left to it.

    Raises
    ------
    NetdefError: see `read_and_fit`.
    """
    from runtime.machine.weights import read_and_fit

    for file in files:
        read_and_fit([layer for layer in net.layers if layer.is_sized], file)
