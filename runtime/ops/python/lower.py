"""Python layers: an instruction each for forward and backward."""

from __future__ import annotations

from netdef.layers.python import Python
from runtime.ir.builder import Builder
from runtime.ops.python.method import Method, python_layer
from runtime.ops.registry import lowers


@lowers(Python)
def lower(layer: Python, build: Builder) -> None:
    user = python_layer(layer)
    bottoms, parameters = range(len(layer.bottoms)), range(len(layer.parameters))
    inputs = [build.bottom(layer, i) for i in bottoms] + [build.parameter(layer, i) for i in parameters]
    tops = tuple(build.top(layer, i) for i in range(len(layer.tops)))
    build.forward("python_forward", *inputs, out=tops, method=Method(user, len(inputs)))
    down = tuple(build.needs_gradient(layer, i) for i in bottoms)
    learned = tuple(i for i in parameters if build.needs_parameter_gradient(layer, i))
    if any(down) or learned:
        user.check_backward()
        gradients = [build.top_gradient(layer, i) for i in range(len(layer.tops))]
        wanted = [build.bottom_gradient(layer, i) for i in bottoms if down[i]]
        made = (*wanted, *(build.parameter_gradient(layer, i) for i in learned))
        build.backward("python_backward", *gradients, out=made, method=Method(user, len(gradients), down, learned))
