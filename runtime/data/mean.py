"""The mean that is subtracted from an image's pixels: a value for each channel, or an image of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def channel_means(values: Sequence[float], channels: int) -> NDArray[np.float32]:
    """`mean_value` as (C, 1, 1): none is zero, one serves all channels.

    Raises
    ------
    ValueError: another number of values than channels.
    """
    if len(values) not in (0, 1, channels):
        raise ValueError(f"mean_value has {len(values)} values for {channels} channels: give one, or one for each channel")
    return np.full((channels, 1, 1), np.reshape(values or [0.0], (-1, 1, 1)), np.float32)


def read_mean(path: str, channels: int) -> NDArray[np.float32]:
    """A mean of (C, H, W), or of (C,) as (C, 1, 1), from .npy or Caffe's .binaryproto.

    Raises
    ------
    ValueError: the file is damaged, or is not a mean of so many channels.
    """
    mean = _read_npy(path) if Path(path).suffix == ".npy" else _read_blob(path)
    while mean.ndim > 3 and mean.shape[0] == 1:
        mean = mean[0]
    if mean.ndim == 1:
        mean = mean.reshape(-1, 1, 1)
    if mean.ndim != 3 or mean.shape[0] != channels:
        raise ValueError(f"{path} holds an array {mean.shape}, not a mean of {channels} channels")
    return np.ascontiguousarray(mean, np.float32)


def _read_npy(path: str) -> NDArray[np.float32]:
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise ValueError(f"{path} is not an array of numbers in .npy form ({error})") from None


def _read_blob(path: str) -> NDArray[np.float32]:
    from google.protobuf.message import DecodeError

    from netdef import schema

    blob: Any = schema.message_class("BlobProto")()
    try:
        blob.ParseFromString(Path(path).read_bytes())
    except (OSError, DecodeError):
        raise ValueError(f"{path} is not a .binaryproto file of one blob") from None
    shape = tuple(blob.shape.dim) if blob.HasField("shape") else (blob.num, blob.channels, blob.height, blob.width)
    data = np.array(blob.data or blob.double_data, np.float32)
    if data.size != np.prod(shape) or not data.size:
        raise ValueError(f"{path} says that it is {shape} but holds {data.size} numbers")
    return data.reshape(shape)
