"""The weight gradient by tiles beside the direct one."""

import numpy as np
import pytest

from runtime.kernels.cpu.registry import launch
from runtime.kernels.operand import Operand
from runtime.kernels.rooms import load_rooms
from runtime.ops.convolution.geometry import Geometry, Pair
from runtime.ops.convolution.winograd_gradient import CHANNELS, channel_block, gradient_pays
from tests.runtime.harness import run_launch

WINDOW = Geometry((3, 3), (1, 1), (0, 0), (1, 1), 1)

load_rooms("cpu")


def by(kernel: str, x: np.ndarray, dy: np.ndarray, pad: Pair, run: int, block: int, group: int = 1) -> np.ndarray:
    """dw (O, C / group, 3, 3) by one of the CPU's kernels, in runs of so many tiles or positions."""
    dw = np.full((len(dy), len(x) // group, 3, 3), np.nan, np.float32)
    arrays = [x, dy, dw]
    geometry = WINDOW._replace(pad=pad, group=group)
    over = {"segment" if kernel.endswith("direct") else "run": run}
    made = launch(kernel, *(Operand(array.shape) for array in arrays), geometry=geometry, block=block, **over)
    run_launch(made, arrays, made.items)
    return dw


def by_tiles(x: np.ndarray, dy: np.ndarray, pad: Pair, run: int, group: int = 1) -> np.ndarray:
    return by("conv2d_weight_gradient_winograd", x, dy, pad, run, channel_block(len(x) // group), group)


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
    ("shape", "pad", "O", "group"),
    [
        ((64, 7, 8, 16), (1, 1), 9, 1),
        ((134, 5, 3, 19), (0, 2), 6, 2),
        ((65, 1, 1, 16), (1, 1), 2, 1),
        ((2, 4, 5, 3), (4, 3), 1, 1),
    ],
)
def test_whole_numbers_stay_exact_in_any_runs(shape: tuple[int, ...], pad: Pair, O: int, group: int, run: int) -> None:
    random = np.random.default_rng(1)
    x = random.integers(-20, 20, shape).astype(np.float32)
    dy = random.integers(-20, 20, (O, shape[1] + 2 * pad[0] - 2, shape[2] + 2 * pad[1] - 2, shape[3])).astype(np.float32)
    np.testing.assert_array_equal(by_tiles(x, dy, pad, run, group), exact(x, dy, pad, group))


def test_rounding_is_like_that_of_the_direct_sum() -> None:
    """Of AlexNet's conv3, with fewer channels and outputs: at most twice as far from float64."""
    random = np.random.default_rng(2)
    x, dy = (random.standard_normal(shape, np.float32) for shape in ((64, 13, 13, 64), (24, 13, 13, 64)))
    right, direct = exact(x, dy, (1, 1)), by("conv2d_weight_gradient_direct", x, dy, (1, 1), 13 * 13, 576)
    tiles, sums = (np.sqrt(np.mean((dw - right) ** 2)) for dw in (by_tiles(x, dy, (1, 1), run=7), direct))
    assert 0 < tiles < 2 * sums


def test_blocks_of_channels() -> None:
    """Two at least, of about 64 channels; all of about one size."""
    assert [channel_block(channels) for channels in (64, 96, 192, 256, 512, 480)] == [32, 48, 64, 64, 64, 69]
    assert gradient_pays(WINDOW, CHANNELS, 16)
    assert not gradient_pays(WINDOW, CHANNELS - 1, 16)
    assert not gradient_pays(WINDOW._replace(kernel=(5, 5)), 64, 16)
