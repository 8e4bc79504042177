"""One measurement of one program on one net, in a process of its own; bench_peers.py runs these in turns.

Prints one line of JSON: seconds of every timed iteration, peak resident memory, and for netdef the machine's GEMM rate and the
multiply-accumulates. Every program computes the net of the same file on random images. The run `check` compares the programs'
scores with netdef's instead.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from peer_steps import fed_net, images_and_labels, losses, scores, seeded_weights

from netdef.graph.net import Net
from netdef.shapes import GEMM_KINDS

CHECKED_IMAGES = 2
CLOSE = 1e-3  # of the largest score: float32 in another order, through a hundred layers
SOLVER = "base_lr: 0.01 lr_policy: 'fixed' momentum: 0.9 weight_decay: 0.0005 max_iter: 1000000 snapshot_after_train: false"


CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}
clock = CLOCKS["wall"]


longest = float("inf")


def timed(run: Callable[[], object], iterations: int) -> list[float]:
    """Seconds of each of `iterations` calls, or of fewer that together take `longest`, after two that are not counted."""
    seconds: list[float] = []
    for iteration in range(iterations + 2):
        start = clock()
        run()
        if iteration >= 2:
            seconds.append(clock() - start)
            if sum(seconds) >= longest:
                break
    return seconds


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


def macs(net: Net) -> dict[str, int]:
    """Multiply-accumulates of matrix products: of an image forward, and in training, where a gradient costs as much again."""
    products = [layer for layer in net.layers if layer.kind in GEMM_KINDS]
    forward = sum(layer.macs for layer in products)
    first = sum(layer.macs for layer in products if layer.bottoms[0].producer.is_source)  # an image needs no gradient
    return {"forward": forward, "train": 3 * forward - first}


def netdef_train(name: str, batch: int, threads: int, iterations: int) -> list[float]:
    from netdef.language import read_text
    from runtime import Solver

    net = fed_net(name, "train", batch)
    solver = Solver(read_text(SOLVER, "bench", "SolverParameter"), net=net, threads=threads)
    data, label = images_and_labels(net)
    return timed(lambda: solver.step(1, data=data, label=label), iterations)


def netdef_forward(name: str, batch: int, threads: int, iterations: int) -> list[float]:
    import runtime

    net = fed_net(name, "test", batch)
    executable = runtime.compile(net, threads=threads, backward=False)
    data, label = images_and_labels(net)
    return timed(lambda: executable.forward(data=data, label=label), iterations)


def torch_train(name: str, batch: int, threads: int, iterations: int) -> list[float]:
    import torch
    from peer_torch import Peer
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(threads)
    net = fed_net(name, "train", batch)
    peer = Peer(net, scores(net), seeded_weights(net))
    optimizer = torch.optim.SGD(peer.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005)
    data, label = (torch.from_numpy(array) for array in images_and_labels(net))
    factors = [layer.loss_weights[0] for layer in losses(net)]

    def step() -> float:
        optimizer.zero_grad()
        found = [cross_entropy(one.flatten(1), label) for one in peer(data)]
        loss = torch.stack([one * factor for one, factor in zip(found, factors, strict=True)]).sum()
        loss.backward()
        optimizer.step()
        return loss.item()

    return timed(step, iterations)


def torch_forward(name: str, batch: int, threads: int, iterations: int) -> list[float]:
    import torch
    from peer_torch import Peer

    torch.set_num_threads(threads)
    net = fed_net(name, "test", batch)
    peer = Peer(net, scores(net)[-1:], seeded_weights(net)).eval()
    data = torch.from_numpy(images_and_labels(net)[0])
    with torch.inference_mode():
        return timed(lambda: peer(data)[0].numpy(), iterations)


def onnxruntime_forward(name: str, batch: int, threads: int, iterations: int) -> list[float]:
    net = fed_net(name, "test", batch)
    session = onnx_session(net, threads)
    data = images_and_labels(net)[0]
    return timed(lambda: session.run(None, {"data": data}), iterations)


def onnx_session(net: Net, threads: int) -> Any:
    """ONNX Runtime with the net."""
    import onnxruntime
    from peer_onnx import onnx_model

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(onnx_model(net, seeded_weights(net)), options, providers=["CPUExecutionProvider"])


def opencv_forward(name: str, batch: int, threads: int, iterations: int) -> list[float]:
    """By its ONNX importer: OpenCV 5 has none for Caffe's files any more."""
    import cv2
    from peer_onnx import onnx_model

    cv2.setNumThreads(threads)
    net = fed_net(name, "test", batch)
    reader = cv2.dnn.readNetFromONNX(np.frombuffer(onnx_model(net, seeded_weights(net)), np.uint8))
    data = images_and_labels(net)[0]

    def run() -> np.ndarray:
        reader.setInput(data)
        return reader.forward()

    return timed(run, iterations)


def check(name: str, threads: int) -> dict[str, float]:
    """How far the scores of each program are from netdef's, on the same weights and images, as a share of the largest.

    Raises
    ------
    SystemExit: they are further than CLOSE.
    """
    import runtime

    net = fed_net(name, "test", CHECKED_IMAGES)
    weights, (data, label) = seeded_weights(net), images_and_labels(net)
    with runtime.compile(net, threads=threads, backward=False, keep="all") as executable:
        for layer, arrays in weights.items():
            for index, array in enumerate(arrays):
                executable.set_param(layer, index, array)
        executable.forward(data=data, label=label)
        ours = executable.blob(str(scores(net)[-1])).copy()
    if not np.isfinite(ours).all() or np.ptp(ours) == 0:
        raise SystemExit(f"{name}: the seeded weights give scores that compare nothing")
    found = {}
    if find_spec("torch"):
        import torch
        from peer_torch import Peer

        with torch.inference_mode():
            theirs = Peer(net, scores(net)[-1:], weights).eval()(torch.from_numpy(data))[0].numpy()
        found["torch"] = float(np.abs(theirs - ours).max() / np.abs(ours).max())
    if find_spec("onnxruntime") and find_spec("onnx"):
        (theirs,) = onnx_session(net, threads).run(None, {"data": data})
        found["onnxruntime"] = float(np.abs(theirs - ours).max() / np.abs(ours).max())
    for program, difference in found.items():
        if not difference < CLOSE:
            raise SystemExit(f"{name}: the scores of {program} differ from netdef's by {difference:.1e} of the largest")
    return found


RUNS = {
    "netdef train": netdef_train,
    "torch train": torch_train,
    "netdef forward": netdef_forward,
    "torch forward": torch_forward,
    "onnxruntime forward": onnxruntime_forward,
    "opencv forward": opencv_forward,
}
NEEDS = {"netdef": (), "torch": ("torch",), "onnxruntime": ("onnx", "onnxruntime"), "opencv": ("onnx", "cv2")}


def main() -> None:
    global clock, longest
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", choices=[*RUNS, "check"])
    parser.add_argument("--net", default="alexnet")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="processor: seconds of all threads")
    parser.add_argument("--seconds", type=float, default=longest, help="of timed iterations; there is always one")
    arguments = parser.parse_args()
    clock, longest = CLOCKS[arguments.clock], arguments.seconds
    if arguments.run == "check":
        print(json.dumps(check(arguments.net, arguments.threads)))
        return
    seconds = RUNS[arguments.run](arguments.net, arguments.batch, arguments.threads, arguments.iterations)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report: dict[str, Any] = {"seconds": seconds, "peak_bytes": peak}
    if arguments.run.startswith("netdef"):
        phase = "train" if arguments.run.endswith("train") else "test"
        report |= {"gemm": gemm_rate(arguments.threads), "macs": macs(fed_net(arguments.net, phase, 1))}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
