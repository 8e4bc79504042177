"""Nets of the tests of pycaffe."""

from pathlib import Path

import numpy as np

CLASSES = 13
SIMPLE = """
name: 'simple' force_backward: true
layer { type: 'DummyData' name: 'data' top: 'data' top: 'label'
  dummy_data_param { shape { dim: [5, 2, 3, 4] } shape { dim: 5 }
    data_filler { type: 'gaussian' std: 1 } data_filler { type: 'constant' } } }
layer { type: 'Convolution' name: 'conv' bottom: 'data' top: 'conv'
  convolution_param { num_output: 11 kernel_size: 2 pad: 3
    weight_filler { type: 'gaussian' std: 1 } bias_filler { type: 'constant' value: 2 } } }
layer { type: 'ReLU' name: 'relu' bottom: 'conv' top: 'conv' }
layer { type: 'InnerProduct' name: 'ip' bottom: 'conv' top: 'scores'
  inner_product_param { num_output: 13 weight_filler { type: 'gaussian' std: 0.1 } bias_filler { type: 'constant' value: -3 } } }
layer { type: 'SoftmaxWithLoss' name: 'loss' bottom: 'scores' bottom: 'label' top: 'loss' }
"""
DEPLOY = """
name: 'deploy' force_backward: true
layer { type: 'Input' name: 'data' top: 'data' input_param { shape { dim: [4, 3, 8, 8] } } }
layer { type: 'Convolution' name: 'conv' bottom: 'data' top: 'conv'
  convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: 'xavier' } } }
layer { type: 'ReLU' name: 'relu' bottom: 'conv' top: 'conv' }
layer { type: 'Pooling' name: 'pool' bottom: 'conv' top: 'pool' pooling_param { pool: AVE global_pooling: true } }
layer { type: 'InnerProduct' name: 'ip' bottom: 'pool' top: 'ip'
  inner_product_param { num_output: 5 weight_filler { type: 'xavier' } } }
layer { type: 'Softmax' name: 'prob' bottom: 'ip' top: 'prob' }
"""
SOLVER = """
net: '{net}' test_iter: 2 test_interval: 10 base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005 lr_policy: 'inv'
gamma: 0.0001 power: 0.75 max_iter: {max_iter} snapshot_after_train: false snapshot_prefix: '{prefix}'
"""


def written(folder: Path, text: str, name: str = "net.prototxt") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def solver_file(folder: Path, text: str = SIMPLE, max_iter: int = 12, more: str = "") -> str:
    values = {"net": written(folder, text), "max_iter": max_iter, "prefix": folder / "model"}
    return written(folder, SOLVER.format(**values) + more, "solver.prototxt")


def give_labels(*nets) -> None:
    for net in nets:
        label = net.blobs["label"].data
        label[...] = np.random.default_rng(1).integers(CLASSES, size=label.shape)
