"""Small networks that have everything the large ones have, and a few iterations of training on any device."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.kernels.cuda.options import CudaOptions
from runtime.solver.solver import Solver

ALEXNET = """
name: "AlexNet, small"
train layer data: ImageData -> data, label {
  source: "builtin:photos" batch_size: 4
  transform_param { crop_size: 51 mirror: true color_shift: 0.1 mean_value: [104, 117, 123] scale: 0.02 }
}
defaults Convolution {
  weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.1 }
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
}
defaults InnerProduct { weight_filler { type: "xavier" } }
defaults LRN { local_size: 5 alpha: 1e-2 beta: 0.75 k: 2 group: 2 }
defaults Pooling { pool: MAX kernel_size: 3 stride: 2 }
layer conv1: Convolution(data) { num_output: 16 kernel_size: 11 stride: 4 }
layer relu1: ReLU(conv1) -> conv1
layer norm1: LRN(conv1)
layer pool1: Pooling(norm1)
layer conv2: Convolution(pool1) { num_output: 24 kernel_size: 5 pad: 2 group: 2 }
layer relu2: ReLU(conv2) -> conv2
layer norm2: LRN(conv2)
layer pool2: Pooling(norm2)
layer conv3: Convolution(pool2) { num_output: 32 kernel_size: 3 pad: 1 }
layer relu3: ReLU(conv3) -> conv3
layer conv4: Convolution(conv3) { num_output: 32 kernel_size: 3 pad: 1 group: 2 }
layer relu4: ReLU(conv4) -> conv4
layer fc6: InnerProduct(conv4) { num_output: 64 }
layer relu6: ReLU(fc6) -> fc6
layer drop6: Dropout(fc6) -> fc6 { dropout_ratio: 0.5 }
layer fc8: InnerProduct(fc6) { num_output: 10 }
layer loss: SoftmaxWithLoss(fc8, label)
layer top1: Accuracy(fc8, label)
"""
LENET = """
name: "LeNet"
layer data: Input -> data, label { shape { dim: 6 dim: 1 dim: 28 dim: 28 } shape { dim: 6 } }
defaults Convolution { weight_filler { type: "xavier" } }
defaults InnerProduct { weight_filler { type: "xavier" } }
layer conv1: Convolution(data) { num_output: 20 kernel_size: 5 }
layer pool1: Pooling(conv1) { pool: MAX kernel_size: 2 stride: 2 }
layer conv2: Convolution(pool1) { num_output: 50 kernel_size: 5 }
layer pool2: Pooling(conv2) { pool: MAX kernel_size: 2 stride: 2 }
layer ip1: InnerProduct(pool2) { num_output: 100 }
layer relu1: ReLU(ip1) -> ip1
layer ip2: InnerProduct(ip1) { num_output: 10 }
layer loss: SoftmaxWithLoss(ip2, label)
"""
BRANCHES = """
name: "two branches"
layer data: Input -> data, label { shape { dim: 5 dim: 3 dim: 16 dim: 16 } shape { dim: 5 } }
defaults Convolution { weight_filler { type: "xavier" } }
layer stem: Convolution(data) { num_output: 8 kernel_size: 3 pad: 1 }
layer stem_relu: ReLU(stem) -> stem { negative_slope: 0.1 }
layer left: Convolution(stem) { num_output: 6 kernel_size: 1 }
layer left_act: TanH(left) -> left
layer right: Convolution(stem) { num_output: 6 kernel_size: 3 pad: 1 }
layer right_act: Sigmoid(right) -> right
layer sum: Eltwise(left, right) { operation: SUM coeff: [1, 0.5] }
layer pooled: Pooling(stem) { pool: AVE kernel_size: 3 stride: 1 pad: 1 }
layer joined: Concat(sum, pooled)
layer pool: Pooling(joined) { pool: AVE kernel_size: 4 stride: 4 }
layer fc: InnerProduct(pool) { num_output: 4 weight_filler { type: "gaussian" std: 0.1 } }
layer loss: SoftmaxWithLoss(fc, label)
"""
IMAGES = """
name: "images"
train layer data: ImageData -> data, label {
  source: "builtin:photos" batch_size: 2 transform_param { crop_size: 15 mirror: true scale: 0.01 }
}
layer conv: Convolution(data) { num_output: 4 kernel_size: 5 stride: 2 weight_filler { type: "xavier" } }
layer relu: ReLU(conv) -> conv
layer fc: InnerProduct(conv) { num_output: 10 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
WIDE = """
name: "numbers of channels that no pack divides"
layer data: Input -> data, label { shape { dim: 5 dim: 3 dim: 11 dim: 11 } shape { dim: 5 } }
defaults Convolution { weight_filler { type: "xavier" } }
defaults InnerProduct { weight_filler { type: "xavier" } }
layer conv1: Convolution(data) { num_output: 96 kernel_size: 3 stride: 2 }
layer relu1: ReLU(conv1) -> conv1
layer norm1: LRN(conv1) { alpha: 1e-2 }
layer conv2: Convolution(norm1) { num_output: 98 kernel_size: 3 pad: 1 }
layer relu2: ReLU(conv2) -> conv2
layer conv3: Convolution(conv2) { num_output: 393 kernel_size: 3 }
layer fc: InnerProduct(conv3) { num_output: 11 }
layer relu3: ReLU(fc) -> fc
layer fc2: InnerProduct(fc) { num_output: 10 }
layer loss: SoftmaxWithLoss(fc2, label)
"""
MADE_UP = """
name: "made-up data"
layer data: DummyData -> data, label {
  shape { dim: [6, 3, 32, 32] } shape { dim: 6 } data_filler { type: "gaussian" std: 1 } data_filler { type: "uniform" max: 9.9 }
}
layer conv: Convolution(data) { num_output: 8 kernel_size: 3 weight_filler { type: "xavier" } }
layer relu: ReLU(conv) -> conv
layer fc: InnerProduct(conv) { num_output: 10 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
SEQUENCES = """
name: "sequences"
layer data: Input -> data, label { shape { dim: 5 dim: 3 dim: 6 } shape { dim: 5 } }
layer cont: DummyData -> cont { dummy_data_param { shape { dim: [5, 3] } data_filler { type: "constant" value: 1 } } }
layer lstm: LSTM(data, cont) { num_output: 7 weight_filler { type: "xavier" } }
layer rnn: RNN(lstm, cont) { num_output: 4 weight_filler { type: "xavier" } }
layer fc: InnerProduct(rnn) { num_output: 4 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
NARROW = """
name: "blobs of bfloat16"
layer data: Input -> data, label { shape { dim: 8 dim: 4 dim: 14 dim: 12 } shape { dim: 8 } }
defaults Convolution { weight_filler { type: "xavier" } }
layer conv1: Convolution(data) { num_output: 8 kernel_size: 3 pad: 1 }
layer relu1: ReLU(conv1) -> conv1
layer norm1: LRN(conv1) { local_size: 5 alpha: 1e-2 beta: 0.75 k: 2 group: 2 }
layer pool1: Pooling(norm1) { pool: MAX kernel_size: 3 stride: 2 pad: 1 }
layer conv2: Convolution(pool1) { num_output: 16 kernel_size: 3 stride: 2 pad: 1 group: 2 }
layer relu2: ReLU(conv2) -> conv2
layer pool2: Pooling(conv2) { pool: MAX kernel_size: 3 stride: 2 pad: 1 }
layer fc: InnerProduct(pool2) { num_output: 5 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
NARROW_BLOCKS = """
name: "blobs of bfloat16, in blocks"
layer data: Input -> data, label { shape { dim: 8 dim: 4 dim: 10 dim: 9 } shape { dim: 8 } }
defaults Convolution { weight_filler { type: "xavier" } bias_term: false }
defaults BatchNorm { eps: 1e-3 }
defaults Scale { bias_term: true }
layer conv1: Convolution(data) { num_output: 8 kernel_size: 3 pad: 1 }
layer bn1: BatchNorm(conv1)
layer scale1: Scale(bn1)
layer relu1: ReLU(scale1) -> scale1
layer deep: Convolution(scale1) { num_output: 8 kernel_size: 3 pad: 1 group: 8 }
layer bn2: BatchNorm(deep)
layer scale2: Scale(bn2)
layer sum: Eltwise(scale1, scale2)
layer relu2: ReLU(sum) -> sum
layer conv3: Convolution(sum) { num_output: 8 kernel_size: 1 }
layer bn3: BatchNorm(conv3)
layer largest: Eltwise(bn3, sum) { operation: MAX }
layer both: Concat(sum, largest)
layer mean: Pooling(both) { pool: AVE global_pooling: true }
layer fc: InnerProduct(mean) { num_output: 5 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
ITERATIONS = 6  # of which the first captures graphs, and the last two have another rate
SOLVER = """
base_lr: 0.01 lr_policy: "step" gamma: 0.5 stepsize: 4 momentum: 0.9 weight_decay: 0.005
max_iter: 10 average_loss: 3 random_seed: 7 iter_size: %d clip_gradients: %g
"""


def inputs(net: Any) -> dict[str, np.ndarray]:
    """Made-up images and labels for a net fed by Input layers."""
    if not net.inputs:
        return {}
    data, label = net.inputs
    rng = np.random.default_rng(0)
    classes = next(layer.num_output for layer in reversed(net.layers) if layer.type == "InnerProduct")
    return {"data": rng.standard_normal(data.shape, dtype=np.float32), "label": rng.integers(0, classes, label.shape)}


def train(
    net: str, devices: str, cuda: CudaOptions | None = None, iter_size: int = 1, clip: float = -1, **options: Any
) -> tuple[list[np.ndarray], list[float]]:
    """The weights after ITERATIONS, and the losses on the way."""
    solver = Solver(SOLVER % (iter_size, clip), parse(net), devices, cuda=cuda, **options)
    try:
        fed = inputs(solver.nets.train)
        losses = [solver.iterate(**fed) for _ in range(ITERATIONS)]
        executable = solver.executable
        weights = [executable.param(p.layer.name, p.index) for p in executable.net.parameters]
        return weights, [one.loss for one in losses]
    finally:
        solver.close()


def parse(text: str) -> Any:
    import netdef

    return netdef.parse(text, phase="train")
