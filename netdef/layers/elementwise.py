"""Functions of one element: y = f(x), the same shape, nothing learned."""
# The table.  A row is the value and the derivative of a function, each the text of a kernel of its name on every device:
#
#     @elementwise("ELU", alpha="alpha")          # the layer type; argument of the formulas = field, or function of the layer
#     def elu_forward(x, alpha): ...              # its docstring is what `netdef explain ELU` says
#     @elu_forward.gradient
#     def elu_backward(dy, y, alpha): ...         # its arguments say what backward reads
#
# Formulas may assign names, and return one expression of + - * / **, comparisons, `and`, `or`, `not`, `a if b else c`, abs, exp,
# log, log1p, max, min (of which the first argument stays unless the second is more, or less), sqrt and tanh.  All are float32.
# docs/add-a-layer.md adds a row.

from __future__ import annotations

from math import e, exp, log, log1p, tanh
from typing import Any

from netdef.layers.function import elementwise


@elementwise("AbsVal", allows_in_place=False)
def absval_forward(x):
    """y = |x|."""
    return abs(x)


@absval_forward.gradient
def absval_backward(dy, x):
    return dy if x > 0 else -dy if x < 0 else 0


@elementwise("BNLL")
def bnll_forward(x):
    """Binomial normal log likelihood: y = log(1 + exp(x))."""
    return (x if x > 0 else 0) + log1p(exp(-abs(x)))


@bnll_forward.gradient
def bnll_backward(dy, x):
    return dy / (1 + exp(-x))


def check_clip(layer: Any) -> None:
    if not layer.message.HasField("clip_param"):
        raise layer.error("min and max are missing")
    if layer.p.min > layer.p.max:
        raise layer.error(f"min {layer.p.min:g} is above max {layer.p.max:g}", "min")


@elementwise("Clip", check=check_clip, cases=["min: -0.5 max: 0.7"], lowest="min", highest="max")
def clip_forward(x, lowest, highest):
    """y = min(max(x, lowest), highest): the fields min and max."""
    return lowest if x < lowest else highest if x > highest else x


@clip_forward.gradient
def clip_backward(dy, x, lowest, highest):
    return dy if lowest <= x <= highest else 0


@elementwise("ELU", cases=["", "alpha: 0.3", "alpha: -0.5"], alpha="alpha")
def elu_forward(x, alpha):
    """y = x above zero, alpha * (exp(x) - 1) below (Clevert et al. 2015)."""
    return x if x > 0 else alpha * (exp(x) - 1)


@elu_forward.gradient
def elu_backward(dy, y, alpha):
    return dy if y > 0 else dy * (y + alpha)


@elu_forward.gradient(when=lambda layer: layer.p.alpha < 0)  # y is above zero everywhere
def elu_backward_from_input(dy, x, alpha):
    return dy if x > 0 else dy * alpha * exp(x)


def base(layer: Any) -> float:
    """-1 in the file stands for e."""
    return e if layer.p.base == -1 else layer.p.base


def check_base(layer: Any) -> None:
    if layer.p.base <= 0 and layer.p.base != -1:
        raise layer.error(f"base {layer.p.base:g} must be positive, or -1 for e", "base")


@elementwise(
    "Exp",
    check=check_base,
    cases=["", "base: 2 scale: -0.5 shift: 1"],
    rate=lambda layer: layer.p.scale * log(base(layer)),
    start=lambda layer: base(layer) ** layer.p.shift,
)
def exp_forward(x, rate, start):
    """y = base ** (scale * x + shift)."""
    return start * exp(rate * x)


@exp_forward.gradient
def exp_backward(dy, y, rate):
    return dy * y * rate


def check_logarithm(layer: Any) -> None:
    check_base(layer)
    if layer.p.base == 1:
        raise layer.error("base 1 has no logarithms", "base")


@elementwise(
    "Log",
    check=check_logarithm,
    cases=["scale: 0.25 shift: 3", "base: 2 scale: -0.2 shift: 4"],
    positive=("logarithm", lambda layer, x: layer.p.scale * x + layer.p.shift),
    factor=lambda layer: 1 / log(base(layer)),
    scale="scale",
    shift="shift",
)
def log_forward(x, factor, scale, shift):
    """y = log(scale * x + shift) to the base."""
    return factor * log(scale * x + shift)


@log_forward.gradient
def log_backward(dy, x, factor, scale, shift):
    return dy * factor * scale / (scale * x + shift)


@elementwise(
    "Power",
    cases=[
        "power: 2 scale: 0.5 shift: 1", "power: 3", "power: 0.5 scale: 0.25 shift: 3", "power: -1 scale: 0.2 shift: 3",
        "scale: -2 shift: 1", "power: 0", "power: 2 scale: 0 shift: 3",
    ],
    power="power",
    scale="scale",
    shift="shift",
)  # fmt: skip
def power_forward(x, power, scale, shift):
    """y = (shift + scale * x) ** power."""
    v = scale * x + shift if scale != 0 else shift
    return v if power == 1 else v * v if power == 2 else v**power


@power_forward.gradient
def power_backward(dy, x, y, power, scale, shift):
    v = scale * x + shift
    return dy * power * scale * (y / v if v != 0 or power < 1 else 0)


@power_forward.gradient(when=lambda layer: layer.p.power == 2)
def power_backward_of_square(dy, x, scale, shift):
    return dy * 2 * scale * (scale * x + shift)


@power_forward.gradient(when=lambda layer: layer.p.power == 1 or layer.p.power * layer.p.scale == 0)
def power_backward_of_line(dy, power, scale):
    return dy * power * scale


@elementwise("ReLU", cases=["", "negative_slope: 0.1", "negative_slope: -0.5"], slope="negative_slope")
def relu_forward(x, slope):
    """y = max(x, 0) + negative_slope * min(x, 0)."""
    return (slope * x if slope != 0 else 0) if x < 0 else x


@relu_forward.gradient
def relu_backward(dy, sign, slope):
    return dy if sign > 0 else slope * dy


@relu_forward.gradient(when=lambda layer: layer.p.negative_slope < 0)  # y is above zero everywhere
def relu_backward_from_input(dy, x, slope):
    return dy if x > 0 else slope * dy


@elementwise("ReLU6", origin="MobileNet")
def relu6_forward(x):
    """y = min(max(x, 0), 6) (Krizhevsky 2010)."""
    return 0 if x < 0 else 6 if x > 6 else x


@relu6_forward.gradient
def relu6_backward(dy, y):
    return dy if 0 < y < 6 else 0


@elementwise("Sigmoid")
def sigmoid_forward(x):
    """y = 1 / (1 + exp(-x))."""
    return 1 / (1 + exp(-x))


@sigmoid_forward.gradient
def sigmoid_backward(dy, y):
    return dy * y * (1 - y)


@elementwise("Swish", cases=["", "beta: 2"], caffe_copies="x", beta="beta")
def swish_forward(x, beta):
    """y = x / (1 + exp(-beta * x)) (Ramachandran et al. 2017)."""
    return x / (1 + exp(-beta * x))


@swish_forward.gradient
def swish_backward(dy, x, y, beta):
    return dy * (1 + beta * (x - y)) / (1 + exp(-beta * x))


@elementwise("TanH")
def tanh_forward(x):
    """y = tanh(x)."""
    return tanh(x)


@tanh_forward.gradient
def tanh_backward(dy, y):
    return dy * (1 - y * y)


@elementwise("Threshold", cases=["", "threshold: 0.3"], threshold="threshold")
def threshold_forward(x, threshold):
    """y = 1 where x is above the threshold, else 0."""
    return 1 if x > threshold else 0
