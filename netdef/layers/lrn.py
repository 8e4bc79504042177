"""Local response normalisation."""

from __future__ import annotations

from typing import Any

from netdef.graph.cuts import Cuts, Region, Regions, Same, Share
from netdef.graph.layer import Layer, enum_name, layer
from netdef.graph.shape import Shape, per_image, shape_text
from netdef.language.units import plural


class Neighbours(Cuts):
    """Runs of whole groups are independent; inside a group each side also takes half a window of channels beyond the cut.

    Each share has so many channels that no window reaches over two cuts: of three terms the order of addition would matter.
    """

    def follow(self, layer: Any, bottoms: Regions) -> Regions | None:
        return bottoms if self.share(layer, bottoms) else None

    def share(self, layer: Any, tops: Regions) -> Share | None:
        (top,) = tops
        if top is None or top.run is None:
            return None
        (begin, end), size = top.run, layer.tops[0].shape[1] // layer.group
        if begin % size == 0 and end % size == 0:
            return Share(tops, tops, fields={"group": (end - begin) // size})
        first = begin // size * size
        if end > first + size:
            return None
        reach, seams = layer.size // 2, (first < begin) + (end < first + size)
        if end - begin < max(seams * reach, reach + 1):
            return None
        seen = (Region(top.images, ((max(begin - reach, first), min(end + reach, first + size)),)),)
        return Share(seen, seen, fields={"group": 1})


@layer("LRN")
class LRN(Layer):
    """Local response normalisation (Krizhevsky et al. 2012, 3.3).

    Across channels: y[c] = x[c] / (k + alpha / local_size * sum(x[j] ** 2 for local_size channels j around c)) ** beta;
    with `group` G the channels lie in G equal runs and a sum stays inside its run. Channels beyond the ends count as 0.
    Within a channel, the sum runs over a local_size x local_size window of the image and is divided by local_size ** 2;
    k is 1 there, as in Caffe.
    """

    backward_reads = frozenset({"bottom", "top"})
    kind = "normalisation"
    noun = "normalisation"
    is_interchangeable = True

    @property
    def size(self) -> int:
        return self.p.local_size

    @property
    def alpha(self) -> float:
        return self.p.alpha

    @property
    def beta(self) -> float:
        return self.p.beta

    @property
    def k(self) -> float:
        return self.p.k

    @property
    def group(self) -> int:
        return self.p.group

    @property
    def within_channel(self) -> bool:
        return enum_name(self.p, "norm_region") == "WITHIN_CHANNEL"

    @property
    def cuts(self) -> Cuts:  # type: ignore[override]
        return Same() if self.within_channel else Neighbours()

    @property
    def channel_groups(self) -> int | None:  # type: ignore[override]
        return None if self.within_channel else self.group

    @property
    def window_text(self) -> tuple[str, str]:
        if self.within_channel:
            return f"{self.size} x {self.size} within", ""
        return f"{self.size} channels" + (f", {plural(self.group, 'group')}" if self.group > 1 else ""), ""

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        (x,) = bottoms
        if len(x) != 4:
            raise self.error(f"expected images (N x C x H x W), but {self.bottoms[0]} is {shape_text(x)}", "bottom", 0)
        if self.size % 2 == 0:
            raise self.error(f"local_size {self.size} must be odd, to be centred on a channel", "local_size", code="ND109")
        if self.group < 1:
            raise self.error("group must be at least 1", "group")
        if self.within_channel and self.group != 1:
            raise self.error("group is for normalisation across channels; this one is within each channel", "group")
        if x[1] % self.group:
            raise self.error(f"group {self.group} does not divide the {x[1]} channels of {self.bottoms[0]}", "group")
        return [x]

    @property
    def macs(self) -> int:
        window = self.size**2 if self.within_channel else self.size
        return (window + 3) * per_image(self.bottoms[0].shape)
