"""A net of netdef as a PyTorch module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peer_steps import Step, Weights, overhang, steps, unknown
from torch import nn
from torch.nn import functional

from netdef.graph.layer import Blob
from netdef.graph.net import Net


class Peer(nn.Module):
    """The layers of a net in their order.

    Parameters
    ----------
    outputs: the blobs that `forward` returns. weights: by layer, in Caffe's shapes.
    """

    def __init__(self, net: Net, outputs: list[Blob], weights: Weights):
        super().__init__()
        self.source = next(top for layer in net.layers if layer.is_source for top in layer.tops if top.name == "data")
        self.outputs = outputs
        self.steps = steps(net)
        self.made = nn.ModuleList(_module(step, weights) for step in self.steps)
        self.last = {blob: index for index, step in enumerate(self.steps) for blob in step.inputs}

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        values: dict[Blob, torch.Tensor] = {self.source: x}
        for index, (step, module) in enumerate(zip(self.steps, self.made, strict=True)):
            values[step.output] = module(*(values[blob] for blob in step.inputs))
            for blob in step.inputs:
                if self.last[blob] == index and blob not in self.outputs:
                    values.pop(blob, None)  # its memory can be used again
        return [values[blob] for blob in self.outputs]


def _module(step: Step, weights: Weights) -> nn.Module:
    build = MODULES.get(step.layer.type)
    if build is None:
        raise unknown(step, "PyTorch")
    module = build(step)
    held = [torch.from_numpy(array) for array in weights.get(step.layer.name, [])]
    with torch.no_grad():
        for parameter, array in zip(module.parameters(), held, strict=True):
            parameter.copy_(array.reshape(parameter.shape))
    if step.norm is not None:
        assert isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None
        mean, variance, divisor = (torch.from_numpy(array) for array in weights[step.norm.name])
        module.running_mean.copy_(mean / divisor)
        module.running_var.copy_(variance / divisor)
    return module


def _convolution(step: Step) -> nn.Module:
    layer: Any = step.layer
    if len(layer.kernel) != 2 or len(layer.bottoms) != 1:
        raise unknown(step, "PyTorch")
    options = {"stride": layer.stride, "padding": layer.pad, "groups": layer.group, "bias": layer.bias_term}
    return nn.Conv2d(step.inputs[0].shape[1], layer.num_output, layer.kernel, dilation=layer.dilation, **options)


def _inner_product(step: Step) -> nn.Module:
    layer: Any = step.layer
    if layer.axis != 1 or layer.transpose:
        raise unknown(step, "PyTorch")
    dense = nn.Linear(layer.fan_in, layer.num_output, bias=layer.bias_term)
    return nn.Sequential(nn.Flatten(), dense) if len(step.inputs[0].shape) > 2 else dense


def _pooling(step: Step) -> nn.Module:
    layer: Any = step.layer
    options = {"stride": layer.stride, "padding": layer.pad, "ceil_mode": max(overhang(layer)) > 0}
    if layer.method == "MAX":
        return nn.MaxPool2d(layer.kernel, **options)
    if layer.method == "AVE":
        return nn.AvgPool2d(layer.kernel, **options)  # divides as Caffe does: padding counts, what is beyond it does not
    raise unknown(step, "PyTorch")


class TowerLRN(nn.Module):
    """LRN over each group of channels, folded into the batch."""

    def __init__(self, layer: Any):
        super().__init__()
        self.group, self.rule = layer.group, (layer.size, layer.alpha, layer.beta, layer.k)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        towers = x.reshape(-1, x.shape[1] // self.group, *x.shape[2:])
        return functional.local_response_norm(towers, *self.rule).reshape(x.shape)


def _lrn(step: Step) -> nn.Module:
    layer: Any = step.layer
    if layer.within_channel:
        raise unknown(step, "PyTorch")
    return TowerLRN(layer)


def _scale(step: Step) -> nn.Module:
    layer: Any = step.layer
    if step.norm is None or len(layer.parameters) != 2 or layer.axis != 1:
        raise unknown(step, "PyTorch")
    norm: Any = step.norm
    return nn.BatchNorm2d(step.inputs[0].shape[1], eps=norm.eps, momentum=1 - norm.moving_average_fraction)


class Joined(nn.Module):
    """Several inputs, by one function of them all."""

    def __init__(self, join: Callable[..., torch.Tensor]):
        super().__init__()
        self.join = join

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        return self.join(*xs)


def _eltwise(step: Step) -> nn.Module:
    layer: Any = step.layer
    if layer.operation != "SUM" or len(step.inputs) != 2 or layer.coefficients != (1.0, 1.0):
        raise unknown(step, "PyTorch")
    return Joined(torch.add)


def _relu(step: Step) -> nn.Module:
    if step.layer.p.negative_slope:
        raise unknown(step, "PyTorch")
    return nn.ReLU(inplace=step.layer.in_place[0])


def _concat(step: Step) -> nn.Module:
    axis = step.layer.axis  # type: ignore[attr-defined]
    return Joined(lambda *xs: torch.cat(xs, axis))


MODULES: dict[str, Callable[[Step], nn.Module]] = {
    "Concat": _concat,
    "Convolution": _convolution,
    "Dropout": lambda step: nn.Dropout(step.layer.ratio),  # type: ignore[attr-defined]
    "Eltwise": _eltwise,
    "Flatten": lambda step: nn.Flatten(),
    "InnerProduct": _inner_product,
    "LRN": _lrn,
    "Pooling": _pooling,
    "PReLU": lambda step: nn.PReLU(step.layer.parameters[0].count),
    "ReLU": _relu,
    "Scale": _scale,
    "Sigmoid": lambda step: nn.Sigmoid(),
    "TanH": lambda step: nn.Tanh(),
}
