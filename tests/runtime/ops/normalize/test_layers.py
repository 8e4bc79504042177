"""BatchNorm and MVN beside float64, far from zero too; what BatchNorm keeps of its batches, and when."""

import numpy as np
import pytest

import netdef
import runtime
from runtime.ir.runs import ELEMENTS
from tests.runtime.harness import normal

SHAPES = [(1, 1, 1, 1), (1, 5, 3, 2), (3, 4, 7, 6), (32, 3, 4, 5), (7, 3), (6,), (2, 1, 3, ELEMENTS + 5)]


def dims(shape) -> str:
    return "shape { " + " ".join(f"dim: {d}" for d in shape) + " }"


def batch_norm(shape, body: str = "", phase: str = "train") -> netdef.Net:
    return netdef.parse(f"layer x: Input {{ {dims(shape)} }} layer y: BatchNorm(x) {{ {body} }}", phase=phase)


def statistics(exe: runtime.Executable) -> list[np.ndarray]:
    return [exe.param("y", index) for index in range(3)]


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean and variance of each channel, and of how many numbers."""
    channels = np.moveaxis(x[:, None] if x.ndim == 1 else x, 1, 0)
    rows = channels.reshape(len(channels), -1)
    return rows.mean(1), rows.var(1), rows.shape[1]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("offset", [0, 1000])
def test_batch_norm(shape, offset: float) -> None:
    """With a mean of a thousand deviations, E[x^2] - E[x]^2 would leave one digit of the variance."""
    x = (normal(*shape) + offset).astype(np.float32).astype(np.float64)
    mean, variance, count = moments(x)
    with runtime.compile(batch_norm(shape, "eps: 1e-3 moving_average_fraction: 0.5"), threads=7) as exe:
        y = exe.forward(x=x)["y"]
        exe.update()
        found = statistics(exe)
    beside = (slice(None),) if x.ndim == 1 else (None, slice(None), *[None] * (x.ndim - 2))
    expected = (x - mean[beside]) / np.sqrt(variance + 1e-3)[beside]
    np.testing.assert_allclose(y, expected, atol=1e-5 + 2e-7 * offset)
    np.testing.assert_allclose(found[0], mean, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found[1], variance * count / max(1, count - 1), rtol=1e-5, atol=1e-6)
    assert found[2] == 1


@pytest.mark.parametrize("divisor", [0, 1, 2.5])
def test_global_statistics(divisor: float) -> None:
    shape = (3, 4, 2, 5)
    x, means, variances = normal(*shape), normal(4), normal(4) ** 2
    with runtime.compile(batch_norm(shape, phase="test")) as exe:
        for index, values in enumerate((means, variances, [divisor])):
            exe.set_param("y", index, values)
        y, kept = exe.forward(x=x)["y"], statistics(exe)
        exe.update()
        assert [a.tobytes() for a in kept] == [a.tobytes() for a in statistics(exe)]
    factor = 1 / divisor if divisor else 0  # of no batch at all the statistics are 0
    mean, variance = (factor * sums[None, :, None, None] for sums in (means, variances))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5), rtol=1e-5, atol=1e-5)


def test_statistics_change_in_the_update_alone() -> None:
    """However often forward runs, one update takes in one batch; `added` says how many an iteration has had before."""
    shape = (4, 3, 2, 2)
    batches = [normal(*shape, seed=seed) + seed for seed in range(3)]
    with runtime.compile(batch_norm(shape, "moving_average_fraction: 0.75")) as exe:
        before = statistics(exe)
        for _ in range(3):
            exe.forward(x=batches[0])
        assert [a.tobytes() for a in before] == [a.tobytes() for a in statistics(exe)]
        exe.update()
        np.testing.assert_allclose(exe.param("y", 0), batches[0].mean((0, 2, 3)), rtol=1e-5)
        for number, batch in enumerate(batches[1:]):
            exe.set_scalar("added", number)
            exe.forward(x=batch)
        exe.update()
        expected = sum(0.75 ** (2 - i) * batch.mean((0, 2, 3)) for i, batch in enumerate(batches))
        np.testing.assert_allclose(exe.param("y", 0), expected, rtol=1e-5)
        assert exe.param("y", 2) == np.float32(0.75**2 + 0.75 + 1)


def test_statistics_that_are_shared_by_name() -> None:
    """Two layers, one after the other in each batch, as in Caffe, whose arrays they share."""
    names = " ".join(f"param {{ name: '{name}' lr_mult: 0 decay_mult: 0 }}" for name in "abc")
    layers = " ".join(f"layer {n}: BatchNorm(x{n}) {{ {names} moving_average_fraction: 0.5 }}" for n in "12")
    inputs = " ".join(f"layer x{n}: Input {{ {dims((4, 3))} }}" for n in "12")
    x1, x2 = normal(4, 3), normal(4, 3, seed=1) + 2
    with runtime.compile(netdef.parse(f"{inputs} {layers}", phase="train")) as exe:
        exe.forward(x1=x1, x2=x2)
        exe.update()
        np.testing.assert_allclose(exe.param("1", 0), 0.5 * x1.mean(0) + x2.mean(0), rtol=1e-5)
        np.testing.assert_array_equal(exe.param("1", 0), exe.param("2", 0))
        assert exe.param("2", 2) == 1.5


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 5, 3, 2), (3, 4, 7, 6), (32, 3, 4, 5), (7, 3), (2, 3, 70, 80)], ids=str)
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("variance", [False, True])
@pytest.mark.parametrize("offset", [0, 1000])
def test_mvn(shape, across: bool, variance: bool, offset: float) -> None:
    body = f"across_channels: {str(across).lower()} normalize_variance: {str(variance).lower()} eps: 0.01"
    x = (normal(*shape) + offset).astype(np.float32).astype(np.float64)
    axes = tuple(range(1 if across else 2, len(shape)))
    with runtime.compile(netdef.parse(f"layer x: Input {{ {dims(shape)} }} layer y: MVN(x) {{ {body} }}"), threads=7) as exe:
        y = exe.forward(x=x)["y"]
    centred = x - x.mean(axes, keepdims=True)
    expected = centred / (x.std(axes, keepdims=True) + 0.01) if variance else centred
    np.testing.assert_allclose(y, expected, atol=1e-5 + 1e-7 * offset)
