"""The settings of a layer that reads images, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netdef.graph.shape import shape_text
from netdef.language.spelling import did_you_mean
from netdef.layers.data import BUILTIN, BUILTIN_SIDES, Data, ImageData, WindowData, located
from netdef.layers.transforms import check_crop_within
from runtime.data.color import Color, components_of
from runtime.data.mean import channel_means, read_mean
from runtime.data.random_size import RandomSize, random_size
from runtime.data.source import DEPTH

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.layers.data import Samples

SIDE = 256  # of the images of a folder, where the layer gives no size


@dataclass(frozen=True)
class Resize:
    """How an image becomes (height, width): stretched, or cut to the largest centred region of that shape and scaled."""

    height: int
    width: int
    stretch: bool = True


@dataclass(frozen=True)
class Regions:
    """Random regions of images: least and largest share of the area, least change of a square's sides, how many tries."""

    least: float
    largest: float
    change: float
    attempts: int


@dataclass(frozen=True)
class Settings:
    """A layer's settings.

    Attributes
    ----------
    name: the layer's. train: whether crops are random.
    source: one of BUILTIN_SIDES, a folder, a list file or a database. root_folder: put before the paths of a list.
    channels: 3 (blue, green, red) or 1.
    resize: None to take images as they are.
    crop: height and width that are cut out; None for all of it. mirror: flip half of the images.
    colors: the principal components along which colours are shifted, each as long as a standard deviation; none in testing.
    image_size: height and width of the images a source yields: resized, but cropped only where images may differ in size.
    size_given_by: what images that are not resized have their size of, in words.
    dtype: uint8, or float32 where a database has numbers.
    regions: the random region of each image that is brought to the crop; None cuts none.
    sizes: the random size that each image is brought to before it is cropped; None keeps it.
    label_shape: of one image's labels.  scaled_decoding: whether JPEG files may be decoded to a fraction of their size.
    depth: batches to hold, the one in use included.
    converts: whether images are brought to `channels`, or are an error where they have others.
    """

    name: str
    train: bool
    source: str
    image_size: tuple[int, int]
    batch_size: int = 1
    root_folder: str = ""
    shuffle: bool = False
    rand_skip: int = 0
    channels: int = 3
    resize: Resize | None = None
    crop: tuple[int, int] | None = None
    mirror: bool = False
    colors: tuple[Color, ...] = ()
    size_given_by: str = "the mean image"
    dtype: str = "uint8"
    converts: bool = True
    depth: int = DEPTH
    regions: Regions | None = None
    sizes: RandomSize | None = None
    label_shape: tuple[int, ...] = ()
    scaled_decoding: bool = False

    @property
    def decoded_at_least(self) -> tuple[int, int] | None:
        """Height and width that a JPEG file must have when it is decoded; None to decode all of it."""
        return (self.resize.height, self.resize.width) if self.scaled_decoding and self.resize else None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the images a source yields."""
        return (*self.image_size, self.channels)


def settings_of(layer: Samples, source: str | None = None) -> Settings:
    """Read and check an ImageData or Data layer.

    Parameters
    ----------
    source: instead of the layer's own, which then need not be there.

    Raises
    ------
    NetdefError: fields that contradict each other, a source or mean file that is not there, a crop larger than the images.
    """
    transform = layer.message.transform_param
    size = image_size(layer)
    check_crop_within(layer, size)
    return Settings(
        name=layer.name,
        train=layer.phase == "train",
        source=_source(layer) if source is None else source,
        image_size=size,
        batch_size=layer.batch_size,
        root_folder=getattr(layer.p, "root_folder", ""),
        shuffle=layer.p.shuffle,
        rand_skip=layer.p.rand_skip,
        channels=layer.channels,
        resize=_resize(layer),
        crop=layer.crop,
        mirror=transform.mirror,
        colors=components_of(transform) if layer.shifts_colors else (),
        size_given_by="the mean image" if mean_image_size(layer) else "the first image",
        dtype=dtype_of(layer),
        converts=layer.forced_channels is not None,
        depth=layer.p.prefetch + 1 if isinstance(layer, Data) and layer.p.HasField("prefetch") else DEPTH,
        regions=_regions(layer),
        sizes=random_size(layer),
        label_shape=layer.label_shape,
        scaled_decoding=getattr(layer.p, "scaled_decoding", False),
    )


def image_size(layer: Samples) -> tuple[int, int]:
    """Height and width of the images that the layer's source yields, whether the source is there or not.

    Images that are not resized must have the mean image's size; if there is none, they may be of any size and are cropped one
    by one, before they are batched.
    """
    if layer.crop is not None and (layer.cuts_regions or layer.draws_sizes or isinstance(layer, WindowData)):
        return layer.crop
    resize = _resize(layer)
    if resize:
        return resize.height, resize.width
    mean = mean_image_size(layer)
    if mean and layer.found is not None and layer.found.shapes[0][1:] != mean:
        text = f"the mean image is {shape_text(mean)}, the images are {shape_text(layer.found.shapes[0][1:])}"
        raise layer.error(text, "transform_param", "mean_file")
    return mean or layer.crop or layer.image_size() or (0, 0)


def dtype_of(layer: Samples) -> str:
    """What the images of a layer's source are: uint8, or float32."""
    if isinstance(layer, WindowData):
        return "float32" if layer.has_margins else "uint8"  # margins are the mean, which is no byte
    return "float32" if layer.found is not None and layer.found.floats else "uint8"


def mean_image_size(layer: Samples) -> tuple[int, int] | None:
    """Height and width of the layer's mean image; None if it has none."""
    _, height, width = _mean(layer).shape
    return None if (height, width) == (1, 1) else (height, width)


def mean_of(layer: Samples) -> NDArray[np.float32]:
    """What the layer subtracts from the pixels: (C, H, W), for the images before cropping.

    Raises
    ------
    NetdefError: mean_file together with mean_value, a damaged file, another number of channels, another size.
    """
    mean, size = _mean(layer), image_size(layer)
    if isinstance(layer, WindowData) and mean.shape[1:] != (1, 1) and min(mean.shape[1:]) >= layer.crop_size:
        at = (mean.shape[2] - layer.crop_size) // 2  # of rows too, as in Caffe
        mean = mean[:, at : at + layer.crop_size, at : at + layer.crop_size]
    if mean.shape[1:] not in ((1, 1), size):
        message = f"the mean image is {mean.shape[1]} x {mean.shape[2]}, the images are {size[0]} x {size[1]}"
        raise layer.error(message, "transform_param", "mean_file")
    return np.ascontiguousarray(np.broadcast_to(mean, (layer.channels, *size)))


def _mean(layer: Samples) -> NDArray[np.float32]:
    """The mean as (C, 1, 1), or as (C, H, W) where it is an image."""
    transform = layer.message.transform_param
    field = "mean_file" if transform.mean_file else "mean_value"
    if transform.mean_file and transform.mean_value:
        raise layer.error("mean_file and mean_value exclude each other", "transform_param", field)
    try:
        if not transform.mean_file:
            return channel_means(transform.mean_value, layer.channels)
        return read_mean(find(layer, transform.mean_file, "transform_param", field), layer.channels)
    except ValueError as error:
        raise layer.error(str(error), "transform_param", field) from None


def _source(layer: Samples) -> str:
    if not layer.source.startswith(BUILTIN):
        return find(layer, layer.source, "source")
    if layer.source not in BUILTIN_SIDES:
        known = ", ".join(BUILTIN_SIDES)
        raise layer.error(
            f"there is no {layer.source}", "source", hint=did_you_mean(layer.source, BUILTIN_SIDES) or f"there are {known}"
        )
    return layer.source


def find(layer: Layer, path: str, *field: str) -> str:
    """`located`, if that is there.

    Raises
    ------
    NetdefError: it is not.
    """
    found = located(layer, path)
    if not found.exists():
        hint = "paths start at the current folder or at the net file's"
        raise layer.error(f"there is no {path}", *field, hint=hint)
    return str(found)


def _resize(layer: Samples) -> Resize | None:
    if not isinstance(layer, ImageData):
        return None
    size = layer.resized_to
    if size is not None:
        both = bool(layer.p.new_height and layer.p.new_width)
        return Resize(*size, stretch=both or layer.source in BUILTIN_SIDES)
    if layer.source and not (layer.cuts_regions or layer.draws_sizes) and located(layer, layer.source).is_dir():
        height, width = at_least_a_side(layer.crop)
        return Resize(height, width, stretch=False)
    return None


def at_least_a_side(crop: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width of images whose layer gives no size: SIDE, or what the crop needs."""
    side = max(SIDE, *(crop or (0, 0)))
    return (side, side) if crop is None or crop[0] == crop[1] else (max(SIDE, crop[0]), max(SIDE, crop[1]))


def _regions(layer: Samples) -> Regions | None:
    if not layer.cuts_regions:
        return None
    given = layer.message.transform_param.random_aspect_ratio_param
    return Regions(given.min_area_ratio, given.max_area_ratio, given.aspect_ratio_change, given.max_attempt)
