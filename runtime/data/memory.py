"""Samples that the caller holds in memory, for MemoryData layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError
from netdef.layers.data import MemoryData
from runtime.data.labels import check_numbers
from runtime.data.rows import RowSource, field_of, refuse_transform


class MemorySource(RowSource):
    """The images and labels of `Executable.set_input_arrays`, in their order, again and again.

    Raises
    ------
    NetdefError: the layer has a transform_param.
    """

    def __init__(self, layer: MemoryData):
        refuse_transform(layer)
        self._layer = layer
        self._arrays: list[NDArray[np.float32]] = []
        self._shape = layer.tops[0].shape[1:]
        super().__init__(layer.batch_size, {field_of(0): self._shape, field_of(1): ()}, ahead=False)

    def set(self, images: Any, labels: Any) -> None:
        """Take (N, C, H, W) images and (N,) labels from now on, from their start.

        Raises
        ------
        NetdefError: they are no numbers, of other shapes, N is no multiple of the batch size, or a label is no class.
        """
        name = self._layer.name
        try:
            images, labels = np.asarray(images, np.float32), np.asarray(labels, np.float32)
        except (TypeError, ValueError):
            raise NetdefError(f"layer {name} takes arrays of numbers") from None
        count = len(images) if images.ndim else 0
        if images.shape[1:] != self._shape or not count or count % self.batch_size:
            wanted = shape_text(("N", *self._shape))  # type: ignore[arg-type]
            text = f"layer {name} takes images {wanted}, N a multiple of {self.batch_size}, not {shape_text(images.shape)}"
            raise NetdefError(text)
        if labels.size != count:
            raise NetdefError(f"layer {name} takes a label for each image: there are {count:,} images and {labels.size:,} labels")
        labels = labels.reshape(count)
        check_numbers(self._layer, labels, f"layer {name}")
        self._arrays, self.size, self._position = [images, labels], count, 0

    def rows(self, position: int, most: int) -> tuple[list[NDArray[np.float32]], NDArray[np.int64] | slice]:
        if not self._arrays:
            text = f"layer {self._layer.name}, a MemoryData, has no arrays"
            raise NetdefError(text, hint="in Python: executable.set_input_arrays(images, labels)")
        first = position % self.size
        return self._arrays, slice(first, min(first + most, self.size))
