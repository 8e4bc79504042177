"""Normalisation by mean and variance."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from netdef.graph.cuts import Cuts, PerChannel, Same
from netdef.graph.layer import Layer, ParameterShape, enum_name, layer
from netdef.graph.shape import Shape, per_image
from netdef.schema.filler_types import filler_of

VARIANCE = 1  # which parameter of BatchNorm has its variances
DIVISOR = 2  # which parameter of BatchNorm divides the other two
LEGACY = (2, 3, 4, 0, 1)  # where NVIDIA's Caffe 0.14 (DIGITS) has each: its order is scale, shift, mean, variance, reserved
LEAST_EPS = 1e-5  # of NVIDIA's Caffe
SCALE = 3  # which parameter of BatchNorm is a learned scale; the shift follows it


@layer("BatchNorm")
class BatchNorm(Layer):
    """y = (x - mean) / sqrt(variance + eps), channel by channel (Ioffe & Szegedy 2015).

    Mean and variance are those of the batch, or, in testing by default, running averages.
    Parameters: sums of means (channels,), sums of variances (channels,), the divisor of both (1,); no solver changes them. With
    scale_bias, of NVIDIA's Caffe, y * scale + shift; parameters too: scale (channels,), shift (channels,). Its means and variances
    are averages instead, moving_average_fraction of what they were and the rest of the batch, their divisor is 1, and eps is at
    least 1e-5.
    """

    channel_groups = None
    frozen_parameters = (0, 1, 2)
    statistics = (0, 1)
    kind = "normalisation"
    noun = "batch normalisation"
    abbreviation = "BN"
    is_interchangeable = True
    settings_by_phase = frozenset({"use_global_stats", "moving_average_fraction"})

    @property
    def cuts(self) -> Cuts:  # type: ignore[override]
        return PerChannel(images=self.use_global_stats)  # statistics of the batch are those of the whole batch

    @property
    def eps(self) -> float:
        return max(self.p.eps, LEAST_EPS) if self.scale_bias else self.p.eps

    @property
    def moving_average_fraction(self) -> float:
        return self.p.moving_average_fraction

    @property
    def batch_weight(self) -> float:
        """The factor of a batch's mean and variance in the running ones; that of the first batch is 1."""
        return 1 - self.moving_average_fraction if self.scale_bias else 1.0

    @property
    def use_global_stats(self) -> bool:
        """Whether it normalises with the running averages instead of the batch's statistics."""
        return self.p.use_global_stats if self.p.HasField("use_global_stats") else self.phase == "test"

    @property
    def uses_batch_statistics(self) -> bool:
        return not self.use_global_stats

    @property
    def corrects_rates(self) -> bool:  # type: ignore[override]
        return self.scale_bias

    @property
    def scale_bias(self) -> bool:
        """Whether it learns a scale and a shift too."""
        of_intel = any(one.name in ("filler", "use_weight_bias") for one in self.message.kept)  # whose fillers are for its engine
        return self.p.scale_bias or self.p.HasField("scale_filler") or (self.p.HasField("bias_filler") and not of_intel)

    @property
    def channels(self) -> int:
        shape = self.bottoms[0].shape
        return shape[1] if len(shape) > 1 else 1

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        return [bottoms[0]]

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        channels = (self.channels,)
        learned = [(channels, filler_of(self.p, "scale_filler")), (channels, self.p.bias_filler)] if self.scale_bias else []
        return [(channels, None), (channels, None), ((1,), None), *learned]

    def order_in_file(self, shapes: Sequence[Shape | None]) -> tuple[int, ...] | None:
        sizes = [0 if shape is None else prod(shape) for shape in shapes]
        return LEGACY if self.scale_bias and len(sizes) == len(LEGACY) and sizes[DIVISOR] != 1 == sizes[-1] else None

    @property
    def macs(self) -> int:
        return (3 if self.scale_bias else 2) * per_image(self.bottoms[0].shape)


@layer("BN")
class BN(Layer):
    """BatchNorm and Scale in one: y = (x - mean) / sqrt(variance + eps) * scale + shift, channel by channel.

    Of two forks. That of github.com/yjxiong/caffe, which PSPNet and others use, keeps running averages, for testing and where it is
    frozen. Parameters: scale, shift, mean, variance, (1, channels, 1, 1) each; no solver changes the last two.
    SegNet's takes mean and variance of the batch, eps 1e-9, or with bn_mode INFERENCE is y = x * scale + shift. Parameters: scale,
    shift, (1, channels, 1, 1) each. A layer with a setting that only SegNet has is SegNet's.
    """

    channel_groups = None
    kind = "normalisation"
    noun = "batch normalisation"
    is_interchangeable = True
    origin = "SegNet and PSPNet"
    frozen_parameters = (2, 3)  # SegNet's has only the first two
    statistics = (2, 3)
    corrects_rates = True
    settings_by_phase = frozenset({"bn_mode", "frozen", "momentum"})

    @property
    def of_segnet(self) -> bool:
        """Whether it is SegNet's layer."""
        return any(self.p.HasField(field) for field in ("scale_filler", "shift_filler", "bn_mode"))

    def is_frozen(self, index: int) -> bool:
        return index in self.frozen_parameters or self.p.frozen

    @property
    def eps(self) -> float:
        return 1e-9 if self.of_segnet else self.p.eps

    @property
    def momentum(self) -> float:
        """The share of the running averages that one more batch leaves in place."""
        return self.p.momentum

    @property
    def only_scales(self) -> bool:
        """Whether mean and variance are part of scale and shift already."""
        return self.of_segnet and enum_name(self.p, "bn_mode") == "INFERENCE"

    @property
    def uses_batch_statistics(self) -> bool:
        return not self.only_scales if self.of_segnet else self.phase == "train" and not self.p.frozen

    @property
    def channels(self) -> int:
        return self.bottoms[0].shape[1]

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.expect_axes(2)
        return [bottoms[0]]

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        shape = (1, self.channels, 1, 1)
        if self.of_segnet:
            return [(shape, self.p.scale_filler), (shape, self.p.shift_filler)]
        return [(shape, self.p.slope_filler), (shape, self.p.bias_filler), (shape, None), (shape, None)]

    @property
    def macs(self) -> int:
        return 3 * per_image(self.bottoms[0].shape)


@layer("Normalize")
class Normalize(Layer):
    """y = x / sqrt(sum(x ** 2) + eps) * scale, the sum over channels, or over whole images if across_spatial (Liu et al. 2015).

    Parameters: scale (channels,), one () when channel_shared; 1 to begin with.
    """

    kind = "normalisation"
    is_interchangeable = True
    origin = "SSD"

    @property
    def across_spatial(self) -> bool:
        return self.p.across_spatial

    @property
    def channel_shared(self) -> bool:
        return self.p.channel_shared

    @property
    def eps(self) -> float:
        return self.p.eps

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.expect_axes(2)
        return [bottoms[0]]

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        shape = () if self.channel_shared else (bottoms[0][1],)
        return [(shape, filler_of(self.p, "scale_filler"))]

    @property
    def macs(self) -> int:
        return 2 * per_image(self.bottoms[0].shape)


@layer("MVN")
class MVN(Layer):
    """y = x - mean, divided by (the standard deviation + eps) if normalize_variance.

    Statistics are those of each channel of each image, or of each whole image if across_channels.
    """

    backward_reads = frozenset({"bottom", "top"})
    kind = "normalisation"
    is_interchangeable = True

    @property
    def channel_groups(self) -> int | None:  # type: ignore[override]
        return 1 if self.p.across_channels else None

    @property
    def cuts(self) -> Cuts:  # type: ignore[override]
        return Same(channels=not self.p.across_channels)

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        return [bottoms[0]]

    @property
    def macs(self) -> int:
        return 2 * per_image(self.bottoms[0].shape)
