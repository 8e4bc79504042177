"""Convolution, transposed convolution, and the unfolding of images into columns."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Any

from netdef.graph.cuts import Cut, Cuts, Region, Regions, Run, Same, Share
from netdef.graph.layer import ANY, AlongAxis, ParameterShape, layer
from netdef.graph.shape import Shape, shape_text
from netdef.language.units import plural
from netdef.layers.window import check_positive, convolved, deconvolved, sizes, spatial, steps_text


class Window(AlongAxis):
    """A layer whose kernel slides over the axes after `axis`, the axis of the channels."""

    kind = "convolution"

    @cached_property
    def spatial_axes(self) -> int:
        return len(self.bottoms[0].shape) - self.axis - 1

    @cached_property
    def kernel(self) -> tuple[int, ...]:
        """(height, width) for images."""
        return self._window("kernel", None)

    @cached_property
    def stride(self) -> tuple[int, ...]:
        return self._window("stride", 1)

    @cached_property
    def pad(self) -> tuple[int, ...]:
        return self._window("pad", 0)

    @cached_property
    def dilation(self) -> tuple[int, ...]:
        return self._window("dilation", 1)

    def _window(self, field: str, default: int | None) -> tuple[int, ...]:
        values = spatial(self, field, self.spatial_axes, default)
        if field != "pad":
            check_positive(self, field, values)
        return values

    def convolved_sizes(self, shape: Shape) -> Shape:
        """Output positions along each spatial axis.

        Raises
        ------
        NetdefError: the kernel is larger than the padded input.
        """
        inside = shape[self.axis + 1 :]
        windows = zip(inside, self.kernel, self.stride, self.pad, self.dilation, strict=True)
        result = tuple(convolved(*window) for window in windows)
        padded = tuple(size + 2 * pad for size, pad in zip(inside, self.pad, strict=True))
        extent = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        if any(e > s for e, s in zip(extent, padded, strict=True)):
            dilated = f", {sizes(extent)} with dilation {sizes(self.dilation)}," if extent != self.kernel else ""
            with_pad = f" ({sizes(padded)} with its padding)" if any(self.pad) else ""
            room = f"its input {self.bottoms[0]}, {sizes(inside)}{with_pad}"
            field = "kernel_size" if len(self.p.kernel_size) else "kernel_h"
            raise self.error(
                f"kernel {sizes(self.kernel)}{dilated} is larger than {room}",
                field,
                hint="use a smaller kernel, more pad, or a larger input",
            )
        return result


class FilterCuts(Cuts):
    """A run of filters makes a run of output channels, from the whole input or from that of its groups."""

    def share(self, layer: Any, tops: Regions) -> Share | None:
        top = tops[0]
        if top is None or top.run is None or any(other != top for other in tops) or layer.axis != 1:
            return None
        (begin, end), groups = top.run, layer.group
        outputs, inputs = layer.num_output // groups, layer.channels // groups
        first, last = begin // outputs, -(-end // outputs)  # the groups that these filters are in
        divided = begin % outputs or end % outputs
        if divided and last - first > 1:
            return None
        bottom = Region(top.images, ((first * inputs, last * inputs),))
        weights = self.weights(layer, top.run, (first, last))
        if weights is None:
            return None
        cuts = (None, None) if end - begin == layer.num_output else (weights, Cut(0, top.channels))
        fields = {"num_output": end - begin, "group": last - first}
        return Share((bottom,) * len(tops), tops, cuts[: 1 + layer.bias_term], fields)

    def weights(self, layer: Any, filters: Run, groups: Run) -> Cut | None:
        """The region of the weights (num_output, ...) that holds these filters."""
        return Cut(0, (filters,))


class TransposedCuts(FilterCuts):
    """The same for weights (channels, num_output / group, ...): groups lie along the first axis, filters along the second."""

    def weights(self, layer: Any, filters: Run, groups: Run) -> Cut | None:
        if layer.group == 1:
            return Cut(1, (filters,))
        outputs, inputs = layer.num_output // layer.group, layer.channels // layer.group
        if filters != (groups[0] * outputs, groups[1] * outputs):
            return None
        return Cut(0, ((groups[0] * inputs, groups[1] * inputs),))


class Filters(Window):
    """A Window with weights: Convolution and Deconvolution. All bottoms are convolved with the same weights."""

    bottoms_allowed = (1, ANY)
    tops_allowed = (1, ANY)
    cuts = FilterCuts()
    backward_reads = frozenset({"bottom"})

    @property
    def num_output(self) -> int:
        return self.p.num_output

    @property
    def bias_term(self) -> bool:
        return self.p.bias_term

    @cached_property
    def group(self) -> int:
        """The number of equal groups of channels; outputs of a group depend only on inputs of that group."""
        return self.p.group

    @property
    def channel_groups(self) -> int:  # type: ignore[override]
        return self.group

    @property
    def channels(self) -> int:
        return self.bottoms[0].shape[self.axis]

    @property
    def window_text(self) -> tuple[str, str]:
        groups = f", {plural(self.group, 'group')}" if self.group > 1 else ""
        return sizes(self.kernel) + groups, steps_text(self.stride, self.pad, self.dilation)

    def check(self, shapes: tuple[Shape, ...]) -> None:
        """Raises NetdefError for counts and shapes that do not fit."""
        tops = len(self.message.top)
        if len(shapes) != tops:
            raise self.error(f"{plural(len(shapes), 'bottom')} and {plural(tops, 'top')}: each bottom makes one top")
        if any(shape != shapes[0] for shape in shapes):
            listed = ", ".join(f"{b} {shape_text(b.shape)}" for b in self.bottoms)
            raise self.error(f"all bottoms must have one shape; these are {listed}", "bottom")
        if self.num_output < 1:
            raise self.error("num_output, the number of filters, is missing", "num_output", hint="add num_output: 64, say")
        if self.group < 1:
            raise self.error("group must be at least 1", "group")
        for count, what in (
            (self.channels, f"{self.channels} channels of {self.bottoms[0]}"),
            (self.num_output, f"num_output {self.num_output}"),
        ):
            if count % self.group:
                raise self.error(f"group {self.group} does not divide the {what}", "group")


@layer("Convolution")
class Convolution(Filters):
    """Each output is the inner product of a filter with a window of the input, plus a bias.

    Parameters: weights (num_output, channels / group, kernel_h, kernel_w), biases (num_output,).
    Output: floor((size + 2 pad - (dilation (kernel - 1) + 1)) / stride) + 1 along each spatial axis.
    """

    noun = "convolution"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.check(bottoms)
        x = bottoms[0]
        return [(*x[: self.axis], self.num_output, *self.convolved_sizes(x))] * len(bottoms)

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        weights = (self.num_output, self.channels // self.group, *self.kernel)
        biases = [((self.num_output,), self.p.bias_filler)] if self.bias_term else []
        return [(weights, self.p.weight_filler), *biases]

    @property
    def macs(self) -> int:
        window = self.channels // self.group * prod(self.kernel)
        return sum(prod(top.shape[1:]) for top in self.tops) * window


@layer("ConvolutionDepthwise")
@layer("DepthwiseConvolution")
class DepthwiseConvolution(Convolution):
    """A Convolution of each channel by itself: its group is the number of channels, whatever `group` says.

    Parameters: weights (channels, 1, kernel_h, kernel_w), biases (channels,). num_output, where given, is that number.
    """

    origin = "forks for MobileNet"

    @cached_property
    def group(self) -> int:
        return self.channels

    @property
    def num_output(self) -> int:
        return self.p.num_output or self.channels

    def check(self, shapes: tuple[Shape, ...]) -> None:
        if self.p.group not in (1, self.channels):
            raise self.error(f"group {self.p.group} is not the {self.channels} channels of {self.bottoms[0]}", "group")
        super().check(shapes)


@layer("Deconvolution")
class Deconvolution(Filters):
    """The transpose of a Convolution: each input adds a scaled filter to a window of the output.

    Parameters: weights (channels, num_output / group, kernel_h, kernel_w), biases (num_output,).
    Output: stride (size - 1) + (dilation (kernel - 1) + 1) - 2 pad along each spatial axis.
    """

    cuts = TransposedCuts()

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.check(bottoms)
        x = bottoms[0]
        windows = zip(x[self.axis + 1 :], self.kernel, self.stride, self.pad, self.dilation, strict=True)
        sides = tuple(deconvolved(*window) for window in windows)
        if min(sides, default=1) < 1:
            raise self.error(f"pad {sizes(self.pad)} leaves nothing of the output: {sizes(sides)}", "pad")
        return [(*x[: self.axis], self.num_output, *sides)] * len(bottoms)

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        weights = (self.channels, self.num_output // self.group, *self.kernel)
        biases = [((self.num_output,), self.p.bias_filler)] if self.bias_term else []
        return [(weights, self.p.weight_filler), *biases]

    @property
    def macs(self) -> int:
        window = self.num_output // self.group * prod(self.kernel)
        return sum(prod(bottom.shape[1:]) for bottom in self.bottoms) * window


@layer("Im2col")
class Im2col(Window):
    """Unfolds every window into a column: channels x kernel_h x kernel_w channels, one position a window."""

    cuts = Same(channels=False)

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        (x,) = bottoms
        column = x[self.axis] * prod(self.kernel)
        return [(*x[: self.axis], column, *self.convolved_sizes(x))]
