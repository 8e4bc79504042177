"""How pooling lowers."""

from __future__ import annotations

from math import prod
from typing import Any

from netdef.layers.pooling import Pooling
from runtime.ir.builder import Builder
from runtime.ops.registry import lowers


@lowers(Pooling)
def lower(layer: Pooling, build: Builder) -> None:
    geometry = {"kernel": layer.kernel, "stride": layer.stride, "pad": layer.pad}
    if layer.method == "MAX":
        _maximum(layer, build, geometry)
    elif layer.method == "AVE":
        _mean(layer, build, geometry)
    else:
        raise layer.error("there are no kernels for STOCHASTIC pooling yet", "pool", hint="MAX and AVE can run")


def _maximum(layer: Pooling, build: Builder, geometry: dict[str, Any]) -> None:
    x, y = build.bottom(layer, 0), build.top(layer, 0)
    argmax = build.saved(layer, "argmax", y.shape, "uint8" if prod(layer.kernel) <= 256 else "uint16")
    build.forward("pool_max_forward", x, out=(y, argmax), **geometry)
    if len(layer.tops) == 2:
        build.forward("pool_positions", argmax, out=build.top(layer, 1), width=x.shape[2], **geometry)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0)
        build.backward("pool_max_backward", dy, argmax, out=dx, **geometry)


def _mean(layer: Pooling, build: Builder, geometry: dict[str, Any]) -> None:
    x, y = build.bottom(layer, 0), build.top(layer, 0)
    build.forward("pool_ave_forward", x, out=y, **geometry)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0)
        build.backward("pool_ave_backward", dy, out=dx, **geometry)
