"""Nets that detect by regions, as Fast and Faster R-CNN do: which blobs they are fed and give, and what they find in an image."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import prod
from typing import TYPE_CHECKING, Any

from netdef.cli.finite import not_finite
from netdef.language.diagnostics import NetdefError, Remark
from netdef.layers.boxes import DetectionOutput
from netdef.layers.regions import REGION, Regional
from runtime.images.pixels import HERE, Given, mean_for, means_text, numbers_in, scale_text

if TYPE_CHECKING:
    import numpy as np

    from netdef.graph.layer import Blob
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable

SIDES = (600, 1000)  # of images, in pixels: the shorter, and the longer at most
MEAN = (102.9801, 115.9465, 122.7717)  # of blue, green and red, in the training of the published Fast and Faster R-CNN
CHANNELS = (1, 3)


@dataclass(frozen=True)
class RegionNet:
    """The blobs of a net that gives each region scores of classes, and a box for each class.

    image: the input for an image.  info: that for its height, width and scale, if any.  regions: image, left, top, right, bottom;
    given: whether they are an input.  scores, boxes: of each region.
    """

    image: Blob
    info: Blob | None
    regions: Blob
    given: bool
    scores: Blob
    boxes: Blob

    @property
    def classes(self) -> int:
        return numbers(self.scores)


def numbers(blob: Blob) -> int:
    """How many numbers it has for each image or region."""
    return prod(blob.shape[1:])


def region_net(net: Net) -> RegionNet | None:
    """The blobs of a net that pools over regions; None of one that does not, or whose DetectionOutput says what it finds.

    Raises
    ------
    NetdefError: its inputs or outputs are not those of Fast or Faster R-CNN.
    """
    pooled = list(dict.fromkeys(layer.bottoms[1] for layer in net.layers if isinstance(layer, Regional)))
    if not pooled or any(isinstance(layer, DetectionOutput) for layer in net.layers):
        return None
    if len(pooled) > 1:
        raise NetdefError(f"{net.filename} pools over several sets of regions: {', '.join(blob.name for blob in pooled)}")
    regions = pooled[0]
    infos = [blob for blob in net.inputs if numbers(blob) in (3, 4) and blob.name != regions.name]
    images = [blob for blob in net.inputs if len(blob.shape) == 4 and blob.shape[1] in CHANNELS and numbers(blob) > REGION]
    others = {blob.name for blob in net.inputs} - {blob.name for blob in (*infos[:1], *images[:1], regions)}
    if not images or others:
        hint = "detect takes a net of regions whose inputs are the image, its height, width and scale, and regions that it lacks"
        found = ", ".join(blob.name for blob in net.inputs) or "none"
        raise NetdefError(f"the inputs of {net.filename} are not those of Fast or Faster R-CNN: {found}", hint=hint)
    given = any(blob.name == regions.name for blob in net.inputs)
    return RegionNet(images[0], infos[0] if infos else None, regions, given, *results(net))


def results(net: Net) -> tuple[Blob, Blob]:
    """The outputs with scores and boxes. Raises NetdefError: there are none, or several."""
    pairs = [(a, b) for a, b in permutations(net.outputs, 2) if numbers(b) in (4 * numbers(a), 8) and is_probability(a)]
    if len(pairs) != 1:
        hint = "it needs one of a Softmax over C classes for each region, and one of 4 x C or 8 numbers"
        found = ", ".join(f"{blob.name} ({numbers(blob)} a region)" for blob in net.outputs) or "none"
        raise NetdefError(f"the outputs of {net.filename} are not scores and boxes of regions: {found}", hint=hint)
    return pairs[0]


def is_probability(blob: Blob) -> bool:
    """Whether a Softmax gives it, in another shape perhaps."""
    layer = blob.producer
    while layer.keeps_values:
        layer = layer.bottoms[0].producer
    return layer.gives_probabilities


def sides_of(text: str | None) -> tuple[int, int]:
    """What --sides says. Raises NetdefError: it is not two sides."""
    if text is None:
        return SIDES
    sides = numbers_in(text) or []
    if len(sides) != 2 or not all(side.is_integer() and side >= 1 for side in sides) or sides[0] > sides[1]:
        raise NetdefError(f"--sides {text}: expected the shorter side and the most of the longer, as 600,1000")
    return int(sides[0]), int(sides[1])


def factor(size: tuple[int, int], sides: tuple[int, int]) -> float:
    """What an image's sides are multiplied with: its shorter one becomes sides[0], unless its longer one would exceed sides[1]."""
    wanted = sides[0] / min(size)
    return wanted if round(wanted * max(size)) <= sides[1] else sides[1] / max(size)


@dataclass(frozen=True)
class Pixels:
    """How an image becomes the input: to which sides, minus which means by colour (blue first), times what."""

    sides: tuple[int, int]
    means: Sequence[float]
    scale: float

    def read(self, path: str, channels: int) -> tuple[np.ndarray, tuple[int, int], float]:
        """An image (1, C, H, W), its own width and height, and what its sides were multiplied with."""
        from netdef.schema import message_class
        from runtime.data.decoding import MODES, read_image
        from runtime.data.transform import size_of
        from runtime.images.arrays import transformed

        height, width = size_of(read_image(path, MODES[channels]))
        times = factor((width, height), self.sides)
        layer: Any = message_class("LayerParameter")(name="image", type="ImageData", top=["image"])
        data, transform = layer.image_data_param, layer.transform_param
        data.source, data.new_height, data.new_width = HERE, *(max(1, round(times * side)) for side in (height, width))
        transform.force_gray, transform.scale = channels == 1, self.scale
        transform.mean_value.extend(self.means)
        return transformed(layer, [path], path), (width, height), times


def pixels_for(net: RegionNet, given: Given, sides: tuple[int, int]) -> Pixels:
    """By the options, else by the run that trained the weights, else as published nets were trained; a remark says what holds."""
    channels = net.image.shape[1]
    trained = given.trained if given.trained is not None and given.trained.get("channels", channels) == channels else None
    unknown = given.mean is None and trained is None and channels == len(MEAN)
    means = MEAN if unknown else mean_for(given.mean, trained, channels, fits=False)
    scale = given.scale if given.scale is not None else trained["scale"] if trained is not None else 1.0
    assert not isinstance(means, str)
    why = ", as published nets were trained: --mean changes it" if unknown else ""
    text = f"{net.image.name} takes pixels with {means_text(means)} and {scale_text(scale)}{why}; their shorter side is {sides[0]}"
    warnings.warn(f"{text}, unless the longer one would be above {sides[1]}", Remark, stacklevel=2)
    return Pixels(sides, means, scale)


def check_within(boxes: Sequence[np.ndarray], images: Sequence[str], origin: str) -> None:
    """Raises NetdefError for regions beyond their images; a right or bottom may be the width or height, as some programs count."""
    from runtime.data.decoding import read_image
    from runtime.data.transform import size_of

    for image, regions in zip(images, boxes, strict=False):
        height, width = size_of(read_image(image, "RGB"))
        beyond = regions[(regions[:, 2] > width) | (regions[:, 3] > height)]
        if len(beyond):
            first = " ".join(f"{side:g}" for side in beyond[0])
            hint = "its numbers are left top right bottom, in pixels of the image as it is"
            raise NetdefError(f"{origin} has regions beyond {image}, {width} x {height} pixels, the first {first}", hint=hint)


def rows_of_regions(
    executable: Executable, net: RegionNet, images: Sequence[str], given: Sequence[np.ndarray] | None, pixels: Pixels, least: float
) -> Iterator[np.ndarray]:
    """The objects of each image, in turn, as rows of DetectionOutput: 0, label, score, left, top, right, bottom from 0 to 1.

    Parameters
    ----------
    given: the regions of each image, in its pixels, for a net that is fed them.

    Raises
    ------
    NetdefError: the net does not fit an image's size, or its results are not finite.
    """
    import numpy as np

    from runtime.ops.detection.by_class import by_class

    for number, path in enumerate(images):
        values, size, times = pixels.read(path, net.image.shape[1])
        inputs = {net.image.name: values}
        if net.info is not None:
            info = [*values.shape[2:], *[times] * (numbers(net.info) - 2)]
            inputs[net.info.name] = np.array(info, np.float32).reshape(1, *net.info.shape[1:])
        if given is not None:
            fed = np.insert(given[number] * np.float32(times), 0, 0, axis=1)
            inputs[net.regions.name] = fed.reshape(-1, *net.regions.shape[1:])
        executable.reshape(**{name: array.shape for name, array in inputs.items()})
        executable.run_forward(**inputs)
        regions, scores, moves = (executable.blob(blob.name) for blob in (net.regions, net.scores, net.boxes))
        check_finite((regions, scores, moves), path, executable)
        regions, scores, moves = (array.reshape(len(array), -1) for array in (regions, scores, moves))
        own = regions[:, 0] == 0  # rows that are left over have image -1
        found = by_class(regions[own, 1:] / np.float32(times), moves[own], scores[own], size, least).astype(np.float64)
        found[:, 2:] /= np.tile(size, 2)
        yield np.insert(found, 0, 0, axis=1)


def check_finite(arrays: Iterable[np.ndarray], what: str, executable: Executable) -> None:
    """Raises NetdefError if results were not finite; it names the first output that is not."""
    import numpy as np

    if not all(np.isfinite(array).all() for array in arrays):
        raise not_finite(f"{what} is not finite", executable)
