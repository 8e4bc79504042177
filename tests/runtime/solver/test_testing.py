"""Tests of all images, and of more batches than a device remembers."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

import netdef
import runtime
from runtime.machine.executable import Executable
from runtime.solver import remember, results, testing
from runtime.solver.nets import load_net
from runtime.solver.solver import Solver

NET = """
layer x: DummyData -> x, label { shape { dim: [4, 6] } shape { dim: 4 } data_filler { type: "gaussian" } data_filler { value: 1 } }
layer fc: InnerProduct(x) { num_output: 3 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
layer right: Accuracy(fc, label)
"""


def result(batches: int) -> results.TestResult | None:
    with runtime.compile(netdef.parse(NET), backward=False, seed=1, update=remember.remember_results) as exe:
        return testing.run_test(exe, batches, iteration=2)


@pytest.mark.parametrize("batches", [2, 3, 4, 8])
def test_no_batch_is_lost(batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = result(batches)
    for module in (remember, testing):
        monkeypatch.setattr(module, "ROUNDS", 3)
    monkeypatch.setattr(Executable, "runs_ahead", True)
    assert result(batches) == expected
    assert expected is not None
    assert set(expected.outputs) == {"loss", "right"}


IMAGES = """
layer data: ImageData -> data, label { source: "images" batch_size: 3 new_height: 4 new_width: 4 transform_param { scale: 0.01 } }
layer fc: InnerProduct(data) { num_output: 2 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
test layer right: Accuracy(fc, label)
"""
FIXED = IMAGES.replace(
    "layer fc: InnerProduct(data)", "layer flat: Reshape(data) { shape { dim: [3, 48] } }\nlayer fc: InnerProduct(flat)"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven images of two classes, and a file that is none."""
    path = tmp_path_factory.mktemp("all")
    random = np.random.default_rng(3)
    for number in range(7):
        name = path / "images" / "ab"[number % 2] / f"{number}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(name)
    return path


@pytest.fixture
def images(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder / "images"


def over_all(text: str = IMAGES, batch: int | None = None, times: int = 1) -> results.TestResult | None:
    with runtime.compile(
        netdef.parse(text, batch_size=batch), "cpu", seed=1, backward=False, update=remember.remember_results
    ) as exe:
        exe.open_sources()
        for _ in range(times):
            found = testing.run_test(exe, None)
        assert exe.net.batch == (batch or 3)
        return found


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 7, 16])
def test_results_do_not_depend_on_the_batch(images: Path, batch: int) -> None:
    """Each image counts once, however many are in a batch; a second test begins with the first image again."""
    one, found = over_all(batch=1), over_all(batch=batch, times=2)
    assert one is not None and found is not None
    assert found.images == one.images == 7
    assert found.loss == pytest.approx(one.loss, rel=1e-6)
    assert found.outputs == pytest.approx(one.outputs, rel=1e-6)
    assert found.outputs["right"] * 7 == pytest.approx(round(found.outputs["right"] * 7))


@pytest.mark.parametrize("batch", [2, 3, 7])
def test_labels_that_do_not_count(images: Path, batch: int) -> None:
    """The accuracy of each class is over its images, and labels that are ignored are no images: as in one batch of all."""
    text = IMAGES.replace("test layer right: Accuracy(fc, label)", "test layer right: Accuracy(fc, label) -> right, each { }")
    text += "test layer some: Accuracy(fc, label) { ignore_label: 0 }"
    text = text.replace("SoftmaxWithLoss(fc, label)", "SoftmaxWithLoss(fc, label) { ignore_label: 0 }")
    one, found = over_all(text, batch=16), over_all(text, batch=batch)
    assert one is not None and found is not None
    assert set(found.outputs) == {"loss", "right", "each[0]", "each[1]", "some"}
    assert found.loss == pytest.approx(one.loss, rel=1e-6)
    assert found.outputs == pytest.approx(one.outputs, rel=1e-6)
    assert found.outputs["some"] == pytest.approx(found.outputs["each[1]"])
    assert found.outputs["right"] * 7 == pytest.approx(4 * found.outputs["each[0]"] + 3 * found.outputs["each[1]"])


SCORES = """
layer score: Convolution(data) { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(score, LABEL) { ignore_label: 255 }
test layer right: Accuracy(score, LABEL) -> right, each { ignore_label: 255 }
"""
FROM_ARRAYS = 'layer d: HDF5Data -> data, label { source: "list.txt" batch_size: 3 }' + SCORES
FROM_IMAGES = """
layer data: ImageData { source: "x.txt" batch_size: 3 new_height: 4 new_width: 5 transform_param { scale: 0.01 } }
layer label: ImageData { source: "y.txt" batch_size: 3 new_height: 4 new_width: 5 is_color: false }
"""
FLAT = "layer one: Flatten(label) layer flat: Reshape(one) { shape { dim: [0, 1, 4, 5] } }"


@pytest.mark.parametrize(
    "text",
    [FROM_ARRAYS.replace("LABEL", "label"), (FROM_IMAGES + FLAT + SCORES).replace("LABEL", "flat")],
    ids=["arrays", "images of labels, rearranged"],
)
def test_labels_of_pixels_that_do_not_count(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are means over the pixels whose labels count, however those are spread over images and batches."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, (7, 4, 5), dtype=np.uint8)
    labels[random.random(labels.shape) < 0.3] = 255
    labels[3], labels[5, :2] = 255, 255  # an image of which no pixel counts, and one of which few do
    images = random.integers(0, 256, (7, 4, 5, 3), dtype=np.uint8)
    with h5py.File("all.h5", "w") as file:
        file["data"], file["label"] = np.moveaxis(images / np.float32(100), 3, 1).astype("f4"), labels[:, None].astype("f4")
    Path("list.txt").write_text("all.h5\n")
    for name, arrays in (("x", images), ("y", labels)):
        for number, array in enumerate(arrays):
            Image.fromarray(array).save(f"{name}{number}.png")
        Path(f"{name}.txt").write_text("".join(f"{name}{number}.png 0\n" for number in range(7)))
    Path("a.net").write_text(text)
    found = {}
    for batch in (1, 3, 7):
        net = load_net("a.net", "test", None, batch)
        with runtime.compile(net, "cpu", seed=1, backward=False, update=remember.remember_results) as exe:
            exe.open_sources()
            found[batch] = testing.run_test(exe, None)
    for one in (found[1], found[3]):
        assert one is not None and found[7] is not None
        assert one.loss == pytest.approx(found[7].loss, rel=1e-5)
        assert one.outputs == pytest.approx(found[7].outputs, rel=1e-5)
        counted = (labels != 255).sum()
        assert one.outputs["right"] * counted == pytest.approx(round(one.outputs["right"] * counted), abs=1e-3)


def test_images_that_cannot_be_read_do_not_count(images: Path) -> None:
    whole = over_all()
    bad = images / "b" / "8.png"
    bad.write_text("no image")
    with pytest.warns(Warning, match=r"8.png"):
        found = over_all(batch=4)
    bad.unlink()
    assert whole is not None and found is not None
    assert (whole.images, found.images) == (7, 7)


def test_a_net_that_takes_only_whole_batches(images: Path) -> None:
    """Its last batch has two of the images a second time, and the result says so."""
    found = over_all(FIXED)
    assert found is not None
    assert found.images == 9


def test_a_device_that_runs_ahead(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = over_all(batch=2)
    for module in (remember, testing):
        monkeypatch.setattr(module, "ROUNDS", 3)
    monkeypatch.setattr(Executable, "runs_ahead", True)
    assert over_all(batch=2) == expected


def test_a_test_that_is_stopped_begins_anew(images: Path) -> None:
    with runtime.compile(netdef.parse(IMAGES), seed=1, backward=False, update=remember.remember_results) as exe:
        exe.open_sources()
        answers = iter([False, True])
        assert testing.run_test(exe, None, stop=lambda: next(answers)) is None
        assert testing.run_test(exe, None) == over_all()


def test_two_sources_of_one_batch(images: Path) -> None:
    """As a siamese net has them; of other batches, whole batches are tested."""
    pair = IMAGES.replace(
        "layer fc", IMAGES.split("\n")[1].replace("layer data: ", "layer other: ").replace("data, label", "d2, l2") + "\nlayer fc"
    )
    pair += "layer far: EuclideanLoss(data, d2)"
    found = over_all(pair, batch=4)
    assert found is not None
    assert (found.images, found.outputs["far"]) == (7, 0)


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        (None, ""),
        (1, "test_iter 1: each test takes 3 images of 7, those that follow"),
        (4, "test_iter 4: each test takes 12 images, and there are 7: some count more than once"),
        (7, ""),
    ],
)
def test_a_test_of_some_images_is_noted(images: Path, batches: int | None, expected: str) -> None:
    text = IMAGES if batches != 7 else IMAGES.replace("batch_size: 3", "batch_size: 1")
    (images.parent / "some.net").write_text(text)
    given = "" if batches is None else f"test_iter: {batches}"
    said: list[str] = []
    with Solver(f'base_lr: 0 lr_policy: "fixed"\nmax_iter: 2 test_interval: 1 random_seed: 1 {given}', "some.net", say=said.append):
        assert [line[: len(expected)] for line in said] == [expected] * bool(expected)


def test_a_solver_without_test_iter_tests_all(images: Path) -> None:
    (images.parent / "all.net").write_text(IMAGES)
    text = 'base_lr: 0 lr_policy: "fixed"\nmax_iter: 2 test_interval: 1 random_seed: 1'
    with Solver(text, "all.net") as solver:
        found = [result for _ in range(2) for result in solver.test() or ()]
        assert found[0] == found[1]
        assert found[0].images == 7
        solver.step(1)
    expected = over_all()
    assert expected is not None
    assert found[0].loss == pytest.approx(expected.loss)
