"""Normalisation by mean and variance."""

from __future__ import annotations

from netdef.graph.cuts import Cuts, PerChannel, Same
from netdef.graph.layer import Layer, ParameterShape, layer
from netdef.graph.shape import Shape, per_image

DIVISOR = 2  # which parameter of BatchNorm divides the other two


@layer("BatchNorm")
class BatchNorm(Layer):
    """y = (x - mean) / sqrt(variance + eps), channel by channel (Ioffe & Szegedy 2015).

    Mean and variance are those of the batch, or, in testing by default, running averages.
    Parameters: sums of means (channels,), sums of variances (channels,), the divisor of both (1,); no solver changes them.
    """

    channel_groups = None
    frozen_parameters = True
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
        return self.p.eps

    @property
    def moving_average_fraction(self) -> float:
        return self.p.moving_average_fraction

    @property
    def use_global_stats(self) -> bool:
        """Whether it normalises with the running averages instead of the batch's statistics."""
        return self.p.use_global_stats if self.p.HasField("use_global_stats") else self.phase == "test"

    @property
    def uses_batch_statistics(self) -> bool:
        return not self.use_global_stats

    @property
    def channels(self) -> int:
        shape = self.bottoms[0].shape
        return shape[1] if len(shape) > 1 else 1

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        return [bottoms[0]]

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        return [((self.channels,), None), ((self.channels,), None), ((1,), None)]

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
