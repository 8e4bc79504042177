"""Convolution of groups of one channel beside the direct one."""

import numpy as np
import pytest

import netdef
import runtime
from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.registry import launch, plan
from runtime.kernels.operand import Operand, operands_of
from runtime.kernels.rooms import load_rooms
from runtime.ops.convolution.geometry import Geometry, Pair, is_depthwise, is_depthwise_on_cards
from tests.runtime.harness import run_launch

ONE = (1, 1)
WINDOWS = [  # kernel, stride, pad, dilation
    ((3, 3), ONE, ONE, ONE),
    ((3, 3), (2, 2), ONE, ONE),
    ((5, 4), (3, 2), (2, 0), ONE),
    ((3, 3), ONE, (2, 2), (2, 2)),
    ((3, 2), (2, 3), (4, 1), (3, 2)),
    ((2, 2), (3, 4), (1, 0), ONE),  # rows and columns that no window sees
    ((1, 1), (2, 1), (0, 0), ONE),
    ((3, 3), ONE, (5, 4), ONE),  # windows that lie in the padding
]
SHAPES = [(4, 9, 8, 1), (2, 6, 7, 3), (3, 7, 9, 8), (2, 8, 67, 17)]  # C, H, W, N

load_rooms("cpu")


def whole(*shape: int) -> np.ndarray:
    """Integers, of which all sums are exact."""
    return np.random.default_rng([*shape]).integers(-9, 10, shape).astype(np.float32)


def blank(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


def run(kernel: str, arrays: list[np.ndarray], **constants: object) -> np.ndarray:
    """The last array after a kernel of the CPU, each of its items on its own."""
    made = launch(kernel, *(Operand(array.shape) for array in arrays), **constants)
    run_launch(made, arrays, made.items)
    return arrays[-1]


def sides(shape: tuple[int, ...], window: tuple[Pair, Pair, Pair, Pair]) -> list[int]:
    """Height and width of the result."""
    return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(shape[1:3], *window, strict=True)]


@pytest.mark.parametrize("rows", [1, 2, 100])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_whole_numbers_are_those_of_products(window, shape: tuple[int, ...], outputs: int, rows: int) -> None:
    """In all three directions, however many rows are computed at once."""
    C, _, _, N = shape
    O, (height, width) = C * outputs, sides(shape, window)
    geometry, y = Geometry(*window, C), (O, height, width, N)
    x, w, b, dy = whole(*shape), whole(O, 1, *window[0]), whole(O), whole(*y)
    epilogue = Epilogue(has_bias=outputs == 1, relu=rows == 2, slope=0.5)
    for name, arrays, result, others in (
        ("conv2d", [x, w, b if epilogue.has_bias else w.reshape(-1)], y, {"epilogue": epilogue, "run": 50, "block": 2}),
        ("conv2d_weight_gradient", [x, dy], w.shape, {"block": 2, "segment": height * width}),
        ("conv2d_input_gradient", [dy, w], shape, {"run": 50, "block": 1}),
    ):
        mine = {"epilogue": epilogue} if name == "conv2d" else {}
        found = run(f"{name}_depthwise", [*arrays, blank(*result)], geometry=geometry, rows=rows, **mine)
        if name == "conv2d_input_gradient":
            arrays[1] = run("transpose_weights", [w, blank(C, outputs, *window[0])], group=C)
        more = [blank(*result)] if name == "conv2d" else []  # that nothing asks to be added
        expected = run(f"{name}_direct", [*arrays, *more, blank(*result)], geometry=geometry, **others)
        np.testing.assert_array_equal(found, expected, name)


def test_long_sums_are_added_up_in_strips() -> None:
    """A weight's gradient over a million numbers of about one size: as float32 alone it would be a thousandth off."""
    shape, geometry = (2, 250, 256, 16), Geometry((3, 3), ONE, (0, 0), ONE, 2)
    x, dy = (np.random.default_rng(1).random(size, np.float32) for size in (shape, (2, 248, 254, 16)))
    found = run("conv2d_weight_gradient_depthwise", [x, dy, blank(2, 1, 3, 3)], geometry=geometry, rows=1)
    expected = np.einsum("chwn,chwn->c", x[:, 1:249, 2:256], dy, dtype=np.float64)
    np.testing.assert_allclose(found[:, 0, 1, 2], expected, rtol=2e-7)


def test_what_windows_do_not_see_does_not_spread() -> None:
    """Infinite numbers in columns that no window sees."""
    x, w = whole(2, 5, 6, 1), whole(2, 1, 2, 2)
    x[0, 1, 1], x[1, :, 5] = np.inf, np.inf
    geometry = Geometry((2, 2), (1, 2), (0, 0), (1, 2), 2)
    y = run("conv2d_depthwise", [x, w, w, blank(2, 4, 2, 1)], geometry=geometry, epilogue=Epilogue(), rows=4)
    assert np.isfinite(y).all()


@pytest.mark.parametrize("phase", ["train", "test"])
def test_mobilenet_is_computed_this_way(phase: str) -> None:
    """Every layer of depth alone, and none of the others."""
    program = runtime.compile_program(netdef.load("mobilenet", phase=phase, batch_size=2), backward=phase == "train")
    seen = set()
    for one in program.instructions:
        if one.kernel.startswith("conv2d"):
            (first, *_) = plan(one.kernel, operands_of(one), one.constants).launches
            assert first.kernel.name.endswith("_depthwise") == (one.constants["group"] > 1), one
            seen.add(first.kernel.name)
    assert len({name for name in seen if name.endswith("_depthwise")}) == (3 if phase == "train" else 1)


def test_where_it_is_chosen() -> None:
    geometry = Geometry((3, 3), ONE, ONE, ONE, 6)
    assert is_depthwise(geometry, Operand((6, 1, 3, 3))) and is_depthwise(geometry, Operand((48, 1, 3, 3)))
    assert not is_depthwise(geometry, Operand((6, 2, 3, 3)))  # channels are summed
    assert not is_depthwise(geometry, Operand((54, 1, 3, 3)))  # many outputs make large products
    assert not is_depthwise(geometry._replace(group=1), Operand((4, 1, 3, 3)))
    wide, w = geometry._replace(kernel=(64, 64)), Operand((6, 1, 64, 64))  # an upsampling's
    assert is_depthwise(wide, w) and not is_depthwise_on_cards(wide, w)


@pytest.mark.parametrize("where", ["cpu:0,cpu:0", "cpu:0,cpu:1"])
def test_shares_give_the_same_bits_wherever_they_are(where: str) -> None:
    layer = 'Convolution(x) { num_output: 12 kernel_size: 3 stride: 2 pad: 1 group: 6 weight_filler { type: "xavier" } }'
    net = netdef.parse(f"force_backward: true layer x: Input {{ shape {{ dim: 4 dim: 6 dim: 9 dim: 7 }} }} layer y: {layer}")
    random = np.random.default_rng(1)
    x, dy = random.standard_normal((4, 6, 9, 7)), random.standard_normal((4, 12, 5, 4))
    found = []
    for devices in (where, "cpu:0,cpu:0"):
        with runtime.compile(net, devices=devices, threads=2, seed=1) as exe:
            y = exe.forward(x=x)["y"]
            exe.backward(y=dy)
            found.append([array.tobytes() for array in (y, exe.blob_grad("x"), exe.param_grad("y", 0))])
    assert found[0] == found[1]
