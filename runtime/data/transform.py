"""From a decoded picture to what a net sees: the one way for training, testing and predicting.

    read_image       a file, upright, in RGB or gray                                        (files.py)
    to_sample        resized; where to crop it, whether to mirror it, how to shift its colours
    image_transform  (pixel - mean + shift) * scale of the crop, blue first, on the device  (runtime/ops/images, mean_of)

Caffe's data_transformer.cpp defines crops, mirrors, mean and scale.
"""

from __future__ import annotations

from PIL import Image

from netdef.language.diagnostics import NetdefError
from runtime.data.color import color_shift
from runtime.data.draws import AUGMENT, Draws, below
from runtime.data.settings import Resize, Settings
from runtime.data.source import Sample

SET_SIZE = "set new_height and new_width"


def to_sample(image: Image.Image, label: float, settings: Settings, draws: Draws, position: int, name: str) -> Sample:
    """A decoded image as the sample at a position of its source's stream.

    Parameters
    ----------
    draws: the layer's random numbers.  name: of the image, for messages.

    Raises
    ------
    NetdefError: the image is not resized and does not have the size that the net needs.
    """
    if settings.resize:
        image = resized(image, settings.resize)
    offset, mirror = augment(settings, draws, position, image.size)
    if (image.height, image.width) != settings.image_size:
        image, offset = cropped(image, settings, offset, name), (0, 0)
    return Sample(image, label, offset, mirror, color_shift(settings.colors, draws, position))


def augment(settings: Settings, draws: Draws, position: int, size: tuple[int, int]) -> tuple[tuple[int, int], bool]:
    """Where the sample at a position is cropped (top, left) and whether it is mirrored, given its width and height.

    In training the crop is anywhere, in testing in the centre; a layer with `mirror: true` mirrors in both, as in Caffe.
    """
    words = draws.words(AUGMENT, position)
    width, height = size
    spare = [max(0, side - settings.crop) if settings.crop else 0 for side in (height, width)]
    top, left = (below(w, s + 1) if settings.train else s // 2 for w, s in zip(words, spare, strict=False))
    return (top, left), settings.mirror and bool(words[2] & 1)


def cropped(image: Image.Image, settings: Settings, offset: tuple[int, int], name: str) -> Image.Image:
    """The crop of an image in a source whose images may differ in size.

    Raises
    ------
    NetdefError: the image is smaller than the crop, or a mean image demands one size.
    """
    crop, size = settings.crop, settings.image_size
    if size != (crop, crop):
        wanted = f"{size[0]} x {size[1]} as the mean image is"
        raise NetdefError(f"{name} is {image.height} x {image.width}, not {wanted}", hint=SET_SIZE)
    if min(image.size) < crop:
        raise NetdefError(f"{name} is {image.height} x {image.width}, smaller than crop_size {crop}", hint=SET_SIZE)
    top, left = offset
    return image.crop((left, top, left + crop, top + crop))


def resized(image: Image.Image, resize: Resize) -> Image.Image:
    """An image brought to a size.

    Bilinear over the area that a pixel of the result covers, so that making an image smaller does not alias; Caffe, which
    takes OpenCV's bilinear, samples four pixels whatever the ratio.
    """
    width, height = image.size
    if (height, width) == (resize.height, resize.width):
        return image
    box = (0.0, 0.0, float(width), float(height))
    if not resize.stretch:
        ratio = min(width / resize.width, height / resize.height)
        left, top = (width - ratio * resize.width) / 2, (height - ratio * resize.height) / 2
        box = (left, top, left + ratio * resize.width, top + ratio * resize.height)
    return image.resize((resize.width, resize.height), Image.Resampling.BILINEAR, box=box)
