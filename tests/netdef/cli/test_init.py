"""`netdef init`: a net and a solver for a folder of images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netdef
import runtime
from netdef.check.run import check
from netdef.cli.main import run
from netdef.fmt import formatted
from netdef.solver_file import load_solver

SMALL = """
name: "small"
layer data: ImageData -> data, label { source: "builtin:photos" new_height: 8 batch_size: 4 }
layer conv: Convolution(data) { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }
layer relu: ReLU(conv) -> conv
layer fc: InnerProduct(conv) { num_output: 10 param { lr_mult: 2 } weight_filler { type: "xavier" } }
layer drop: Dropout(fc) -> fc
layer loss: SoftmaxWithLoss(fc, label)
test layer top1: Accuracy(fc, label)
test layer top3: Accuracy(fc, label) { top_k: 3 }
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures("my pets", {"cat": 5, "dog": 6, "owl": 2})
    Path("small.net").write_text(SMALL)


def pictures(name, classes):
    for index, (kind, count) in enumerate(classes.items()):
        (Path(name) / kind).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(np.full((8, 8, 3), 20 * index + number, np.uint8)).save(Path(name, kind, f"{number}.png"))


def outputs(net, name):
    return net.layer(name).tops[0].shape[1]


def test_a_net_that_learns_from_the_beginning(capsys):
    assert run(["init", "my pets", "--from", "small.net", "-o", "made"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "my pets: 3 classes (cat, dog, owl), 9 images for training, 4 for testing",
        "made/my_pets.net: small.net with 3 outputs of fc",
        "made/my_pets_solver.txt: rate 0.0003, 100 iterations of 4 images (33.3 passes)",
        "next:  netdef train made/my_pets.net made/my_pets_solver.txt --data 'my pets'",
        "       netdef rates made/my_pets.net made/my_pets_solver.txt --data 'my pets' looks for a rate first",
    ]
    text = Path("made/my_pets.net").read_text()
    assert 'include "../small.net"' in text and "remove layer top3" in text  # 3 of 3 are no test
    assert formatted(text, "made/my_pets.net") == text
    for phase in ("train", "test"):
        net = netdef.load("made/my_pets.net", phase)
        assert (outputs(net, "fc"), "top3" in {layer.name for layer in net.layers}) == (3, False)
        assert net.layer("fc").parameters[0].lr_mult == 2
    solver = load_solver("made/my_pets_solver.txt").message
    assert (solver.max_iter, solver.test_interval, list(solver.test_iter)) == (100, 21, [])
    assert check("made/my_pets_solver.txt").findings == []


def test_a_net_that_starts_from_weights(capsys):
    with runtime.compile("small.net", "cpu") as exe:
        exe.save_weights("w.caffemodel")
    assert run(["init", "my pets", "--from", "small.net", "--weights", "w.caffemodel"]) == 0
    assert "--data 'my pets' --weights w.caffemodel" in capsys.readouterr().out
    net = netdef.load("my_pets.net", "train")
    assert [layer.name for layer in net.layers] == ["data", "conv", "relu", "fc_my_pets", "drop", "loss"]
    assert outputs(net, "fc_my_pets") == 3
    assert [parameter.lr_mult for parameter in net.layer("fc_my_pets").parameters] == [20, 10]
    with runtime.compile(net, "cpu") as exe:
        loaded = exe.load_weights("w.caffemodel", allow_missing=True)
        assert (loaded.filled, list(loaded.missing)) == (("conv",), ["fc_my_pets"])


@pytest.mark.parametrize("source", ["alexnet", "googlenet", "squeezenet_v1.1", "resnet50"])
def test_models(source, capsys):
    assert run(["init", "my pets", "--from", source]) == 0
    net = netdef.load("my_pets.net", "train", batch_size=1)
    last = {"googlenet": ["loss1/classifier", "loss2/classifier", "loss3/classifier"], "squeezenet_v1.1": ["conv10"]}
    assert [outputs(net, name) for name in last.get(source, ["fc8" if source == "alexnet" else "fc1000"])] == [3] * len(
        last.get(source, "1")
    )


def test_an_older_format_is_written_whole(capsys):
    Path("old.prototxt").write_text(
        'layers { name: "data" type: IMAGE_DATA top: "data" top: "label"\n'
        '  image_data_param { source: "builtin:photos" new_height: 8 new_width: 8 batch_size: 4 } }\n'
        'layers { name: "fc" type: INNER_PRODUCT bottom: "data" top: "fc" inner_product_param { num_output: 10 } }\n'
        'layers { name: "loss" type: SOFTMAX_LOSS bottom: "fc" bottom: "label" }\n'
    )
    assert run(["init", "my pets", "--from", "old.prototxt"]) == 0
    text = Path("my_pets.net").read_text()
    assert "include" not in text and outputs(netdef.load("my_pets.net", "train"), "fc") == 3


def test_a_folder_that_keeps_its_test_images_apart(capsys):
    pictures("apart/train", {"a": 3, "b": 3})
    pictures("apart/val", {"a": 1, "b": 1})
    assert run(["init", "apart", "--from", "small.net"]) == 0
    assert "2 classes (a, b), 6 images for training, 2 for testing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nothing"], "there is no folder nothing\n"),
        (["one"], "one has one class alone: a\n"),
        (["empty"], "empty holds no images\n"),
        (["my pets", "--from", "deploy.net"], "deploy.net has no loss to train\n"),
        (["my pets", "--from", "alexnt"], "there is no file and no model called alexnt\n"),
        (["my pets", "--from", "small.net", "--weights", "none.caffemodel"], "none.caffemodel"),
        (["my pets", "--from", "lenet", "--weights", "w.caffemodel"], "no layer of the net is in w.caffemodel\n"),
        (
            ["my pets", "--from", "wide.net", "--weights", "w.caffemodel"],
            "the weights in w.caffemodel do not fit the net:\n  conv: ",
        ),
        (["my pets", "--from", "small.net", "-o", "small.net"], "small.net"),
        (["my pets", "--from", "ssd300_vgg16"], "has no "),
    ],
)
def test_what_is_wrong_writes_nothing(words, says, capsys):
    pictures("one", {"a": 2})
    Path("empty").mkdir()
    Path("deploy.net").write_text(
        "layer data: Input { shape { dim: [1, 3, 8, 8] } }\nlayer fc: InnerProduct(data) { num_output: 3 }"
    )
    small = Path("small.net").read_text()
    Path("wide.net").write_text(small.replace("Convolution(data) { num_output: 4", "Convolution(data) { num_output: 5"))
    if "w.caffemodel" in words:
        with runtime.compile("small.net", "cpu") as exe:
            exe.save_weights("w.caffemodel")
    before = sorted(Path().iterdir())
    assert run(["init", *words]) == 2
    assert says in capsys.readouterr().err
    assert sorted(Path().iterdir()) == before


def test_files_that_are_there_stay(capsys):
    Path("my_pets_solver.txt").write_text("mine")
    assert run(["init", "my pets", "--from", "small.net"]) == 2
    assert "my_pets_solver.txt exists already" in capsys.readouterr().err
    assert Path("my_pets_solver.txt").read_text() == "mine" and not Path("my_pets.net").exists()


def test_a_name_with_a_line_end_adds_no_line(capsys):
    pictures("pets\nlayer x: ReLU(fc)", {"a\nb": 3, "c": 3})
    assert run(["init", "pets\nlayer x: ReLU(fc)", "--from", "small.net"]) == 0
    (made,) = Path().glob("pets*.net")
    assert "x" not in {layer.name for layer in netdef.load(made).layers}
    (solver,) = Path().glob("pets*_solver.txt")
    assert load_solver(solver).message.max_iter == 100


def test_a_folder_with_the_name_of_the_model(capsys):
    """The net would include itself; another folder's net includes the model, whose name that folder has."""
    pictures("lenet", {"a": 3, "b": 3})
    assert run(["init", "lenet", "--from", "lenet"]) == 2
    assert "lenet.net would include the model lenet, which has the same name" in capsys.readouterr().err
    assert not Path("lenet.net").exists()
    assert run(["init", "my pets", "--from", "lenet"]) == 0
    assert 'include "lenet.net"' in Path("my_pets.net").read_text()
    Path("lenet.net").write_text(SMALL)
    Path("my_pets.net").unlink()
    Path("my_pets_solver.txt").unlink()
    assert run(["init", "my pets", "--from", "lenet"]) == 2
    assert "lenet.net has the name of the model lenet" in capsys.readouterr().err
    assert not Path("my_pets.net").exists()


def test_a_net_whose_path_has_a_quote():
    Path('a"b.net').write_text(SMALL)
    assert run(["init", "my pets", "--from", 'a"b.net']) == 0
    assert outputs(netdef.load("my_pets.net"), "fc") == 3


def test_a_solver_that_cannot_be_written_leaves_no_net(monkeypatch, capsys):
    from netdef.language import writing

    whole = writing.write_over

    def broken(path, data):
        if str(path).endswith("solver.txt"):
            raise netdef.NetdefError(f"cannot write {path}")
        whole(path, data)

    monkeypatch.setattr(writing, "write_over", broken)
    assert run(["init", "my pets", "--from", "small.net"]) == 2
    assert "cannot write" in capsys.readouterr().err and not Path("my_pets.net").exists()
