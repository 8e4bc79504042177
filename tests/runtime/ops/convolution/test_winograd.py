"""Convolution by tiles beside the direct one."""

import numpy as np
import pytest

import netdef
import runtime
from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.registry import launch, plan
from runtime.kernels.operand import Operand, operands_of
from runtime.kernels.rooms import load_rooms
from runtime.ops.convolution.geometry import Geometry, Pair
from runtime.ops.convolution.winograd import pays, saves, tiles_of
from tests.runtime.harness import run_launch

ONE = (1, 1)

load_rooms("cpu")


def by(kernel: str, x: np.ndarray, w: np.ndarray, pad: Pair, run: int, group: int = 1) -> np.ndarray:
    """y (O, OH, OW, N) of x (C, H, W, N) by one of the CPU's kernels, in runs of so many tiles or positions."""
    height, width = (x.shape[1 + i] + 2 * pad[i] - w.shape[2 + i] + 1 for i in range(2))
    y = np.full((len(w), height, width, x.shape[3]), np.nan, np.float32)
    arrays = [x, w, w.reshape(-1), *([y] if kernel == "conv2d_direct" else []), y]
    geometry = Geometry(w.shape[2:], ONE, pad, ONE, group)
    block = {"block": 8} if kernel == "conv2d_direct" else {}
    made = launch(kernel, *(Operand(array.shape) for array in arrays), geometry=geometry, epilogue=Epilogue(), run=run, **block)
    run_launch(made, arrays, made.items)
    return y


def by_tiles(x: np.ndarray, w: np.ndarray, pad: Pair, run: int, group: int = 1) -> np.ndarray:
    return by("conv2d_winograd", x, w, pad, run, group)


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
    np.testing.assert_array_equal(by_tiles(x, w, pad, run), exact(x, w, pad))


def test_groups_are_apart() -> None:
    random = np.random.default_rng(2)
    x, w = (random.integers(-9, 9, shape).astype(np.float32) for shape in ((32, 6, 6, 16), (6, 16, 3, 3)))
    halves = [exact(x[16 * g : 16 * g + 16], w[3 * g : 3 * g + 3], (1, 1)) for g in range(2)]
    np.testing.assert_array_equal(by_tiles(x, w, (1, 1), run=4, group=2), np.concatenate(halves))


@pytest.mark.parametrize(("kernel", "pad", "group"), [((3, 3), (1, 1), 1), ((5, 3), (1, 0), 2), ((3, 5), (3, 4), 1)])
def test_the_inputs_gradient_is_that_by_col2im(kernel: Pair, pad: Pair, group: int) -> None:
    random = np.random.default_rng(4)
    C, O, size, N = 6, 32, (7, 8), 16
    height, width = (size[i] + 2 * pad[i] - kernel[i] + 1 for i in range(2))
    w = random.integers(-9, 9, (O, C // group, *kernel)).astype(np.float32)
    dy = random.integers(-9, 9, (O, height, width, N)).astype(np.float32)
    geometry = Geometry(kernel, ONE, pad, ONE, group)
    arrays = [dy, w, np.full((C, *size, N), np.nan, np.float32)]
    across = [w, np.full((C, O // group, *kernel), np.nan, np.float32)]
    transpose = launch("transpose_weights", *(Operand(array.shape) for array in across), group=group)
    run_launch(transpose, across, 2)
    arrays[1] = across[1]
    operands = [Operand(array.shape) for array in arrays]
    run_launch(launch("conv2d_input_gradient_direct", *operands, geometry=geometry, run=5, block=C // group), arrays, 2)
    flipped = np.stack([w[O // group * g :][: O // group].transpose(1, 0, 2, 3) for g in range(group)]).reshape(C, -1, *kernel)
    around = kernel[0] - 1 - pad[0], kernel[1] - 1 - pad[1]
    tiles = by_tiles(dy, np.ascontiguousarray(flipped[:, :, ::-1, ::-1]), around, 3, group)
    np.testing.assert_array_equal(tiles, arrays[2])


@pytest.mark.parametrize(("channels", "size", "kernel"), [(48, 27, (5, 5)), (256, 13, (3, 3))])
def test_rounding_is_like_that_of_the_direct_sum(channels: int, size: int, kernel: Pair) -> None:
    """AlexNet's conv2 and conv3, of few outputs: at most twice as far from float64 as the sum of all products is."""
    random = np.random.default_rng(3)
    x, w = (random.standard_normal(shape, np.float32) for shape in ((channels, size, size, 16), (24, channels, *kernel)))
    pad, positions = (kernel[0] // 2, kernel[1] // 2), size * size
    right, direct = exact(x, w, pad), by("conv2d_direct", x, w, pad, positions)
    found = by_tiles(x, w, pad, run=28)
    tiles, sums = (np.sqrt(np.mean((y - right) ** 2)) for y in (found, direct))
    assert 0 < tiles < 2 * sums
    assert np.max(np.abs(found - right)) < 2e-6 * np.max(np.abs(right))


def test_where_it_pays() -> None:
    plain = Geometry((3, 3), ONE, (0, 0), ONE, 1)
    assert all(pays(plain._replace(kernel=kernel), 16, 16) for kernel in ((3, 3), (5, 5), (3, 5)))
    assert not pays(plain, 15, 16)
    assert not pays(plain, 16, 15)
    for field, value in (("kernel", (3, 4)), ("kernel", (1, 3)), ("stride", (2, 2)), ("dilation", (2, 2)), ("stride", (1, 2))):
        assert not pays(plain._replace(**{field: value}), 64, 64)


def kernels_of(net: netdef.Net, instruction: str) -> dict[str, list[str]]:
    """What the CPU launches for instructions of this name, by layer."""
    program = runtime.compile_program(net, losses_only=True)
    steps = [one for one in program.instructions if one.kernel == instruction]
    plans = {one.layer: plan(one.kernel, operands_of(one), one.constants) for one in steps}
    return {layer: [launch.kernel.name for launch in made.launches] for layer, made in plans.items()}


def test_what_saves_multiplications() -> None:
    assert saves((5, 5), tiles_of(27, 27), 27 * 27)  # AlexNet's conv2
    assert not saves((5, 5), tiles_of(12, 12), 8 * 8)  # LeNet's, whose inputs are larger than its outputs
    lenet = netdef.load("lenet", phase="train", batch_size=64)
    assert kernels_of(lenet, "conv2d_input_gradient") == {"conv2": ["transpose_weights", "conv2d_input_gradient_direct"]}


def test_alexnet_computes_all_layers_but_the_first_by_tiles() -> None:
    net = netdef.load("alexnet", phase="train", batch_size=32)
    later, tiles = ["conv2", "conv3", "conv4", "conv5"], ["transform_tile_weights", "conv2d_tiles"]
    by_layer = {"conv2": ["conv2d_winograd"], **dict.fromkeys(later[1:], tiles)}
    assert kernels_of(net, "conv2d") == {"conv1": ["conv2d_direct"], **by_layer}
    assert kernels_of(net, "conv2d_input_gradient") == {layer: ["flip_weights", *by_layer[layer]] for layer in reversed(later)}
    of_weights = kernels_of(net, "conv2d_weight_gradient")
    assert {layer: names[0].rpartition("_")[2] for layer, names in of_weights.items()} == {
        **dict.fromkeys(("conv1", "conv2"), "direct"),
        **dict.fromkeys(later[1:], "tiles"),
    }
