"""Nets to divide: the models that come with netdef made small, and a few that ask for what those do not."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

import netdef
import runtime
from netdef.graph.net import Net
from netdef.language.printer import print_message
from runtime.machine.executable import Executable

BATCH = 5
WAYS = [("groups", 2), ("groups", 3), ("groups", 4), ("batch", 2), ("batch", 3), ("hybrid", 2)]  # of dividing a net
SIDES = {"alexnet": 67, "caffenet": 67, "googlenet": 112, "lenet": 28}
LEFT_OUT = {"3b": "3a", "4b": "4a", "4c": "4a", "4e": "4d", "5b": "5a"}  # modules of GoogLeNet, and whose output is read instead
HEAD = f"""
defaults InnerProduct {{ weight_filler {{ type: "gaussian" std: 0.3 }} bias_filler {{ type: "gaussian" std: 0.1 }} }}
defaults Convolution {{ weight_filler {{ type: "gaussian" std: 0.3 }} bias_filler {{ type: "gaussian" std: 0.1 }} }}
defaults Pooling {{ pool: MAX kernel_size: 2 stride: 2 }}
layer data: Input -> data, label {{ shape {{ dim: [{BATCH}, 3, 12, 12] }} shape {{ dim: {BATCH} }} }}
"""
TAIL = """
layer out: InnerProduct(last) { num_output: 5 }
layer loss: SoftmaxWithLoss(out, label)
layer top1: Accuracy(out, label)
"""

TEXTS = {
    "softmax in the middle": """
layer a: Convolution(data) { num_output: 6 kernel_size: 3 }
layer s: Softmax(a)
layer b: Convolution(s) { num_output: 4 kernel_size: 3 }
layer last: Eltwise(b, b) { operation: PROD }
""",
    "one blob, readers of every kind": """
layer a: Convolution(data) { num_output: 6 kernel_size: 3 pad: 1 }
layer s: Softmax(a)
layer n: LRN(a) { local_size: 3 alpha: 0.5 }
layer b: Convolution(a) { num_output: 6 kernel_size: 1 }
layer r: ReLU(a)
layer last: Eltwise(s, n, b, r, a)
""",
    "the whole of one device for several": """
layer t: Softmax(data)
layer a: Convolution(t) { num_output: 6 kernel_size: 3 pad: 1 }
layer p: Pooling(t)
layer q: Pooling(a)
layer last: Concat(q, p, q)
""",
    "groups of depth one": """
layer a: Convolution(data) { num_output: 6 kernel_size: 3 }
layer b: Convolution(a) { num_output: 6 kernel_size: 3 group: 6 }
layer last: Dropout(b) { dropout_ratio: 0.3 }
""",
    "three groups": """
layer a: Convolution(data) { num_output: 9 kernel_size: 3 }
layer n: LRN(a) { group: 3 local_size: 3 alpha: 0.5 }
layer last: Convolution(n) { num_output: 12 kernel_size: 3 group: 3 }
""",
    "fewer channels than devices": """
layer a: Convolution(data) { num_output: 2 kernel_size: 3 }
layer r: ReLU(a) -> a
layer n: LRN(a) { local_size: 5 alpha: 0.5 }
layer last: InnerProduct(n) { num_output: 1 }
""",
    "shared weights": """
layer a: Convolution(data) { num_output: 6 kernel_size: 3 param { name: "w" } param { name: "b" } }
layer b: Convolution(data) { num_output: 6 kernel_size: 3 param { name: "w" } param { name: "b" } pad: 1 stride: 2 }
layer c: Convolution(data) { num_output: 6 kernel_size: 3 param { name: "w" } param { name: "b" } }
layer d: Eltwise(a, c) { operation: SUM coeff: 2 coeff: -1 }
layer e: Pooling(d)
layer f: Flatten(e)
layer g: Flatten(b)
layer last: Concat(f, g)
""",
    "weights shared by layers that are cut differently": """
layer a: Convolution(data) { num_output: 3 kernel_size: 1 param { name: "w" } }
layer f: Flatten(a)
layer i: InnerProduct(f) { num_output: 9 }
layer r: Reshape(i) { shape { dim: [0, 3, 3, 1] } }
layer last: Convolution(r) { num_output: 3 kernel_size: 1 param { name: "w" share_mode: PERMISSIVE } }
""",
    "flattened, reshaped, several tops": """
layer a: Convolution(data) { num_output: 4 kernel_size: 3 }
layer p: Pooling(a) -> p, where
layer f: Flatten(p)
layer d: Dropout(f) -> f
layer r: Reshape(f) { shape { dim: [0, 4, 5, 5] } }
layer s: Split(r) -> s1, s2
layer last: Eltwise(s1, s2, p) { operation: MAX }
layer quiet: Silence(where)
""",
    "a loss inside": """
layer a: Convolution(data) { num_output: 4 kernel_size: 3 }
layer early: InnerProduct(a) { num_output: 5 }
layer loss0: SoftmaxWithLoss(early, label) { loss_weight: 0.3 }
layer last: TanH(a)
""",
    "halves joined to copies": """
layer n: LRN(data) { local_size: 3 alpha: 0.5 group: 3 }
layer a: Convolution(n) { num_output: 3 kernel_size: 3 pad: 1 group: 3 }
layer last: Concat(a, n)
""",
    "images joined to more images": """
layer a: InnerProduct(data) { num_output: 1 }
layer j: Concat(a, a) { axis: 0 }
layer b: Convolution(data) { num_output: 6 kernel_size: 3 }
layer k: Concat(b, b, b) { axis: 0 }
layer last: TanH(b)
""",
    "normalised": """
layer a: Convolution(data) { num_output: 6 kernel_size: 3 bias_term: false }
layer b: BatchNorm(a) -> a
layer s: Scale(a) -> a { bias_term: true filler { type: "uniform" min: 0.5 max: 1.5 } bias_filler { type: "gaussian" std: 1 } }
layer p: PReLU(a) -> a
layer m: MVN(a)
layer g: BatchNorm(m) { use_global_stats: true eps: 1 }
layer c: Bias(g) { axis: 2 num_axes: 2 }
layer r: Reduction(c) { axis: 2 operation: ASUM coeff: 0.1 }
layer last: Scale(c, r) { axis: 0 }
""",
    "made-up data": """
layer made: DummyData -> more { shape { dim: [5, 6, 10, 10] } data_filler { type: "uniform" max: 1 } }
layer a: Convolution(data) { num_output: 6 kernel_size: 3 }
layer last: Eltwise(a, more)
""",
}


@cache
def text_of(name: str) -> str:
    """A net's text, every input fed from outside."""
    return HEAD + TEXTS[name] + TAIL if name in TEXTS else small(name)


def small(name: str) -> str:
    """A model with an eighth of its channels, small images and five classes; of GoogLeNet four of the nine modules."""
    message = netdef.load(name, phase="train").message
    if name == "googlenet":
        leave_out_modules(message)
    for layer in message.layer:
        layer.ClearField("include")
        for part in ("convolution_param", "inner_product_param"):
            if layer.HasField(part):
                shrink(layer, getattr(layer, part))
        if layer.type in ("ImageData", "Input"):
            layer.type = "Input"
            for field in ("image_data_param", "transform_param", "input_param"):
                layer.ClearField(field)
            side = SIDES[name]
            for shape in ([BATCH, 1 if name == "lenet" else 3, side, side], [BATCH]):
                layer.input_param.shape.add().dim.extend(shape)
        if layer.name == "pool5/7x7_s1":
            layer.pooling_param.ClearField("kernel_size")
            layer.pooling_param.ClearField("stride")
            layer.pooling_param.global_pooling = True
        if layer.name.endswith("ave_pool"):
            layer.pooling_param.kernel_size = 2
    message.ClearField("force_backward")
    return print_message(message)


def leave_out_modules(message: Any) -> None:
    """Those that are left differ from them in their numbers of channels alone."""
    for layer in [*message.layer]:
        if layer.name.partition("_")[2][:2] in LEFT_OUT:
            message.layer.remove(layer)
        else:
            layer.bottom[:] = [re.sub(r"^(inception_)(\w\w)/output$", read_instead, blob) for blob in layer.bottom]


def read_instead(output: re.Match[str]) -> str:
    return f"{output[1]}{LEFT_OUT.get(output[2], output[2])}/output"


def without_kinks(text: str) -> str:
    """The same net with TanH for ReLU and means for maxima: its gradients nowhere jump, so that rounding stays rounding."""
    message = netdef.parse(text, phase="train").message
    for layer in message.layer:
        if layer.type == "ReLU":
            layer.type = "TanH"
        if layer.type == "Pooling":
            layer.pooling_param.pool = layer.pooling_param.AVE
    return print_message(message)


def shrink(layer: Any, p: Any) -> None:
    """Fewer outputs, and weights that send numbers of size 1 on."""
    classes = p.num_output in (10, 1000)
    p.num_output = 5 if classes else max(2, p.num_output // 8)
    p.weight_filler.Clear()
    p.weight_filler.type = "msra"
    p.bias_filler.Clear()
    p.bias_filler.type, p.bias_filler.std = "gaussian", 0.1


def net_of(name: str, phase: str = "train", force_backward: bool = True) -> Net:
    """A net, with gradients of its inputs too."""
    return netdef.parse(("force_backward: true\n" if force_backward else "") + text_of(name), phase=phase)


def feeds(net: Net) -> dict[str, np.ndarray]:
    """Images and labels for a net."""
    random = np.random.default_rng(7)
    return {
        blob.name: random.standard_normal(blob.shape, np.float32)
        if len(blob.shape) > 1
        else random.integers(0, 5, blob.shape).astype(np.float32)
        for blob in net.inputs
    }


def everything(exe: Executable, number: int | None = None) -> dict[str, np.ndarray]:
    """All that can be read after a run forward and one backward."""
    values = {f"output {name}": value for name, value in exe.forward(number, **feeds(exe.net)).items()}
    exe.backward()
    for name in exe.net.blobs:
        values[f"blob {name}"] = exe.blob(name)
        values[f"gradient {name}"] = exe.blob_grad(name)
    for parameter in exe.net.parameters:
        layer, index = parameter.layer.name, parameter.index
        values[f"parameter {parameter}"] = exe.param(layer, index)
        with suppress(netdef.NetdefError):  # none where it is frozen, or nothing comes back to it
            values[f"gradient {parameter}"] = exe.param_grad(layer, index)
    return values


@cache
def on_one_device(name: str) -> dict[str, np.ndarray]:
    """What one device makes of a net."""
    with runtime.compile(net_of(name), seed=5, threads=2) as exe:
        return everything(exe)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference, as a share of the largest number."""
    assert a.shape == b.shape
    return float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30)) if a.size else 0.0


def devices(count: int) -> str:
    return ",".join(f"cpu:{index}" for index in range(count))
