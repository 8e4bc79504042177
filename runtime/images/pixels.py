"""From images to the input of a net: by its own layer of images, else as the run that trained it did, else as options say."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdef.graph.overrides import Setting
from netdef.language import Bound, read_text
from netdef.language.diagnostics import NetdefError, Remark
from netdef.language.printer import print_float, print_message
from netdef.layers.data import Data, ImageData
from netdef.loading import Opened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from netdef.graph.layer import Blob
    from netdef.graph.net import Net
    from netdef.graph.shape import Shape

HERE = "."  # the source of the ImageData layer, which is not read as the images are given
CROPS = ("crop_size", "crop_h", "crop_w")
SIZES = ("new_height", "new_width", *CROPS)


@dataclass(frozen=True)
class Given:
    """What --mean and --scale say, and what the run said that the weights are of, with the name of that file.

    stretch: whether images become a square by stretching, where else the centre is kept.
    """

    mean: str | None = None
    scale: float | None = None
    trained: Mapping[str, Any] | None = None
    origin: str = ""
    stretch: bool = False


def image_layer(net: Net) -> ImageData:
    return next(layer for layer in net.layers if isinstance(layer, ImageData))


def with_images(net: Net, given: Given) -> Net:
    """The net with one ImageData layer, which replaces an Input or a Data layer; a remark says what becomes of pixels of an Input.

    Raises
    ------
    NetdefError: it has none, and no single Input for images; or several, or one and --mean or --scale; a mean cannot be read.
    """
    readers = [layer for layer in net.layers if isinstance(layer, ImageData)]
    if len(readers) > 1:
        names = " and ".join(layer.name for layer in readers)
        raise NetdefError(f"{names} of {net.filename} both read images", hint="predict takes a net with one ImageData layer")
    if readers or any(type(layer) is Data for layer in net.layers):
        for option, value, does in (("--mean", given.mean, "subtracts a mean"), ("--scale", given.scale, "scales pixels")):
            if value is not None:
                raise NetdefError(f"{net.filename} {does} of its own", hint=f"leave {option} out")
    if readers:
        is_sized = readers[0].resized_to is not None or readers[0].crop is not None
        return net if is_sized else with_files(net, readers[0], given.trained)
    databases = [layer for layer in net.layers if type(layer) is Data]
    if len(databases) == 1:
        return with_files(net, databases[0], given.trained)
    inputs = [blob for blob in net.inputs if len(blob.shape) == 4 and blob.shape[1] in (1, 3)]
    if len(inputs) != 1:
        raise NetdefError(
            f"{net.filename} has {len(inputs) or 'no'} inputs for images",
            hint="predict takes a net with an ImageData layer, or with one Input of shape N, 3, H, W",
        )
    message = type(net.message)()
    message.CopyFrom(net.message)
    layer = replace_input(message, inputs[0], given.stretch)
    warnings.warn(bring(layer, inputs[0], given), Remark, stacklevel=2)
    return with_given_images(message, layer.name, net.filename)


def with_given_images(message: Any, layer: str, filename: str, batch_size: int | None = None) -> Net:
    """The net of a NetParameter whose layer of this name is an ImageData for images that are given: its source is the caller's."""
    given = Setting(f"source = {HERE}", "the images given")

    def read() -> Bound:
        bound = read_text(print_message(message), filename, "NetParameter")
        for index, one in enumerate(bound.message.layer):
            if one.name == layer:
                position = given.at(given.value_at, len(given.text))
                bound.changed["layer", index, "image_data_param", "source"] = position
        return bound

    opened = Opened(read, filename, None, batch_size, "test")
    opened.bound.announce()
    return opened.net("test")


def with_files(net: Net, layer: Data | ImageData, trained: Mapping[str, Any] | None) -> Net:
    """The net with a layer that brings image files of any size to it, in place of one whose data say what size they have.

    Parameters
    ----------
    trained: as of `Given`; it has the size and channels of images where the data are not there.
    """
    message = type(net.message)()
    message.CopyFrom(net.message)
    own = next(one for one in message.layer if one.name == layer.message.name)
    is_database, own.type = own.type == "Data", "ImageData"
    own.ClearField("data_param")
    own.image_data_param.source, own.image_data_param.batch_size = HERE, layer.tops[0].shape[0]
    there = layer.found.shapes[0] if layer.found is not None else images_of_training(trained)
    own.transform_param.force_gray = (there[0] if there and layer.forced_channels is None else layer.channels) == 1
    if size := there[1:]:
        own.image_data_param.new_height = size[0]
        if is_database or size[0] != size[1]:  # one of the two keeps the centre, as training does with folders
            own.image_data_param.new_width = size[1]
    return with_given_images(message, layer.name, net.filename)


def images_of_training(trained: Mapping[str, Any] | None) -> Shape:
    """The shape of the images before they are cropped, by what a run said; () if it does not say it."""
    if trained is None or not (trained.get("channels") and trained["new_height"] and trained["new_width"]):
        return ()
    return trained["channels"], trained["new_height"], trained["new_width"]


def replace_input(message: Any, blob: Blob, stretch: bool = False) -> Any:
    """Turn the Input layer of a blob into an ImageData layer that gives images of its size; returns its message."""
    layer = next(layer for layer in message.layer if blob.name in layer.top)
    count, channels, height, width = blob.shape
    others = [top for top in layer.top if top != blob.name]
    layer.ClearField("top")
    layer.ClearField("input_param")
    layer.ClearField("transform_param")  # which an Input ignores in every command
    layer.type = "ImageData"
    layer.top.extend([blob.name, others[0] if others else f"{blob.name} label"])
    data = layer.image_data_param
    data.source, data.batch_size = HERE, count
    layer.transform_param.force_gray = channels == 1
    data.new_height = height
    if width != height or stretch:  # one of the two keeps the centre, both together stretch
        data.new_width = width
    return layer


def bring(layer: Any, blob: Blob, given: Given) -> str:
    """Set the mean, the scale and the sizes of an ImageData layer's message; returns what becomes of pixels, in words."""
    _, channels, height, width = blob.shape
    trained, transform = given.trained, layer.transform_param
    if trained is not None and trained.get("channels", channels) != channels:
        trained = None  # gray and coloured images have other means
    fits = trained is not None and _size(trained) == (height, width)
    if trained is not None and fits:
        for name in SIZES:
            setattr(transform if name in CROPS else layer.image_data_param, name, trained[name])
    mean = mean_for(given.mean, trained, channels, fits)
    if isinstance(mean, str):
        transform.mean_file = mean
    else:
        transform.mean_value.extend(mean)
    scale = given.scale if given.scale is not None else trained["scale"] if trained is not None else 1.0
    transform.scale = scale
    texts = [means_text(mean), scale_text(scale)]
    if trained is None:
        if given.mean is None and given.scale is None:
            how = f"{blob.name} takes pixels as they are, 0 to 255"
            return f"{how}{', blue first' * (channels == 3)}: no run says how it was trained; --mean and --scale change them"
        return f"{blob.name} takes pixels with {' and '.join(texts)}"
    if not fits:
        sides = " x ".join(map(str, _size(trained) or ("images of any size",)))
        texts.append(f"resized to {height} x {width}, where training took {sides}")
    elif any(trained[name] for name in CROPS):
        texts.append(f"the {height} x {width} pixels in the centre")
    return f"{blob.name} takes pixels as in training, by {given.origin}: {', '.join(texts)}"


def means_text(mean: Sequence[float] | str) -> str:
    """What is subtracted, in words."""
    return f"mean {mean}" if isinstance(mean, str) else f"mean {', '.join(map(print_float, mean))}" if mean else "no mean"


def scale_text(scale: float) -> str:
    return "no scale" if scale == 1 else f"scale {print_float(scale)}"


def _size(trained: Mapping[str, Any]) -> tuple[int, int] | None:
    """Height and width of what the training net took; None if its images decide."""
    if trained["crop_h"] and trained["crop_w"]:
        return trained["crop_h"], trained["crop_w"]
    if trained["crop_size"]:
        return trained["crop_size"], trained["crop_size"]
    height, width = trained["new_height"], trained["new_width"]
    return (height or width, width or height) if height or width else None


def mean_for(option: str | None, trained: Mapping[str, Any] | None, channels: int, fits: bool) -> list[float] | str:
    """The means of the channels, or the file with an image of them that fits the images."""
    if option is not None:
        return means_of(option, channels)
    if trained is None or not trained["mean_file"]:
        return list(trained["mean_value"]) if trained is not None else []
    if not Path(trained["mean_file"]).exists():
        raise NetdefError(f"the mean of training, {trained['mean_file']}, is not there", hint="--mean FILE or B,G,R replaces it")
    return str(trained["mean_file"]) if fits else means_of(trained["mean_file"], channels)


def means_of(option: str, channels: int) -> list[float]:
    """The values of --mean to subtract from each channel: numbers, or the means of a file's channels; raises as that."""
    return [float(value) for value in mean_of_option(option, channels).mean(axis=(1, 2))]


def mean_of_option(option: str, channels: int) -> NDArray[np.float32]:
    """What --mean says: (C, 1, 1), or (C, H, W) of a file with an image.

    Raises
    ------
    NetdefError: it is neither numbers nor a file of a mean, or of another number of channels.
    """
    from runtime.data.mean import channel_means, read_mean

    values = numbers_in(option)
    with naming_mean(option):
        return channel_means(values, channels) if values is not None else read_mean(option, channels)


@contextmanager
def naming_mean(option: str) -> Iterator[None]:
    """What is wrong with a mean is an error of --mean."""
    try:
        yield
    except ValueError as error:
        raise NetdefError(f"--mean {option}: {error}", hint="expected B,G,R, one number, or a .binaryproto or .npy file") from None


def numbers_in(text: str) -> list[float] | None:
    """Numbers with commas between them; None for a file's name."""
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        return None
