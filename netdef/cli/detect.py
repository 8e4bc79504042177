"""`netdef detect`: the objects that a net finds in images."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.arguments import weights_for
from netdef.cli.image_options import ImageOptions, image_options
from netdef.cli.labels import Classes
from netdef.cli.options import fold_option, run_options
from netdef.cli.predict import BATCH
from netdef.cli.regions import RegionNet, check_finite, check_within, pixels_for, region_net, rows_of_regions, sides_of
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError
from netdef.language.writing import replacing
from netdef.layers.boxes import DetectionOutput
from netdef.loading import with_batch_size
from runtime.images.pixels import Given, image_layer, with_images
from runtime.images.trained_pixels import trained_pixels

if TYPE_CHECKING:
    import numpy as np

    from netdef.graph.net import Net

LEAST = 0.5


@click.command(cls=Command)
@click.argument("net")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@image_options(labels="The classes' names, one a line; that of the background may be left out.")
@click.option("--least", type=click.FloatRange(0, 1), default=LEAST, show_default=True, metavar="SCORE", help="Of an object.")
@click.option("--boxes", metavar="FILE", help="The regions of images, for Fast R-CNN: lines of image left top right bottom.")
@click.option("--sides", metavar="SHORT,LONG", help="What images become for a net of regions, in pixels; default: 600,1000.")
@click.option("--out", metavar="DIR", default="detections", show_default=True, help="Where the pictures with boxes go.")
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@run_options
@fold_option
def command(net: str, images: tuple[str, ...], **options: Any) -> None:
    """The objects that NET finds in each IMAGE: label, score, and left, top, right and bottom in pixels.

    NET ends in a DetectionOutput layer, or gives each region of an image scores of classes and boxes, as Fast and Faster R-CNN
    do. IMAGE may be a folder, whose images are all taken. Copies of the images with the boxes
    drawn are written to --out.
    """
    detect(net, images, Options(**options))


@dataclass(frozen=True, kw_only=True)
class Options(ImageOptions):
    """What --NAME gives; None for what was not given."""

    least: float = LEAST
    boxes: str | None = None
    sides: str | None = None
    out: str = "detections"
    form: str = "text"


@dataclass(frozen=True)
class Found:
    """An object: the number and the name of its class, its score, its corners in pixels."""

    number: int
    label: str
    score: float
    box: tuple[float, float, float, float]


def detect(net_path: str, images: Sequence[str], options: Options) -> None:
    """Run `netdef detect NET IMAGE...`: print the objects of each image, and write it with their boxes.

    Raises
    ------
    NetdefError: the net detects nothing, an image cannot be read, the weights do not fit, or a score is not finite.
    """
    from runtime.data.classes import read_labels
    from runtime.images.files import check_images, images_of
    from runtime.solver.nets import load_net

    images = images_of(images)
    check_images(images)
    pictures = picture_paths(images, Path(options.out))
    weights = weights_for(net_path, options.weights)
    own = load_net(net_path, "test", options.overrides)
    regional = region_net(own)
    names = Classes(read_labels(options.labels), options.labels) if options.labels is not None else Classes()
    if regional is not None:
        classes = check_names(names, regional.classes, 0, regional.scores.name)
        rows_of_images = by_regions(own, regional, images, weights, options)
    else:
        check_no_regions(own, options)
        layer = detector(own)
        classes = check_names(names, layer.num_classes, layer.p.background_label_id, layer.name)
        rows_of_images = by_layer(own, images, weights, options)
    everything = []
    for path, rows, picture_path in zip(images, rows_of_images, pictures, strict=True):
        found = show(path, rows, classes, options, picture_path)
        everything.append({"image": path, "objects": [described(one) for one in found]})
    if options.form == "json":
        print(json.dumps(everything, indent=1))


def by_layer(own: Net, images: Sequence[str], weights: Sequence[str], options: Options) -> Iterator[np.ndarray]:
    """The rows of each image that a net's DetectionOutput gives, batch after batch."""
    from runtime.data import open_images

    given = Given(options.mean, options.scale, *trained_pixels(weights[-1]), stretch=True)
    net = with_images(with_batch_size(own, min(BATCH, len(images))), given)
    layer = detector(net)
    with options.compiler()(net, backward=False, keep="activations") as executable:
        executable.load_weights(weights, options.allow_missing)
        executable.open_sources(lambda source, seed, *, classes: open_images(source, images))
        batch = image_layer(net).tops[0].shape[0]
        for first in range(0, len(images), batch):
            executable.forward()
            rows = executable.blob(layer.tops[0].name).reshape(-1, 7)
            check_finite([rows], layer.name, executable)
            yield from (rows[rows[:, 0] == number] for number in range(min(batch, len(images) - first)))


def by_regions(
    net: Net, regional: RegionNet, images: Sequence[str], weights: Sequence[str], options: Options
) -> Iterator[np.ndarray]:
    """The rows of each image by a net that scores regions, image after image.

    Raises
    ------
    NetdefError: it lacks regions, or proposes its own and is given others.
    """
    from runtime.data.box_file import read_boxes

    if regional.given and options.boxes is None:
        hint = "--boxes FILE gives them, a line each: image left top right bottom, in pixels"
        raise NetdefError(
            f"{net.filename} proposes no regions: its input {regional.regions.name} takes those of another program", hint=hint
        )
    if not regional.given and options.boxes is not None:
        raise NetdefError(f"{net.filename} proposes regions of its own", hint="leave --boxes out")
    boxes = read_boxes(options.boxes, images) if options.boxes is not None else None
    check_within(boxes or (), images, str(options.boxes))
    given = Given(options.mean, options.scale, *trained_pixels(weights[-1]))
    pixels = pixels_for(regional, given, sides_of(options.sides))
    with options.compiler()(net, backward=False, keep="activations") as executable:
        executable.load_weights(weights, options.allow_missing)
        yield from rows_of_regions(executable, regional, images, boxes, pixels, options.least)


def check_no_regions(net: Net, options: Options) -> None:
    """Raises NetdefError for an option that is about nets of regions."""
    for option, value in (("--boxes", options.boxes), ("--sides", options.sides)):
        if value is not None:
            raise NetdefError(
                f"{net.filename} does not pool over regions: {option} says nothing about it", hint=f"leave {option} out"
            )


def detector(net: Net) -> DetectionOutput:
    """The layer whose rows are detections.

    Raises
    ------
    NetdefError: there is none, or several.
    """
    layers = [layer for layer in net.layers if isinstance(layer, DetectionOutput)]
    if len(layers) != 1:
        hint = (
            "detect takes a net with one DetectionOutput layer, as ssd300_vgg16, or one that scores regions, as faster_rcnn_vgg16"
        )
        raise NetdefError(f"{net.filename} has {len(layers) or 'no'} layers that give detections in phase test", hint=hint)
    return layers[0]


def check_names(names: Classes, count: int, background: int, where: str) -> Classes:
    """Names of so many classes, the layer's or blob's `where`; the background's is put in if it is left out.

    Raises
    ------
    NetdefError: there are more or fewer.
    """
    if names.names and len(names.names) == count - 1 and background == 0:
        return replace(names, names=("background", *names.names))
    if names.names and len(names.names) != count:
        raise NetdefError(f"{names.origin} has {len(names.names)} names; {where} has {count} classes, the background included")
    return names


def picture_paths(images: Sequence[str], folder: Path) -> list[Path]:
    """Where the picture of each image goes: its name, with a number where images of several folders have the same."""
    taken: set[str] = set()
    paths = []
    for image in images:
        stem = Path(image).stem
        names = (stem if number == 1 else f"{stem}_{number}" for number in count(1))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        paths.append(folder / f"{name}.png")
    return paths


def show(path: str, rows: np.ndarray, classes: Classes, options: Options, picture_path: Path) -> list[Found]:
    """Print and draw the objects of an image; returns them, the highest score first."""
    from PIL import Image

    from runtime.data.decoding import read_image

    picture: Any = read_image(path, "RGB")
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture[..., ::-1])
    found = list(objects(rows, picture.size, classes, options.least))
    if options.form == "text":
        print(path)
        for one in found:
            print(f"  {one.label}  {one.score:.3f}  " + "  ".join(f"{side:.1f}" for side in one.box))
    with replacing(picture_path, make_folders=True) as partial:
        drawn(picture.copy(), found).save(partial, format="PNG")
    return found


def objects(rows: np.ndarray, size: tuple[int, int], classes: Classes, least: float) -> Iterator[Found]:
    """The detections of an image of this width and height, cut to it."""
    for _, label, score, *box in sorted(rows.tolist(), key=lambda row: -row[2]):
        if label >= 0 and score >= least:
            corners = [min(max(share, 0.0), 1.0) * side for share, side in zip(box, size * 2, strict=True)]
            yield Found(int(label), classes.name(int(label)), score, (corners[0], corners[1], corners[2], corners[3]))


def drawn(picture: Any, found: Sequence[Found]) -> Any:
    """The picture with a box and a label for each object; each class has a colour of its own."""
    from PIL import ImageDraw

    pen = ImageDraw.Draw(picture)
    width = max(2, max(picture.size) // 200)
    for one in reversed(found):
        colour = f"hsl({one.number * 137 % 360}, 90%, 45%)"  # neighbours in number are far apart in hue
        pen.rectangle(one.box, outline=colour, width=width)
        text = f"{one.label} {one.score:.2f}"
        corner = (one.box[0] + width, max(one.box[1] - 12, 0))
        pen.rectangle(pen.textbbox(corner, text), fill=colour)
        pen.text(corner, text, fill="white")
    return picture


def described(one: Found) -> dict[str, Any]:
    return {"class": one.number, "label": one.label, "score": one.score, "box": list(one.box)}
