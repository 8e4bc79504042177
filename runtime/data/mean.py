"""The mean that is subtracted from an image's pixels: a value for each channel, or an image of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError, unreadable
from netdef.language.units import plural
from netdef.weights import wire
from netdef.weights.foreign import SINGLE_ARRAY, form_of
from netdef.weights.reading import contents, count_of_wrong, is_finite


def channel_means(values: Sequence[float], channels: int) -> NDArray[np.float32]:
    """Values as (C, 1, 1): none is zero, one serves all channels.

    Raises
    ------
    ValueError: another number of values than channels, or one that is not finite.
    """
    if len(values) not in (0, 1, channels):
        several = ", or one for each channel" if channels > 1 else ""
        raise ValueError(f"the mean has {plural(len(values), 'value')} for {plural(channels, 'channel')}: give one{several}")
    mean = np.full((channels, 1, 1), np.reshape(values or [0.0], (-1, 1, 1)), np.float32)
    if not is_finite(mean):
        raise ValueError("the mean is not a finite number")
    return mean


def read_mean(path: str, channels: int) -> NDArray[np.float32]:
    """A mean of (C, H, W), or of (C,) as (C, 1, 1), from .npy or Caffe's .binaryproto.

    Raises
    ------
    ValueError: the file is something else or damaged, is no mean of so many channels, or holds numbers that are not finite.
    """
    mean = read_array(path)
    shape = mean.shape
    while mean.ndim > 3 and mean.shape[0] == 1:
        mean = mean[0]
    if mean.ndim == 1:
        mean = mean.reshape(-1, 1, 1)
    if mean.ndim != 3 or mean.shape[0] != channels:
        raise ValueError(f"{path} holds an array of {shape_text(shape)}, not a mean of {plural(channels, 'channel')}")
    return np.ascontiguousarray(mean, np.float32)


def read_array(path: str) -> NDArray[np.float32]:
    """The array in a .npy file, or in Caffe's .binaryproto.

    Raises
    ------
    ValueError: the file is damaged, or holds numbers that are not finite.
    """
    array = _read_npy(path) if Path(path).suffix == ".npy" else _read_blob(path)
    if not is_finite(array):
        raise ValueError(f"{path} holds numbers that are not finite: {count_of_wrong(array)}")
    return array


def _read_npy(path: str) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is reported as that
            return np.asarray(np.load(path, allow_pickle=False), np.float32)
    except OSError as error:
        raise ValueError(unreadable(path, error).diagnostics[0].message) from None
    except Exception as error:  # numpy raises all kinds of errors on damaged files
        raise ValueError(f"{path} is not an array of numbers in .npy form ({error})") from None


def _read_blob(path: str) -> NDArray[np.float32]:
    try:
        data = contents(Path(path))
    except NetdefError as error:
        raise ValueError(error.diagnostics[0].message) from None
    try:
        mean = wire.read_blob(data)
    except wire.MalformedError as error:
        form = form_of(data)
        reason = str(error) if form in ("", SINGLE_ARRAY) else f"it is {form}"
        raise ValueError(f"{path} is not a whole .binaryproto: {reason}") from None
    if not mean.size:
        raise ValueError(f"{path} holds no numbers")
    return mean
