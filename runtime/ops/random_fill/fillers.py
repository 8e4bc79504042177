"""The first values of the weights, by Caffe's fillers.

Every parameter has its own random stream, keyed by the seed and by its name "layer/index", so that its values depend on
nothing else: not on the other layers, the devices, or the order in which parameters are filled.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from netdef.language.diagnostics import NetdefError, Position
from netdef.language.spelling import nearest

CHUNK = 1 << 16  # floats drawn and scaled while they are in cache

# The values of FillerParameter.VarianceNorm.
FAN_IN, FAN_OUT, AVERAGE = 0, 1, 2


@dataclass(frozen=True, eq=False)
class FirstValues:
    """A filler that gives an array these values."""

    values: np.ndarray


def fill(array: np.ndarray, filler: Any, seed: int, name: str, position: Position | None = None) -> None:
    """Write a parameter's first values.

    Parameters
    ----------
    array: float32, C-contiguous, in Caffe's shape; overwritten.
    filler: a FillerParameter message, FirstValues, or None for zeros.
    seed: the run's seed.
    name: the parameter's name, "layer/index".
    position: where the filler stands in its file, for messages.

    Raises
    ------
    NetdefError: no filler has that type, or it cannot fill that shape.
    """
    if filler is None:
        array.fill(0)
        return
    if isinstance(filler, FirstValues):
        array[...] = filler.values
        return
    if filler.type not in FILLERS:
        near = nearest(filler.type, FILLERS)
        hint = f"did you mean {near}?" if near else f"fillers: {', '.join(FILLERS)}"
        raise NetdefError(f"{name}: no filler is called {filler.type!r}", position=position, hint=hint)
    if filler.sparse >= 0 and filler.type != "gaussian":
        raise NetdefError(f"{name}: only the gaussian filler can be sparse", position=position)
    try:
        FILLERS[filler.type](array, filler, stream(seed, name))
    except ShapeError as error:
        raise NetdefError(f"{name}: {error}", position=position) from None


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream of one parameter: Philox keyed by (seed, crc32(name))."""
    key = np.array([seed & (2**64 - 1), crc32(name.encode())], np.uint64)  # of a list NumPy makes floats
    return np.random.Generator(np.random.Philox(key=key))


class ShapeError(Exception):
    """A filler that cannot fill an array of this shape."""


def constant(array: np.ndarray, filler: Any, random: np.random.Generator) -> None:
    array.fill(filler.value)


def uniform(array: np.ndarray, filler: Any, random: np.random.Generator) -> None:
    fill_uniform(array, random, filler.min, filler.max)


def gaussian(array: np.ndarray, filler: Any, random: np.random.Generator) -> None:
    fill_gaussian(array, random, filler.mean, filler.std)
    if filler.sparse >= 0:
        # On average `sparse` of the outputs' weights stay; Caffe divides by the number of outputs.
        kept = filler.sparse / array.shape[0]
        for part in chunks(array):
            part *= random.random(part.size, dtype=np.float32) < kept


def xavier(array: np.ndarray, filler: Any, random: np.random.Generator) -> None:
    """Uniform of variance 1 / n (Glorot & Bengio 2010), n the fan that variance_norm names."""
    bound = math.sqrt(3 / fan(array.shape, filler.variance_norm))
    fill_uniform(array, random, -bound, bound)


def msra(array: np.ndarray, filler: Any, random: np.random.Generator) -> None:
    """Gaussian of variance 2 / n (He et al. 2015), n the fan that variance_norm names."""
    fill_gaussian(array, random, 0, math.sqrt(2 / fan(array.shape, filler.variance_norm)))


def positive_unitball(array: np.ndarray, filler: Any, random: np.random.Generator) -> None:
    """Uniform in [0, 1), then each output's weights divided by their sum."""
    fill_uniform(array, random, 0, 1)
    rows = array.reshape(array.shape[0], -1)
    rows /= rows.sum(axis=1, keepdims=True)


def bilinear(array: np.ndarray, filler: Any, random: np.random.Generator) -> None:
    """The kernel of bilinear upsampling, the same in every channel, as Caffe lays it out for Deconvolution."""
    if array.ndim != 4 or array.shape[2] != array.shape[3]:
        raise ShapeError(f"the bilinear filler needs square kernels (N, C, K, K), not {tuple(array.shape)}")
    size = array.shape[3]
    factor = (size + 1) // 2
    center = (2 * factor - 1 - factor % 2) / (2 * factor)
    line = 1 - np.abs(np.arange(size) / factor - center)
    array[...] = np.outer(line, line)


FILLERS: dict[str, Callable[..., None]] = {
    "constant": constant,
    "uniform": uniform,
    "gaussian": gaussian,
    "xavier": xavier,
    "msra": msra,
    "positive_unitball": positive_unitball,
    "bilinear": bilinear,
}


def fan(shape: tuple[int, ...], variance_norm: int) -> float:
    """How many inputs feed an output, how many outputs an input feeds, or their mean; as Caffe counts them.

    For weights of shape (N, C, ...): fan in = count / N, fan out = count / C.
    """
    count = math.prod(shape)
    fan_in = count // shape[0]
    fan_out = count // shape[1] if len(shape) > 1 else count
    return {FAN_IN: fan_in, FAN_OUT: fan_out, AVERAGE: (fan_in + fan_out) / 2}[variance_norm]


def fill_uniform(array: np.ndarray, random: np.random.Generator, low: float, high: float) -> None:
    scale, shift = np.float32(high - low), np.float32(low)
    for part in chunks(array):
        random.random(dtype=np.float32, out=part)
        part *= scale
        part += shift


def fill_gaussian(array: np.ndarray, random: np.random.Generator, mean: float, std: float) -> None:
    scale, shift = np.float32(std), np.float32(mean)
    for part in chunks(array):
        random.standard_normal(dtype=np.float32, out=part)
        part *= scale
        part += shift


def chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    """The array's memory, a chunk at a time."""
    flat = array.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        yield flat[start : start + CHUNK]
