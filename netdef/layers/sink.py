"""Layers without tops."""

from __future__ import annotations

from netdef.graph.cuts import Idle
from netdef.graph.layer import ANY, Layer, layer
from netdef.graph.shape import Shape


@layer("Silence")
class Silence(Layer):
    """Reads blobs, so that they are not outputs of the net."""

    cuts = Idle()
    bottoms_allowed = (1, ANY)
    tops_allowed = (0, 0)
    is_report = True

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        return []


@layer("HDF5Output")
class HDF5Output(Layer):
    """Appends its two bottoms, in each run, to the datasets "data" and "label" of a file, which is there when the net is closed."""

    bottoms_allowed = (2, 2)
    tops_allowed = (0, 0)
    no_gradient_to = (0, 1)
    is_report = True
    kind = "result"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        if not self.p.file_name:
            raise self.error("file_name is missing")
        if bottoms[0][:1] != bottoms[1][:1]:
            raise self.error(f"{self.bottoms[0]} and {self.bottoms[1]} differ in their number of images", "bottom", 1)
        return []
