"""CUDA kernels, run on the CPU, against the float64 references themselves: results as they are, gradients along some direction."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import numpy as np
import pytest

from netdef.layers.function import Formula
from runtime.ops.dropout.cpu import DROPOUT_STREAM
from runtime.ops.elementwise.formulas import FORMULAS
from runtime.ops.update.table import ROWS, Row
from tests.runtime import reference
from tests.runtime.harness import outer
from tests.runtime.kernels.cuda.checks import Check, on_cuda, size
from tests.runtime.kernels.cuda.on_cpu import Module
from tests.runtime.ops.elementwise.formulas import in_float64

Arrays = list[np.ndarray]  # in float64, users' layout
LARGEST = 40_000  # numbers in a case: the references take their time
STEP = 1e-4


def convolve(x: np.ndarray, w: np.ndarray, b: Any, c: dict[str, Any]) -> np.ndarray:
    return reference.convolution(x, w, np.broadcast_to(b, w.shape[:1]), c["stride"], c["pad"], c["dilation"], c["group"])


def conv2d(a: Arrays, c: dict[str, Any]) -> np.ndarray:
    y = convolve(a[0], a[1], a[2], c)
    return reference.relu(y, c["slope"]) if c["relu"] else y


def lrn(x: np.ndarray, c: dict[str, Any]) -> np.ndarray:
    return reference.lrn(x, c["size"], c["alpha"], c["beta"], c["k"], c["group"])


def dropout(a: Arrays, c: dict[str, Any]) -> np.ndarray:
    turn = int(a[1][0]) % 2**32  # all that the counter has room for
    kept = reference.uniform(a[0].size, c["key"], turn, DROPOUT_STREAM) * 2**24 >= c["threshold"]
    return np.where(kept, a[0] * c["factor"], 0)


def updated(row: Row, a: Arrays, c: dict[str, Any]) -> np.ndarray:
    w, g, *histories = a[: 2 + len(row.states)]
    rate, scale, *scalars = (float(number[0]) for number in a[2 + len(row.states) :])
    fields = {**dict(zip(row.scalars, scalars, strict=True)), **{name: c[name] for name in row.constants}}
    return reference.solver_step(row.type, w, scale * g, histories, rate * c["lr_mult"], c["decay"], c["l1"], **fields)[0]


def elementwise(formula: Formula, a: Arrays, c: dict[str, Any]) -> np.ndarray:
    return in_float64(formula, dict(zip(formula.arrays, a, strict=False)), c)


WINDOW = ("kernel", "stride", "pad")
FORWARD: dict[str, tuple[int, Callable[[Arrays, dict[str, Any]], np.ndarray]]] = {  # which array is the result
    "conv2d": (3, conv2d),
    "dropout": (2, dropout),
    "lrn_forward": (1, lambda a, c: lrn(a[0], c)),
    "lrn_within_forward": (1, lambda a, c: reference.lrn_within(a[0], c["size"], c["alpha"], c["beta"])),
    "pool_ave_forward": (1, lambda a, c: reference.pool_ave(a[0], a[1].shape[2:], *(c[key] for key in WINDOW))),
    "pool_max_forward": (1, lambda a, c: reference.pool_max(a[0], a[1].shape[2:], *(c[key] for key in WINDOW))[0]),
    "softmax_forward": (1, lambda a, c: reference.softmax(a[0], -1)),
}
FORWARD |= {row.kernel: (0, partial(updated, row)) for row in ROWS.values()}
FORWARD |= {formula.name: (len(formula.arrays), partial(elementwise, formula)) for formula in FORMULAS.values()}
# Which array is the result, where its gradient is given, which array it is the gradient of; the forward, as a function of that one.
BACKWARD: dict[str, tuple[int, int, int | None, Callable[[np.ndarray, Arrays, dict[str, Any]], np.ndarray]]] = {
    "conv2d_input_gradient": (2, 0, None, lambda x, a, c: convolve(x, a[1], 0, c)),
    "conv2d_weight_gradient": (2, 1, None, lambda w, a, c: convolve(a[0], w, 0, c)),
    "lrn_backward": (2, 1, 0, lambda x, a, c: lrn(x, c)),
    "pool_ave_backward": (1, 0, None, lambda x, a, c: reference.pool_ave(x, a[0].shape[2:], *(c[key] for key in WINDOW))),
}
WEIGHTS = {"conv2d": 1, "conv2d_input_gradient": 1, "conv2d_weight_gradient": 2}  # which array's axes users see as they are


def seen(check: Check, arrays: Arrays) -> Arrays:
    """As users see them; of one axis there is nothing to turn."""
    kernel = check.case.kernel
    return [
        a.astype(np.float64) if a.ndim == 1 or WEIGHTS.get(kernel) == index else np.asarray(outer(a), np.float64)
        for index, a in enumerate(arrays)
    ]


def sees_nothing(check: Check) -> bool:
    """Whether a pooling's last window lies beyond the image, which leaves no mean to compare."""
    constants, (x, y, *_) = check.case.constants, sorted(check.case.arrays, key=lambda spec: -prod(spec.shape[:3]))
    if not check.case.kernel.startswith("pool_"):
        return False
    sides = zip(x.shape[1:3], y.shape[1:3], constants["stride"], constants["pad"], strict=True)
    return any((count - 1) * stride - pad >= side for side, count, stride, pad in sides)


def of(kernel: str, checks: list[Check]) -> list[Check]:
    found = [c for c in checks if c.case.kernel == kernel and size(c.case) <= LARGEST and not c.case.narrow and not sees_nothing(c)]
    assert len(found) > 5
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kernel", FORWARD)
def test_results(kernel: str, checks: list[Check], modules: dict[str, Module]) -> None:
    result, function = FORWARD[kernel]
    for check in of(kernel, checks):
        expected = function(seen(check, check.case.values()), check.case.constants)
        found = seen(check, on_cuda(check, modules, 0))[result]
        small = 1e-5 * max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=small, err_msg=str(check.case))


@pytest.mark.slow
@pytest.mark.parametrize("kernel", BACKWARD)
def test_gradients(kernel: str, checks: list[Check], modules: dict[str, Module]) -> None:
    """What the result says of a small step is what a small step does."""
    result, given, at, function = BACKWARD[kernel]
    for number, check in enumerate(of(kernel, checks)):
        arrays, constants = seen(check, check.case.values()), check.case.constants
        found = seen(check, on_cuda(check, modules, 0))[result]
        way = np.random.default_rng(number).choice([-1.0, 1.0], found.shape)
        start = np.zeros_like(way) if at is None else arrays[at]
        largest = np.abs(start).max(initial=0.0)
        step = STEP if largest == 0 or largest > STEP else STEP * largest  # of numbers that are all small, a small part
        ends = [function(start + sign * step * way, arrays, constants) for sign in (1, -1)]
        expected = np.sum(arrays[given] * (ends[0] - ends[1])) / (2 * step)
        scale = np.abs(found).sum() ** 0.5 + np.abs(found * way).max() + 1
        assert np.sum(found * way) == pytest.approx(expected, abs=1e-4 * scale), str(check.case)
