"""caffe.io: images as arrays, what a net's input needs of them, and arrays in protobuf messages.

The interface is that of BVLC's python/caffe/io.py.  Images are float32, (H, W, K), in [0, 1], red first.  Resizing is bilinear
without a filter, as scikit-image 0.12, of Caffe's days, resized.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from netdef.language.spelling import did_you_mean
from netdef.language.units import shortened
from runtime.data.decoding import read_image
from runtime.data.source import UnreadableError
from runtime.pycaffe.proto import caffe_pb2

GRAY = (0.2125, 0.7154, 0.0721)  # scikit-image's rgb2gray, for linear light (ITU-R BT.709)
Extents = Sequence[int] | np.ndarray
CROPS = 10  # of `oversample`, for each image

# Arrays and messages


def blobproto_to_array(blob: Any, return_diff: bool = False) -> np.ndarray:
    """The data of a BlobProto, or its diff, in its shape, or in its legacy one (num, channels, height, width)."""
    data = np.array((blob.double_diff or blob.diff) if return_diff else (blob.double_data or blob.data))
    if any(blob.HasField(name) for name in ("num", "channels", "height", "width")):
        return data.reshape(blob.num, blob.channels, blob.height, blob.width)
    return data.reshape(tuple(blob.shape.dim))


def array_to_blobproto(arr: np.ndarray, diff: np.ndarray | None = None) -> Any:
    """A BlobProto of an array, with a diff of the same shape if one is given.

    Raises
    ------
    ValueError: the shapes differ.
    """
    if diff is not None and np.shape(diff) != np.shape(arr):
        raise ValueError(f"the data have shape {np.shape(arr)}, and the diff {np.shape(diff)}")
    blob = caffe_pb2.BlobProto()
    blob.shape.dim.extend(np.shape(arr))
    blob.data.extend(np.asarray(arr).astype(float).flat)
    if diff is not None:
        blob.diff.extend(np.asarray(diff).astype(float).flat)
    return blob


def arraylist_to_blobprotovector_str(arraylist: Iterable[np.ndarray]) -> bytes:
    """Arrays as the bytes of a BlobProtoVector."""
    vector = caffe_pb2.BlobProtoVector()
    vector.blobs.extend([array_to_blobproto(array) for array in arraylist])
    return bytes(vector.SerializeToString())


def blobprotovector_str_to_arraylist(str: bytes) -> list[np.ndarray]:
    """The arrays in the bytes of a BlobProtoVector."""
    vector = caffe_pb2.BlobProtoVector()
    vector.ParseFromString(str)
    return [blobproto_to_array(blob) for blob in vector.blobs]


def array_to_datum(arr: np.ndarray, label: int | None = None) -> Any:
    """A Datum of an array (channels, height, width): uint8 as bytes, any other as floats.

    Raises
    ------
    ValueError: the array has not three axes.
    """
    if arr.ndim != 3:
        raise ValueError(f"a Datum has channels, height and width; the array has shape {arr.shape}")
    datum = caffe_pb2.Datum()
    datum.channels, datum.height, datum.width = arr.shape
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.astype(float).flat)
    if label is not None:
        datum.label = int(label)
    return datum


def datum_to_array(datum: Any) -> np.ndarray:
    """The array in a Datum, uint8 or float64; `datum.label` is its label."""
    shape = datum.channels, datum.height, datum.width
    if datum.encoded:
        raise NetdefError("the Datum holds an encoded image, not an array", hint="decode datum.data, with Pillow, say")
    if len(datum.data):
        return np.frombuffer(datum.data, np.uint8).reshape(shape).copy()
    return np.array(datum.float_data).astype(float).reshape(shape)


# Images


def load_image(filename: Any, color: bool = True) -> np.ndarray:
    """An image file as float32 in [0, 1]: (H, W, 3), red first, or (H, W, 1) with color=False.

    Raises
    ------
    NetdefError: it is missing, or no image.
    """
    try:
        picture = read_image(str(filename), "RGB")
    except UnreadableError as error:
        raise NetdefError(f"cannot read {error.path}: {error.reason}") from None
    pixels = picture[:, :, ::-1] if isinstance(picture, np.ndarray) else np.asarray(picture)
    image = np.asarray(pixels, np.float32) / np.float32(255)
    return image if color else (image @ np.array(GRAY, np.float32))[:, :, np.newaxis]


def resize_image(im: np.ndarray, new_dims: Extents, interp_order: int = 1) -> np.ndarray:
    """An image (H, W, K) in another size, float32.

    Parameters
    ----------
    new_dims: height and width.
    interp_order: 0, the nearest pixel; 1, bilinear.

    Notes
    -----
    With 1 or 3 channels pixels are areas, and beyond the image's border is its least value, as in scikit-image's resize; with any
    other number the corners of both grids are the same points, as in SciPy's zoom.

    Raises
    ------
    NotImplementedError: another order.
    """
    if interp_order not in (0, 1):
        raise NotImplementedError(f"resize_image: netdef has interp_order 0 and 1, not {interp_order}")
    image = np.asarray(im, np.float64)
    rows, columns = (int(extent) for extent in new_dims)
    if image.shape[-1] not in (1, 3):
        return _along(_along(image, 0, rows, interp_order, True), 1, columns, interp_order, True).astype(np.float32)
    least = image.min()
    resized = _along(_along(image - least, 0, rows, interp_order, False), 1, columns, interp_order, False)
    return (resized + least).astype(np.float32)


def _along(image: np.ndarray, axis: int, size: int, order: int, corners: bool) -> np.ndarray:
    """An image resized along an axis, with zeros beyond its border where pixels are areas."""
    old = image.shape[axis]
    if corners:
        at = np.linspace(0, old - 1, size) if size > 1 else np.zeros(size)
    else:
        at = (np.arange(size) + 0.5) * (old / size) - 0.5
    if order == 0:
        return np.take(image, np.clip(np.floor(at + 0.5), 0, old - 1).astype(int), axis)
    below = np.floor(at).astype(int)
    share = (at - below).reshape([-1 if one == axis else 1 for one in range(image.ndim)])

    def pixels(index: np.ndarray) -> np.ndarray:
        inside = ((index >= 0) & (index < old)).reshape(share.shape)
        return np.take(image, np.clip(index, 0, old - 1), axis) * inside

    return pixels(below) * (1 - share) + pixels(below + 1) * share


def oversample(images: Any, crop_dims: Extents) -> np.ndarray:
    """Ten crops of each image: the four corners and the center, then the same mirrored.

    Parameters
    ----------
    images: (H, W, K) each, of one size.  crop_dims: height and width.

    Returns
    -------
    (10 * images, height, width, K) float32.
    """
    height, width = (int(extent) for extent in crop_dims)
    rows, columns, channels = np.shape(images[0])
    corners = [(row, column) for row in (0, rows - height) for column in (0, columns - width)]
    center = int(rows / 2.0 - height / 2.0), int(columns / 2.0 - width / 2.0)
    crops = np.empty((CROPS * len(images), height, width, channels), np.float32)
    for number, image in enumerate(images):
        for index, (row, column) in enumerate([*corners, center]):
            crop = image[row : row + height, column : column + width]
            crops[CROPS * number + index] = crop
            crops[CROPS * number + CROPS // 2 + index] = crop[:, ::-1]
    return crops


class Transformer:
    """What makes an image the input of a net: resized, axes and channels in the net's order, scaled, without its mean.

    Parameters
    ----------
    inputs: the shapes of the inputs by name, batch first.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]):
        self.inputs = {name: tuple(shape) for name, shape in inputs.items()}
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, Any] = {}
        self.input_scale: dict[str, float] = {}

    def _shape(self, name: str) -> tuple[int, ...]:
        if name not in self.inputs:
            hint = did_you_mean(str(name), self.inputs) or f"they are {shortened([*self.inputs])}"
            raise ValueError(f"{name} is not one of the net's inputs; {hint}")
        return self.inputs[name]

    def preprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """An image (H, W, K) as input (K, H, W): resized, transposed, its channels swapped, times raw_scale, minus the mean, times
        input_scale; what is not set is left out."""
        size = self._shape(in_)[2:]
        image = np.array(data, np.float32)
        if image.shape[:2] != size:
            image = resize_image(image, size)
        if in_ in self.transpose:
            image = image.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            image = image[list(self.channel_swap[in_]), :, :]
        if in_ in self.raw_scale:
            image = image * np.float32(self.raw_scale[in_])
        if in_ in self.mean:
            image = image - self.mean[in_]
        if in_ in self.input_scale:
            image = image * np.float32(self.input_scale[in_])
        return image.astype(np.float32, copy=False)

    def deprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """The image (H, W, K) that an input was made of, in the input's size."""
        self._shape(in_)
        image = np.array(data).squeeze()
        if in_ in self.input_scale:
            image = image / self.input_scale[in_]
        if in_ in self.mean:
            image = image + self.mean[in_]
        if in_ in self.raw_scale:
            image = image / self.raw_scale[in_]
        if in_ in self.channel_swap:
            image = image[np.argsort(self.channel_swap[in_]), :, :]
        if in_ in self.transpose:
            image = image.transpose(np.argsort(self.transpose[in_]))
        return image

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of axes: (2, 0, 1) makes (H, W, K) to (K, H, W)."""
        axes = len(self._shape(in_)) - 1
        if len(order) != axes:
            raise ValueError(f"the order {tuple(order)} has {len(order)} axes, and an image of {in_} has {axes}")
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of channels, which are the first axis then: (2, 1, 0) makes RGB to BGR."""
        channels = self._shape(in_)[1]
        if len(order) != channels:
            raise ValueError(f"the order {tuple(order)} has {len(order)} channels, and {in_} has {channels}")
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """Set a factor before the mean is subtracted: 255 for nets trained on bytes."""
        self._shape(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: np.ndarray) -> None:
        """Set the mean: one number for each channel, (K,), or an image (K, H, W), which is resized where it has another size."""
        shape = self._shape(in_)[1:]
        mean = np.asarray(mean)
        if mean.ndim == 1:
            if mean.shape[0] != shape[0]:
                raise ValueError(f"the mean has {mean.shape[0]} channels, and {in_} has {shape[0]}")
            mean = mean[:, np.newaxis, np.newaxis]
        elif mean.ndim not in (2, 3):
            raise ValueError(f"a mean of shape {mean.shape} is neither of channels nor of an image")
        elif (mean.shape if mean.ndim == 3 else (1, *mean.shape)) != shape:
            image = mean.reshape((-1, *mean.shape[-2:])).transpose(1, 2, 0)
            mean = resize_image(image, shape[1:]).transpose(2, 0, 1)
        self.mean[in_] = mean

    def set_input_scale(self, in_: str, scale: float) -> None:
        """Set a factor after the mean was subtracted."""
        self._shape(in_)
        self.input_scale[in_] = scale
