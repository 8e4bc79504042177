"""Filter: each run keeps the images that its selector names, and the layers behind it follow."""

from collections.abc import Iterator

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError

INPUTS = """force_backward: true
layer data: Input -> x, label, s { shape { dim: [4, 3, 2, 5] } shape { dim: 4 } shape { dim: [4, 1, 1] } }
"""
FILTER = "layer f: Filter(x, label, s) -> kept, of_kept\n"
LEARNED = """layer fc: InnerProduct(kept) { num_output: 3 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, of_kept)
"""
ALONE = """force_backward: true
layer data: Input -> kept, of_kept { shape { dim: [4, 3, 2, 5] } shape { dim: 4 } }
"""
SELECTORS = [[1, 1, 1, 1], [0, 1, 1, 0], [0, 0, 0, 0.5], [-1, 0, 0, 2], [1, 0, 1, 1], [1, 1, 1, 1]]
DEVICES = ["cpu", "cpu:0,cpu:0", "cpu:0,cpu:1"]


def batches() -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    """What the net is fed in each run, and which of its images stay."""
    random = np.random.default_rng(3)
    for selector in SELECTORS:
        x = random.standard_normal((4, 3, 2, 5), np.float32)
        s = np.array(selector, np.float32)
        yield {"x": x, "label": random.integers(0, 3, 4), "s": s.reshape(4, 1, 1)}, s != 0


@pytest.mark.parametrize("devices", DEVICES)
def test_images_stay_in_order_and_gradients_go_back(devices: str) -> None:
    with runtime.compile(netdef.parse(INPUTS + FILTER), devices, threads=3) as exe:
        for fed, kept in batches():
            found = exe.forward(**fed)
            np.testing.assert_array_equal(found["kept"], fed["x"][kept])
            np.testing.assert_array_equal(found["of_kept"], fed["label"][kept])
            dy = np.random.default_rng(1).standard_normal(found["kept"].shape, np.float32)
            exe.backward(kept=dy, of_kept=np.ones(kept.sum()))
            expected = np.zeros_like(fed["x"])
            expected[kept] = dy
            np.testing.assert_array_equal(exe.blob_grad("x"), expected)
            np.testing.assert_array_equal(exe.blob_grad("label"), kept)
            assert not exe.blob_grad("s").any()


@pytest.mark.parametrize("devices", DEVICES)
def test_a_run_has_the_bits_of_a_net_that_is_given_these_images_alone(devices: str) -> None:
    """The same weights, for the same seed, and another batch in each run."""
    alone = netdef.parse(ALONE + LEARNED)
    with (
        runtime.compile(netdef.parse(INPUTS + FILTER + LEARNED), devices, seed=5, threads=3) as exe,
        runtime.compile(alone, devices, seed=5, threads=3) as other,
    ):
        for fed, kept in batches():
            count = int(kept.sum())
            other.reshape(kept=(count, 3, 2, 5), of_kept=(count,))
            right = other.forward(kept=fed["x"][kept], of_kept=fed["label"][kept])
            assert exe.forward(**fed)["loss"] == right["loss"]
            assert exe.net.blobs["fc"].shape == (count, 3)
            exe.backward()
            other.backward()
            for index in (0, 1):
                assert exe.param_grad("fc", index).tobytes() == other.param_grad("fc", index).tobytes()
            assert exe.blob_grad("x")[kept].tobytes() == other.blob_grad("kept").tobytes()


def test_a_solver_trains_on_what_is_kept() -> None:
    """Momentum and sums over batches last through changes of shape."""
    text = 'base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 max_iter: 9 random_seed: 5 iter_size: 2'
    with (
        runtime.Solver(text, netdef.parse(INPUTS + FILTER + LEARNED, phase="train")) as solver,
        runtime.Solver(text, netdef.parse(ALONE + LEARNED, phase="train")) as other,
    ):
        for fed, kept in batches():
            count = int(kept.sum())
            other.executable.reshape(kept=(count, 3, 2, 5), of_kept=(count,))
            loss = other.step(kept=fed["x"][kept], of_kept=fed["label"][kept])
            assert solver.step(**fed) == loss
            assert solver.executable.param("fc", 0).tobytes() == other.executable.param("fc", 0).tobytes()


def test_one_filter_behind_another() -> None:
    text = INPUTS + "layer f: Filter(x, label, s) -> a, b\nlayer g: Filter(a, b) -> c\n"
    with runtime.compile(netdef.parse(text), backward=False, keep="all") as exe:
        for fed, kept in batches():
            label = np.array([1, 2, 0, 1])
            right = fed["x"][kept][label[kept] != 0]
            np.testing.assert_array_equal(exe.forward(**{**fed, "label": label})["c"], right)


def test_without_a_run_shapes_are_those_for_all_images() -> None:
    fed, _ = list(batches())[1]
    with runtime.compile(netdef.parse(INPUTS + FILTER)) as exe:
        assert exe.net.blobs["kept"].shape == (4, 3, 2, 5)
        exe.forward(**fed)
        assert exe.net.blobs["kept"].shape == (2, 3, 2, 5)
        exe.reshape(x=(6, 3, 2, 5), label=(6,), s=(6, 1))
        assert exe.net.blobs["kept"].shape == (6, 3, 2, 5)
        x = np.random.default_rng(2).standard_normal((6, 3, 2, 5), np.float32)
        found = exe.forward(x=x, label=np.arange(6), s=np.array([[0, 0, 1, 1, 1, 0]]).T)
        np.testing.assert_array_equal(found["kept"], x[2:5])


@pytest.mark.parametrize("devices", DEVICES)
def test_a_batch_of_which_nothing_stays_is_an_error(devices: str) -> None:
    fed, _ = next(batches())
    with runtime.compile(netdef.parse(INPUTS + FILTER, "a.net"), devices) as exe:
        with pytest.raises(NetdefError, match=r"a\.net:3:27: error: Filter f: s drops all 4 images of a batch\n(?s:.*)Caffe"):
            exe.forward(**{**fed, "s": np.zeros((4, 1, 1))})
        np.testing.assert_array_equal(exe.forward(**fed)["kept"], fed["x"])  # it goes on


def test_blobs_that_are_not_filtered_alike_are_an_error() -> None:
    fed, _ = list(batches())[1]
    text = INPUTS + FILTER + LEARNED.replace("of_kept", "label")
    with (
        runtime.compile(netdef.parse(text, "a.net")) as exe,
        pytest.raises(NetdefError, match=r"a\.net:5:\d+: error: SoftmaxWithLoss loss: "),
    ):
        exe.forward(**fed)


def test_running_statistics_beside_it_may_have_run_on_another_device() -> None:
    """On one device they come after it, and take each batch in once."""
    fed, _ = list(batches())[1]
    text = INPUTS + "layer f: Filter(x, s)\nlayer behind: BatchNorm(f)\nlayer norm: BatchNorm(x)\n"
    net = netdef.parse(text, "a.net", phase="train")
    with runtime.compile(net) as exe:
        exe.forward(x=fed["x"], s=fed["s"])
        exe.update()
        assert exe.param("norm", 0) == pytest.approx(fed["x"].mean(axis=(0, 2, 3)), abs=1e-6)
        assert exe.param("behind", 0) == pytest.approx(fed["x"][1:3].mean(axis=(0, 2, 3)), abs=1e-6)
    with runtime.compile(net, "cpu:0,cpu:1") as exe, pytest.raises(NetdefError, match="layer norm before it keeps sums"):
        exe.forward(x=fed["x"], s=fed["s"])


def test_running_statistics_before_it_are_an_error() -> None:
    """What runs again would add the batch to them twice."""
    fed, _ = list(batches())[1]
    text = INPUTS + "layer norm: BatchNorm(x)\nlayer f: Filter(norm, s)\n"
    with (
        runtime.compile(netdef.parse(text, "a.net", phase="train")) as exe,
        pytest.raises(NetdefError, match=r"a\.net:4:7: error: Filter f: s keeps 2 of 4 images, and kept 4 before: layer norm"),
    ):
        exe.forward(x=fed["x"], s=fed["s"])
