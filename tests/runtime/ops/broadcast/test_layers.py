"""Scale, Bias and PReLU beside NumPy's broadcasting, in every way that an operand can lie."""

import numpy as np
import pytest

import netdef
import runtime
from tests.runtime.harness import normal

SHAPES = [(1, 1, 1, 1), (1, 5, 3, 2), (3, 4, 7, 6), (32, 3, 4, 5)]
OPERANDS = [  # axis, num_axes
    (1, 1), (1, 2), (1, -1), (1, 0), (2, 1), (2, 2), (3, 1), (-1, 1), (0, 1), (0, 2), (0, -1), (0, 0),
]  # fmt: skip


def dims(shape) -> str:
    return "shape { " + " ".join(f"dim: {d}" for d in shape) + " }"


def covered(shape, axis: int, axes: int) -> tuple[slice, tuple[int, ...]]:
    """Which axes an operand has, and its shape beside the bottom's."""
    first = axis % len(shape)
    has = slice(first, len(shape) if axes == -1 else first + axes)
    return has, tuple(d if has.start <= index < has.stop else 1 for index, d in enumerate(shape))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("axis,axes", OPERANDS)
@pytest.mark.parametrize("learned", [True, False], ids=["learned", "second bottom"])
def test_scale_and_bias(shape, axis: int, axes: int, learned: bool) -> None:
    has, beside = covered(shape, axis, axes)
    operand = shape[has]
    inputs = f"layer x: Input {{ {dims(shape)} }} layer s: Input {{ {dims(operand)} }}"
    bottoms = "x" if learned else "x, s"
    both = f"layer y: Scale({bottoms}) {{ axis: {axis} num_axes: {axes} bias_term: {str(learned).lower()} }}"
    bias = f"layer z: Bias({bottoms}) {{ axis: {axis} num_axes: {axes} }} layer quiet: Silence(s)"
    x, f, b = normal(*shape), normal(*operand, seed=1), normal(*operand, seed=2)
    with runtime.compile(netdef.parse(f"{inputs} {both} {bias}"), threads=7) as exe:
        if learned:
            exe.set_param("y", 0, f)
            exe.set_param("y", 1, b)
            exe.set_param("z", 0, b)
        made = exe.forward(x=x, s=f)
    added = b if learned else f
    np.testing.assert_allclose(made["y"], x * f.reshape(beside) + (b.reshape(beside) if learned else 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made["z"], x + added.reshape(beside), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", [*SHAPES, (7, 3)], ids=str)
@pytest.mark.parametrize("shared", [False, True])
def test_prelu(shape, shared: bool) -> None:
    text = f"layer x: Input {{ {dims(shape)} }} layer y: PReLU(x) {{ channel_shared: {str(shared).lower()} }}"
    x, slope = normal(*shape), normal(*(() if shared else shape[1:2]), seed=3)
    with runtime.compile(netdef.parse(text), threads=7) as exe:
        exe.set_param("y", 0, slope)
        beside = slope.reshape(1, -1, *[1] * (len(shape) - 2)) if slope.shape else slope
        np.testing.assert_allclose(exe.forward(x=x)["y"], np.where(x > 0, x, beside * x), rtol=1e-6)


CHAIN = ("Scale", "PReLU", "Bias", "BatchNorm", "Scale", "PReLU")
LEARNED = [("l0", 0), ("l0", 1), ("l1", 0), ("l2", 0), ("l4", 0), ("l4", 1), ("l5", 0)]


def chain(names: list[str]) -> netdef.Net:
    """The layers of CHAIN from each of these blobs to the next."""
    lines = [f"force_backward: true layer x: Input {{ {dims((4, 3, 5, 2))} }}", f"layer first: TanH(x) -> {names[0]}"]
    for number, (kind, bottom, top) in enumerate(zip(CHAIN, names, names[1:], strict=False)):
        lines.append(f"layer l{number}: {kind}({bottom}) -> {top} {{ {'bias_term: true' if kind == 'Scale' else ''} }}")
    return netdef.parse("\n".join(lines), phase="train")


def test_layers_in_place_keep_what_backward_needs() -> None:
    """A chain in place on one name, whose every layer needs the values that the next one overwrites."""
    results = []
    for names in (["v"] * 7, [f"v{index}" for index in range(7)]):
        with runtime.compile(chain(names), keep="outputs") as exe:
            for layer, index in LEARNED:
                exe.set_param(layer, index, normal(3, seed=index + int(layer[1])))
            (y,) = exe.forward(x=normal(4, 3, 5, 2)).values()
            exe.backward(**{exe.outputs[0]: normal(4, 3, 5, 2, seed=9)})
            gradients = [exe.param_grad(*which).tobytes() for which in LEARNED]
            results.append([y.tobytes(), *gradients])
    assert results[0] == results[1]
