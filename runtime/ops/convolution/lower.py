"""How a convolution lowers: forward with its bias, then the gradients of bias, weights and input."""

from __future__ import annotations

from functools import partial
from typing import Any

from netdef import NetdefError
from netdef.graph.cuts import even_cuts
from netdef.layers.convolution import Convolution
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.convolution.cpu import position_run, row_block
from runtime.ops.convolution.winograd import pays, saves, tiles_of, winograd_scratch
from runtime.ops.convolution.winograd_gradient import channel_block, gradient_pays, gradient_scratch
from runtime.ops.registry import lowers

FORWARD_COLUMNS = 512  # output positions x batch in one GEMM: its im2col matrix and result stay in the caches
TILE_COLUMNS = 448  # tiles x batch: what they are transformed to stays in the caches
BACKWARD_COLUMNS = 2048  # more than forward: after each run the weights' gradient is added up
CHANNEL_BLOCK = 16  # input channels of one item of the input gradient by col2im


@lowers(Convolution)
def lower(layer: Convolution, build: Builder) -> None:
    axes = len(layer.bottoms[0].shape)
    if axes != 4 or layer.axis != 1:
        along = "" if layer.axis == 1 else f" with its channels along axis {layer.axis}"
        raise NetdefError(
            f"convolution '{layer.name}' cannot run on a blob of {axes} axes{along}: kernels exist for images (N, C, H, W)",
            position=layer.position,
        )
    for index in range(len(layer.bottoms)):
        _lower_pair(layer, build, index)


def _lower_pair(layer: Convolution, build: Builder, index: int) -> None:
    """One bottom and its top; Caffe lets several pairs share the weights."""
    x, y, w = build.bottom(layer, index), build.top(layer, index), build.parameter(layer, 0)
    b = build.parameter(layer, 1) if layer.bias_term else w
    geometry = {
        "kernel": layer.kernel,
        "stride": layer.stride,
        "pad": layer.pad,
        "dilation": layer.dilation,
        "group": layer.group,
    }
    _convolve(build.forward, x, w, b, y, geometry, _parts(layer, build), layer.bias_term, _macs(layer))
    if layer.bias_term and build.needs_parameter_gradient(layer, 1):
        dy = build.top_gradient(layer, index)
        rows = dy.view((1, y.shape[0], y.shape[1], y.shape[2] * y.shape[3]))
        build.backward("bias_gradient", rows, out=build.parameter_gradient(layer, 1))
    if build.needs_parameter_gradient(layer, 0):
        _weight_gradient(layer, build, index, geometry)
    if build.needs_gradient(layer, index):
        _input_gradient(layer, build, index, geometry)


def _convolve(
    append: Any, x: Buffer, w: Buffer, b: Buffer, y: Buffer, geometry: dict[str, Any], parts: int, bias: bool, macs: int
) -> None:
    (O, height, width, N), channels = y.shape, w.shape[1]
    winograd = pays(geometry, channels, N)
    if winograd:
        run = position_run(tiles_of(height, width), N, TILE_COLUMNS)
        scratch = winograd_scratch(O // geometry["group"], channels, geometry["kernel"], width, run, N)
    else:
        run = position_run(height * width, N, FORWARD_COLUMNS)
        scratch = w.size // O * run * N
    append(
        "conv2d", x, w, b, out=y, **geometry, run=run, parts=parts, winograd=winograd, has_bias=bias, relu=False, slope=0.0,
        scratch=scratch, macs=macs,
    )  # fmt: skip


def _weight_gradient(layer: Convolution, build: Builder, index: int, geometry: dict[str, Any]) -> None:
    x, dy, dw = build.bottom(layer, index), build.top_gradient(layer, index), build.parameter_gradient(layer, 0)
    N, parts = x.shape[3], _parts(layer, build)
    (O, height, width), channels = dy.shape[:3], dw.shape[1]
    winograd = gradient_pays(geometry, channels, N)
    if winograd:
        block, tall = channel_block(channels), False
        run = position_run(tiles_of(height, width), N, TILE_COLUMNS)
        scratch = gradient_scratch(-(-O // (layer.group * parts)), block, width, run, N)
    else:
        whole = layer.whole
        assert isinstance(whole, Convolution)
        block = row_block(dw.size // O, whole.group)  # the same on all devices
        tall = _tall(layer, block, parts)
        run = position_run(height * width, N, BACKWARD_COLUMNS)
        scratch = 2 * O // layer.group * block + block * run * N
    build.backward(
        "conv2d_weight_gradient", x, dy, out=dw, **geometry, run=run, block=block, tall=tall, parts=parts, winograd=winograd,
        scratch=scratch, macs=_macs(layer),
    )  # fmt: skip


def _input_gradient(layer: Convolution, build: Builder, index: int, geometry: dict[str, Any]) -> None:
    w, dy, dx = build.parameter(layer, 0), build.top_gradient(layer, index), build.bottom_gradient(layer, index)
    cuts = even_cuts(layer.num_output, _parts(layer, build))
    if len(cuts) == 1:
        _gradient_of_outputs(layer, build, geometry, w, dy, dx)
    else:
        append = partial(_gradient_of_outputs, layer, build, geometry)
        build.backward_sum(dx, [partial(append, w.rows(*cut), dy.rows(*cut)) for cut in cuts])


def _tall(layer: Convolution, block: int, parts: int) -> bool:
    """Whether a block of the weights' columns is longer than a part of a group's outputs, by the shortest of all devices' parts.

    BLAS is a fifth faster when the longer side of a product comes first.
    """
    whole = layer.whole
    assert isinstance(whole, Convolution)
    outputs = whole.num_output // whole.group
    devices = round(outputs / (layer.num_output // layer.group))
    return block >= outputs // (devices * parts)


def _parts(layer: Convolution, build: Builder) -> int:
    """In how many parts a group's outputs are computed: groups lie on one device or another as they are."""
    return build.parts(layer) if layer.group == 1 else 1


def _macs(layer: Convolution) -> int:
    """Multiply-accumulates that make one of the tops, which are all alike."""
    return layer.macs // len(layer.tops)


def _gradient_of_outputs(
    layer: Convolution, build: Builder, geometry: dict[str, Any], w: Buffer, dy: Buffer, dx: Buffer
) -> None:
    """dx from some of the outputs and their weights."""
    (O, per_group, kh, kw), group = w.shape, geometry["group"]
    macs = _macs(layer) * O // layer.num_output
    # As a convolution of dy the copies grow with the outputs, by col2im (which reads and writes) with the inputs.
    if layer.stride == (1, 1) and O // group < 2 * per_group:
        flipped = build.saved(layer, "flipped", (per_group * group, O // group, kh, kw))
        build.backward("flip_weights", w, out=flipped, group=group)
        full = [d * (k - 1) - p for d, k, p in zip(layer.dilation, layer.kernel, layer.pad, strict=True)]
        _convolve(build.backward, dy, flipped, flipped, dx, {**geometry, "pad": tuple(full)}, 1, False, macs)
        return
    block, (height, width, N) = min(CHANNEL_BLOCK, per_group), dy.shape[1:]
    tiles = tiles_of(*dx.shape[1:3])
    winograd = pays(geometry, O // group, N) and saves((kh, kw), tiles, height * width)
    if winograd:
        width = dx.shape[2]
        run = position_run(tiles, N, TILE_COLUMNS)
        scratch = w.size + winograd_scratch(per_group, O // group, (kh, kw), width, run, N)
    else:
        run = position_run(height * width, N, BACKWARD_COLUMNS)
        scratch = block * kh * kw * run * N
    build.backward(
        "conv2d_input_gradient", dy, w, out=dx, **geometry, run=run, block=block, winograd=winograd, scratch=scratch, macs=macs
    )
