"""Fully connected layers, and the table lookup that equals one on one-hot vectors."""

from __future__ import annotations

from math import prod
from typing import Any

from netdef.graph.cuts import Cut, Cuts, Region, Regions, Same, Share, region_of
from netdef.graph.layer import AlongAxis, Layer, ParameterShape, layer
from netdef.graph.shape import Shape, images
from netdef.language.units import plural


class RowCuts(Cuts):
    """A run of rows of the weights makes a run of outputs, from the whole input."""

    def share(self, layer: Any, tops: Regions) -> Share | None:
        (top,), (bottom,) = tops, layer.bottoms
        if top is None or layer.axis == 0:
            return None
        whole = region_of(layer.tops[0].shape)
        takes = (Region(top.images, region_of(bottom.shape).channels),)
        if top.channels == whole.channels:
            return Share(takes, tops, (None,) * len(layer.parameters))
        if layer.axis != 1 or top.run is None:
            return None
        rows = Cut(int(layer.transpose), top.channels), Cut(0, top.channels)
        return Share(takes, tops, rows[: len(layer.parameters)], {"num_output": top.run[1] - top.run[0]})


@layer("InnerProduct")
class InnerProduct(AlongAxis):
    """y = W x + b over the axes from `axis` on, flattened to K numbers.

    Parameters: weights (num_output, K), or (K, num_output) when `transpose`; biases (num_output,).
    """

    cuts = RowCuts()
    backward_reads = frozenset({"bottom"})
    kind = "connected"
    noun = "inner product"

    @property
    def num_output(self) -> int:
        return self.p.num_output

    @property
    def bias_term(self) -> bool:
        return self.p.bias_term

    @property
    def transpose(self) -> bool:
        return self.p.transpose

    @property
    def fan_in(self) -> int:
        """K, the inputs of each output."""
        return prod(self.bottoms[0].shape[self.axis :])

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        if self.num_output < 1:
            raise self.error("num_output, the number of outputs, is missing", "num_output", hint="add num_output: 10, say")
        return [(*bottoms[0][: self.axis], self.num_output)]

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        weights = (self.fan_in, self.num_output) if self.transpose else (self.num_output, self.fan_in)
        biases = [((self.num_output,), self.p.bias_filler)] if self.bias_term else []
        return [(weights, self.p.weight_filler), *biases]

    @property
    def macs(self) -> int:
        return self.tops[0].count // images(self.bottoms[0].shape) * self.fan_in


@layer("Embed")
class Embed(Layer):
    """Each input, a whole number below input_dim, picks a row of the table: y = W[x] + b.

    Parameters: table (input_dim, num_output), biases (num_output,).
    """

    cuts = Same(channels=False)
    backward_reads = frozenset({"bottom"})
    label_bottom = 0
    class_unit = "rows"
    picks_rows = True
    no_gradient_to = (0,)
    kind = "connected"

    @property
    def num_output(self) -> int:
        return self.p.num_output

    @property
    def input_dim(self) -> int:
        return self.p.input_dim

    @property
    def label_classes(self) -> int:
        return self.input_dim

    @property
    def classes_text(self) -> str:
        return f"the table has {plural(self.input_dim, 'row')}"

    @property
    def bias_term(self) -> bool:
        return self.p.bias_term

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        for field, what in (("num_output", "the length of a row"), ("input_dim", "the number of rows")):
            if getattr(self.p, field) < 1:
                raise self.error(f"{field}, {what}, is missing", field)
        return [(*bottoms[0], self.num_output)]

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        biases = [((self.num_output,), self.p.bias_filler)] if self.bias_term else []
        return [((self.input_dim, self.num_output), self.p.weight_filler), *biases]
