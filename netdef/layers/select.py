"""Copies and selections of elements."""

from __future__ import annotations

from netdef.graph.cuts import Same
from netdef.graph.found_in_run import images_kept
from netdef.graph.layer import ANY, AlongAxis, Layer, layer
from netdef.graph.shape import Shape, shape_text
from netdef.language.units import plural


@layer("Split")
class Split(Layer):
    """Each top is the bottom. A blob may have any number of readers without it."""

    cuts = Same()
    tops_allowed = (1, ANY)
    channel_groups = None
    allows_in_place = False
    keeps_values = True
    kind = "joining"
    splits_towers = True

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        return [bottoms[0]] * len(self.message.top)


@layer("Tile")
class Tile(AlongAxis):
    """The bottom, repeated `tiles` times along `axis`."""

    cuts = Same("axis")
    kind = "joining"

    @property
    def tiles(self) -> int:
        return self.p.tiles

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        (x,) = bottoms
        if self.tiles < 1:
            raise self.error("tiles, the number of copies, must be at least 1", "tiles")
        return [(*x[: self.axis], x[self.axis] * self.tiles, *x[self.axis + 1 :])]


@layer("Crop")
class Crop(AlongAxis):
    """The first bottom, cut to the second's size along the axes from `axis` on, from the offsets."""

    bottoms_allowed = (2, 2)
    channel_groups = None
    no_gradient_to = (1,)
    kind = "joining"

    @property
    def offsets(self) -> tuple[int, ...]:
        """The index at which the cut begins, for each axis of the blob; 0 before `axis`."""
        cut = len(self.bottoms[0].shape) - self.axis
        given = tuple(self.p.offset) or (0,)
        return (0,) * self.axis + (given * cut if len(given) == 1 else given)

    @property
    def window_text(self) -> tuple[str, str]:
        offsets = self.offsets[self.axis :]
        return f"as {self.bottoms[1].name}", f"from {offsets[0] if len(set(offsets)) == 1 else ', '.join(map(str, offsets))}"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        x, reference = bottoms
        cut = len(x) - self.axis
        if len(self.p.offset) not in (0, 1, cut):
            text = f"{len(self.p.offset)} offsets for the {cut} axes from axis {self.axis} on: give one, or one for each"
            raise self.error(text, "offset")
        if len(reference) != len(x):
            a, b = (f"{blob} ({shape_text(blob.shape)})" for blob in self.bottoms)
            raise self.error(f"{a} and {b} differ in their number of axes", "bottom", 1)
        shape = (*x[: self.axis], *reference[self.axis :])
        for axis, (size, offset, kept) in enumerate(zip(x, self.offsets, shape, strict=True)):
            if offset + kept > size:
                text = f"axis {axis} of {self.bottoms[0]} is {size} long: {kept} from {offset} on do not fit"
                raise self.error(text, "offset", max(0, axis - self.axis))
        return [shape]


@layer("BatchReindex")
class BatchReindex(Layer):
    """Images of the first bottom, by their indices in the second."""

    bottoms_allowed = (2, 2)
    channel_groups = None
    index_bottom = 1
    no_gradient_to = (1,)
    kind = "joining"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        x, order = bottoms
        self.expect_axes(1)
        if len(order) != 1:
            raise self.error(f"{self.bottoms[1]} must be a list of numbers, it is {shape_text(order)}", "bottom", 1)
        return [(order[0], *x[1:])]


@layer("Filter")
class Filter(Layer):
    """Of each bottom but the last, the images whose number in the last, the selector, is not 0; in their order.

    How many those are shows only in a run: shapes, costs and memory are those for all images.  A run in which no image is left
    ends in an error; Caffe divides by their number in its backward pass.
    """

    bottoms_allowed = (2, ANY)
    tops_allowed = (1, ANY)
    channel_groups = None
    no_gradient_to = (-1,)
    kind = "joining"
    keeps_some_images = True

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        *data, selector = bottoms
        self.expect_axes(*(1 for _ in bottoms))
        if len(self.message.top) != len(data):
            made = plural(len(self.message.top), "top")
            raise self.error(f"{plural(len(data), 'blob')} to filter and {made}: each makes one top", "top")
        if any(size != 1 for size in selector[1:]):
            raise self.error(f"the selector {self.bottoms[-1]} must hold one number an image", "bottom", len(data))
        for index, shape in enumerate(data):
            if shape[0] != selector[0]:
                text = f"{self.bottoms[index]} has {shape[0]} images, the selector {self.bottoms[-1]} {selector[0]}"
                raise self.error(text, "bottom", index)
        kept = images_kept(self, selector[0])
        return [(kept, *shape[1:]) for shape in data]
