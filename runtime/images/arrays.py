"""Image files as the array that a net takes them as: `netdef.images`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdef.graph.net import Net
from netdef.language.diagnostics import NetdefError, Remark
from netdef.language.source import excerpt
from netdef.schema import message_class
from runtime.data import open_images
from runtime.images.files import check_images, images_of
from runtime.images.pixels import Given, image_layer, images_of_training, with_given_images, with_images
from runtime.images.trained_pixels import OF_WINDOWS, trained_on_photos, trained_pixels
from runtime.machine.compile import compile
from runtime.machine.weights import Paths, files_of
from runtime.solver.nets import load_net

Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def images(
    paths: Files,
    net: Net | str | os.PathLike[str],
    *,
    weights: Paths | None = None,
    mean: Any = None,
    scale: float | None = None,
) -> NDArray[np.float32]:
    """Image files as a net takes them, in the test phase: resized, cropped in the centre, minus the mean, scaled, blue first.

    What `netdef predict` does with files is done by the same code.

    Parameters
    ----------
    paths: one or several image files; a folder stands for the images below it.
    net: in phase test; or its file, or a model's name.  Its own layer of images says what is done with pixels; for a net with an
        Input layer the weights do.
    weights: where the net is to have its weights from, which say how images came to it in training.
    mean: for a net with an Input layer: a number, one for each channel (blue first), or a file.  scale: a factor behind it.

    Returns
    -------
    (N, C, H, W), to be given to `Executable.forward` of a net with that batch size.

    Raises
    ------
    NetdefError: an image cannot be read, the net takes no images, or is in phase train.

    Warns
    -----
    Remark: what becomes of pixels, where the net does not say it.
    """
    files = images_of(paths_of(paths))
    if not files:
        raise NetdefError("no image is given", hint="give the path of an image, of a folder, or a list of them")
    check_images(files)
    trained, origin = trained_pixels(weights_there(weights)) if weights is not None else (None, "")
    own = net if isinstance(net, Net) else load_net(net, "test", assumed=images_of_training(trained))
    if own.phase != "test":
        raise NetdefError(f"{own!r} is in phase {own.phase}", hint='netdef.load(PATH, phase="test") takes images')
    layer = image_layer(with_images(own, Given(text_of(mean), checked_scale(scale), trained, origin)))
    middle = weights is not None and trained_on_photos(weights_there(weights))
    if middle:
        warnings.warn(OF_WINDOWS, Remark, stacklevel=2)
    return transformed(layer.message, files, own.filename, middle)


def transformed(message: Any, files: Sequence[str], origin: str, middle: bool = False) -> NDArray[np.float32]:
    """Image files as an ImageData layer brings them to its net in the test phase, (N, C, H, W).

    Parameters
    ----------
    message: the layer's.  origin: the file of its net.  middle: see `open_images`.
    """
    whole: Any = message_class("NetParameter")()
    whole.layer.add().CopyFrom(message)
    alone = with_given_images(whole, message.name, origin, len(files))
    with compile(alone, "cpu", backward=False) as executable:
        executable.open_sources(lambda source, seed, *, classes: open_images(source, files, middle=middle))
        executable.run_forward()
        return executable.blob(message.top[0])


def paths_of(paths: Any) -> list[str]:
    """One path or several as a list.

    Raises
    ------
    NetdefError: something else is given.
    """
    try:
        return [os.fspath(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    except TypeError:
        hint = "give the path of an image, of a folder, or a list of them"
        raise NetdefError(f"expected image files, not {excerpt(repr(paths))}", hint=hint) from None


def weights_there(weights: Paths) -> str:
    """The last of some files of weights.

    Raises
    ------
    NetdefError: it is not there.
    """
    path = str(files_of(weights)[-1])
    if not os.path.isfile(path):
        raise NetdefError(f"there is no file {path}")
    return path


def text_of(mean: Any) -> str | None:
    """A mean as --mean has it."""
    if mean is None or isinstance(mean, str):
        return mean
    if isinstance(mean, Path):
        return str(mean)
    try:
        return ",".join(str(float(value)) for value in np.atleast_1d(mean).tolist())
    except (TypeError, ValueError):
        raise NetdefError(f"a mean is a number, one for each channel, or a file, not {excerpt(repr(mean))}") from None


def checked_scale(scale: Any) -> float | None:
    """A scale as --scale has it.

    Raises
    ------
    NetdefError: it is no finite number.
    """
    try:
        value = None if scale is None else float(scale)
    except (TypeError, ValueError, OverflowError):
        value = np.nan
    if value is not None and not np.isfinite(value):
        raise NetdefError(f"a scale is a number, not {excerpt(repr(scale))}")
    return value
