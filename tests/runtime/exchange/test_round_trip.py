"""A net that is exported to ONNX and imported again is the same net, and has the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from netdef import parse
from netdef.cli.main import run
from netdef.weights import read_weights
from tests.runtime.exchange.nets import compiled

NET = """name: "round"
layer data: Input -> data { shape { dim: [2, 4, 13, 12] } }
layer conv1: Convolution(data) -> conv1 { num_output: 8 kernel_h: 3 kernel_w: 5 stride: 2 pad_h: 1 pad_w: 2 group: 2 }
layer relu1: ReLU(conv1) -> conv1
layer norm1: LRN(conv1) { local_size: 3 alpha: 5e-4 k: 2 group: 2 }
layer norm2: LRN(norm1) { local_size: 3 alpha: 0.5 beta: 0.6 norm_region: WITHIN_CHANNEL }
layer pool1: Pooling(norm2) { kernel_size: 3 stride: 2 }
layer conv2: Convolution(pool1) { num_output: 6 kernel_size: 3 pad: 2 dilation: 2 bias_term: false }
layer bn2: BatchNorm(conv2) -> conv2
layer scale2: Scale(conv2) -> conv2 { bias_term: true }
layer elu2: ELU(conv2) { alpha: 0.3 }
layer bn3: BatchNorm(elu2) { eps: 1e-3 }
layer scale3: Scale(bn3) -> bn3 { bias_term: true }
layer up: Deconvolution(bn3) { num_output: 4 kernel_size: 2 stride: 2 }
layer leaky: ReLU(up) { negative_slope: 0.1 }
layer ave: Pooling(leaky) { pool: AVE kernel_size: 3 stride: 2 pad: 1 }
layer floor: Pooling(ave) { pool: MAX kernel_size: 2 stride: 3 round_mode: FLOOR }
layer parts: Slice(up) -> a, b { slice_point: 1 }
layer sig: Sigmoid(a)
layer gate: Eltwise(sig, a) { operation: PROD }
layer minus: Eltwise(gate, a) { operation: SUM coeff: [1, -1] }
layer both: Concat(minus, b)
layer alone: BatchNorm(both)
layer slope: PReLU(alone)
layer whole: Pooling(slope) { pool: AVE global_pooling: true }
layer turned: Permute(whole) { order: [0, 2, 3, 1] }
layer fc1: InnerProduct(floor) { num_output: 7 }
layer drop1: Dropout(fc1) -> fc1 { dropout_ratio: 0.3 }
layer flat: Flatten(turned)
layer fc2: InnerProduct(flat) { num_output: 7 bias_term: false transpose: true }
layer sum: Eltwise(fc1, fc2)
layer prob: Softmax(sum)
"""


def test_the_same_net_and_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.net").write_text(NET)
    with compiled(parse(NET, phase="test")) as exe:
        draws = np.random.default_rng(0)
        for one in exe.net.parameters:
            if one.layer.type != "BatchNorm":
                exe.set_param(one.layer.name, one.index, draws.normal(0, 0.3, one.shape))
        exe.save_weights("a.caffemodel")
    assert run(["export", "a.net", "--weights", "a.caffemodel", "-o", "x.onnx"]) == 0
    assert run(["import", "x.onnx", "-o", "b.prototxt", "--weights", "b.caffemodel"]) == 0
    capsys.readouterr()
    assert run(["diff", "a.net", "b.prototxt", "--phase", "test"]) == 0
    assert "no differences in test phase" in capsys.readouterr().out
    before, after = read_weights("a.caffemodel"), read_weights("b.caffemodel")
    assert list(before) == list(after)
    for name, arrays in before.items():
        divisor = 2.0 if len(arrays) == 3 else 1.0  # netdef's sums are divided by what the net counts
        for one, other in list(zip(arrays, after[name], strict=True))[:2]:
            np.testing.assert_allclose(one / divisor, other, rtol=1e-6)
