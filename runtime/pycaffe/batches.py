"""Runs of a net on any number of images, batch by batch: forward_all and forward_backward_all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from runtime.pycaffe.structure import Structure

Arrays = dict[str, np.ndarray]


class InBatches(Structure):
    """The methods of a net that divide what they are given into batches of the net's size."""

    forward: Any
    backward: Any

    def forward_all(self, blobs: Sequence[str] | None = None, **kwargs: Any) -> Arrays:
        """Run forward on as many images as are given, batch by batch.

        Returns
        -------
        The outputs and `blobs` of all images, by name.
        """
        found: dict[str, list[np.ndarray]] = {name: [] for name in dict.fromkeys(self.outputs + list(blobs or []))}
        for batch in self._batch(kwargs):
            for name, array in self.forward(blobs=blobs, **batch).items():
                found[name].extend(array.copy())
        return _joined(found, _images(kwargs))

    def forward_backward_all(
        self, blobs: Sequence[str] | None = None, diffs: Sequence[str] | None = None, **kwargs: Any
    ) -> tuple[Arrays, Arrays]:
        """Run forward and backward on as many images as are given, batch by batch.

        Parameters
        ----------
        kwargs: arrays of inputs, and diffs of outputs; what is not given stays as it is.

        Returns
        -------
        The outputs and `blobs`, and the diffs of the inputs and `diffs`, of all images, by name.
        """
        values: dict[str, list[np.ndarray]] = {name: [] for name in dict.fromkeys(self.outputs + list(blobs or []))}
        gradients: dict[str, list[np.ndarray]] = {name: [] for name in dict.fromkeys(self.inputs + list(diffs or []))}
        forward = self._batch({name: kwargs[name] for name in self.inputs if name in kwargs})
        backward = self._batch({name: kwargs[name] for name in self.outputs if name in kwargs})
        nothing: Arrays = {}
        for given, given_diffs in zip_longest(forward, backward, fillvalue=nothing):
            for name, array in self.forward(blobs=blobs, **given).items():
                values[name].extend(np.atleast_1d(array.copy()))
            for name, array in self.backward(diffs=diffs, **given_diffs).items():
                gradients[name].extend(array.copy())
        images = _images(kwargs)
        return _joined(values, images), _joined(gradients, images)

    def _batch(self, arrays: Mapping[str, Any]) -> Iterator[Arrays]:
        """The batches of arrays of any number of images; the last one is filled up with zeros."""
        if not arrays:
            return
        images, size = _images(arrays), next(iter(self.blobs.values())).shape[0]
        for begin in range(0, images, size):
            batch = {name: np.asarray(array[begin : begin + size]) for name, array in arrays.items()}
            short = size - len(next(iter(batch.values())))
            if short:
                batch = {
                    name: np.concatenate([array, np.zeros((short, *array.shape[1:]), array.dtype)]) for name, array in batch.items()
                }
            yield batch


def _images(arrays: Any) -> int:
    return len(next(iter(arrays.values())))


def _joined(found: dict[str, list[np.ndarray]], images: int) -> Arrays:
    """Arrays of all images, without what filled up the last batch."""
    joined = {name: np.asarray(rows) for name, rows in found.items()}
    extra = max((len(array) for array in joined.values()), default=0) - images
    return {name: array[:-extra] if extra > 0 and len(array) > images else array for name, array in joined.items()}
