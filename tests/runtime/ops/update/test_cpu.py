"""The update rules against float64 references, LARC's rates and clipping; the order of sums never changes."""

import numpy as np
import pytest

from netdef.schema import message_class
from netdef.solver_file import TYPES
from runtime.ir.runs import element_runs
from runtime.kernels.cpu.jit import BLOCK, jit
from runtime.kernels.cpu.registry import CPU_KERNELS
from runtime.kernels.rooms import load_rooms
from runtime.ops.update.table import ROWS, Row, correction
from tests.runtime import reference
from tests.runtime.harness import run_kernel

SIZES = [1, 7, 3 * BLOCK + 5]


def values(size: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, size]).standard_normal(size, dtype=np.float32)


FIELDS = {"momentum": 0.9, "momentum2": 0.99, "rms_decay": 0.95, "delta": 1e-3}
SCALARS = {"rate": 0.1, "scale": 0.5, "correction": 0.7}


def run_update(row: Row, arrays: list[np.ndarray], l1: bool, parts: int = 1, lr_mult: float = 2.0, **scalars: float) -> None:
    """One update, in parts; by default with weight decay 0.01."""
    load_rooms("cpu")
    kernel = CPU_KERNELS[row.kernel]
    names = [*("rate", "scale"), *row.scalars]
    numbers = [np.array([{**SCALARS, **scalars}[name]], np.float32) for name in names]
    arguments = (*arrays, *numbers, lr_mult, 0.01, l1, *(FIELDS[name] for name in row.constants))
    items = kernel.items(*arguments)
    for part in range(parts):
        kernel.function(items * part // parts, items * (part + 1) // parts, *arguments)


def start(row: Row, size: int) -> list[np.ndarray]:
    """Weight, gradient and histories; those that are means of squares are not negative."""
    w, g = values(size, 0), values(size, 1)
    w[0] = 0  # its sign is 0
    histories = [values(size, 2 + index) for index in range(len(row.states))]
    if row.type not in ("SGD", "Nesterov"):
        histories = [np.abs(history) for history in histories]
    return [w, g, *histories]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("l1", [False, True])
@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.type)
def test_update(row: Row, size: int, l1: bool) -> None:
    results = []
    for parts in (1, 7):
        arrays = start(row, size)
        run_update(row, arrays, l1, parts)
        results.append(arrays)
    w, g, *histories = (array.astype(np.float64) for array in start(row, size))
    fields = {**FIELDS, "correction": SCALARS["correction"]}
    expected, kept = reference.solver_step(row.type, w, 0.5 * g, histories, 0.2, 0.01, l1, **fields)
    np.testing.assert_allclose(results[0][0], expected, rtol=1e-5, atol=2e-6)
    assert len(kept) == len(row.states)
    for mine, theirs in zip(results[0][2:], kept, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(results[0][1], start(row, size)[1])
    for whole, cut in zip(*results, strict=True):
        assert whole.tobytes() == cut.tobytes()


@jit
def sgd_as_written_by_hand(weight, gradient, history, rate, scale, decay, momentum):  # type: ignore[no-untyped-def]
    for i in range(weight.size):
        history[i] = rate * (scale * gradient[i] + decay * weight[i]) + momentum * history[i]
        weight[i] -= history[i]


def test_sgd_has_the_bits_of_a_loop_by_hand() -> None:
    mine, theirs = start(ROWS["SGD"], SIZES[-1]), start(ROWS["SGD"], SIZES[-1])
    run_update(ROWS["SGD"], mine, l1=False)
    w, g, h = theirs
    for first in range(0, w.size, BLOCK):
        cut = slice(first, first + BLOCK)
        sgd_as_written_by_hand(w[cut], g[cut], h[cut], *map(np.float32, (np.float32(0.1) * np.float32(2), 0.5, 0.01, 0.9)))
    for one, other in zip(mine, theirs, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.type)
def test_a_layer_that_does_not_learn_stays(row: Row) -> None:
    arrays = start(row, 10)
    for history in arrays[2:]:
        history[:] = 0
    run_update(row, arrays, l1=False, lr_mult=0.0)
    np.testing.assert_array_equal(arrays[0], start(row, 10)[0])


def test_every_type_that_a_solver_file_may_name_has_a_row() -> None:
    assert set(ROWS) == set(TYPES)


def test_decay_of_one_row_only_is_apart_from_its_gradient() -> None:
    """AdamW's means do not see the weights."""
    assert [row.type for row in ROWS.values() if row.decays_by_itself] == ["AdamW"]
    small, large = start(ROWS["AdamW"], 10), start(ROWS["AdamW"], 10)
    large[0] *= 100
    for arrays in (small, large):
        run_update(ROWS["AdamW"], arrays, l1=False)
    for one, other in zip(small[1:], large[1:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_adams_correction() -> None:
    solver = message_class("SolverParameter")(momentum=0.5, momentum2=0.75)
    assert correction(solver, 0) == 1.0
    assert correction(solver, 1) == pytest.approx(np.sqrt(1 - 0.75**2) / (1 - 0.5**2))
    assert correction(solver, 10**6) == 1.0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("solvers", [1e-5, 0.5])
def test_larc(size: int, clip: bool, solvers: float) -> None:
    w, g, scale = values(size, 0), values(size, 1), np.array([0.25], np.float32)
    sums = [run_kernel("sum_of_squares", [x], [((element_runs(size),), "float64")])[0] for x in (w, g)]
    inputs = [*sums, np.array([solvers], np.float32), scale]
    (rate,) = run_kernel("larc_rate", inputs, [(1,)], eta=0.01, decay=0.1, clip=clip)
    own = reference.larc_rate(w.astype(np.float64), 0.25 * g.astype(np.float64), 0.01, 0.1)
    np.testing.assert_allclose(rate[0], min(solvers, own) if clip else solvers * own, rtol=1e-6)


@pytest.mark.parametrize("zero", [0, 1])
def test_without_a_norm_larc_leaves_the_rate(zero: int) -> None:
    sums = [np.full(3, float(index != zero)) for index in range(2)]
    (rate,) = run_kernel("larc_rate", [*sums, *np.float32([[0.5], [1]])], [(1,)], eta=0.01, decay=0.0, clip=False)
    assert rate[0] == 0.5


@pytest.mark.parametrize("size", SIZES)
def test_clipping(size: int) -> None:
    x = values(size, 0)
    (squares,) = run_kernel("sum_of_squares", [x], [((element_runs(size),), "float64")])
    norm = np.sqrt(np.sum(x.astype(np.float64) ** 2))
    np.testing.assert_allclose(np.sqrt(squares.sum()), norm, rtol=1e-12)
    for clip, want in [(norm / 4, 0.25), (norm * 2, 1)]:
        (scale,) = run_kernel("clip_scale", [squares], [(1,)], clip=float(clip), scale=0.5)
        np.testing.assert_allclose(scale[0], 0.5 * want, rtol=1e-6)


def test_sub_batches_add_up() -> None:
    load_rooms("cpu")
    total = np.full(10, np.nan, np.float32)
    for added in range(3):
        CPU_KERNELS["accumulate"].function(0, 1, values(10, added), np.array([added], np.float32), total)
    np.testing.assert_allclose(total, sum(values(10, seed) for seed in range(3)), rtol=1e-6)
