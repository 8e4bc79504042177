"""Convolution by tiles beside the direct one."""

import numpy as np
import pytest

import netdef
import runtime
from runtime.kernels.cpu.convolution import conv2d
from runtime.kernels.cpu.winograd import FREQUENCIES, pays, tiles_of, winograd_scratch

WINDOW = {"kernel": (3, 3), "stride": (1, 1), "dilation": (1, 1)}


def by_tiles(x: np.ndarray, w: np.ndarray, pad: tuple[int, int], run: int, group: int = 1, parts: int = 1) -> np.ndarray:
    """y (O, OH, OW, N) of x (C, H, W, N), in runs of so many tiles."""
    height, width, O, N = x.shape[1] + 2 * pad[0] - 2, x.shape[2] + 2 * pad[1] - 2, len(w), x.shape[3]
    y = np.full((O, height, width, N), np.nan, np.float32)
    scratch = np.full(winograd_scratch(O // group, w.shape[1], width, run, N), np.nan, np.float32)
    items = group * -(-tiles_of(height, width) // run)
    for item in range(items):
        conv2d(
            item, item + 1, x, w, w[0], y, scratch,
            **WINDOW, pad=pad, group=group, run=run, parts=parts, winograd=True, has_bias=False, relu=False, slope=0.0,
        )  # fmt: skip
    return y


def exact(x: np.ndarray, w: np.ndarray, pad: tuple[int, int]) -> np.ndarray:
    """In float64."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (pad[0],) * 2, (pad[1],) * 2, (0, 0)))
    height, width = padded.shape[1] - 2, padded.shape[2] - 2
    windows = ((i, j, padded[:, i : i + height, j : j + width]) for i in range(3) for j in range(3))
    return sum(np.tensordot(w[:, :, i, j].astype(np.float64), part, 1) for i, j, part in windows)


@pytest.mark.parametrize("run", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(("shape", "pad"), [((16, 7, 8, 16), (1, 1)), ((16, 5, 3, 19), (0, 2)), ((17, 1, 1, 16), (1, 1))])
def test_whole_numbers_stay_exact_in_any_runs(shape: tuple[int, ...], pad: tuple[int, int], run: int) -> None:
    random = np.random.default_rng(1)
    x = random.integers(-50, 50, shape).astype(np.float32)
    w = random.integers(-50, 50, (5, shape[0], 3, 3)).astype(np.float32)
    np.testing.assert_array_equal(by_tiles(x, w, pad, run, parts=2), exact(x, w, pad))


def test_groups_are_apart() -> None:
    random = np.random.default_rng(2)
    x, w = (random.integers(-9, 9, shape).astype(np.float32) for shape in ((32, 6, 6, 16), (6, 16, 3, 3)))
    halves = [exact(x[16 * g : 16 * g + 16], w[3 * g : 3 * g + 3], (1, 1)) for g in range(2)]
    np.testing.assert_array_equal(by_tiles(x, w, (1, 1), run=4, group=2), np.concatenate(halves))


def test_rounding_is_that_of_the_direct_sum() -> None:
    """AlexNet's conv3: as far from float64 as the sum of 2304 products is, give or take a half."""
    random = np.random.default_rng(3)
    x, w = (random.standard_normal(shape, np.float32) for shape in ((256, 13, 13, 16), (24, 256, 3, 3)))
    right, direct = exact(x, w, (1, 1)), np.full((24, 13, 13, 16), np.nan, np.float32)
    rest = {"pad": (1, 1), "group": 1, "parts": 1, "has_bias": False, "relu": False, "slope": 0.0}
    conv2d(0, 1, x, w, w[0], direct, np.empty(2304 * 169 * 16, np.float32), **WINDOW, **rest, run=169, winograd=False)
    by, plain = (np.sqrt(np.mean((y - right) ** 2)) for y in (by_tiles(x, w, (1, 1), run=25), direct))
    assert 0 < by < 2 * plain
    assert np.max(np.abs(by_tiles(x, w, (1, 1), run=25) - right)) < 2e-6 * np.max(np.abs(right))


def test_where_it_pays() -> None:
    assert pays(WINDOW, 16, 16)
    assert not pays(WINDOW, 15, 16)
    assert not pays(WINDOW, 16, 15)
    for field, value in (("kernel", (3, 5)), ("stride", (2, 2)), ("dilation", (2, 2)), ("stride", (1, 2))):
        assert not pays({**WINDOW, field: value}, 64, 64)


def test_alexnet_computes_three_layers_by_tiles() -> None:
    program = runtime.compile_program(netdef.load("alexnet", phase="train", batch_size=32), losses_only=True)
    forward = {step.layer for step in program.forward if step.constants.get("winograd")}
    backward = [step.layer for step in program.backward if step.constants.get("winograd")]
    assert forward == {"conv3", "conv4", "conv5"}
    assert backward == ["conv5", "conv4", "conv3", "conv3"]
    step = next(step for step in program.forward if step.layer == "conv4")
    assert step.scratch > FREQUENCIES * 192 * 192
