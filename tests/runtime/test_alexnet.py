"""BVLC's AlexNet at full size against Caffe 1.0: every blob and every gradient, by its norm and at 64 positions."""

from zlib import crc32

import numpy as np
import pytest

import netdef
import runtime
from tests.paths import TESTS

GOLDEN = TESTS / "goldens" / "nets" / "bvlc_alexnet.npz"
NET = """
name: "AlexNet"
layer data: Input { shape { dim: 2 dim: 3 dim: 227 dim: 227 } }
layer label: Input { shape { dim: 2 } }
defaults LRN { local_size: 5 alpha: 1e-4 beta: 0.75 }
defaults Pooling { pool: MAX kernel_size: 3 stride: 2 }
layer conv1: Convolution(data) { num_output: 96 kernel_size: 11 stride: 4 }
layer relu1: ReLU(conv1) -> conv1
layer norm1: LRN(conv1)
layer pool1: Pooling(norm1)
layer conv2: Convolution(pool1) { num_output: 256 kernel_size: 5 pad: 2 group: 2 }
layer relu2: ReLU(conv2) -> conv2
layer norm2: LRN(conv2)
layer pool2: Pooling(norm2)
layer conv3: Convolution(pool2) { num_output: 384 kernel_size: 3 pad: 1 }
layer relu3: ReLU(conv3) -> conv3
layer conv4: Convolution(conv3) { num_output: 384 kernel_size: 3 pad: 1 group: 2 }
layer relu4: ReLU(conv4) -> conv4
layer conv5: Convolution(conv4) { num_output: 256 kernel_size: 3 pad: 1 group: 2 }
layer relu5: ReLU(conv5) -> conv5
layer pool5: Pooling(conv5)
layer fc6: InnerProduct(pool5) { num_output: 4096 }
layer relu6: ReLU(fc6) -> fc6
layer drop6: Dropout(fc6) -> fc6 { dropout_ratio: 0.5 }
layer fc7: InnerProduct(fc6) { num_output: 4096 }
layer relu7: ReLU(fc7) -> fc7
layer drop7: Dropout(fc7) -> fc7 { dropout_ratio: 0.5 }
layer fc8: InnerProduct(fc7) { num_output: 1000 }
layer loss: SoftmaxWithLoss(fc8, label)
layer prob: Softmax(fc8)
"""


def weights(layer: str, index: int, shape: tuple[int, ...]) -> np.ndarray:
    """As the golden's README says they were made."""
    rng = np.random.default_rng(crc32(f"{layer}/{index}".encode()))
    return rng.standard_normal(shape, dtype="f4") * (0.1 if index else np.sqrt(2 / np.prod(shape[1:])))


@pytest.fixture(scope="module")
def exe():
    exe = runtime.compile(netdef.parse(NET, phase="test"), losses_only=True)
    for parameter in exe.net.parameters:
        exe.set_param(parameter.layer.name, parameter.index, weights(parameter.layer.name, parameter.index, parameter.shape))
    data = np.random.default_rng(7).standard_normal((2, 3, 227, 227), dtype="f4")
    exe.forward(data=data, label=[3, 7])
    exe.backward()
    yield exe
    exe.close()


def close(mine: np.ndarray, caffes: np.ndarray, what: str) -> None:
    worst = np.max(np.abs(mine - caffes) / np.maximum(1, np.abs(caffes)))
    assert worst <= 1e-4, f"{what} is off by {worst:.2g}"


@pytest.mark.slow
def test_blobs(exe) -> None:
    golden = np.load(GOLDEN)
    names = [name.removeprefix("val_") for name in golden if name.startswith("val_")]
    assert len(names) > 15
    for name in names:
        blob = exe.blob(name)
        assert blob.shape == tuple(golden[f"shape_{name}"])
        close(blob.reshape(-1)[golden[f"at_{name}"]], golden[f"val_{name}"], name)
        norm = np.linalg.norm(blob.astype(np.float64))
        assert abs(norm / golden[f"norm_{name}"] - 1) < 1e-5, name


@pytest.mark.slow
def test_gradients(exe) -> None:
    golden = np.load(GOLDEN)
    for parameter in exe.net.parameters:
        name = f"{parameter.layer.name}/{parameter.index}"
        gradient = exe.param_grad(parameter.layer.name, parameter.index)
        close(gradient.reshape(-1)[golden[f"gat_{name}"]], golden[f"gval_{name}"], name)
        norm = np.linalg.norm(gradient.astype(np.float64))
        assert abs(norm / golden[f"gnorm_{name}"] - 1) < 1e-5, name
