"""Layers that put elements elsewhere, beside NumPy's indexing; their gradients by linearity: <dy, A u> = <A' dy, u>."""

from collections.abc import Callable

import numpy as np
import pytest

import netdef
import runtime
from runtime.ops.gather.box import AXES, box, strides_of

SHAPE = (3, 4, 5, 7)
CASES: dict[str, tuple[str, int, Callable[[np.ndarray], list[np.ndarray]]]] = {  # layer, tops, what it makes
    "slice channels": ("Slice(x) -> y0, y1, y2 { slice_point: 1 slice_point: 3 }", 3, lambda x: np.split(x, [1, 3], 1)),
    "slice images": ("Slice(x) -> y0, y1 { axis: 0 slice_point: 2 }", 2, lambda x: np.split(x, [2], 0)),
    "slice rows": ("Slice(x) -> y0, y1 { axis: 2 slice_point: 4 }", 2, lambda x: np.split(x, [4], 2)),
    "slice columns, from the end": ("Slice(x) -> y0, y1 { axis: -1 slice_point: 2 }", 2, lambda x: np.split(x, [2], 3)),
    "slice one": ("Slice(x) -> y0", 1, lambda x: [x]),
    "tile channels": ("Tile(x) -> y0 { tiles: 3 }", 1, lambda x: [np.tile(x, (1, 3, 1, 1))]),
    "tile images": ("Tile(x) -> y0 { axis: 0 tiles: 2 }", 1, lambda x: [np.tile(x, (2, 1, 1, 1))]),
    "tile columns": ("Tile(x) -> y0 { axis: 3 tiles: 4 }", 1, lambda x: [np.tile(x, (1, 1, 1, 4))]),
    "tile once": ("Tile(x) -> y0 { tiles: 1 }", 1, lambda x: [x]),
    "crop rows and columns": ("Crop(x, small) -> y0 { offset: [1, 3] }", 1, lambda x: [x[:, :, 1:4, 3:5]]),
    "crop all but images": ("Crop(x, small) -> y0 { axis: 1 offset: [2, 0, 1] }", 1, lambda x: [x[:, 2:4, :3, 1:3]]),
    "crop images too": ("Crop(x, small) -> y0 { axis: 0 offset: 1 }", 1, lambda x: [x[1:3, 1:3, 1:4, 1:3]]),
    "reindex": ("BatchReindex(x, order) -> y0", 1, lambda x: [x[[2, 0, 0, 2, 1]]]),
}
ORDER = np.array([2, 0, 0, 2, 1])


def net(text: str) -> netdef.Net:
    inputs = {"x": SHAPE, "small": (2, 2, 3, 2), "order": ORDER.shape}
    used = {name: shape for name, shape in inputs.items() if name in text.split("->")[0]}
    made = "".join(f"layer {n}: Input {{ shape {{ {' '.join(f'dim: {d}' for d in shape)} }} }}\n" for n, shape in used.items())
    return netdef.parse(f"force_backward: true\n{made}layer op: {text}\n")


@pytest.mark.parametrize("devices", ["cpu", "cpu:0,cpu:0"])
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients(case: str, devices: str) -> None:
    text, tops, expected = CASES[case]
    random = np.random.default_rng(1)
    x, u = random.standard_normal((2, *SHAPE), np.float32)
    with runtime.compile(net(text), devices, threads=7) as exe:
        given = {"order": ORDER} if "order" in exe.inputs else {}
        y = exe.forward(x=x, **given)
        dy = {f"y{index}": random.standard_normal(y[f"y{index}"].shape, np.float32) for index in range(tops)}
        for name, right in zip(dy, expected(x), strict=True):
            np.testing.assert_array_equal(y[name], right)
        exe.backward(**dy)
        right = sum(np.vdot(gradient, part) for gradient, part in zip(dy.values(), expected(u), strict=True))
        assert np.vdot(exe.blob_grad("x"), u) == pytest.approx(right, rel=1e-4, abs=1e-4)


def test_a_top_of_slice_that_nothing_learns_from_has_no_gradient() -> None:
    text = """
    force_backward: true
    layer x: Input { shape { dim: 2 dim: 4 } }
    layer cut: Slice(x) -> a, b
    layer used: InnerProduct(a) { num_output: 3 weight_filler { type: "constant" value: 1 } }
    layer silent: Silence(b)
    """
    with runtime.compile(netdef.parse(text)) as exe:
        exe.forward(x=np.ones((2, 4)))
        exe.backward(used=np.ones((2, 3)))
        np.testing.assert_array_equal(exe.blob_grad("x"), [[3, 3, 0, 0]] * 2)


def test_a_top_of_slice_is_a_view_and_in_place_layers_leave_the_bottom_whole() -> None:
    text = "layer x: Input { shape { dim: 2 dim: 4 } }\nlayer cut: Slice(x) -> a, b\nlayer relu: ReLU(a) -> a\n"
    with runtime.compile(netdef.parse(text), backward=False, keep="all") as exe:
        assert "take_columns" not in {one.kernel for one in exe.program.forward}
        x = np.array([[-1, 2, -3, 4]] * 2, np.float32)
        y = exe.forward(x=x)
        np.testing.assert_array_equal(y["a"], [[0, 2]] * 2)
        np.testing.assert_array_equal(y["b"], [[-3, 4]] * 2)
        np.testing.assert_array_equal(exe.blob("x"), x)


@pytest.mark.parametrize("number", [-1, 3, np.nan])
def test_a_number_that_is_no_image(number: float) -> None:
    with (
        runtime.compile(net(CASES["reindex"][0]), threads=1) as exe,
        pytest.raises(netdef.NetdefError) as caught,
    ):
        exe.forward(x=np.zeros(SHAPE), order=[0, 1, number, 2, 0])
    (found,) = caught.value.diagnostics
    assert found.message.endswith(f"order[2] is {number:g}, and x has 3 images")
    assert found.hint == "numbers of images are from 0 to 2"
    assert found.position is not None


def test_axes_without_a_gap_are_one() -> None:
    merged = box((2, 3, 4), strides_of((2, 3, 4)), strides_of((2, 3, 4)))
    assert merged.extents == (1, 1, 1, 1, 24)
    with pytest.raises(netdef.NetdefError, match=f"{AXES} axes, not along 6"):
        box((2,) * 6, strides_of((4,) * 6), strides_of((2,) * 6))
