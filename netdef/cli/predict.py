"""`netdef predict`: the most probable classes of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.arguments import net_and_weights, weights_files, weights_for
from netdef.cli.finite import not_finite
from netdef.cli.image_options import ImageOptions, image_options
from netdef.cli.options import COUNT, fold_option, run_options
from netdef.cli.predictions import FORMATS, best, writer
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError
from runtime.images.pixels import image_layer

if TYPE_CHECKING:
    import numpy as np

    from netdef.cli.labels import Classes
    from netdef.graph.layer import Blob
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable

AXES = (2, 4)  # of a blob with a number for each class of an image: without and with rows and columns
BEST = 5
BATCH = 16  # images at a time, at most


@click.command(cls=Command, prints_only=True)
@click.argument("net")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@image_options(labels="The classes' names, one a line.")
@click.option("--crops", type=click.Choice(["1", "10", "144"]), default="1", help="Average over so many crops of each image.")
@click.option("--with", "voters", multiple=True, metavar="NET:WEIGHTS", help="Average with another net; may be repeated.")
@click.option("--top", type=COUNT, default=BEST, show_default=True, metavar="N", help="How many classes of each image.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@run_options
@fold_option
def command(net: str, images: tuple[str, ...], **options: Any) -> None:
    """The five most probable classes of each IMAGE by NET, and their probabilities.

    IMAGE may be a folder, whose images are all taken.
    """
    predict(net, images, Options(**options))


@dataclass(frozen=True, kw_only=True)
class Options(ImageOptions):
    """What --NAME gives."""

    crops: str = "1"
    voters: tuple[str, ...] = ()
    top: int = BEST
    form: str = "text"


def predict(net_path: str, images: Sequence[str], options: Options) -> None:
    """Run `netdef predict NET IMAGE...` and print the best classes of each image.

    Raises
    ------
    NetdefError: an image cannot be read, the weights do not fit or lack layers, the net has nothing that looks like classes, or its
        scores are not finite or of other images.
    """
    from runtime.images.files import check_images, images_of

    images = images_of(images)
    check_images(images)
    voters = [net_and_weights(text) for text in (net_path, *options.voters)]
    if options.voters and options.weights is not None:
        raise NetdefError("--weights is for one net", hint="give each its own: NET1:WEIGHTS1 IMAGE --with NET2:WEIGHTS2")
    with ExitStack() as stack:
        rows, classes = stack.enter_context(opened(*voters[0], images, options))
        if len(voters) > 1:
            rows = mean_rows([list(rows), *(rows_of(*voter, images, options) for voter in voters[1:])])
        write = stack.enter_context(writer(options.form))
        for path, row in zip(images, rows, strict=True):
            write(path, best(row, classes, options.top))


def mean_rows(of_nets: Sequence[Sequence[np.ndarray]]) -> Iterator[np.ndarray]:
    """The mean of what several nets say of each image.

    Raises
    ------
    NetdefError: they have other numbers of classes.
    """
    counts = [len(rows[0]) for rows in of_nets]
    if len(set(counts)) > 1:
        raise NetdefError(f"the nets have {' and '.join(map(str, counts))} classes: they cannot vote together")
    return (sum(rows[1:], rows[0]) / len(rows) for rows in zip(*of_nets, strict=True))


def rows_of(net_path: str, weights: str | None, images: Sequence[str], options: Options) -> list[np.ndarray]:
    """The probabilities of all images by one net."""
    with opened(net_path, weights, images, options) as (rows, _):
        return list(rows)


@contextmanager
def opened(
    net_path: str, weights: str | None, images: Sequence[str], options: Options
) -> Iterator[tuple[Iterator[np.ndarray], Classes]]:
    """The probabilities of each image by a net, in order, and the names of its classes."""
    from netdef.cli.labels import classes_of
    from runtime.data import open_images
    from runtime.data.photos import GRID
    from runtime.images.opening import image_net
    from runtime.images.trained_pixels import trained_on_photos

    files = weights_files(weights) if weights is not None else weights_for(net_path, options.weights)
    views = int(options.crops)
    windows = GRID**2 if views == 1 and trained_on_photos(files[-1]) else 1
    if windows > 1:
        text = f"the weights are of windows of photographs: the answer to an image is the mean of {windows} windows of that size"
        click.echo(f"note: {text}", err=True)
        views = windows
    own, net = image_net(net_path, files[-1], min(BATCH, len(images) * views), options.mean, options.scale, options.overrides)
    scores, is_probability = scores_of(net)
    named = [path for path in images for _ in range(views)]
    seen = named if windows > 1 else images
    with options.compiler()(net, backward=False, keep="activations") as executable:
        executable.load_weights(files, options.allow_missing)
        executable.open_sources(
            lambda layer, seed, *, classes: open_images(layer, seen, views=int(options.crops), windows=windows > 1)
        )
        classes = classes_of(options.labels, files, own)
        classes.check(scores)
        yield means(probabilities(executable, scores, is_probability, named), views), classes


def probabilities(executable: Executable, scores: Blob, is_probability: bool, names: Sequence[str]) -> Iterator[np.ndarray]:
    """The probabilities of each view of an image, in order; `names` are those of the views' images."""
    batch = image_layer(executable.net).tops[0].shape[0]
    for first in range(0, len(names), batch):
        executable.forward()
        yield from probabilities_of_batch(executable, scores, is_probability, names[first : first + batch])


def probabilities_of_batch(executable: Executable, scores: Blob, is_probability: bool, names: Sequence[str]) -> np.ndarray:
    """The probabilities that the last run gives the first images of its batch, whose names are given: (images, classes)."""
    from runtime.solver.votes import softmax

    rows = executable.blob(scores.name).astype("float64")
    check_count(rows, image_layer(executable.net).tops[0].shape[0], scores)
    rows = rows[: len(names)]
    rows = rows.reshape(len(rows), rows.shape[1], -1).mean(axis=2)
    check_finite(rows, names, scores, executable)
    return rows if is_probability else softmax(rows)


def means(rows: Iterator[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """The mean of every `count` rows."""
    while group := list(islice(rows, count)):
        yield group[0] if count == 1 else sum(group[1:], group[0]) / count


def check_count(rows: np.ndarray, batch: int, scores: Blob) -> None:
    """Check that there are as many rows of scores as images, so that no image is given another's.

    Raises
    ------
    NetdefError: there are more or fewer.
    """
    if len(rows) != batch:
        hint = "a layer before it, such as Filter, changes the number of images: take it out to predict"
        raise NetdefError(
            f"{scores.name} has {len(rows)} rows of scores for {batch} images: whose they are is not known", hint=hint
        )


def check_finite(rows: np.ndarray, images: Sequence[str], scores: Blob, executable: Executable) -> None:
    """Check that the scores of all images are finite.

    Raises
    ------
    NetdefError: one is not; it names the first output that is not finite.
    """
    import numpy as np

    wrong = [path for path, row in zip(images, rows, strict=False) if not np.isfinite(row).all()]
    if wrong:
        raise not_finite(f"{scores.name} of {wrong[0]} is not finite", executable)


def scores_of(net: Net) -> tuple[Blob, bool]:
    """The blob with a number for each class, and whether those are probabilities already.

    Raises
    ------
    NetdefError: the net has none.
    """
    for layer in reversed(net.layers):
        if layer.gives_probabilities and len(layer.tops[0].shape) in AXES and getattr(layer, "axis", 1) == 1:
            return layer.tops[0], True
    for layer in reversed(net.layers):
        if layer.reads_labels:
            return layer.bottoms[0], layer.reads_probabilities
    outputs = [blob for blob in net.outputs if len(blob.shape) in AXES and blob.shape[1] > 1]
    if len(outputs) == 1:
        return outputs[0], False
    raise NetdefError(
        f"{net.filename} has no classes to name in phase test", hint="a Softmax or SoftmaxWithLoss layer shows where they are"
    )
