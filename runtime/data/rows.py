"""Batches of arrays as they are: for sources whose tops are rows of arrays, not images to be transformed.

A batch may be copied together while the net works on the one before: by one thread, which is as fast as memory is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdef.graph.shape import Shape
from runtime.data.source import Allocate, check_position

DEPTH = 3  # batches that may be handed out at once


def field_of(top: int) -> str:
    """The name of a top's array in a batch."""
    return f"top{top}"


class RowBatch:
    """A batch.  It has an array (N, ...) float32 for each top under the name that `field_of` gives, and `positions`, int64 (N,)."""

    def __init__(self, batch_size: int, shapes: Mapping[str, Shape]):
        self.positions = np.zeros(batch_size, np.int64)
        self.copies: Sequence[Callable[[], None]] = ()  # each waits for a copy from this batch
        self._take({name: np.empty((batch_size, *shape), np.float32) for name, shape in shapes.items()})

    def use_memory(self, allocate: Allocate) -> None:
        """Lie in memory that `allocate` gives, from now on."""
        self._take({name: allocate(array.shape, "float32") for name, array in self.arrays.items()})

    def _take(self, arrays: dict[str, NDArray[np.float32]]) -> None:
        self.arrays = arrays
        for name, array in arrays.items():
            setattr(self, name, array)

    @property
    def first(self) -> int:
        """The position of the first row."""
        return int(self.positions[0])


class RowSource(ABC):
    """A Source whose batches are filled from arrays in memory, when they are asked for.

    Attributes
    ----------
    size: rows in an epoch; 0 where there are none yet.

    Parameters
    ----------
    ahead: whether a batch is filled before it is asked for; not where the arrays are the caller's, who may change them.
    """

    image_shape = (0, 0, 0)  # it has rows instead
    classes: tuple[str, ...] | None = None
    size = 0

    def __init__(self, batch_size: int, shapes: Mapping[str, Shape], ahead: bool):
        self.batch_size = batch_size
        self.skipped: dict[str, str] = {}
        self._free = deque(RowBatch(batch_size, shapes) for _ in range(DEPTH))
        self._position = 0
        self._filler = ThreadPoolExecutor(1, "rows") if ahead else None
        self._coming: Future[RowBatch] | None = None  # the batch at the position

    @abstractmethod
    def rows(self, position: int, most: int) -> tuple[list[NDArray[np.float32]], NDArray[np.int64] | slice]:
        """Arrays of all tops, and which rows of them come at a position and after it: at least one, at most `most`.

        Where batches are filled ahead, the thread that fills them calls it.
        """

    def use_memory(self, allocate: Allocate) -> None:
        """Keep all batches in memory that `allocate` gives; before the first `next`."""
        for batch in self._free:
            batch.use_memory(allocate)

    def next(self) -> Any:
        """The next batch; raises NetdefError as `rows`."""
        batch = self._fill(self._free.popleft(), self._position) if self._coming is None else self._coming.result()
        self._coming = None  # only now: an error is raised again, and a batch is not lost to Ctrl-C
        self._position += self.batch_size
        if self._filler is not None and self._free:
            self._coming = self._filler.submit(self._fill, self._free.popleft(), self._position)
        return batch

    def _fill(self, batch: RowBatch, position: int) -> RowBatch:
        """Copy the rows from a position on into a batch."""
        done = 0
        try:
            for wait in batch.copies:
                wait()
            while done < self.batch_size:
                arrays, chosen = self.rows(position + done, self.batch_size - done)
                count = chosen.stop - chosen.start if isinstance(chosen, slice) else len(chosen)
                for own, array in zip(batch.arrays.values(), arrays, strict=True):
                    if isinstance(chosen, slice):
                        own[done : done + count] = array[chosen]
                    else:  # clip: without it, NumPy copies them twice
                        np.take(array, chosen, axis=0, out=own[done : done + count], mode="clip")
                done += count
        except BaseException:
            self._free.append(batch)
            raise
        batch.positions[:] = np.arange(position, position + self.batch_size)
        return batch

    def release(self, batch: Any, copies: Sequence[Callable[[], None]] = ()) -> None:
        """Give a batch of `next` back; it is filled again when these copies from it are done."""
        batch.copies = copies
        self._free.append(batch)

    def position(self) -> dict[str, Any]:
        """The stream's position."""
        return {"sample": self._position}

    def seek(self, state: dict[str, Any]) -> None:
        """Continue from a position; raises NetdefError: it is none."""
        position = check_position(state)
        self._drop()
        self._position = position

    def close(self) -> None:
        """Let go of its batches."""
        self._drop()
        if self._filler is not None:
            self._filler.shutdown()
        self._free.clear()

    def _drop(self) -> None:
        """Take back the batch that is being filled, once it is, for another one."""
        coming, self._coming = self._coming, None
        if coming is not None and coming.exception() is None:
            self._free.append(coming.result())

    def __enter__(self) -> RowSource:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def refuse_transform(layer: Any) -> None:
    """Arrays are taken as they are.

    Raises
    ------
    NetdefError: the layer has a transform_param that would change them.
    """
    for field, _ in layer.message.transform_param.ListFields():
        raise layer.error(
            f"its arrays are taken as they are: transform_param {{ {field.name} }} does not change them",
            "transform_param",
            field.name,
            hint="remove it, as Caffe ignored it without a word; Scale and Power layers do the same in the net",
        )
