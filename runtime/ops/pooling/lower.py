"""How pooling lowers; a pyramid of grids is a pooling for each, all in one row of the top."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from netdef.layers.pooling import SPP, Pooling
from netdef.layers.resize import Upsample
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.gather.box import box, strides_of
from runtime.ops.registry import lowers

Pair = tuple[int, ...]


@dataclass(frozen=True)
class Windows:
    """One pooling of a layer's bottom.

    Parameters
    ----------
    shape: of the result, (C, OH, OW, N).
    offset: where the result begins in the layer's first top.
    name: keeps apart what several poolings of one layer save and draw; "" if it has one.
    """

    layer: Pooling | SPP
    build: Builder
    kernel: Pair
    stride: Pair
    pad: Pair
    shape: tuple[int, ...]
    offset: int = 0
    name: str = ""

    @property
    def geometry(self) -> dict[str, Pair]:
        return {"kernel": self.kernel, "stride": self.stride, "pad": self.pad}

    @property
    def x(self) -> Buffer:
        return self.build.bottom(self.layer, 0)

    @property
    def y(self) -> Buffer:
        return self.build.top(self.layer, 0).view(self.shape, self.offset)

    def index(self, name: str) -> Buffer:
        """Which element of its window each result is, as the layer saves it."""
        return self.build.saved(self.layer, f"{name}{self.name}", self.shape, "uint8" if prod(self.kernel) <= 256 else "uint16")

    def backward(self, kernel: str, *saved: Buffer) -> None:
        """Append the gradient, if the bottom needs one."""
        if self.build.needs_gradient(self.layer, 0):
            dy = self.build.top_gradient(self.layer, 0).view(self.shape, self.offset)
            self.build.backward(kernel, dy, *saved, out=self.build.bottom_gradient(self.layer, 0), **self.geometry)


@lowers(Pooling)
def lower(layer: Pooling, build: Builder) -> None:
    _pool(Windows(layer, build, layer.kernel, layer.stride, layer.pad, build.top(layer, 0).shape))


@lowers(SPP)
def lower_pyramid(layer: SPP, build: Builder) -> None:
    C, _, _, N = build.bottom(layer, 0).shape
    offset = 0
    for index in range(layer.pyramid_height):
        kernel, pad = layer.level(index)
        shape = (C, *layer.cells(index), N)
        _pool(Windows(layer, build, kernel, kernel, pad, shape, offset, f".{index}"))
        offset += prod(shape)


def _pool(windows: Windows) -> None:
    {"MAX": _maximum, "AVE": _mean, "STOCHASTIC": _stochastic}[windows.layer.method](windows)


def _maximum(windows: Windows) -> None:
    layer, build, argmax = windows.layer, windows.build, windows.index("argmax")
    build.forward("pool_max_forward", windows.x, out=(windows.y, argmax), **windows.geometry)
    if len(layer.tops) == 2:
        positions = build.top(layer, 1)
        build.forward("pool_positions", argmax, out=positions, size=windows.x.shape[1:3], **windows.geometry)
    windows.backward("pool_max_backward", argmax)


def _mean(windows: Windows) -> None:
    windows.build.forward("pool_ave_forward", windows.x, out=windows.y, **windows.geometry)
    windows.backward("pool_ave_backward")


def _stochastic(windows: Windows) -> None:
    layer, build = windows.layer, windows.build
    if layer.phase == "test":
        if build.needs_gradient(layer, 0):
            text = "STOCHASTIC pooling has a gradient in training only, as in Caffe"
            raise layer.error(text, "pool", hint="compile the net for phase train, or without its backward")
        build.forward("pool_weighted_forward", windows.x, out=windows.y, **windows.geometry)
        return
    chosen, key = windows.index("chosen"), build.seed(layer, windows.name)
    inputs = windows.x, build.scalar("iteration")
    build.forward("pool_stochastic_forward", *inputs, out=(windows.y, chosen), key=key, **windows.geometry)
    windows.backward("pool_max_backward", chosen)


@lowers(Upsample)
def lower_upsample(layer: Upsample, build: Builder) -> None:
    if layer.repeats:
        lower_repeated(layer, build)
        return
    x, positions = build.bottom(layer, 0), build.bottom(layer, 1)
    build.forward("unpool_forward", x, positions, out=build.top(layer, 0), apart=_lie_apart(layer))
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0)
        build.backward("unpool_backward", dy, positions, out=dx)


def lower_repeated(layer: Upsample, build: Builder) -> None:
    """Each number scale x scale times; its gradient is their sum, first over rows and then over columns."""
    x, y, s = build.bottom(layer, 0), build.top(layer, 0), layer.p.scale
    C, H, W, N = x.shape
    repeated = (C * H, s, W, s, N)
    build.forward("copy_box", x.flat(), out=y.flat(), box=box(repeated, (W * N, 0, N, 0, 1), strides_of(repeated)))
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0)
        rows = build.saved(layer, "rows.grad", (C * H, W * s * N))
        build.backward("sum_tiles", dy.view((C * H, s, W * s * N)), out=rows)
        build.backward("sum_tiles", rows.view((C * H * W, s, N)), out=dx.view((C * H * W, N)))


def _lie_apart(layer: Upsample) -> bool:
    """Whether no two positions of a channel are the same: those of windows apart, in a blob that is not larger than the top."""
    maker = layer.bottoms[1].producer
    if not isinstance(maker, Pooling) or layer.bottoms[1].index != 1:
        return False
    fits = prod(maker.bottoms[0].shape[2:]) <= prod(layer.size)
    return fits and all(step >= size for step, size in zip(maker.stride, maker.kernel, strict=True))
