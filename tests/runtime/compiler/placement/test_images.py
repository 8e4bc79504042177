"""Images from files on several devices: the same order, crops, mirrors and colours, each device its share."""

from pathlib import Path

import numpy as np
import pytest

import netdef
import runtime
from netdef.graph.data_shapes import data_looked_at
from runtime.data.datum import Datum, encode_datum
from runtime.machine.look import look_at_data
from runtime.solver.solver import Solver
from tests.runtime.compiler.placement.nets import devices, difference
from tests.runtime.data.databases import numbered, write_lmdb

NET = """
name: "photos"
train layer data: ImageData -> data, label {
  source: "builtin:photos" batch_size: 5 shuffle: true
  transform_param { crop_size: 24 mirror: true color_shift: 0.1 mean_value: [104, 117, 123] scale: 0.02 }
}
test layer data: ImageData -> data, label {
  source: "builtin:photos" batch_size: 7 transform_param { crop_size: 24 mean_value: [104, 117, 123] scale: 0.02 }
}
layer conv1: Convolution(data) { num_output: 8 kernel_size: 5 stride: 2 weight_filler { type: "xavier" } }
layer relu1: ReLU(conv1) -> conv1
layer norm1: LRN(conv1)
layer fc2: InnerProduct(norm1) { num_output: 16 weight_filler { type: "xavier" } }
layer drop2: Dropout(fc2) -> fc2
layer fc3: InnerProduct(fc2) { num_output: 10 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc3, label)
test layer top1: Accuracy(fc3, label)
"""
SOLVER = """
base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 max_iter: 6 random_seed: 4 test_iter: 2 test_interval: 3 snapshot_prefix: "p"
"""


@pytest.mark.parametrize(("split", "count"), [("groups", 2), ("batch", 2), ("batch", 3), ("hybrid", 4)])
def test_every_device_sees_its_share_of_the_same_images(split: str, count: int) -> None:
    net = netdef.parse(NET, phase="train")
    with runtime.compile(net, seed=3) as one, runtime.compile(net, devices(count), seed=3, split=split) as many:
        for _ in range(4):
            expected, found = one.forward()["loss"], many.forward()["loss"]
            np.testing.assert_array_equal(one.blob("data"), many.blob("data"))
            np.testing.assert_array_equal(one.blob("label"), many.blob("label"))
            assert found == pytest.approx(expected, rel=1e-5)


def test_by_batch_no_device_is_given_images_of_another() -> None:
    with runtime.compile(netdef.parse(NET, phase="train"), devices(2), split="batch") as exe:
        images = {source.fields["images"].device: source.images["images"] for source in exe.program.sources}
        assert images == {0: (0, 3), 1: (3, 5)}
        shapes = {source.fields["images"].device: source.fields["images"].shape[0] for source in exe.program.sources}
        assert shapes == {0: 3, 1: 2}


@pytest.mark.parametrize("floats", [False, True])
def test_shares_know_what_the_data_say(tmp_path: Path, floats: bool) -> None:
    """The size of images that are not cropped, how many channels they have, and whether they are float32 numbers."""
    random = np.random.default_rng(2)
    numbers = random.random((6, 1, 7, 9), np.float32) if floats else random.integers(0, 256, (6, 1, 7, 9)).astype(np.uint8)
    held = ["floats" if floats else "data"] * len(numbers)
    values = [one.reshape(-1) if floats else one.tobytes() for one in numbers]
    datums = [Datum(1, 7, 9, label=n % 3, **{name: value}) for n, (name, value) in enumerate(zip(held, values, strict=True))]
    write_lmdb(tmp_path / "db", numbered([encode_datum(datum) for datum in datums]))
    with data_looked_at(look_at_data):
        net = netdef.parse(GREY.replace("db", str(tmp_path / "db")), phase="train")
    with runtime.compile(net, seed=3) as one, runtime.compile(net, devices(2), seed=3, split="batch") as many:
        for _ in range(2):
            expected, found = one.forward()["loss"], many.forward()["loss"]
            np.testing.assert_array_equal(one.blob("data"), many.blob("data"))
            assert found == pytest.approx(expected, rel=1e-5)
        assert (one.blob("data")[0, 0] == numbers[one.run_number * 4 % 6, 0]).all()


GREY = """
name: "grey"
layer data: Data -> data, label { source: "db" batch_size: 4 backend: LMDB }
layer fc: InnerProduct(data) { num_output: 8 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""


def test_labels_may_be_all_that_a_device_takes() -> None:
    text = NET.replace("LRN(conv1)", "LRN(conv1) { device: 0 }").replace("loss: SoftmaxWithLoss(fc3, label)", LOSS)
    for layer in ("conv1: Convolution(data) {", "fc2: InnerProduct(norm1) {", "fc3: InnerProduct(fc2) {"):
        text = text.replace(layer, layer + " device: 0")
    net = netdef.parse(text, phase="train")
    with runtime.compile(net, seed=3) as one, runtime.compile(net, devices(2), seed=3) as many:
        fields = {buffer.device: sorted(source.fields) for source in many.program.sources for buffer in source.fields.values()}
        assert fields == {0: ["images", "mirrors", "offsets", "shifts"], 1: ["labels"]}
        assert many.forward()["loss"] == pytest.approx(one.forward()["loss"], rel=1e-5)


LOSS = "loss: SoftmaxWithLoss(fc3, label) { device: 1 }"


def test_images_given_by_hand_replace_the_sources() -> None:
    net = netdef.parse(NET, phase="train")
    data = np.random.default_rng(1).standard_normal((5, 3, 24, 24), np.float32)
    losses = []
    for where, split in (("cpu", None), (devices(2), "batch"), (devices(2), "groups")):
        with runtime.compile(net, where, seed=3, split=split) as exe:
            losses.append(exe.forward(data=data, label=np.arange(5))["loss"])
            np.testing.assert_array_equal(exe.blob("data"), data)
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert losses[2] == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("split", ["groups", "batch"])
def test_a_run_goes_on_with_the_next_images_on_other_devices(split: str, tmp_path) -> None:
    path = tmp_path / "photos.net"
    path.write_text(NET)

    def weights(solver: Solver) -> dict[str, np.ndarray]:
        return {str(p): solver.executable.param(p.layer.name, p.index) for p in solver.executable.net.parameters}

    solver = Solver(SOLVER, path, "cpu", out=tmp_path)
    solver.step(6)
    expected = weights(solver)
    solver.close()
    solver = Solver(SOLVER, path, devices(2), split=split, out=tmp_path)
    solver.step(3)
    state = solver.snapshot()
    solver.close()
    solver = Solver(SOLVER, path, "cpu", out=tmp_path)
    solver.restore(state)
    solver.step(3)
    found = weights(solver)
    solver.close()
    assert max(difference(expected[name], found[name]) for name in expected) < 1e-4
