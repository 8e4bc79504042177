"""Sources that read samples from files, databases and memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from netdef.graph.cuts import Cuts, Source
from netdef.graph.data_shapes import SampleShapes, sample_shapes
from netdef.graph.layer import ANY, SIZE_FROM_OUTSIDE, SIZE_UNKNOWN, Layer, layer
from netdef.graph.net import Net
from netdef.graph.shape import UNKNOWN, Shape
from netdef.language.diagnostics import NetdefError
from netdef.layers import transforms

BUILTIN = "builtin:"  # prefix of sources that come with netdef
PHOTOS, DIGITS = "builtin:photos", "builtin:digits"
BUILTIN_SIDES = {PHOTOS: 256, DIGITS: 28}  # of their images, in pixels


class Samples(Layer):
    """Images (batch_size, channels, height, width) and, with a second top, their labels (batch_size,).

    The height and width are crop_size where that is given, else those of the images.
    """

    bottoms_allowed = (0, 0)
    tops_allowed: ClassVar[tuple[int, int | None]] = (1, 2)
    is_source = True
    kind = "source"
    is_interchangeable = True
    cuts: ClassVar[Cuts] = Source()
    found: SampleShapes | None = None  # what its data say, where they are here and are asked
    unread_transforms = ("resize_param", "noise_param", "distort_param", "expand_param", "emit_constraint")

    @property
    def unread_fields(self) -> tuple[str, ...]:
        transform = self.message.transform_param
        given = {field.name for field, _ in transform.ListFields()}
        nested = ("random_resize_param", "random_aspect_ratio_param")  # which have a resize_param of their own
        inner = (f"{one}.resize_param" for one in nested if getattr(transform, one).HasField("resize_param"))
        return tuple(f"transform_param.{field}" for field in (*filter(given.__contains__, self.unread_transforms), *inner))

    @property
    def source(self) -> str:
        return getattr(self.p, "source", "")

    @property
    def label_shape(self) -> Shape:
        """Of one image's labels."""
        return ()

    @property
    def cuts_regions(self) -> bool:
        """Whether a random region of each image is brought to crop_size."""
        return self.message.transform_param.HasField("random_aspect_ratio_param")

    @property
    def batch_size(self) -> int:
        return self.p.batch_size

    @property
    def crop_size(self) -> int:
        """Pixels a side of a square crop; 0 without one."""
        return self.message.transform_param.crop_size or getattr(self.p, "crop_size", 0)

    @property
    def crop(self) -> tuple[int, int] | None:
        """(height, width) that is cut out of each image; None takes the whole image."""
        return transforms.crop_of(self.message.transform_param, self.crop_size)

    @property
    def draws_sizes(self) -> bool:
        """Whether each image is brought to a random size before it is cropped."""
        transform = self.message.transform_param
        return transform.HasField("random_resize_param") or any(transform.HasField(field) for field in transforms.RANDOM_SIZES)

    @property
    def channels(self) -> int:
        if self.found is not None:
            return self.found.shapes[0][0]
        return self.forced_channels or (self.assumed[0] if self.assumed else 3)

    @property
    def assumes_channels(self) -> bool:
        """Whether only the data say how many channels images have, and are not here."""
        return self.asks_data and self.found is None and self.forced_channels is None and not self.assumed

    @property
    def forced_channels(self) -> int | None:
        """What the file has image files brought to when they are decoded; None: those that they have."""
        transform = self.message.transform_param
        if transform.force_color or getattr(self.p, "force_encoded_color", False):
            return 3
        return 1 if transform.force_gray else None

    @property
    def shifts_colors(self) -> bool:
        """Whether colours are shifted for each image: in training, if color_shift is set."""
        return self.phase == "train" and self.message.transform_param.color_shift > 0

    def image_size(self) -> tuple[int, int] | None:
        """(height, width) before cropping; None if only the images have it."""
        return self.found.shapes[0][1:] if self.found is not None else None  # type: ignore[return-value]

    @property
    def asks_data(self) -> bool:
        """Whether its file leaves to the data what they are like."""
        return False

    @property
    def how_to_size(self) -> str:
        """What to add to the file if the size is not known."""
        return "set transform_param { crop_size }"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        if self.batch_size < 1:
            raise self.error("batch_size is missing", "batch_size", hint="add batch_size: 32, say")
        why, remedy = self._look() if self.asks_data else ("", "")
        transforms.check_colors(self)
        transforms.check_crop(self)
        crop, size = self.crop, self.image_size()
        if size is None and not crop and self.assumed:
            return [(self.batch_size, *self.assumed), (self.batch_size, *self.label_shape)][: len(self.message.top)]
        if size is None and not crop:
            hint = f"{remedy or self.how_to_size}; {SIZE_FROM_OUTSIDE}"
            raise self.error(f"the size of its images is not known here{why}", hint=hint, code=SIZE_UNKNOWN)
        if self.cuts_regions:
            transforms.check_regions(self)
        if self.draws_sizes:
            transforms.check_sizes(self)
        if size is not None and not self.cuts_regions and not self.draws_sizes:
            transforms.check_crop_within(self, size)
        sides = crop or size
        assert sides is not None
        return [(self.batch_size, self.channels, *sides), (self.batch_size, *self.label_shape)][: len(self.message.top)]

    def _look(self) -> tuple[str, str]:
        """Ask the data; why they do not answer, to go behind what is then not known, and what to do about data that are here."""
        try:
            self.found = sample_shapes(self)
        except NetdefError as error:
            is_here = os.path.exists(located(self, self.source))
            return f": {error.diagnostics[0].message}", error.diagnostics[0].hint or "" if is_here else ""
        return "", ""


@layer("ImageData")
class ImageData(Samples):
    """Images from files that a list names, from a folder with one folder a class, or from `builtin:photos` or
    `builtin:digits`.

    With both new_height and new_width, every image is resized to that size.  With only one of them, which Caffe refuses, the
    shorter side is resized to that many pixels and the square in the centre is kept.
    """

    @property
    def channels(self) -> int:
        return self.forced_channels

    @property
    def forced_channels(self) -> int:
        if self.message.transform_param.force_color:
            return 3
        return 1 if self.message.transform_param.force_gray or not self.p.is_color else 3

    @property
    def how_to_size(self) -> str:
        return "set new_height and new_width, or transform_param { crop_size }"

    @property
    def label_shape(self) -> Shape:
        """Of one image's labels."""
        return (self.p.label_size,) if self.p.label_size else ()

    @property
    def asks_data(self) -> bool:
        return self.resized_to is None and self.crop is None

    @property
    def resized_to(self) -> tuple[int, int] | None:
        """(height, width) that every image is brought to; None if the file names none."""
        if self.p.new_height and self.p.new_width:
            return self.p.new_height, self.p.new_width
        side = self.p.new_height or self.p.new_width
        if side:
            return side, side
        return (BUILTIN_SIDES[self.source],) * 2 if self.source in BUILTIN_SIDES else None

    def image_size(self) -> tuple[int, int] | None:
        return self.resized_to or super().image_size()

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        if not self.source:
            raise self.error("source is missing: a list of images and labels, builtin:photos or builtin:digits")
        return super().output_shapes(*bottoms)


@layer("Data")
class Data(Samples):
    """Images from an LMDB or LevelDB database: bytes, float32 numbers, or whole image files, with one label each.

    Their channels and size are those of the database's first record.
    """

    asks_data = True


def resized(transform: Any, warped: bool = False) -> tuple[int, int] | None:
    """(height, width) of images that SSD's resize_param resizes; None if that is not one size. `warped`: only if all are warped."""
    sizes = {(one.height, one.width) for one in transform.resize_param}
    always = all(one.prob == 1 and one.resize_mode != one.FIT_SMALL_SIZE for one in transform.resize_param)
    if len(sizes) != 1 or (warped and not always):
        return None
    height, width = sizes.pop()
    return (height, width) if height and width else None


@layer("AnnotatedData")
class AnnotatedData(Data):
    """Images with boxes around their objects from a database (Liu et al. 2016); settings of the database are those of Data.

    The second top holds the boxes (1, 1, boxes, 8): image, label, instance, left, top, right, bottom, difficult. How many there are
    shows only in a run; the shape is that for one. What further tops hold, which some forks add, is not known here.
    """

    origin = "SSD"
    tops_allowed = (1, ANY)
    cuts = Cuts()
    asks_data = False

    def image_size(self) -> tuple[int, int] | None:
        return resized(self.message.transform_param, warped=True)

    @property
    def how_to_size(self) -> str:
        return "set transform_param { resize_param { height width } }"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        count = len(self.message.top)
        return [*super().output_shapes(*bottoms)[:1], (1, 1, 1, 8), *[UNKNOWN] * count][:count]


@layer("VideoData")
class VideoData(Data):
    """Images from a camera or a film."""

    origin = "SSD"
    cuts = Cuts()
    asks_data = False

    def image_size(self) -> tuple[int, int] | None:
        return resized(self.message.transform_param)


@layer("WindowData")
class WindowData(Samples):
    """Windows of images, as an R-CNN trains on."""

    tops_allowed = (2, 2)
    asks_data = False

    @property
    def how_to_size(self) -> str:
        return "set crop_size, the side that each window is warped to"

    @property
    def has_margins(self) -> bool:
        """Whether a window may reach beyond its image."""
        return bool(self.p.context_pad or self.p.crop_mode == "square")

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        if not self.source:
            raise self.error("source is missing: a file of images and their windows")
        if self.p.crop_mode not in ("warp", "square"):
            raise self.error(f"crop_mode is warp or square, not {self.p.crop_mode}", "crop_mode")
        if self.crop_size and 2 * self.p.context_pad >= self.crop_size:
            raise self.error(f"context_pad {self.p.context_pad} leaves nothing of {self.crop_size} pixels", "context_pad")
        if not 0 <= self.p.fg_fraction <= 1:
            raise self.error("fg_fraction is a share: 0 to 1", "fg_fraction")
        for field in ("force_gray", "color_shift", "random_aspect_ratio_param", "crop_h", "crop_w", *transforms.SIZES):
            if self.message.transform_param.HasField(field):
                raise self.error(f"windows are not changed by {field}", "transform_param", field, hint="remove it")
        return super().output_shapes(*bottoms)


@layer("MemoryData")
class MemoryData(Samples):
    """Images that the caller holds in memory. height and width are those after cropping."""

    tops_allowed = (2, 2)
    brings_arrays = True

    @property
    def channels(self) -> int:
        return self.p.channels

    def image_size(self) -> tuple[int, int] | None:
        return self.p.height, self.p.width

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        for field in ("channels", "height", "width"):
            if getattr(self.p, field) < 1:
                raise self.error(f"{field} of the images is missing", field)
        crop = self.crop_size
        if crop and (crop, crop) != self.image_size():  # the size of Caffe's blob is that after cropping
            raise self.error(
                f"crop_size {crop} is not the images' height and width",
                "transform_param",
                "crop_size",
                hint="height and width are those after cropping",
            )
        return super().output_shapes(*bottoms)


@layer("HDF5Data")
class HDF5Data(Layer):
    """Datasets of HDF5 files, which a text file lists.  Each top is the dataset of its name, the samples along its first axis."""

    bottoms_allowed = (0, 0)
    tops_allowed = (1, ANY)
    is_source = True
    brings_arrays = True
    has_shapes_of_run = True
    kind = "source"
    is_interchangeable = True
    cuts = Source()
    asks_data = True
    found: SampleShapes | None = None

    @property
    def source(self) -> str:
        return self.p.source

    @property
    def batch_size(self) -> int:
        return self.p.batch_size

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        why, remedy = "", "use Input with those shapes"
        try:
            self.found = sample_shapes(self)
        except NetdefError as error:
            why = f": {error.diagnostics[0].message}"
            if os.path.exists(located(self, self.source)):
                remedy = error.diagnostics[0].hint or "replace the file by a whole one"
        if self.found is not None:
            if self.batch_size < 1:
                raise self.error("batch_size is missing", "batch_size", hint="add batch_size: 32, say")
            return [(self.batch_size, *shape) for shape in self.found.shapes]
        if self.assumed:  # data, then one label or target for each image
            batch = max(1, self.batch_size)
            return [(batch, *self.assumed), *[(batch,)] * (len(self.message.top) - 1)]
        text = f"only its HDF5 files give the shapes of its tops{why}"
        raise self.error(text, hint=f"{remedy}; {SIZE_FROM_OUTSIDE}", code=SIZE_UNKNOWN)


def shapes_of_data(net: Net) -> dict[str, SampleShapes]:
    """What was found in the data of a net's sources, by the names of the layers."""
    return {one.name: one.found for one in net.layers if isinstance(one, Samples | HDF5Data) and one.found is not None}


def located(layer: Layer, path: str) -> Path:
    """A path in a net file: from the current folder, as Caffe has it, else from the net file's own."""
    from_net = Path(layer.position.file).parent / path if layer.position else Path(path)
    return from_net if os.path.exists(from_net) and not os.path.exists(path) else Path(path)  # False of a path too long
