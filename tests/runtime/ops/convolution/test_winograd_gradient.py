"""The weight gradient by tiles beside the direct one."""

import numpy as np
import pytest

from runtime.kernels.cpu.registry import CPU_KERNELS
from runtime.ops.convolution.cpu import conv2d_weight_gradient
from runtime.ops.convolution.winograd_gradient import CHANNELS, channel_block, gradient_pays, gradient_scratch

Pair = tuple[int, int]
WINDOW = {"kernel": (3, 3), "stride": (1, 1), "dilation": (1, 1)}


def by_tiles(x: np.ndarray, dy: np.ndarray, pad: Pair, run: int, group: int = 1, parts: int = 1) -> np.ndarray:
    """dw (O, C/group, 3, 3) of x (C, H, W, N) and dy (O, OH, OW, N), in runs of so many tiles."""
    O, channels, block = len(dy), len(x) // group, channel_block(len(x) // group)
    dw = np.full((O, channels, 3, 3), np.nan, np.float32)
    floats = gradient_scratch(-(-O // (group * parts)), block, dy.shape[2], run, dy.shape[3])
    rest = {"pad": pad, "group": group, "run": run, "block": block, "tall": False, "parts": parts, "winograd": True}
    for item in range(CPU_KERNELS["conv2d_weight_gradient"].items(x, dy, dw, **WINDOW, **rest)):
        scratch = np.full(floats, np.nan, np.float32)
        conv2d_weight_gradient(item, item + 1, x, dy, dw, scratch, **WINDOW, **rest)
    return dw


def exact(x: np.ndarray, dy: np.ndarray, pad: Pair, group: int = 1) -> np.ndarray:
    """In float64."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (pad[0],) * 2, (pad[1],) * 2, (0, 0)))
    pairs = list(zip(np.split(padded, group), np.split(dy.astype(np.float64), group), strict=True))

    def weight(i: int, j: int) -> np.ndarray:
        rows, columns = slice(i, i + dy.shape[1]), slice(j, j + dy.shape[2])
        return np.concatenate([np.tensordot(g, part[:, rows, columns], ((1, 2, 3), (1, 2, 3))) for part, g in pairs])

    return np.stack([np.stack([weight(i, j) for j in range(3)], -1) for i in range(3)], -2)


@pytest.mark.parametrize("run", [1, 2, 5, 100])
@pytest.mark.parametrize(
    ("shape", "pad", "O", "group", "parts"),
    [
        ((64, 7, 8, 16), (1, 1), 9, 1, 2),
        ((134, 5, 3, 19), (0, 2), 6, 2, 1),
        ((65, 1, 1, 16), (1, 1), 2, 1, 1),
        ((2, 4, 5, 3), (4, 3), 1, 1, 1),
    ],
)
def test_whole_numbers_stay_exact_in_any_runs(shape: tuple[int, ...], pad: Pair, O: int, group: int, parts: int, run: int) -> None:
    random = np.random.default_rng(1)
    x = random.integers(-20, 20, shape).astype(np.float32)
    dy = random.integers(-20, 20, (O, shape[1] + 2 * pad[0] - 2, shape[2] + 2 * pad[1] - 2, shape[3])).astype(np.float32)
    np.testing.assert_array_equal(by_tiles(x, dy, pad, run, group, parts), exact(x, dy, pad, group))


def test_rounding_is_like_that_of_the_direct_sum() -> None:
    """Of AlexNet's conv3, with fewer channels and outputs: at most twice as far from float64."""
    random = np.random.default_rng(2)
    x, dy = (random.standard_normal(shape, np.float32) for shape in ((64, 13, 13, 64), (24, 13, 13, 64)))
    right, direct = exact(x, dy, (1, 1)), np.full((24, 64, 3, 3), np.nan, np.float32)
    rest = {"pad": (1, 1), "group": 1, "run": 34, "block": 576, "tall": True, "parts": 1, "winograd": False}
    conv2d_weight_gradient(0, 1, x, dy, direct, np.empty(576 * (48 + 34 * 64), np.float32), **WINDOW, **rest)
    tiles, sums = (np.sqrt(np.mean((dw - right) ** 2)) for dw in (by_tiles(x, dy, (1, 1), run=7), direct))
    assert 0 < tiles < 2 * sums


def test_blocks_of_channels() -> None:
    """Two at least, of about 64 channels; all of about one size."""
    assert [channel_block(channels) for channels in (64, 96, 192, 256, 512, 480)] == [32, 48, 64, 64, 64, 69]
    assert gradient_pays(WINDOW, CHANNELS, 16)
    assert not gradient_pays(WINDOW, CHANNELS - 1, 16)
    assert not gradient_pays({**WINDOW, "kernel": (5, 5)}, 64, 16)
