"""Lines of functions of one element, of products, normalisations, and element-wise sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from netdef.layers.normalize import DIVISOR, SCALE
from runtime.exchange.onnx_out.normalization import scale_behind
from runtime.exchange.torch_out.lines import Scope, number, refused, writes

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
    on.let(f"F.leaky_relu({on.x}, {number(slope)})" if slope else f"F.relu({on.x})")


@writes("ELU")
def elu(layer: Any, on: Scope) -> None:
    on.let(f"F.elu({on.x}, {number(layer.p.alpha)})")


@writes("Clip")
def clip(layer: Any, on: Scope) -> None:
    on.let(f"{on.x}.clamp({number(layer.p.min)}, {number(layer.p.max)})")


@writes("Swish")
def swish(layer: Any, on: Scope) -> None:
    on.let(f"{on.x} * torch.sigmoid({times(on.x, layer.p.beta)})")


@writes("Threshold")
def threshold(layer: Any, on: Scope) -> None:
    on.let(f"({on.x} > {number(layer.p.threshold)}).float()")


@writes("Exp")
def exponential(layer: Any, on: Scope) -> None:
    constants = layer.constants_of(layer.function.value)
    on.let(times(f"torch.exp({times(on.x, constants['rate'])})", constants["start"]))


@writes("Log")
def logarithm(layer: Any, on: Scope) -> None:
    constants = layer.constants_of(layer.function.value)
    on.let(times(f"torch.log({_line(on.x, constants['scale'], constants['shift'])})", constants["factor"]))


@writes("Power")
def power(layer: Any, on: Scope) -> None:
    line = _line(on.x, layer.p.scale, layer.p.shift)
    on.let(line if layer.p.power == 1 else f"({line}) ** {number(layer.p.power)}")


def times(x: str, factor: float) -> str:
    return x if factor == 1 else f"{x} * {number(factor)}"


def _line(x: str, factor: float, term: float) -> str:
    return times(x, factor) + (f" + {number(term)}" if term else "")


@writes("Dropout")
def dropout(layer: Any, on: Scope) -> None:
    if layer.phase == "train" and layer.ratio:
        raise refused(layer, "it draws random numbers in phase train")
    if layer.scales_in_testing:
        on.let(times(on.x, 1 - layer.ratio))
        return
    on.let(f"F.dropout({on.x}, {number(layer.ratio)}, self.training)")


@writes("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution", "Deconvolution")
def convolution(layer: Any, on: Scope) -> None:
    axes = len(layer.kernel)
    if layer.axis != 1 or not 1 <= axes <= 3:
        raise refused(layer, f"a window over {axes} axes from axis {layer.axis} has no module", "axis")
    kind = f"nn.{'ConvTranspose' if layer.type == 'Deconvolution' else 'Conv'}{axes}d"
    shown = [str(layer.channels), str(layer.num_output), pair(layer.kernel)]
    for word, values, idle in (("stride", layer.stride, 1), ("padding", layer.pad, 0), ("dilation", layer.dilation, 1)):
        shown += [f"{word}={pair(values)}"] if set(values) != {idle} else []
    shown += [f"groups={layer.group}"] * (layer.group != 1) + ["bias=False"] * (not layer.bias_term)
    arrays = dict(zip(("weight", "bias"), map(on.array, range(1 + layer.bias_term)), strict=False))
    module = on.module(f"{kind}({', '.join(shown)})", **arrays)
    for index, x in enumerate(on.inputs):
        on.let(f"{module}({x})", index)


def pair(values: tuple[int, ...]) -> str:
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


@writes("LRN")
def lrn(layer: Any, on: Scope) -> None:
    if layer.within_channel:
        mean = f"F.avg_pool2d({on.x} ** 2, {layer.size}, 1, {layer.size // 2})"
        on.let(f"{on.x} * (1 + {number(layer.alpha)} * {mean}) ** {number(-layer.beta)}")
        return
    rule = f"{layer.size}, {number(layer.alpha)}, {number(layer.beta)}, {number(layer.k)}"
    if layer.group == 1:
        on.let(f"F.local_response_norm({on.x}, {rule})")
    else:
        on.let(f"F.local_response_norm({on.x}.unflatten(1, ({layer.group}, -1)).flatten(0, 1), {rule}).reshape({on.x}.shape)")


@writes("BatchNorm")
def batch_norm(layer: Any, on: Scope) -> None:
    """With a Scale behind it that alone reads it, which then adds nothing."""
    learned = {"weight": on.array(SCALE), "bias": on.array(SCALE + 1)} if layer.scale_bias else {}
    if not layer.use_global_stats:
        on.let(_by_batch(layer, on, *learned.values()))
        return
    divisor = on.array(DIVISOR).item()
    factor = np.float32(0 if divisor == 0 else 1 / divisor)
    if (scale := scale_behind(layer)) is not None:
        own = Scope(on.lines, scale)
        learned = {"weight": own.array(0), "bias": own.array(1)}
    _with_statistics(layer, on, on.array(0) * factor, on.array(1) * factor, learned, 1 - layer.moving_average_fraction)


@writes("BN")
def bn(layer: Any, on: Scope) -> None:
    scale, shift = on.array(0), on.array(1)
    if layer.only_scales:
        spread = [array.reshape(-1, *[1] * (len(layer.bottoms[0].shape) - 2)) for array in (scale, shift)]
        on.let(f"{on.x} * {on.parameter(spread[0])} + {on.parameter(spread[1])}")
    elif layer.uses_batch_statistics:
        on.let(_by_batch(layer, on, scale.ravel(), shift.ravel()))
    else:
        learned = {"weight": scale.ravel(), "bias": shift.ravel()}
        _with_statistics(layer, on, on.array(2).ravel(), on.array(3).ravel(), learned, 1 - layer.momentum)


def _by_batch(layer: Any, on: Scope, *learned: np.ndarray) -> str:
    """Normalised by the mean and variance of the batch itself."""
    shown = [on.x, "None", "None", *(on.parameter(array) for array in learned)]
    return f"F.batch_norm({', '.join(shown)}, training=True, eps={number(layer.eps)})"


def _with_statistics(
    layer: Any, on: Scope, mean: np.ndarray, variance: np.ndarray, learned: dict[str, np.ndarray], momentum: float
) -> None:
    """Normalised by running averages."""
    kind = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}.get(len(layer.bottoms[0].shape))
    if kind is None:
        raise refused(layer, f"a blob of {len(layer.bottoms[0].shape)} axes has no module for it", "bottom", 0)
    arrays = {"running_mean": mean, "running_var": variance, "num_batches_tracked": np.array(0), **learned}
    settings = f"{layer.channels}, eps={number(layer.eps)}, momentum={number(momentum)}{'' if learned else ', affine=False'}"
    on.let(f"{on.module(f'nn.BatchNorm{kind}({settings})', **arrays)}({on.x})")


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
        terms = [times(x, factor) for x, factor in zip(on.inputs, layer.coefficients, strict=True)]
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
    length = f"({on.x}.square().sum({axes}, keepdim=True) + {number(layer.eps)}).sqrt()"
    array = on.array(0)
    spread = array if layer.channel_shared else array.reshape(-1, *[1] * (len(layer.bottoms[0].shape) - 2))
    on.let(f"{on.x} / {length} * {on.parameter(spread)}")


@writes("MVN")
def mvn(layer: Any, on: Scope) -> None:
    axes = tuple(range(1 if layer.p.across_channels else 2, len(layer.bottoms[0].shape)))
    if not axes:  # which PyTorch takes for all
        raise refused(layer, "its input has no axis to take a mean over", "bottom", 0)
    centred = f"({on.x} - {on.x}.mean({axes}, keepdim=True))"
    deviation = f"({on.x}.var({axes}, unbiased=False, keepdim=True).sqrt() + {number(layer.p.eps)})"
    on.let(f"{centred} / {deviation}" if layer.p.normalize_variance else centred)
