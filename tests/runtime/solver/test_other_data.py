"""--data: other images for any net."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from netdef import NetdefError
from netdef.cli.main import run
from runtime.solver.nets import load_net
from runtime.solver.solver import Solver
from tests.runtime.data.databases import numbered, raw, write_lmdb

TAIL = """
layer fc: InnerProduct(data) { num_output: 2 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
SOURCES = {  # and the shape of the images
    "Data -> data, label { source: 'db' backend: LMDB batch_size: 3 transform_param { crop_size: 4 } }": (3, 3, 4, 4),
    "Data -> data, label { source: 'db' backend: LMDB batch_size: 3 }": (3, 3, 5, 6),
    "Data -> data, label { source: 'gone' backend: LMDB batch_size: 3 transform_param { crop_h: 4 crop_w: 7 } }": (3, 3, 4, 7),
    "Input -> data, label { shape { dim: 3 dim: 3 dim: 8 dim: 9 } shape { dim: 3 } }": (3, 3, 8, 9),
    "Input -> data { shape { dim: 3 dim: 1 dim: 8 dim: 8 } }\nlayer label: Input -> label { shape { dim: 3 } }": (3, 1, 8, 8),
    "DummyData -> data, label { shape { dim: 2 dim: 3 dim: 8 dim: 8 } shape { dim: 2 } }": (2, 3, 8, 8),
    "MemoryData -> data, label { batch_size: 4 channels: 1 height: 8 width: 8 }": (4, 1, 8, 8),
    "HDF5Data -> data, label { source: 'h5.txt' batch_size: 4 }": (4, 3, 5, 4),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for label in "ab":
        Path("images", label).mkdir(parents=True)
        for index in range(5):
            Image.fromarray(random.integers(0, 256, (12, 10 + index, 3), np.uint8)).save(f"images/{label}/{index}.png")
    write_lmdb(Path("db"), numbered([raw(n, 3, 5, 6) for n in (0, 1, 0)]))
    with h5py.File("a.h5", "w") as file:
        file["data"], file["label"] = np.zeros((4, 3, 5, 4), np.float32), np.zeros(4)
    Path("h5.txt").write_text("a.h5\n")
    Path("solver.txt").write_text('base_lr: 0.01 lr_policy: "fixed" max_iter: 1 random_seed: 1 test_interval: 1 test_iter: 1')


@pytest.mark.parametrize("source", SOURCES)
def test_images_for_any_source(source):
    """Trained and tested on a folder, its batch and size kept; and again from what the run wrote."""
    Path("x.net").write_text(f"layer data: {source}\n{TAIL}")
    assert run(["train", "x.net", "solver.txt", "--data", "images", "--out", "run", "--threads", "1"]) == 0
    for phase in ("train", "test"):
        net = load_net("x.net", phase, data="images")
        layer = net.layer("data")
        assert (layer.type, layer.tops[0].shape, layer.p.shuffle) == ("ImageData", SOURCES[source], phase == "train")
        assert [top.name for top in layer.tops] == ["data", "label"] and not net.inputs
        assert load_net("run/net.net", phase).layer("data").tops[0].shape == SOURCES[source]
    assert run(["test", "x.net", "--weights", "run/x_iter_1.caffemodel", "--data", "images"]) == 0


def test_other_data_are_tested_whole(capsys):
    """A solver's test_iter counts the batches of its own data; a few of other data, sorted by class, would be of a class or two."""
    Path("x.net").write_text(f"layer data: {next(iter(SOURCES))}\n{TAIL}")
    assert run(["train", "x.net", "solver.txt", "--data", "images", "--out", "run", "--threads", "1"]) == 0
    assert "test_iter 1 counts batches of other data: each test takes all of images" in capsys.readouterr().out
    with Solver("solver.txt", "x.net", data="images", seed=1) as solver:
        (result,) = solver.test()
        assert result.images == sum(source.size for source in solver.tests[0].executable.sources.values())
    with Solver("solver.txt", "x.net", data="images", seed=1, overrides={"solver.test_iter": 2}, say=lambda line: None) as solver:
        assert solver.nets.batches == [2]


def test_a_net_without_labels_and_other_changes():
    Path("x.net").write_text("layer data: Input -> data { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }\nlayer r: ReLU(data)")
    net = load_net("x.net", "test", {"data.transform_param.scale": 0.5}, 7, "images")
    assert [top.name for top in net.layer("data").tops] == ["data"]
    assert (net.batch, net.layer("data").message.transform_param.scale) == (7, 0.5)


def test_an_hdf5data_reads_another_list_or_file():
    Path("x.net").write_text("layer data: HDF5Data -> data, label { source: 'gone.txt' batch_size: 4 }" + TAIL)
    for data in ("h5.txt", Path("h5.txt").read_text().strip()):
        assert load_net("x.net", "train", data=data).layer("data").tops[0].shape == (4, 3, 5, 4)


@pytest.mark.parametrize(
    ("text", "data", "said"),
    [
        ("layer data: Input -> data { shape { dim: 3 dim: 5 } }", "images", "has no layer that reads images in phase test"),
        ("layer d: Input -> a, b { shape { dim: 1 dim: 3 dim: 5 dim: 5 } }", "images", "has 2 inputs that may be images"),
        (
            "layer d: Input -> a { shape { dim: 1 dim: 3 dim: 5 dim: 5 } }",
            "none",
            "there is no none, which layer d, of type Input with",
        ),
    ],
)
def test_data_that_cannot_be_read(text, data, said):
    Path("x.net").write_text(text)
    with pytest.raises(NetdefError, match=said):
        load_net("x.net", "test", data=data)
