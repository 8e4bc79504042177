"""`netdef show NET IMAGE...`: run a net on images, and draw what each layer makes of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click
import numpy as np

from netdef.cli.arguments import weights_for
from netdef.cli.finite import not_finite
from netdef.cli.labels import Classes, classes_of
from netdef.cli.options import without_effect
from netdef.cli.predict import BEST, probabilities_of_batch, scores_of
from netdef.cli.predictions import Guess, best
from netdef.cli.progress import progress
from netdef.cli.show_options import SLIDE, listed
from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural
from netdef.language.writing import write_over
from runtime.data import open_images
from runtime.data.decoding import as_image, read_image
from runtime.data.thumbnails import png, thumbnail
from runtime.images.files import check_images, images_of
from runtime.images.opening import image_net
from runtime.images.pixels import image_layer
from runtime.images.seen import seen
from runtime.images.trained_pixels import OF_WINDOWS, trained_on_photos
from runtime.pictures.filters import draw_filters, drawn_towers, filter_shape, layers_with_filters
from runtime.pictures.maps import draw_maps
from runtime.pictures.neighbours import hidden_blob, nearest
from runtime.pictures.occlusion import occlude, overlay
from runtime.pictures.show_page import Near, ShownBlob, ShownImage, render

if TYPE_CHECKING:
    from PIL import Image

    from netdef.cli.show_options import Options
    from netdef.graph.layer import Blob, Layer
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable

BATCH = 8


@dataclass
class Opened:
    """A net that runs on images.

    scores, is_probability: of its classes; None for a net without any.  hidden: what the layer of the classes reads.
    """

    exe: Executable
    files: list[str]
    classes: Classes
    scores: Blob | None
    is_probability: bool
    hidden: Blob | None

    @property
    def net(self) -> Net:
        return self.exe.net

    @property
    def data(self) -> Blob:
        """The blob that has the images."""
        return image_layer(self.net).tops[0]

    @property
    def batch(self) -> int:
        """Images at a time."""
        return self.data.shape[0]


@contextmanager
def opened(net_path: str, paths: Sequence[str], batch: int, options: Options, asks_classes: bool = True) -> Iterator[Opened]:
    """The net with its weights, its images open."""
    files = weights_for(net_path, options.weights)
    middle = trained_on_photos(files[-1])
    if middle:
        click.echo(f"note: {OF_WINDOWS}", err=True)
    own, net = nets_of(net_path, files, min(batch, len(paths)) if not options.occlusion else batch, options)
    for name in options.layers:
        net.layer(name)  # raises for an unknown one before anything is computed
    scores, is_probability = scores_or_none(net, options) if asks_classes else (None, False)
    classes = classes_of(options.labels, files, own) if scores is not None else Classes()
    if scores is not None:
        classes.check(scores)
    with options.compiler()(net, backward=False, keep="activations", fold=False) as exe:
        exe.load_weights(files, options.allow_missing)
        exe.open_sources(lambda layer, seed, *, classes: open_images(layer, paths, middle=middle))
        hidden = None if scores is None else hidden_blob(scores)
        if options.among and scores is not None and hidden is None:
            say_unused(options, f"{net.filename} has no hidden layer before its classes", "--among")
        yield Opened(exe, files, classes, scores, is_probability, hidden)


def nets_of(net_path: str, files: Sequence[str], batch: int, options: Options) -> tuple[Net, Net]:
    """As `image_net`; a net that does not fit so large a batch, as with a Reshape to one image, takes one at a time."""
    given = options.mean, options.scale, options.overrides
    try:
        return image_net(net_path, files[-1], batch, *given)
    except NetdefError:
        if batch == 1:
            raise
        return image_net(net_path, files[-1], 1, *given)


def scores_or_none(net: Net, options: Options) -> tuple[Blob | None, bool]:
    """As `scores_of`; a net without classes has feature maps all the same."""
    try:
        return scores_of(net)
    except NetdefError:
        click.echo(f"note: {net.filename} has no classes: feature maps alone are shown", err=True)
        say_unused(options, f"{net.filename} has no classes")
        return None, False


def say_unused(options: Options, why: str, *names: str) -> None:
    """A note for each of the options about classes and neighbours that is given; or of those that are named."""
    given = options.about_pages()
    for note in without_effect({name: given[name] for name in names or given}, why):
        click.echo(note, err=True)


def page_of_images(net_path: str, images: Sequence[str], options: Options) -> str:
    """Write the page of some images; returns a line about it.  Raises as `show`."""
    paths = once(images_of(images))
    every = once([*paths, *images_of(options.among)])
    check_images(every)
    with opened(net_path, every, BATCH, options) as run:
        filters = [draw_filters(run.net, layer, run.exe.param(layer.name, 0)) for layer in layers_of_page(run.net, options.layers)]
        shown: list[ShownImage] = []
        features: list[np.ndarray] = []
        with progress("images", len(every)) as on_image:
            for first in range(0, len(every), run.batch):
                run.exe.run_forward()
                names = every[first : first + run.batch]
                if run.hidden is not None and len(every) > 1:
                    features += [row.reshape(-1) for row in run.exe.blob(run.hidden.name)[: len(names)]]
                shown += shown_images(run, names, max(0, len(paths) - first), options)
                on_image(first + len(names))
        if run.hidden is not None and features:
            shown = with_neighbours(shown, np.stack(features), every, run.hidden.name)
        write_over(options.out, render(run.net, run.files, filters, shown))
    what = [f"filters of {listed(filters)}"] if filters else []
    return f"{options.out}: {', '.join([*what, plural(len(shown), 'image')])}"


def once(paths: Sequence[str]) -> list[str]:
    """Each file once, by its first name: twice it would be its own neighbour."""
    named: dict[str, str] = {}
    for path in paths:
        named.setdefault(os.path.realpath(path), path)
    return list(named.values())


def picture_of_image(net_path: str, image: str, options: Options) -> str:
    """Write a layer's feature maps of one image as a .png; returns a line about it.  Raises as `show`."""
    say_unused(options, "a .png has feature maps alone")
    check_images([image])
    with opened(net_path, [image], 1, replace(options, occlusion=0), asks_classes=False) as run:
        blob, *others = blobs_shown(run.net, options.layers)
        if others:
            raise NetdefError(f"{options.layers[0]} makes {len(others) + 1} blobs, a .png shows one", hint="a .html shows all")
        run.exe.run_forward()
        values = values_of(run.exe, blob, [image])[0]
        maps = draw_maps(values, drawn_towers(run.net, blob), None)
        sheet = maps.mosaic.enlarged(maps.mosaic.factor_for(SLIDE))
        write_over(options.out, png(sheet))
    return f"{options.out}: {blob}, {plural(maps.mosaic.count, 'map')} of {image}; {sheet.width} x {sheet.height} pixels"


def layers_of_page(net: Net, names: Sequence[str]) -> list[Layer]:
    """The layers whose filters a page with images has: of those that are named, the ones that have some."""
    return [layer for name in dict.fromkeys(names) if filter_shape(layer := net.layer(name))] if names else layers_with_filters(net)


def blobs_shown(net: Net, names: Sequence[str]) -> list[Blob]:
    """The blobs that have a map for each image of a batch; those of layers that are named, or of all that make new values.

    Raises
    ------
    NetdefError: a layer that is named makes none.
    """
    if not names:
        return [blob for blob in net.blobs.values() if has_maps(net, blob) and not blob.producer.keeps_values]
    found = []
    for layer in (net.layer(name) for name in dict.fromkeys(names)):
        blobs = [net.blobs[top.name] for top in layer.tops if has_maps(net, top)]
        if not blobs:
            makes = ", ".join(f"{top} {shape_text(top.shape)}" for top in layer.tops) or "nothing"
            raise NetdefError(f"{layer.name} makes no maps of each image: {makes}", hint="--layer names another layer")
        found += blobs
    return list(dict.fromkeys(found))


def has_maps(net: Net, blob: Blob) -> bool:
    """Whether a blob has values of each image, more than a label."""
    return len(blob.shape) > 1 and blob.shape[0] == net.batch and blob.count > blob.shape[0] and not blob.producer.keeps_some_images


def values_of(exe: Executable, blob: Blob, names: Sequence[str]) -> np.ndarray:
    """A blob of the first images of a batch, whose names are given.

    Raises
    ------
    NetdefError: a value is not finite.
    """
    values = exe.blob(blob.name)[: len(names)]
    for name, own in zip(names, values, strict=True):
        if not np.isfinite(own).all():
            raise not_finite(f"{blob.name} of {name} is not finite", exe)
    return values


def shown_images(run: Opened, names: Sequence[str], count: int, options: Options) -> list[ShownImage]:
    """What the last run makes of the first `count` images of its batch, all of whose names are given."""
    names = names[:count]
    if not names:
        return []
    blobs = blobs_shown(run.net, options.layers)
    pictures = [seen(values, image_layer(run.net)) for values in values_of(run.exe, run.data, names)]
    drawings: list[list[ShownBlob]] = [[] for _ in names]
    for blob in blobs:
        if blob is run.data and not options.layers:
            continue
        count = drawn_towers(run.net, blob)
        for own, values in zip(drawings, values_of(run.exe, blob, names), strict=True):
            own.append(ShownBlob(blob, draw_maps(values, count)))
    guesses: list[list[Guess]] = [[] for _ in names]
    if run.scores is not None:
        rows = probabilities_of_batch(run.exe, run.scores, run.is_probability, names)
        guesses = [best(row, run.classes, BEST) for row in rows]
    inputs = run.exe.blob(run.data.name)
    found = []
    for index, name in enumerate(names):
        shown = ShownImage(name, pictures[index], guesses[index], drawings[index])
        if run.scores is not None and options.occlusion:
            occlusion = occlude(inputs[index], scores_of_class(run, name, guesses[index][0].number), run.batch, options.occlusion)
            shown = replace(shown, occlusion=occlusion, heat=overlay(pictures[index], occlusion.heat))
        found.append(shown)
    return found


def scores_of_class(run: Opened, name: str, number: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function from images, as the net takes them, to the probabilities of a class."""
    scores = run.scores
    assert scores is not None

    def scores_of_images(images: np.ndarray) -> np.ndarray:
        run.exe.run_forward(**{run.data.name: images})
        return probabilities_of_batch(run.exe, scores, run.is_probability, [name] * len(images))[:, number]

    return scores_of_images


def with_neighbours(shown: Sequence[ShownImage], features: np.ndarray, names: Sequence[str], blob: str) -> list[ShownImage]:
    """The images with their nearest neighbours among all of these names."""

    def small(index: int) -> Image.Image:
        return thumbnail(as_image(read_image(names[index], "RGB")))

    found = []
    for query, image in enumerate(shown):
        near = [Near(names[index], small(index), distance) for index, distance in nearest(features, query)]
        found.append(replace(image, near=near, near_by=blob))
    return found
