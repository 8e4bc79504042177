"""AlexNet at full size: two devices are no farther from one than that one is from itself with its weights' last bits changed.

At this size a few of the millions of ReLUs and maxima always lie so near their border that a rounding decides, and training
amplifies it; so what rounding does is measured, not guessed.
"""

import numpy as np
import pytest

import netdef
import runtime
from netdef.schema import message_class
from runtime.solver.update import sgd
from tests.runtime.placement.nets import devices, difference

BATCH, ITERATIONS = 4, 3
LAST_BIT = 2.0**-23
Values = dict[str, np.ndarray]


def trained(where: str, split: str | None = None, change: float = 0) -> tuple[Values, Values]:
    """All blobs of the first pass, and the weights after some iterations."""
    net = netdef.load("alexnet", phase="train", batch_size=BATCH)
    update = sgd(message_class("SolverParameter")(momentum=0.9, weight_decay=0.0005))
    random = np.random.default_rng(3)
    images = random.standard_normal((BATCH, 3, 227, 227), np.float32) * 40
    options = {"keep": "activations", "losses_only": True, "update": update, "split": split, "seed": 2, "threads": 2}
    with runtime.compile(net, where, **options) as exe:
        exe.set_scalar("rate", 0.0005)
        exe.set_scalar("scale", 1)
        owners = [p for p in net.parameters if change]
        for p in owners:
            values = exe.param(p.layer.name, p.index)
            exe.set_param(p.layer.name, p.index, values * (1 + change * random.choice([-1, 1], values.shape).astype(np.float32)))
        blobs: Values = {}
        for iteration in range(ITERATIONS):
            exe.set_scalar("iteration", iteration)
            exe.run_forward(data=images, label=np.arange(BATCH))
            blobs = blobs or {name: exe.blob(name) for name in net.blobs}
            exe.backward()
            exe.update()
        return blobs, {str(p): exe.param(p.layer.name, p.index) for p in net.parameters}


@pytest.fixture(scope="module")
def one() -> tuple[Values, Values]:
    return trained("cpu")


@pytest.fixture(scope="module")
def rounding(one: tuple[Values, Values]) -> float:
    """How far the weights get from where they would be, by the last bits of those they began with."""
    return distance(trained("cpu", change=LAST_BIT)[1], one[1])


def distance(found: Values, expected: Values) -> float:
    return max(float(np.linalg.norm(found[what] - expected[what]) / np.linalg.norm(expected[what])) for what in expected)


@pytest.mark.parametrize("split", ["groups", "batch", "hybrid"])
def test_two_devices(one: tuple[Values, Values], rounding: float, split: str) -> None:
    blobs, weights = trained(devices(2), split)
    assert max(difference(one[0][name], blobs[name]) for name in blobs) < 1e-5
    assert 0 < distance(weights, one[1]) < 2 * rounding < 0.1
