"""Blobs as a script sees them: shape, `data` and `diff`, of blobs between layers and of parameters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from operator import index
from typing import Any, TypeVar

import numpy as np

from netdef.language.diagnostics import NetdefError
from netdef.language.spelling import did_you_mean
from netdef.language.units import shortened
from runtime.ops.python.blob import Shaped
from runtime.pycaffe.arrays import Copy, Shape, zeros

Value = TypeVar("Value")


class MissingNameError(KeyError):
    """A net has nothing of a name; the text has the nearest ones."""

    def __str__(self) -> str:
        return str(self.args[0])


class Named(OrderedDict[str, Value]):
    """Blobs, parameters or layers of a net by name.  what: one of them, in messages."""

    def __init__(self, what: str, pairs: Iterable[tuple[str, Value]]):
        super().__init__(pairs)
        self._what = what

    def __missing__(self, name: object) -> Value:
        hint = did_you_mean(str(name), self) or f"there are: {shortened([*map(str, self)]) or 'none'}"
        raise MissingNameError(f"the net has no {self._what} {name!r}; {hint}")

    def __reduce__(self) -> Any:
        return OrderedDict, ([*self.items()],)


class Blob(Shaped):
    """What pycaffe's blobs have: `shape`, `num`, `channels`, `height`, `width`, `count`, `reshape`, `data`, `diff`."""

    @property
    def data(self) -> np.ndarray:
        raise NotImplementedError

    @property
    def diff(self) -> np.ndarray:
        raise NotImplementedError

    def reshape(self, *shape: int) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<Blob {' x '.join(map(str, self.shape)) or 'scalar'}>"


class NetBlob(Blob):
    """A blob between layers.

    Parameters
    ----------
    name: of it.  copies: of its data and its diff.  ask: called with (name, shape) where a script gives it another shape.
    """

    def __init__(self, name: str, copies: tuple[Copy, Copy], ask: Callable[[str, Shape], None]):
        self.name, self._ask = name, ask
        self.data_copy, self.diff_copy = copies

    @property
    def shape(self) -> Shape:
        return self.data_copy.shape

    @property
    def data(self) -> np.ndarray:
        return self.data_copy.get()

    @property
    def diff(self) -> np.ndarray:
        return self.diff_copy.get()

    def reshape(self, *shape: int) -> None:
        """Give it a shape: of an input, which the net follows in its next run or `reshape`; any other follows its layer."""
        extents = _extents(shape)
        if extents != self.shape:
            self._ask(self.name, extents)
            self.data_copy.drop(extents)
            self.diff_copy.drop(extents)


def _extents(shape: tuple[Any, ...]) -> Shape:
    """Raises ValueError: no blob can have this shape."""
    extents = tuple(map(index, shape))
    if any(extent < 1 for extent in extents):
        raise ValueError(f"a blob cannot have shape {extents}")
    return extents


class ParameterData:
    """A parameter's values: the device's own array where that is the host's, else a copy."""

    def __init__(self, shape: Shape, live: np.ndarray | None, copy: Copy):
        self.shape, self._live, self.copy = shape, live, copy

    def get(self) -> np.ndarray:
        return self._live if self._live is not None else self.copy.get()

    @property
    def is_live(self) -> bool:
        return self._live is not None


class ParameterBlob(Blob):
    """A parameter.  Its diff is summed over backward runs until `clear_param_diffs`, as in Caffe.

    Parameters
    ----------
    name: such as conv1/0.  read_gradient: gives what the last backward run has made.
    """

    def __init__(self, name: str, source: ParameterData, read_gradient: Callable[[], np.ndarray]):
        self.name, self.source, self._read_gradient = name, source, read_gradient
        self._sum: np.ndarray | None = None  # of the backward runs, but for one that is pending
        self._is_pending = False

    @property
    def shape(self) -> Shape:
        return self.source.shape

    @property
    def data(self) -> np.ndarray:
        return self.source.get()

    @property
    def diff(self) -> np.ndarray:
        if self._sum is None:
            self._sum = zeros(self.shape)
        self.settle_diff()
        return self._sum

    @property
    def has_sum(self) -> bool:
        """Whether the diff is another than what the last backward run has made."""
        return self._sum is not None or not self._is_pending

    def settle_diff(self) -> None:
        """Add what a backward run has made, before another run makes it anew."""
        if self._is_pending:
            gradient = self._read_gradient()
            if self._sum is None:
                self._sum = np.array(gradient, np.float32)
            else:
                self._sum += gradient
            self._is_pending = False

    def gradient_made(self) -> None:
        """A backward run has made a gradient."""
        self._is_pending = True
        if self._sum is not None:  # the script has it
            self.settle_diff()

    def clear_diff(self) -> None:
        self._is_pending = False
        if self._sum is not None:
            self._sum[...] = 0

    def reshape(self, *shape: int) -> None:
        """Raises NetdefError: the shape is another; that of a parameter follows from its layer."""
        if _extents(shape) != self.shape:
            text = f"parameter {self.name} has shape {self.shape}, which its layer gives it; it cannot become {shape}"
            raise NetdefError(text, hint="change the layer in the net's file, and copy the values between two nets")
