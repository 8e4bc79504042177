"""Backward transfers are the exact transposes of forward ones: in whole numbers, with nothing left to rounding.

A net of layers that only move and add numbers is a matrix A.  If backward multiplies by its transpose, g . (A x) = (A^T g) . x
for any x and g.
"""

import random

import numpy as np
import pytest

import netdef
import runtime
from tests.runtime.compiler.placement.nets import devices

SPLITS = ("groups", "batch", "hybrid")


def moving_net(seed: int, count: int) -> str:
    """Layers that move and add, some of them put on a device by hand; `y` is made of all of them."""
    draw = random.Random(seed)
    batch, channels, side = draw.choice([1, 3, 5]), draw.choice([2, 4, 6, 7]), draw.choice([1, 2])
    lines = [f"layer x: Input {{ shape {{ dim: [{batch}, {channels}, {side}, {side}] }} }}"]
    blobs = {"x": channels}
    for number in range(draw.randint(3, 8)):
        bottom = draw.choice(list(blobs))
        alike = [name for name, size in blobs.items() if size == blobs[bottom]]
        name, hand = f"l{number}", draw.choice(["", "", f"device: {draw.randrange(count)}"])
        kind = draw.choice(["Concat", "Eltwise", "Split", "ReLU"])
        if kind == "Concat":
            bottoms = [bottom, draw.choice(list(blobs))]
            blobs[name] = sum(blobs[b] for b in bottoms)
            lines.append(f"layer {name}: Concat({', '.join(bottoms)}) {{ {hand} }}")
        elif kind == "Eltwise":
            lines.append(f"layer {name}: Eltwise({bottom}, {draw.choice(alike)}) {{ coeff: 2 coeff: -1 {hand} }}")
            blobs[name] = blobs[bottom]
        elif kind == "Split":
            lines.append(f"layer {name}: Split({bottom}) -> {name}, {name}b {{ {hand} }}")
            blobs[name] = blobs[name + "b"] = blobs[bottom]
        else:
            lines.append(f"layer {name}: ReLU({bottom}) {{ negative_slope: 1 {hand} }}")
            blobs[name] = blobs[bottom]
    rest = ", ".join(blobs)
    return "force_backward: true\n" + "\n".join(lines) + f"\nlayer all: Concat({rest})\nlayer y: Flatten(all)\n"


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_backward_is_the_transpose(split: str, count: int) -> None:
    draw, sent = np.random.default_rng(11), 0
    for seed in range(12):
        net = netdef.parse(moving_net(seed, count), phase="train")
        with runtime.compile(net, devices(count), split=split if count > 1 else None, threads=count) as exe:
            x = draw.integers(-3, 4, net.blobs["x"].shape).astype(np.float32)
            y = exe.forward(x=x)["y"]
            g = draw.integers(-3, 4, y.shape).astype(np.float32)
            exe.backward(y=g)
            assert (g * y).sum() == (exe.blob_grad("x") * x).sum(), seed
            assert np.any(y)
            sent += sum(one.kernel == "send" for one in exe.program.backward)
    assert sent or count == 1


@pytest.mark.parametrize("loss", ["", "{ loss_weight: 2 }"])
def test_an_output_of_what_all_devices_have_counts_once(loss: str) -> None:
    """Its gradient comes from outside, or from its own weight: copies of it would each bring it in."""
    text = moving_net(6, 4).replace("Flatten(all)", f"Flatten(all) {loss}")
    x, found = np.arange(40, dtype=np.float32).reshape(5, 2, 2, 2) - 9, []
    for count in (1, 4):
        with runtime.compile(netdef.parse(text, phase="train"), devices(count), threads=count) as exe:
            y = exe.forward(x=x)["y"]
            exe.backward(**({} if loss else {"y": y}))
            found.append(exe.blob_grad("x"))
    np.testing.assert_array_equal(*found)
