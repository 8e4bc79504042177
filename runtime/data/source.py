"""The interface of data sources: batches of uint8 images, from a position that can be read and set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from netdef.language.diagnostics import NetdefError
from runtime.data.color import NONE, Color

Picture = Image | NDArray[np.uint8] | NDArray[np.float32]  # RGB or L; or an array (H, W, C), of three channels with blue first
OnSkip = Callable[[str, str], None]  # called with the path of an image that cannot be read, and why

Allocate = Callable[[tuple[int, ...], str], np.ndarray]  # (shape, type) -> a new array
DEPTH = 3  # batches in a ring, unless a layer says how many


@dataclass(eq=False)
class Batch:
    """Images as they come from a source, with what `image_transform` needs to bring them to a net's input.

    Attributes
    ----------
    images: uint8, or float32 where a source has numbers, (N, H, W, C); C is blue, green, red, or one gray channel.
    labels: float32 (N,), or (N, K) where each image has K of them.
    offsets: int32 (N, 2), top and left of the crop in each image, in pixels.
    mirrors: uint8 (N,), 1 where the image is flipped left to right.
    shifts: float32 (N, 3), what all pixels of the image gain in blue, green and red; for gray images nothing.
    positions: int64 (N,), of each sample in the source's stream.
    """

    images: NDArray[np.uint8] | NDArray[np.float32]
    labels: NDArray[np.float32]
    offsets: NDArray[np.int32]
    mirrors: NDArray[np.uint8]
    shifts: NDArray[np.float32]
    positions: NDArray[np.int64]

    @property
    def first(self) -> int:
        """The position of the first sample."""
        return int(self.positions[0])


class Source(Protocol):
    """An endless stream of batches, the same for the same seed with any number of workers.

    Attributes
    ----------
    image_shape: (H, W, C) of every image.
    classes: a name for each label, or None.
    size: samples in an epoch.
    skipped: the images that could not be read until now, path -> why.
    """

    batch_size: int
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...] | None
    size: int
    skipped: dict[str, str]

    def next(self) -> Batch:
        """The next batch; waits for it.  It belongs to the caller until `release`."""

    def release(self, batch: Batch, copies: Sequence[Callable[[], None]] = ()) -> None:
        """Give a batch back, to be filled again; before that, each of `copies` is called, which waits for a copy from it.

        Only the batches of a source that also has `use_memory`, and was given memory, are copied from after their release.
        """

    def position(self) -> dict[str, Any]:
        """The stream's position after the last batch that `next` returned; JSON."""

    def seek(self, state: dict[str, Any]) -> None:
        """Continue exactly as the source whose position was `state`."""

    def close(self) -> None:
        """Stop the workers and wait for them."""


class Opener(Protocol):
    """Opens a data layer's source.  Where ranks share its images, it is given `rows` too, see `open_source`."""

    def __call__(self, layer: Any, seed: int, *, classes: Sequence[str] | None) -> Source: ...


@dataclass(frozen=True)
class Rows:
    """What is read of each batch, where other processes read the rest: images of these rows, labels of all rows or of these too."""

    images: range
    all_labels: bool = False


class UnreadableError(Exception):
    """An image is missing or damaged; the stream continues without it."""

    def __init__(self, path: str, reason: str):
        super().__init__(path, reason)
        self.path, self.reason = path, reason


@dataclass(frozen=True)
class Sample:
    """One decoded image of its source's size.  `offset`: top and left of the crop; `shift`: of its colours."""

    image: Picture
    label: float | Sequence[float]
    offset: tuple[int, int]
    mirror: bool
    shift: Color = NONE


class Samples(Protocol):
    """A stream of samples by position: what a source's workers draw from.

    Attributes
    ----------
    name: of the list, folder or collection.  labels: those that there are, ascending.  The others are the source's.
    """

    name: str
    labels: tuple[int, ...]
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...] | None
    size: int

    def load(self, position: int) -> Sample:
        """The sample at a position, counted from 0 through all epochs; called from several threads at once.

        Raises
        ------
        UnreadableError: to skip this position.
        """


def check_position(state: dict[str, Any]) -> int:
    """The number in what `Source.position` has given.

    Raises
    ------
    NetdefError: it is no position.
    """
    sample = state.get("sample")
    if not isinstance(sample, int) or not 0 <= sample < 1 << 62:
        raise NetdefError(f"a snapshot has sample {sample} as the position of its data", hint="its .netdef.json is damaged")
    return sample
