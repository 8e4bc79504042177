"""`netdef predict`: the most probable classes of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.arguments import weights_for
from netdef.cli.options import allow_missing_option, fold_option, run_options, weights_option
from netdef.cli.running import RunOptions
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError
from netdef.language.printer import print_message
from netdef.layers.data import ImageData
from netdef.loading import parse

if TYPE_CHECKING:
    import numpy as np

    from netdef.cli.labels import Classes
    from netdef.graph.layer import Blob
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable

BEST = 5
HERE = "."  # the source of the ImageData layer, which is not read as the images are given
BATCH = 16  # images at a time, at most


@click.command(cls=Command)
@click.argument("net")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@weights_option
@allow_missing_option
@click.option("--labels", metavar="FILE", help="The classes' names, one a line.")
@click.option("--mean", metavar="B,G,R|FILE", help="What to subtract from the pixels, for a net without a mean.")
@run_options
@fold_option
def command(net: str, images: tuple[str, ...], **options: Any) -> None:
    """The five most probable classes of each IMAGE by NET, and their probabilities."""
    predict(net, images, Options(**options))


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """What --NAME gives; None for what was not given."""

    weights: str | None = None
    allow_missing: bool = False
    labels: str | None = None
    mean: str | None = None


def predict(net_path: str, images: Sequence[str], options: Options) -> None:
    """Run `netdef predict NET IMAGE...` and print the best classes of each image.

    Raises
    ------
    NetdefError: an image cannot be read, the weights do not fit or lack layers, the net has nothing that looks like classes, or its
        scores are not finite or of other images.
    """
    from netdef.cli.labels import classes_of
    from runtime.data import open_images
    from runtime.solver.nets import load_net

    check_images(images)
    weights = weights_for(net_path, options.weights)
    own = load_net(net_path, "test", options.overrides, min(BATCH, len(images)))
    net = with_images(own, options.mean)
    scores, is_probability = scores_of(net)
    with options.compiler()(net, backward=False, keep="activations") as executable:
        executable.load_weights(weights, options.allow_missing)
        executable.open_sources(lambda layer, seed, *, classes: open_images(layer, images))
        classes = classes_of(options.labels, weights, own)
        classes.check(scores)
        batch = image_layer(net).tops[0].shape[0]
        for first in range(0, len(images), batch):
            executable.forward()
            rows = executable.blob(scores.name).astype("float64")
            check_count(rows, batch, scores)
            rows = rows[: len(images) - first]
            rows = rows.reshape(len(rows), rows.shape[1], -1).mean(axis=2)
            check_finite(rows, images[first:], scores, executable)
            for path, row in zip(images[first:], rows if is_probability else softmax(rows), strict=False):
                print("\n".join([path, *best(row, classes)]))


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
        first = executable.first_non_finite()
        where = f": the first output that is not finite is of {first}" if first else ""
        hint = "the weights, or the mean, may be of another net"
        raise NetdefError(f"{scores.name} of {wrong[0]} is not finite{where}", hint=hint)


def check_images(images: Sequence[str]) -> None:
    """Check that every image can be read; the error names all that cannot."""
    from runtime.data.files import read_image
    from runtime.data.source import UnreadableError

    bad = []
    for path in images:
        try:
            read_image(path, "RGB")
        except UnreadableError as unreadable:
            bad.append(f"{unreadable.path}: {unreadable.reason}")
    if bad:
        raise NetdefError("cannot read " + "\n  ".join(bad))


def with_images(net: Net, mean: str | None) -> Net:
    """The net with one ImageData layer, which replaces an Input layer.

    Raises
    ------
    NetdefError: it has none, and no single Input for images; or several, or one and --mean.
    """
    readers = [layer for layer in net.layers if isinstance(layer, ImageData)]
    if len(readers) > 1:
        names = " and ".join(layer.name for layer in readers)
        raise NetdefError(f"{names} of {net.filename} both read images", hint="predict takes a net with one ImageData layer")
    if readers:
        if mean:
            raise NetdefError(f"{net.filename} subtracts a mean of its own", hint="leave --mean out")
        return net
    inputs = [blob for blob in net.inputs if len(blob.shape) == 4 and blob.shape[1] in (1, 3)]
    if len(inputs) != 1:
        raise NetdefError(
            f"{net.filename} has {len(inputs) or 'no'} inputs for images",
            hint="predict takes a net with an ImageData layer, or with one Input of shape N, 3, H, W",
        )
    message = type(net.message)()
    message.CopyFrom(net.message)
    replace_input(message, inputs[0], mean)
    return parse(print_message(message), net.filename, "test")


def replace_input(message: Any, blob: Blob, mean: str | None) -> None:
    """Turn the Input layer of a blob into an ImageData layer that gives images of its size."""
    layer = next(layer for layer in message.layer if blob.name in layer.top)
    count, channels, height, width = blob.shape
    others = [top for top in layer.top if top != blob.name]
    layer.ClearField("top")
    layer.ClearField("input_param")
    layer.type = "ImageData"
    layer.top.extend([blob.name, others[0] if others else f"{blob.name} label"])
    data = layer.image_data_param
    data.source, data.batch_size = HERE, count
    layer.transform_param.force_gray = channels == 1
    data.new_height = height
    if width != height:  # one of the two keeps the centre, both together stretch
        data.new_width = width
    if mean is not None:
        layer.transform_param.mean_value.extend(means_of(mean, channels))


def means_of(option: str, channels: int) -> list[float]:
    """The values of --mean to subtract from each channel: numbers, or the means of a file's channels.

    Raises
    ------
    NetdefError: it is neither, or of another number of channels.
    """
    from runtime.data.mean import channel_means, read_mean

    try:
        values = numbers_in(option)
        mean = channel_means(values, channels) if values is not None else read_mean(option, channels)
    except ValueError as error:
        raise NetdefError(f"--mean {option}: {error}", hint="expected B,G,R, one number, or a .binaryproto or .npy file") from None
    return [float(value) for value in mean.mean(axis=(1, 2))]


def numbers_in(text: str) -> list[float] | None:
    """Numbers with commas between them; None for a file's name."""
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        return None


def image_layer(net: Net) -> ImageData:
    return next(layer for layer in net.layers if isinstance(layer, ImageData))


def scores_of(net: Net) -> tuple[Blob, bool]:
    """The blob with a number for each class, and whether those are probabilities already.

    Raises
    ------
    NetdefError: the net has none.
    """
    for layer in reversed(net.layers):
        if layer.gives_probabilities:
            return layer.tops[0], True
    for layer in reversed(net.layers):
        if layer.label_classes is not None:
            return layer.bottoms[0], layer.reads_probabilities
    outputs = [blob for blob in net.outputs if len(blob.shape) in (2, 4) and blob.shape[1] > 1]
    if len(outputs) == 1:
        return outputs[0], False
    raise NetdefError(
        f"{net.filename} has no classes to name in phase test", hint="a Softmax or SoftmaxWithLoss layer shows where they are"
    )


def softmax(rows: np.ndarray) -> np.ndarray:
    """exp(x) / sum(exp(x)) along each row."""
    import numpy as np

    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def best(row: np.ndarray, classes: Classes) -> list[str]:
    """The classes of the highest probabilities, highest first, the lower number first among equals."""
    order = (-row).argsort(kind="stable")[:BEST]
    return [f"  {row[index]:7.2%}  {classes.name(index)}" for index in order]
