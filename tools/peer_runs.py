"""One measurement of one program on AlexNet, in a process of its own; bench_peers.py runs these in turns.

Prints one line of JSON: seconds of every timed iteration, peak resident memory, and for netdef the machine's GEMM rate.
All of them compute the network of models/alexnet.net (two towers, LRN, 227x227) on random images.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from alexnet_text import alexnet_fed_by

LRN: dict[str, Any] = {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}


def timed(run: Callable[[], object], iterations: int) -> list[float]:
    """Seconds of each of `iterations` calls, after two that are not counted."""
    seconds = []
    for iteration in range(iterations + 2):
        start = time.perf_counter()
        run()
        if iteration >= 2:
            seconds.append(time.perf_counter() - start)
    return seconds


def images(batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((batch, 3, 227, 227), dtype=np.float32), rng.integers(0, 1000, batch)


def gemm_rate(threads: int) -> float:
    """FLOP/s of 1536-cubed float32 products, one a worker thread: what this machine's BLAS can do."""
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import threadpool_limits

    size = 1536
    matrices = [np.random.default_rng(0).random((size, size), dtype=np.float32) for _ in range(3 * threads)]

    def multiply(worker: int) -> None:
        np.matmul(matrices[3 * worker], matrices[3 * worker + 1], out=matrices[3 * worker + 2])

    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        seconds = timed(lambda: list(pool.map(multiply, range(threads))), 9)
    return threads * 2 * size**3 / float(np.median(seconds))


def netdef_train(batch: int, threads: int, iterations: int) -> list[float]:
    from netdef.language import read_text
    from runtime import Solver

    text = "base_lr: 0.01 lr_policy: 'fixed' momentum: 0.9 weight_decay: 0.0005 max_iter: 1000000 snapshot_after_train: false"
    solver = Solver(read_text(text, "bench", "SolverParameter"), net=alexnet_fed_by("Input", batch), threads=threads)
    data, label = images(batch)
    return timed(lambda: solver.step(1, data=data, label=label), iterations)


def netdef_forward(batch: int, threads: int, iterations: int) -> list[float]:
    import runtime

    executable = runtime.compile(alexnet_fed_by("Input", batch), threads=threads, backward=False)
    data, label = images(batch)
    return timed(lambda: executable.forward(data=data, label=label), iterations)


def torch_alexnet(threads: int):
    """The same network in PyTorch; LRN over each tower by folding the towers into the batch."""
    import torch
    from torch import nn
    from torch.nn.functional import local_response_norm

    torch.set_num_threads(threads)

    class TowerLRN(nn.Module):
        def forward(self, x):
            towers = x.reshape(-1, x.shape[1] // 2, *x.shape[2:])
            return local_response_norm(towers, LRN["size"], LRN["alpha"], LRN["beta"], LRN["k"]).reshape(x.shape)

    def conv(inputs: int, outputs: int, kernel: int, **options: Any) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, kernel, **options), nn.ReLU(inplace=True)]

    def dense(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout()]

    return nn.Sequential(
        *conv(3, 96, 11, stride=4), TowerLRN(), nn.MaxPool2d(3, 2),
        *conv(96, 256, 5, padding=2, groups=2), TowerLRN(), nn.MaxPool2d(3, 2),
        *conv(256, 384, 3, padding=1), *conv(384, 384, 3, padding=1, groups=2),
        *conv(384, 256, 3, padding=1, groups=2), nn.MaxPool2d(3, 2), nn.Flatten(),
        *dense(9216, 4096), *dense(4096, 4096), nn.Linear(4096, 1000),
    )  # fmt: skip


def torch_train(batch: int, threads: int, iterations: int) -> list[float]:
    import torch
    from torch.nn.functional import cross_entropy

    net = torch_alexnet(threads)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005)
    data, label = (torch.from_numpy(array) for array in images(batch))

    def step() -> float:
        optimizer.zero_grad()
        loss = cross_entropy(net(data), label)
        loss.backward()
        optimizer.step()
        return loss.item()

    return timed(step, iterations)


def torch_forward(batch: int, threads: int, iterations: int) -> list[float]:
    import torch

    net = torch_alexnet(threads).eval()
    data = torch.from_numpy(images(batch)[0])
    with torch.inference_mode():
        return timed(lambda: net(data).numpy(), iterations)


def onnxruntime_forward(batch: int, threads: int, iterations: int) -> list[float]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(onnx_alexnet(batch), options, providers=["CPUExecutionProvider"])
    data = images(batch)[0]
    return timed(lambda: session.run(None, {"data": data}), iterations)


def opencv_forward(batch: int, threads: int, iterations: int) -> list[float]:
    """By its ONNX importer: OpenCV 5 has none for Caffe's files any more."""
    import cv2

    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromONNX(np.frombuffer(onnx_alexnet(batch), np.uint8))
    data = images(batch)[0]

    def run() -> np.ndarray:
        net.setInput(data)
        return net.forward()

    return timed(run, iterations)


def onnx_alexnet(batch: int) -> bytes:
    """The same network as an ONNX file."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes, constants = [], []

    def constant(name: str, array: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(array, name))
        return name

    def weights(name: str, *shape: int) -> list[str]:
        return [
            constant(name + ".w", rng.standard_normal(shape, dtype=np.float32) * np.float32(0.01)),
            constant(name + ".b", np.zeros(shape[0], np.float32)),
        ]

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def conv(x: str, name: str, *shape: int, group: int = 1, stride: int = 1, pad: int = 0) -> str:
        y = node(
            "Conv", [x, *weights(name, *shape)], name, group=group, strides=[stride] * 2, pads=[pad] * 4
        )  # fmt: skip
        return node("Relu", [y], name + ".relu")

    def tower_lrn(x: str, name: str, channels: int, size: int) -> str:
        folded = constant(name + ".folded", np.array([2 * batch, channels // 2, size, size]))
        whole = constant(name + ".whole", np.array([batch, channels, size, size]))
        x = node("Reshape", [x, folded], name + ".in")
        x = node("LRN", [x], name, size=LRN["size"], alpha=LRN["alpha"], beta=LRN["beta"], bias=LRN["k"])
        return node("Reshape", [x, whole], name + ".out")

    def pool(x: str, name: str) -> str:
        return node("MaxPool", [x], name, kernel_shape=[3, 3], strides=[2, 2])

    def dense(x: str, name: str, inputs: int, outputs: int) -> str:
        return node("Gemm", [x, *weights(name, outputs, inputs)], name, transB=1)

    x = pool(tower_lrn(conv("data", "conv1", 96, 3, 11, 11, stride=4), "norm1", 96, 55), "pool1")
    x = pool(tower_lrn(conv(x, "conv2", 256, 48, 5, 5, group=2, pad=2), "norm2", 256, 27), "pool2")
    x = conv(x, "conv3", 384, 256, 3, 3, pad=1)
    x = conv(conv(x, "conv4", 384, 192, 3, 3, group=2, pad=1), "conv5", 256, 192, 3, 3, group=2, pad=1)
    x = node("Flatten", [pool(x, "pool5")], "flat")
    for name, inputs in (("fc6", 9216), ("fc7", 4096)):
        x = node("Relu", [dense(x, name, inputs, 4096)], name + ".relu")
    dense(x, "fc8", 4096, 1000)
    data = helper.make_tensor_value_info("data", TensorProto.FLOAT, [batch, 3, 227, 227])
    scores = helper.make_tensor_value_info("fc8", TensorProto.FLOAT, [batch, 1000])
    graph = helper.make_graph(nodes, "alexnet", [data], [scores], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model.SerializeToString()


RUNS = {
    "netdef train": netdef_train,
    "torch train": torch_train,
    "netdef forward": netdef_forward,
    "torch forward": torch_forward,
    "onnxruntime forward": onnxruntime_forward,
    "opencv forward": opencv_forward,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", choices=RUNS)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--iterations", type=int, default=5)
    arguments = parser.parse_args()
    seconds = RUNS[arguments.run](arguments.batch, arguments.threads, arguments.iterations)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report = {"seconds": seconds, "peak_bytes": peak}
    if arguments.run.startswith("netdef"):
        report["gemm"] = gemm_rate(arguments.threads)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
