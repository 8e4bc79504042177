"""The line of each layer type."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from netdef.layers.normalize import DIVISOR
from runtime.exchange.onnx_out.normalization import scale_behind
from runtime.exchange.onnx_out.pooling import Windows
from runtime.exchange.torch_out.lines import Scope, refused, writes

PLAIN = {
    "AbsVal": "torch.abs({x})", "BNLL": "F.softplus({x})", "Sigmoid": "torch.sigmoid({x})", "TanH": "torch.tanh({x})",
    "ReLU6": "F.relu6({x})",
}  # fmt: skip


@writes("Input")
def source(layer: Any, on: Scope) -> None:
    """Its tops are the arguments of forward."""


@writes(*PLAIN)
def plain(layer: Any, on: Scope) -> None:
    on.let(PLAIN[layer.type].format(x=on.x))


@writes("ReLU")
def relu(layer: Any, on: Scope) -> None:
    slope = layer.p.negative_slope
    on.let(f"F.leaky_relu({on.x}, {slope:.9g})" if slope else f"F.relu({on.x})")


@writes("ELU")
def elu(layer: Any, on: Scope) -> None:
    on.let(f"F.elu({on.x}, {layer.p.alpha:.9g})")


@writes("Clip")
def clip(layer: Any, on: Scope) -> None:
    on.let(f"{on.x}.clamp({layer.p.min:.9g}, {layer.p.max:.9g})")


@writes("Swish")
def swish(layer: Any, on: Scope) -> None:
    on.let(f"{on.x} * torch.sigmoid({_times(on.x, layer.p.beta)})")


@writes("Threshold")
def threshold(layer: Any, on: Scope) -> None:
    on.let(f"({on.x} > {layer.p.threshold:.9g}).float()")


@writes("Exp")
def exponential(layer: Any, on: Scope) -> None:
    constants = layer.constants_of(layer.function.value)
    on.let(_times(f"torch.exp({_times(on.x, constants['rate'])})", constants["start"]))


@writes("Log")
def logarithm(layer: Any, on: Scope) -> None:
    constants = layer.constants_of(layer.function.value)
    on.let(_times(f"torch.log({_line(on.x, constants['scale'], constants['shift'])})", constants["factor"]))


@writes("Power")
def power(layer: Any, on: Scope) -> None:
    line = _line(on.x, layer.p.scale, layer.p.shift)
    on.let(line if layer.p.power == 1 else f"({line}) ** {layer.p.power:.9g}")


def _times(x: str, factor: float) -> str:
    return x if factor == 1 else f"{x} * {factor:.9g}"


def _line(x: str, factor: float, term: float) -> str:
    return _times(x, factor) + (f" + {term:.9g}" if term else "")


@writes("Dropout")
def dropout(layer: Any, on: Scope) -> None:
    if layer.phase == "train" and layer.ratio:
        raise refused(layer, "it draws random numbers in phase train")
    if layer.scales_in_testing:
        on.let(_times(on.x, 1 - layer.ratio))
        return
    on.let(f"F.dropout({on.x}, {layer.ratio:.9g}, self.training)")


@writes("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution", "Deconvolution")
def convolution(layer: Any, on: Scope) -> None:
    axes = len(layer.kernel)
    if layer.axis != 1 or not 1 <= axes <= 3:
        raise refused(layer, f"a window over {axes} axes from axis {layer.axis} has no module", "axis")
    kind = f"nn.{'ConvTranspose' if layer.type == 'Deconvolution' else 'Conv'}{axes}d"
    shown = [str(layer.channels), str(layer.num_output), _pair(layer.kernel)]
    for word, values, idle in (("stride", layer.stride, 1), ("padding", layer.pad, 0), ("dilation", layer.dilation, 1)):
        shown += [f"{word}={_pair(values)}"] if set(values) != {idle} else []
    shown += [f"groups={layer.group}"] * (layer.group != 1) + ["bias=False"] * (not layer.bias_term)
    arrays = dict(zip(("weight", "bias"), map(on.array, range(1 + layer.bias_term)), strict=False))
    module = on.module(f"{kind}({', '.join(shown)})", **arrays)
    for index, x in enumerate(on.inputs):
        on.let(f"{module}({x})", index)


def _pair(values: tuple[int, ...]) -> str:
    """One number where all are the same."""
    return str(values[0]) if len(set(values)) == 1 else f"({', '.join(map(str, values))})"


@writes("InnerProduct")
def inner_product(layer: Any, on: Scope) -> None:
    weights = on.array(0).T if layer.transpose else on.array(0)
    arrays = {"weight": np.ascontiguousarray(weights), **({"bias": on.array(1)} if layer.bias_term else {})}
    module = on.module(f"nn.Linear({layer.fan_in}, {layer.num_output}{'' if layer.bias_term else ', bias=False'})", **arrays)
    flat = layer.axis == len(layer.bottoms[0].shape) - 1
    on.let(f"{module}({on.x})" if flat else f"{module}({on.x}.flatten({layer.axis}))")


@writes("Embed")
def embed(layer: Any, on: Scope) -> None:
    table = on.module(f"nn.Embedding({layer.input_dim}, {layer.num_output})", weight=on.array(0))
    bias = f" + {on.parameter(on.array(1))}" if layer.bias_term else ""
    on.let(f"{table}({on.x}.long()){bias}")


@writes("Pooling")
def pooling(layer: Any, on: Scope) -> None:
    if layer.method == "STOCHASTIC" or len(layer.tops) > 1:
        raise refused(layer, "stochastic pooling and indices of maxima have no line", "pool")
    mean = "avg" if layer.method == "AVE" else "max"
    if layer.global_pooling:
        on.let(f"F.adaptive_{mean}_pool2d({on.x}, 1)")
        return
    windows = Windows(layer.bottoms[0].shape[2:], layer.kernel, layer.stride, layer.pad, layer.tops[0].shape[2:])
    if windows.has_empty:
        raise refused(layer, "its last window lies beyond the image, which Caffe pools to a number without a meaning", "stride")
    if any(2 * pad > size for pad, size in zip(layer.pad, layer.kernel, strict=True)):
        raise refused(layer, "its padding is more than half of its window", "pad")
    shown = [on.x, _pair(layer.kernel), _pair(layer.stride)]
    shown += [_pair(layer.pad)] if any(layer.pad) else []
    shown += ["ceil_mode=True"] if max(windows.beyond) > 0 else []
    on.let(f"F.{mean}_pool2d({', '.join(shown)})")


@writes("LRN")
def lrn(layer: Any, on: Scope) -> None:
    if layer.within_channel:
        mean = f"F.avg_pool2d({on.x} ** 2, {layer.size}, 1, {layer.size // 2})"
        on.let(f"{on.x} * (1 + {layer.alpha:.9g} * {mean}) ** {-layer.beta:.9g}")
        return
    rule = f"{layer.size}, {layer.alpha:.9g}, {layer.beta:.9g}, {layer.k:.9g}"
    if layer.group == 1:
        on.let(f"F.local_response_norm({on.x}, {rule})")
    else:
        on.let(f"F.local_response_norm({on.x}.unflatten(1, ({layer.group}, -1)).flatten(0, 1), {rule}).reshape({on.x}.shape)")


@writes("BatchNorm")
def batch_norm(layer: Any, on: Scope) -> None:
    """With a Scale behind it that alone reads it, which then adds nothing."""
    if not layer.use_global_stats or layer.scale_bias:
        raise refused(layer, "it takes statistics of the batch, or has a scale of its own")
    axes = len(layer.bottoms[0].shape)
    kind = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}.get(axes)
    if kind is None:
        raise refused(layer, f"a blob of {axes} axes has no module for it", "bottom", 0)
    divisor = on.array(DIVISOR).item()
    factor = np.float32(0 if divisor == 0 else 1 / divisor)
    scale = scale_behind(layer)
    arrays = {"running_mean": on.array(0) * factor, "running_var": on.array(1) * factor, "num_batches_tracked": np.array(0)}
    if scale is not None:
        learned = Scope(on.lines, scale)
        arrays |= {"weight": learned.array(0), "bias": learned.array(1)}
    settings = f"{layer.channels}, eps={layer.eps:.9g}, momentum={1 - layer.moving_average_fraction:.6g}"
    module = on.module(f"nn.BatchNorm{kind}({settings}{'' if scale is not None else ', affine=False'})", **arrays)
    on.let(f"{module}({on.x})")


@writes("Scale")
def scale(layer: Any, on: Scope) -> None:
    norm = layer.bottoms[0].producer
    if norm.type == "BatchNorm" and scale_behind(norm) is layer:
        if on.outputs[0] != on.x:
            on.let(on.x)
        return
    factor, index = (_second(layer, on), 0) if len(layer.bottoms) == 2 else (_spread(layer, on, 0), 1)
    on.let(f"{on.x} * {factor}" + (f" + {_spread(layer, on, index)}" if layer.bias_term else ""))


@writes("Bias")
def bias(layer: Any, on: Scope) -> None:
    on.let(f"{on.x} + {_second(layer, on) if len(layer.bottoms) == 2 else _spread(layer, on, 0)}")


def _spread(layer: Any, on: Scope, index: int) -> str:
    """A parameter with axes of one element behind it."""
    array = on.array(index)
    return on.parameter(array.reshape(*array.shape, *[1] * _missing(layer, array.shape)))


def _missing(layer: Any, operand: tuple[int, ...]) -> int:
    return len(layer.bottoms[0].shape) - layer.axis - len(operand)


def _second(layer: Any, on: Scope) -> str:
    """The second bottom, broadcast in the same way."""
    missing = _missing(layer, layer.bottoms[1].shape)
    return f"{on.inputs[1]}[(...,{' None,' * missing})]" if missing and layer.bottoms[1].shape else on.inputs[1]


@writes("PReLU")
def prelu(layer: Any, on: Scope) -> None:
    on.let(f"{on.module(f'nn.PReLU({layer.parameters[0].count})', weight=on.array(0).reshape(-1))}({on.x})")


@writes("Eltwise")
def eltwise(layer: Any, on: Scope) -> None:
    if layer.operation == "SUM":
        terms = [_times(x, factor) for x, factor in zip(on.inputs, layer.coefficients, strict=True)]
        on.let(" + ".join(terms))
    elif layer.operation == "PROD":
        on.let(" * ".join(on.inputs))
    else:
        largest = on.inputs[0]
        for x in on.inputs[1:]:
            largest = f"torch.maximum({largest}, {x})"
        on.let(largest)


@writes("Axpy")
def axpy(layer: Any, on: Scope) -> None:
    a, x, y = on.inputs
    on.let(f"{a}.reshape({a}.shape[0], -1, 1, 1) * {x} + {y}")


@writes("Normalize")
def normalize(layer: Any, on: Scope) -> None:
    axes = tuple(range(1, len(layer.bottoms[0].shape))) if layer.across_spatial else (1,)
    length = f"({on.x}.square().sum({axes}, keepdim=True) + {layer.eps:.9g}).sqrt()"
    array = on.array(0)
    spread = array if layer.channel_shared else array.reshape(-1, *[1] * (len(layer.bottoms[0].shape) - 2))
    on.let(f"{on.x} / {length} * {on.parameter(spread)}")


@writes("Concat")
def concat(layer: Any, on: Scope) -> None:
    on.let(f"torch.cat(({', '.join(on.inputs)},), {layer.axis})")


@writes("Slice")
def slice_blob(layer: Any, on: Scope) -> None:
    sizes = [end - begin for begin, end in pairwise(layer.points)]
    on.let_all(f"{on.x}.split({sizes}, {layer.axis})")


@writes("Split")
def split(layer: Any, on: Scope) -> None:
    for top in range(len(layer.tops)):
        on.let(on.x, top)


@writes("Crop")
def crop(layer: Any, on: Scope) -> None:
    spans = [":"] * layer.axis
    for axis in range(layer.axis, len(layer.tops[0].shape)):
        begin = layer.offsets[axis]
        spans.append(f"{begin}:{begin + layer.tops[0].shape[axis]}")
    on.let(f"{on.x}[{', '.join(spans)}]")


@writes("Flatten")
def flatten(layer: Any, on: Scope) -> None:
    on.let(f"{on.x}.flatten({layer.axis}, {layer.end_axis})")


@writes("Reshape")
def reshape(layer: Any, on: Scope) -> None:
    before, after = layer.bottoms[0].shape, layer.tops[0].shape
    first = f"{on.x}.shape[0]" if before[:1] == after[:1] else "-1"
    on.let(f"{on.x}.reshape({', '.join([first, *map(str, after[1:])])})")


@writes("Permute")
def permute(layer: Any, on: Scope) -> None:
    on.let(f"{on.x}.permute({', '.join(map(str, layer.order))})")


@writes("ShuffleChannel")
def shuffle_channel(layer: Any, on: Scope) -> None:
    on.let(f"F.channel_shuffle({on.x}, {layer.group})")


@writes("Tile")
def tile(layer: Any, on: Scope) -> None:
    repeats = [1] * len(layer.tops[0].shape)
    repeats[layer.axis] = layer.tiles
    on.let(f"{on.x}.repeat({', '.join(map(str, repeats))})")


@writes("Reduction")
def reduction(layer: Any, on: Scope) -> None:
    shape, x = layer.bottoms[0].shape, {"ASUM": f"{on.x}.abs()", "SUMSQ": f"{on.x}.square()"}.get(layer.operation, on.x)
    factor = layer.coeff / (prod(shape[layer.axis :]) if layer.operation == "MEAN" else 1)
    on.let(_times(f"{x}.sum({tuple(range(layer.axis, len(shape)))})", factor))


@writes("MVN")
def mvn(layer: Any, on: Scope) -> None:
    axes = tuple(range(1 if layer.p.across_channels else 2, len(layer.bottoms[0].shape)))
    if not axes:  # which PyTorch takes for all
        raise refused(layer, "its input has no axis to take a mean over", "bottom", 0)
    centred = f"({on.x} - {on.x}.mean({axes}, keepdim=True))"
    deviation = f"({on.x}.var({axes}, unbiased=False, keepdim=True).sqrt() + {layer.p.eps:.9g})"
    on.let(f"{centred} / {deviation}" if layer.p.normalize_variance else centred)


@writes("Interp")
def interp(layer: Any, on: Scope) -> None:
    (height, width), first = layer.inside, -layer.p.pad_beg
    whole = (height, width) == layer.bottoms[0].shape[2:]
    x = on.x if whole else f"{on.x}[:, :, {first}:{first + height}, {first}:{first + width}]"
    on.let(f'F.interpolate({x}, {layer.size}, mode="bilinear", align_corners=True)')


@writes("Softmax")
def softmax(layer: Any, on: Scope) -> None:
    on.let(f"{on.x}.softmax({layer.axis})")
