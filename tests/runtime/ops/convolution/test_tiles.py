"""Convolution by tiles of 4 x 4 and of 2 x 2 outputs against float64."""

from fractions import Fraction

import numpy as np
import pytest

import netdef
import runtime
from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.product import packed_size
from runtime.kernels.cpu.registry import launch, plan
from runtime.kernels.operand import Operand, operands_of
from runtime.kernels.rooms import load_rooms
from runtime.ops.convolution.cpu import BUSY, busy
from runtime.ops.convolution.geometry import Geometry, Pair
from runtime.ops.convolution.tiles import TERMS, pays, tiles_of, transforms
from tests.runtime.harness import normal, run_launch, run_plan

ONE = (1, 1)

load_rooms("cpu")


def direct(x: np.ndarray, w: np.ndarray, pad: Pair) -> np.ndarray:
    """y (O, OH, OW, N) of x (C, H, W, N) by windows and products."""
    height, width = (x.shape[1 + i] + 2 * pad[i] - w.shape[2 + i] + 1 for i in range(2))
    y = np.full((len(w), height, width, x.shape[3]), np.nan, np.float32)
    arrays, geometry = [x, w, w.reshape(-1), y, y], Geometry(w.shape[2:], ONE, pad, ONE, 1)
    operands = (Operand(array.shape) for array in arrays)
    made = launch("conv2d_direct", *operands, geometry=geometry, epilogue=Epilogue(), run=height * width, block=8)
    run_launch(made, arrays, made.items)
    return y


def exact(x: np.ndarray, w: np.ndarray, pad: Pair) -> np.ndarray:
    """In float64."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (pad[0],) * 2, (pad[1],) * 2, (0, 0)))
    kh, kw = w.shape[2:]
    height, width = padded.shape[1] - kh + 1, padded.shape[2] - kw + 1
    windows = ((i, j, padded[:, i : i + height, j : j + width]) for i in range(kh) for j in range(kw))
    return sum(np.tensordot(w[:, :, i, j].astype(np.float64), part, 1) for i, j, part in windows)


def by_tiles(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray,
    pad: Pair,
    run: int,
    block: int,
    epilogue: Epilogue,
    group: int = 1,
    shared: bool = False,
) -> np.ndarray:
    """y (O, OH, OW, N), in runs of so many tiles and blocks of outputs.  shared: blocks share the terms of the inputs."""
    height, width = (x.shape[1 + i] + 2 * pad[i] - w.shape[2] + 1 for i in range(2))
    y = np.full((len(w), height, width, x.shape[3]), np.nan, np.float32)
    transformed = np.full((TERMS, *w.shape[:2]), np.nan, np.float32)
    geometry = Geometry(w.shape[2:], ONE, pad, ONE, group)
    operands = [Operand(array.shape) for array in (x, w, b, y, transformed)]
    run_launch(launch("transform_tile_weights", operands[1], operands[4]), [w, transformed], 3)
    options = {"geometry": geometry, "epilogue": epilogue, "run": run, "block": block}
    if shared:
        runs = group * -(-tiles_of(height, width, w.shape[2]) // run)
        terms = np.full((runs, TERMS, packed_size(w.shape[1], run * x.shape[3])), np.nan, np.float32)
        packed = launch("transform_tiles", operands[0], Operand(terms.shape), geometry=geometry, extent=(height, width), run=run)
        run_launch(packed, [x, terms], packed.items)
        made = launch("conv2d_terms", Operand(terms.shape), operands[4], operands[2], operands[3], **options)
        run_launch(made, [terms, transformed, b, y], made.items)
        return y
    made = launch("conv2d_tiles", operands[0], operands[4], operands[2], operands[3], **options)
    run_launch(made, [x, transformed, b, y], made.items)
    return y


CASES = [  # C, H, W, N of x; pad; outputs; group; window
    ((16, 7, 8, 16), (1, 1), 16, 1, 3),
    ((300, 3, 4, 19), (1, 1), 17, 1, 3),  # more channels than one product takes
    ((34, 5, 11, 17), (0, 2), 36, 2, 3),
    ((16, 1, 1, 33), (2, 3), 18, 1, 3),
    ((17, 14, 15, 1), (1, 1), 16, 1, 3),
    ((16, 23, 70, 1), (0, 2), 3, 1, 3),  # rows of more tiles than a vector has lanes
    ((34, 9, 6, 3), (1, 1), 36, 2, 3),
    ((16, 6, 9, 8), (0, 3), 18, 1, 3),
    ((34, 9, 8, 16), (2, 2), 36, 2, 5),
    ((16, 6, 5, 19), (0, 3), 17, 1, 5),
    ((16, 1, 2, 40), (4, 2), 18, 1, 5),
]


@pytest.mark.slow
@pytest.mark.parametrize(("run", "block"), [(1, 100), (2, 8), (100, 5)])
@pytest.mark.parametrize(("shape", "pad", "O", "group", "size"), CASES, ids=str)
def test_sums_equal_float64_in_any_runs(
    shape: tuple[int, ...], pad: Pair, O: int, group: int, size: int, run: int, block: int
) -> None:
    x, w, b = (normal(*each).astype(np.float32) for each in (shape, (O, shape[0] // group, size, size), (O,)))
    halves = zip(np.split(x, group), np.split(w, group), strict=True)
    right = np.concatenate([exact(part, weights, pad) for part, weights in halves]) + b[:, None, None, None]
    epilogue = Epilogue(has_bias=True, relu=run == 2, slope=0.25)
    expected = np.where(right < 0, 0.25 * right, right) if epilogue.relu else right
    found = by_tiles(x, w, b, pad, run, block, epilogue, group)
    assert np.max(np.abs(found - expected)) < 2e-5 * np.sqrt(np.mean(right**2))


@pytest.mark.parametrize(("window", "N"), [(3, 18), (5, 18), (3, 4)])
def test_runs_and_blocks_do_not_change_a_bit(window: int, N: int) -> None:
    x, w, b = (normal(*size).astype(np.float32) for size in ((32, 9, 10, N), (20, 32, window, window), (20,)))
    first, *others = (by_tiles(x, w, b, ONE, run, block, Epilogue(True)) for run, block in ((1, 8), (3, 20), (100, 1)))
    for run, block in ((1, 8), (2, 16), (100, 20)):
        others.append(by_tiles(x, w, b, ONE, run, block, Epilogue(True), shared=True))
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_groups_and_many_channels_of_shared_terms() -> None:
    """More channels than one product takes, two groups, a last run and a last block that are shorter."""
    x, w, b = (normal(*size).astype(np.float32) for size in ((520, 5, 9, 16), (36, 260, 3, 3), (36,)))
    both = [by_tiles(x, w, b, ONE, 4, 8, Epilogue(True), 2, shared) for shared in (False, True)]
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("window", [3, 5])
def test_many_workers_share_terms_and_get_the_same_bits(window: int) -> None:
    x, w, b = (normal(*size).astype(np.float32) for size in ((32, 12, 11, 20), (192, 32, window, window), (192,)))
    pad = window // 2
    constants = {"kernel": (window,) * 2, "stride": ONE, "pad": (pad, pad), "dilation": ONE, "group": 1}
    y = normal(192, 12, 11, 20, seed=1).astype(np.float32)
    both = []
    for workers in (8, 16):
        found = [np.full(shape, np.nan, np.float32) for shape in (y.shape, w.shape, x.shape)]
        run_plan("conv2d", [x, w, b, found[0]], {**constants, "has_bias": True, "relu": True, "slope": 0.5}, 3, workers)
        run_plan("conv2d_weight_gradient", [x, y, found[1]], constants, 2, workers)
        run_plan("conv2d_input_gradient", [y, w, found[2]], constants, 2, workers)
        both.append(found)
    for few, many in zip(*both, strict=True):
        np.testing.assert_array_equal(few, many)


def test_what_many_workers_launch() -> None:
    for shape, O in (((256, 13, 13, 64), 384), ((832, 7, 7, 16), 384), ((64, 56, 56, 16), 192)):
        window = {"kernel": (3, 3), "stride": ONE, "pad": ONE, "dilation": ONE, "group": 1}
        made = (O, *shape[1:])
        arrays = [Operand(size) for size in (shape, (O, shape[0], 3, 3), (O,), made)]
        forward, gradient = {**window, "has_bias": True, "relu": True, "slope": 0.0}, [arrays[0], arrays[3], arrays[1]]
        names = {count: [one.kernel.name for one in plan("conv2d", arrays, forward, count).launches[1:]] for count in (8, 16)}
        assert names == {8: ["conv2d_tiles"], 16: ["conv2d_tiles"] if shape[1] == 56 else ["transform_tiles", "conv2d_terms"]}
        if shape[1] == 13:
            assert busy(plan("conv2d", arrays, forward, 16).launches[-1].items, 16) >= BUSY
            assert busy(plan("conv2d_weight_gradient", gradient, window, 16).launches[0].items, 16) >= BUSY


@pytest.mark.parametrize(("window", "N"), [(3, 16), (5, 16), (3, 1), (3, 2), (3, 4), (3, 5), (3, 8)])
def test_rounding_is_a_few_times_that_of_the_direct_sum(window: int, N: int) -> None:
    """Of inputs after a ReLU, as nets have them."""
    x, w = np.maximum(normal(64, 14, 14, N), 0).astype(np.float32), normal(24, 64, window, window).astype(np.float32)
    right, found = exact(x, w, ONE), by_tiles(x, w, w[:, 0, 0, 0].copy(), ONE, 5, 24, Epilogue())
    tiles, sums = (np.sqrt(np.mean((y - right) ** 2)) for y in (found, direct(x, w, ONE)))
    assert 0 < tiles < 6 * sums


@pytest.mark.parametrize("window", [3, 5])
def test_the_transforms_are_exact(window: int) -> None:
    """A ((G w) * (B x)) is the convolution, in whole fractions but for the rounding of G to float64."""
    A, G, B = transforms(window)
    x, w = [Fraction(k * k + 1, 3) for k in range(6)], [Fraction(2 * k - 1, 5) for k in range(window)]
    assert transforms(3)[2] == B
    terms = [float(sum(Fraction(g) * v for g, v in zip(row, w, strict=True))) for row in G]
    terms = [term * float(sum(Fraction(b) * v for b, v in zip(row, x, strict=True))) for term, row in zip(terms, B, strict=True)]
    found = [sum(a * term for a, term in zip(row, terms, strict=True)) for row in A]
    right = [float(sum(x[i + k] * w[k] for k in range(window))) for i in range(7 - window)]
    assert found == pytest.approx(right, rel=1e-14)


def test_where_it_pays() -> None:
    plain, extent = Geometry((3, 3), ONE, (0, 0), ONE, 1), (8, 8)
    assert all(pays(plain._replace(kernel=kernel), 16, 16, extent, 16) for kernel in ((3, 3), (5, 5)))
    assert pays(plain, 16, 16, extent, 4) and not pays(plain._replace(kernel=(5, 5)), 16, 16, extent, 4)
    assert not any(pays(plain, *sizes) for sizes in ((15, 16, extent, 16), (16, 15, extent, 16), (16, 16, extent, 3)))
    for field, value in (("kernel", (3, 5)), ("kernel", (7, 7)), ("stride", (2, 1)), ("dilation", (1, 2))):
        assert not pays(plain._replace(**{field: value}), 64, 64, (64, 64), 64)
    assert pays(plain, 16, 16, (7, 7), 16)
    assert not pays(plain, 16, 16, (2, 2), 16)  # a tile has 36 terms, and so many products
    assert not pays(plain._replace(kernel=(5, 5)), 50, 20, (12, 12), 64, positions=64)  # LeNet's inputs are larger than its outputs


def kernels_of(net: netdef.Net, instruction: str) -> dict[str, list[str]]:
    """What the CPU launches for instructions of this name, by layer."""
    program = runtime.compile_program(net, losses_only=True)
    steps = [one for one in program.instructions if one.kernel == instruction]
    plans = {one.layer: plan(one.kernel, operands_of(one), one.constants) for one in steps}
    return {layer: [launch.kernel.name for launch in made.launches] for layer, made in plans.items()}


def test_alexnet_computes_all_layers_by_tiles() -> None:
    """The first one by those of phases."""
    net = netdef.load("alexnet", phase="train", batch_size=32)
    later, made = ["conv2", "conv3", "conv4", "conv5"], ["transform_tile_weights", "conv2d_tiles"]
    assert kernels_of(net, "conv2d") == {"conv1": ["deal_image", "deal_weights", *made], **dict.fromkeys(later, made)}
    assert kernels_of(net, "conv2d_input_gradient") == {layer: ["flip_weights", *made] for layer in reversed(later)}
    gradients = kernels_of(net, "conv2d_weight_gradient")
    assert gradients["conv1"][:2] == ["deal_image", "conv2d_weight_gradient_tiles"]
    assert {gradients[layer][0] for layer in later} == {"conv2d_weight_gradient_tiles"}
