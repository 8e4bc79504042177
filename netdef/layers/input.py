"""Blobs without bottoms: filled by the caller, made by fillers, or learned."""

from __future__ import annotations

from typing import Any

from netdef.graph.cuts import Cuts, Regions, Share, Source, region_of
from netdef.graph.layer import ANY, Layer, ParameterShape, layer
from netdef.graph.shape import Shape, shape_text


class Declared(Layer):
    """A source whose shapes the file gives: one for all tops, or one for each."""

    bottoms_allowed = (0, 0)
    tops_allowed = (1, ANY)
    is_source = True
    kind = "source"
    is_interchangeable = True

    def declared_shapes(self) -> list[Shape]:
        """A shape for each top.

        Raises
        ------
        NetdefError: none is given, their count does not fit, or one has a dimension below 1.
        """
        shapes = [tuple(shape.dim) for shape in self.p.shape]
        tops = len(self.message.top)
        if not shapes:
            raise self.error("the shape is missing", hint="add shape { dim: 1 dim: 3 dim: 227 dim: 227 }, say")
        if len(shapes) not in (1, tops):
            raise self.error(f"{len(shapes)} shapes for {tops} tops: give one for all, or one for each", "shape")
        for index, shape in enumerate(shapes):
            if min(shape, default=1) < 1:
                raise self.error(f"shape {shape_text(shape)}: a dimension must be at least 1", "shape", index)
        return shapes if len(shapes) == tops else shapes * tops


@layer("Input")
class Input(Declared):
    """Blobs that the caller fills before each iteration."""

    cuts = Source(channels=True)
    is_input = True
    brings_arrays = True

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        return self.declared_shapes()


class FillerCuts(Cuts):
    """A device has whole tops, each with its filler: random values are drawn for a whole blob at once."""

    def share(self, layer: Any, tops: Regions) -> Share | None:
        pairs = [(filler, top) for filler, top in zip(layer.fillers, tops, strict=True) if top is not None]
        whole = all(top is None or top == region_of(blob.shape) for top, blob in zip(tops, layer.tops, strict=True))
        return Share((), tops, fields={"data_filler": [filler for filler, _ in pairs]}) if whole else None


@layer("DummyData")
class DummyData(Declared):
    """Blobs made by fillers: constants once, random values anew in each iteration. Zeros without a data_filler."""

    brings_arrays = True
    cuts = FillerCuts()

    @property
    def fillers(self) -> list[Any]:
        """A FillerParameter for each top."""
        given = list(self.p.data_filler)
        if not given:
            return [type(self.p)().data_filler.add()] * len(self.tops)
        return given if len(given) == len(self.tops) else given * len(self.tops)

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        tops = len(self.message.top)
        if len(self.p.data_filler) not in (0, 1, tops):
            count = len(self.p.data_filler)
            raise self.error(f"{count} data_fillers for {tops} tops: give none, one for all, or one for each", "data_filler")
        legacy = [list(getattr(self.p, field)) for field in ("num", "channels", "height", "width")]
        if not any(legacy):
            return self.declared_shapes()
        if len(self.p.shape):
            raise self.error("shape and num, channels, height, width exclude each other", "shape")
        for field, values in zip(("num", "channels", "height", "width"), legacy, strict=True):
            if len(values) not in (1, tops):
                raise self.error(f"{len(values)} values of {field} for {tops} tops: give one, or one for each", field)
            if min(values) < 1:
                raise self.error(f"{field} must be at least 1", field)
        spread = [values * (1 if len(values) == tops else tops) for values in legacy]
        return list(zip(*spread, strict=True))


@layer("Parameter")
class ParameterBlob(Layer):
    """A learned array as a blob. Parameters: one, of the given shape."""

    bottoms_allowed = (0, 0)
    channel_groups = None

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        shape = tuple(self.p.shape.dim)
        if not self.p.HasField("shape") or min(shape, default=1) < 1:
            raise self.error("the shape is missing", "shape", hint="add shape { dim: 10 }, say")
        return [shape]

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        return [(tuple(self.p.shape.dim), None)]
