"""A small residual net (He et al. 2016) trained from end to end: Convolution, BatchNorm, Scale, ReLU in place, and a shortcut."""

from __future__ import annotations

import numpy as np
import pytest

import netdef
import runtime

HEAD = """
name: "residual"
defaults Convolution { num_output: 8 kernel_size: 3 pad: 1 bias_term: false weight_filler { type: "msra" } }
defaults BatchNorm { moving_average_fraction: 0.9 }
defaults Scale { bias_term: true }
layer data: Input -> data, label { shape { dim: [12, 3, 10, 10] } shape { dim: 12 } }
"""
NORMALISED = "layer b{0}: BatchNorm(c{0}) -> c{0}\nlayer s{0}: Scale(c{0}) -> c{0}\n"
BODY = (
    "layer c1: Convolution(data)\n" + NORMALISED.format(1) + "layer r1: ReLU(c1) -> c1\n"
    "layer c2: Convolution(c1)\n" + NORMALISED.format(2) + "layer r2: PReLU(c2) -> c2\n"
    "layer c3: Convolution(c2)\n" + NORMALISED.format(3) + "layer sum: Eltwise(c1, c3)\nlayer r3: ReLU(sum) -> sum\n"
    "layer pool: Pooling(sum) { pool: AVE global_pooling: true }\n"
)
TAIL = """
layer fc: InnerProduct(pool) { num_output: 3 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
test layer accuracy: Accuracy(fc, label)
"""
SOLVER = """
base_lr: 0.05 lr_policy: "fixed" momentum: 0.9 weight_decay: 1e-4 max_iter: 60 random_seed: 3 test_iter: 1 test_interval: 1000
"""


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    """Noise of three strengths about three means, which a net must tell apart."""
    random, label = np.random.default_rng(0), np.arange(12) % 3
    data = random.standard_normal((12, 3, 10, 10)) * (1 + label[:, None, None, None]) + 5
    return {"data": data, "label": label}


@pytest.mark.slow
@pytest.mark.parametrize("where", ["cpu:0", "cpu:0,cpu:0"])
@pytest.mark.parametrize("more", ["", "iter_size: 2"])
def test_it_learns_and_tests_with_what_it_learned(where: str, more: str, batch: dict[str, np.ndarray], tmp_path) -> None:
    path = tmp_path / "residual.net"
    path.write_text(HEAD + BODY + TAIL)
    with runtime.Solver(SOLVER + more, path, where, threads=2, out=tmp_path) as solver:
        first = solver.iterate(**batch).loss
        for _ in range(59):
            last = solver.iterate(**batch).loss
        assert first > 0.7 and last < 0.1 * first
        (result,) = solver.test(**batch)  # by running statistics, which the weights are folded with
        assert result.outputs["accuracy"] == 1 and result.loss < 0.2
        solver.executable.save_weights(tmp_path / "w.caffemodel")
    net = netdef.load(path, phase="test")
    with runtime.compile(net, backward=False) as folded, runtime.compile(net, backward=False, fold=False) as apart:
        assert sum(one.kernel == "normalize_channels" for one in apart.program.forward) == 3
        assert not any(one.kernel == "normalize_channels" and not one.once for one in folded.program.forward)
        for exe in (folded, apart):
            exe.load_weights(tmp_path / "w.caffemodel")
        np.testing.assert_allclose(folded.forward(**batch)["loss"], apart.forward(**batch)["loss"], rtol=1e-4)
