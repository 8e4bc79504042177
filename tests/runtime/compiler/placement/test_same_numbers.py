"""However a net is divided, it computes the same: every blob, every gradient, every parameter, to float32 rounding."""

import numpy as np
import pytest

import netdef
import runtime
from tests.marks import of_release, slow_except
from tests.runtime.compiler.placement.nets import TEXTS, WAYS, devices, difference, everything, net_of, on_one_device
from tests.runtime.compiler.placement.random_nets import random_net

SPLITS = ("groups", "batch", "hybrid")
MORE = [(4, "groups"), (3, "batch"), (4, "hybrid")]  # than two devices
ROUNDING = 2e-5  # sums in another order; gradients of GoogLeNet have come through sixty of them


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(("count", "split"), slow_except(2, [*((2, split) for split in SPLITS), *MORE]))
def test_what_nets_can_ask_for(name: str, count: int, split: str) -> None:
    check(name, split, count)


@pytest.mark.parametrize(
    ("name", "split", "count"),
    slow_except(
        "lenet",
        [
            *((name, *way) for name in ("lenet", "alexnet") for way in WAYS),
            *(("caffenet", *way) for way in WAYS[:4]),
            *(("googlenet", *way) for way in WAYS[2:]),
        ],
    ),
)
def test_models(name: str, split: str, count: int) -> None:
    check(name, split, count)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(27), *of_release(range(27, 48))])  # the first: each count with each split three times
def test_random_nets(seed: int) -> None:
    """Whatever follows whatever.  Where a gradient is all rounding (a difference of equals), there is nothing to compare."""
    net = netdef.parse(random_net(seed), phase="train")
    with runtime.compile(net, seed=5, threads=2) as exe:
        expected = everything(exe)
    count, split = 2 + seed % 3, SPLITS[seed // 3 % 3]
    with runtime.compile(net, devices(count), seed=5, split=split, threads=count) as exe:
        found = everything(exe)
    assert found.keys() == expected.keys()
    worst = {what: difference(expected[what], found[what]) for what in expected if np.abs(expected[what]).max() > 1e-7}
    assert max(worst.values()) < 1e-4, sorted(worst.items(), key=lambda item: -item[1])[:5]


def check(name: str, split: str, count: int) -> None:
    expected = on_one_device(name)
    with runtime.compile(net_of(name), devices(count), seed=5, split=split, threads=count) as exe:
        found = everything(exe)
        assert found.keys() == expected.keys()
        assert {one.device for one in exe.program.forward} == set(range(count)) or name == "fewer channels than devices"
        worst = {what: difference(expected[what], found[what]) for what in expected}
        assert max(worst.values()) < ROUNDING, sorted(worst.items(), key=lambda item: -item[1])[:5]
        for what in expected:
            if what.startswith("parameter "):
                np.testing.assert_array_equal(expected[what], found[what], what)  # filled the same to the bit


def test_threads_do_not_matter() -> None:
    results = []
    for threads in (2, 3, 4):
        with runtime.compile(net_of("alexnet"), devices(2), seed=5, threads=threads) as exe:
            results.append(everything(exe))
    for other in results[1:]:
        assert all(other[what].tobytes() == results[0][what].tobytes() for what in other)


def test_inference_reuses_memory_and_computes_the_same() -> None:
    with runtime.compile(net_of("alexnet", "test"), seed=5, backward=False) as exe:
        from tests.runtime.compiler.placement.nets import feeds

        expected = exe.forward(**feeds(exe.net))
    for split in SPLITS:
        with runtime.compile(net_of("alexnet", "test"), devices(2), seed=5, backward=False, split=split) as exe:
            for _ in range(3):
                found = exe.forward(**feeds(exe.net))
            assert all(difference(expected[name], found[name]) < ROUNDING for name in expected)


def test_backward_may_run_twice() -> None:
    with runtime.compile(net_of("caffenet"), devices(2), seed=5) as exe:
        once = everything(exe)
        exe.backward()
        assert all((exe.param_grad(p.layer.name, p.index) == once[f"gradient {p}"]).all() for p in exe.net.parameters)
