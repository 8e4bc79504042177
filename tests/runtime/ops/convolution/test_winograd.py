"""Convolution by tiles beside the direct one."""

import numpy as np
import pytest

import netdef
import runtime
from runtime.ops.convolution.cpu import conv2d, conv2d_input_gradient
from runtime.ops.convolution.winograd import pays, saves, tiles_of, winograd_scratch

Pair = tuple[int, int]
STEPS = {"stride": (1, 1), "dilation": (1, 1)}
ALONE = {"has_bias": False, "relu": False, "slope": 0.0}


def by_tiles(x: np.ndarray, w: np.ndarray, pad: Pair, run: int, group: int = 1, parts: int = 1) -> np.ndarray:
    """y (O, OH, OW, N) of x (C, H, W, N), in runs of so many tiles."""
    O, kernel, N = len(w), w.shape[2:], x.shape[3]
    height, width = (x.shape[1 + i] + 2 * pad[i] - kernel[i] + 1 for i in range(2))
    y = np.full((O, height, width, N), np.nan, np.float32)
    scratch = np.full(winograd_scratch(O // group, w.shape[1], kernel, width, run, N), np.nan, np.float32)
    for item in range(group * -(-tiles_of(height, width) // run)):
        conv2d(
            item, item + 1, x, w, w[0], y, scratch,
            **STEPS, **ALONE, kernel=kernel, pad=pad, group=group, run=run, parts=parts, winograd=True,
        )  # fmt: skip
    return y


def exact(x: np.ndarray, w: np.ndarray, pad: Pair) -> np.ndarray:
    """In float64."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (pad[0],) * 2, (pad[1],) * 2, (0, 0)))
    kh, kw = w.shape[2:]
    height, width = padded.shape[1] - kh + 1, padded.shape[2] - kw + 1
    windows = ((i, j, padded[:, i : i + height, j : j + width]) for i in range(kh) for j in range(kw))
    return sum(np.tensordot(w[:, :, i, j].astype(np.float64), part, 1) for i, j, part in windows)


@pytest.mark.parametrize("run", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (3, 5), (5, 3)])
@pytest.mark.parametrize(("shape", "pad"), [((16, 7, 8, 16), (1, 1)), ((16, 5, 3, 19), (0, 2)), ((17, 1, 1, 16), (2, 3))])
def test_whole_numbers_stay_exact_in_any_runs(shape: tuple[int, ...], pad: Pair, kernel: Pair, run: int) -> None:
    random = np.random.default_rng(1)
    x = random.integers(-20, 20, shape).astype(np.float32)
    w = random.integers(-20, 20, (5, shape[0], *kernel)).astype(np.float32)
    np.testing.assert_array_equal(by_tiles(x, w, pad, run, parts=2), exact(x, w, pad))


def test_groups_are_apart() -> None:
    random = np.random.default_rng(2)
    x, w = (random.integers(-9, 9, shape).astype(np.float32) for shape in ((32, 6, 6, 16), (6, 16, 3, 3)))
    halves = [exact(x[16 * g : 16 * g + 16], w[3 * g : 3 * g + 3], (1, 1)) for g in range(2)]
    np.testing.assert_array_equal(by_tiles(x, w, (1, 1), run=4, group=2), np.concatenate(halves))


@pytest.mark.parametrize(("kernel", "pad", "group"), [((3, 3), (1, 1), 1), ((5, 3), (1, 0), 2), ((3, 5), (3, 4), 1)])
def test_the_inputs_gradient_is_that_by_col2im(kernel: Pair, pad: Pair, group: int) -> None:
    random = np.random.default_rng(4)
    C, O, size, N, run = 6, 32, (7, 8), 16, 3
    height, width = (size[i] + 2 * pad[i] - kernel[i] + 1 for i in range(2))
    w = random.integers(-9, 9, (O, C // group, *kernel)).astype(np.float32)
    dy = random.integers(-9, 9, (O, height, width, N)).astype(np.float32)
    found = []
    for winograd, runs in ((False, 1), (True, -(-tiles_of(*size) // run))):
        dx = np.full((C, *size, N), np.nan, np.float32)
        rest = {"kernel": kernel, "pad": pad, "group": group, "winograd": winograd, "run": run if winograd else height * width}
        floats = w.size + winograd_scratch(C // group, O // group, kernel, size[1], run, N)
        scratch = np.full(floats if winograd else C * w[0, 0].size * height * width * N, np.nan, np.float32)
        for item in range(group * runs):
            conv2d_input_gradient(item, item + 1, dy, w, dx, scratch, **STEPS, **rest, block=C // group)
        found.append(dx)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(("channels", "size", "kernel"), [(48, 27, (5, 5)), (256, 13, (3, 3))])
def test_rounding_is_like_that_of_the_direct_sum(channels: int, size: int, kernel: Pair) -> None:
    """AlexNet's conv2 and conv3, of few outputs: at most twice as far from float64 as the sum of all products is."""
    random = np.random.default_rng(3)
    x, w = (random.standard_normal(shape, np.float32) for shape in ((channels, size, size, 16), (24, channels, *kernel)))
    pad, positions = (kernel[0] // 2, kernel[1] // 2), size * size
    right, direct = exact(x, w, pad), np.full((24, size, size, 16), np.nan, np.float32)
    rest = {"kernel": kernel, "pad": pad, "group": 1, "parts": 1, "run": positions, "winograd": False}
    conv2d(0, 1, x, w, w[0], direct, np.empty(w[0].size * positions * 16, np.float32), **STEPS, **ALONE, **rest)
    found = by_tiles(x, w, pad, run=28)
    tiles, sums = (np.sqrt(np.mean((y - right) ** 2)) for y in (found, direct))
    assert 0 < tiles < 2 * sums
    assert np.max(np.abs(found - right)) < 2e-6 * np.max(np.abs(right))


def test_where_it_pays() -> None:
    assert all(pays({**STEPS, "kernel": kernel}, 16, 16) for kernel in ((3, 3), (5, 5), (3, 5)))
    assert not pays({**STEPS, "kernel": (3, 3)}, 15, 16)
    assert not pays({**STEPS, "kernel": (3, 3)}, 16, 15)
    for field, value in (("kernel", (3, 4)), ("kernel", (1, 3)), ("stride", (2, 2)), ("dilation", (2, 2)), ("stride", (1, 2))):
        assert not pays({**STEPS, "kernel": (3, 3), field: value}, 64, 64)


def test_what_saves_multiplications() -> None:
    assert saves((5, 5), tiles_of(27, 27), 27 * 27)  # AlexNet's conv2
    assert not saves((5, 5), tiles_of(12, 12), 8 * 8)  # LeNet's, whose inputs are larger than its outputs
    program = runtime.compile_program(netdef.load("lenet", phase="train", batch_size=64), losses_only=True)
    (step,) = (step for step in program.backward if step.kernel == "conv2d_input_gradient")
    assert not step.constants["winograd"]


def test_alexnet_computes_all_layers_but_the_first_by_tiles() -> None:
    program = runtime.compile_program(netdef.load("alexnet", phase="train", batch_size=32), losses_only=True)
    forward = [step.layer for step in program.forward if step.constants.get("winograd")]
    backward = [step.layer for step in program.backward if step.kernel == "conv2d" and step.constants["winograd"]]
    assert forward == ["conv2", "conv3", "conv4", "conv5"]
    assert backward == ["conv5", "conv4", "conv3", "conv3"]
    inputs = [step for step in program.backward if step.kernel == "conv2d_input_gradient"]
    assert [step.layer for step in inputs if step.constants["winograd"]] == ["conv2"]
    gradients = [step for step in program.backward if step.kernel == "conv2d_weight_gradient"]
    assert [step.layer for step in gradients if step.constants["winograd"]] == ["conv5", "conv4", "conv3"]
