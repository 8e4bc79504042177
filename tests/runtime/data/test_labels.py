"""Labels that the net has no class for are reported before anything runs."""

import pytest

import netdef
from netdef import NetdefError
from runtime.data import open_source

NET = """layer data: ImageData -> data, label {{ source: "{source}" new_height: 8 batch_size: 1 }}
layer fc: InnerProduct(data) {{ num_output: 3 }}
layer loss: SoftmaxWithLoss(fc, label) {{ {more} }}
layer top1: Accuracy(fc, label)
"""


@pytest.fixture
def open_list(write_image, write_list):
    path = write_image("a.png", 8, 8)

    def make(*labels, more=""):
        net = netdef.parse(NET.format(source=write_list(*(f"{path} {label}" for label in labels)), more=more), "a.net")
        return open_source(net.layer("data"), 1)

    return make


@pytest.mark.parametrize(("label", "hint"), [(3, "4 scores are needed"), (-1, "labels count from 0"), (10**30, "other labels")])
def test_a_label_without_a_class(open_list, label, hint):
    with pytest.raises(NetdefError) as error:
        open_list(0, label, 2)
    assert f"list.txt has label {label}, fc has scores of 3 classes: 0 to 2" in str(error.value)
    assert "a.net:3:33" in str(error.value)
    assert hint in str(error.value)


def test_labels_that_are_ignored(open_list):
    with pytest.raises(NetdefError, match="Accuracy top1"):
        open_list(0, 255, more="loss_param { ignore_label: 255 }")


def test_labels_that_are_classes(open_list):
    with open_list(0, 1, 2) as source:
        assert source.size == 3


def test_photographs_of_too_many_classes():
    net = netdef.parse(NET.format(source="builtin:photos", more=""), "a.net")
    with pytest.raises(NetdefError, match="builtin:photos has label 9"):
        open_source(net.layer("data"), 1)


@pytest.mark.parametrize("loss", ["HingeLoss", "MultinomialLogisticLoss", "InfogainLoss"])
def test_every_loss_over_classes_counts_them(loss, write_image, write_list):
    path, more = write_image("a.png", 8, 8), 'infogain_loss_param { source: "H.npy" }' if loss == "InfogainLoss" else ""
    text = NET.format(source=write_list(f"{path} 0", f"{path} 3"), more=more).replace("SoftmaxWithLoss", loss)
    net = netdef.parse(text.replace("layer top1: Accuracy(fc, label)\n", ""), "a.net")
    with pytest.raises(NetdefError, match="has label 3, fc has scores of 3 classes: 0 to 2"):
        open_source(net.layer("data"), 1)


def test_an_embed_counts_its_rows(write_image, write_list):
    path = write_image("a.png", 8, 8)
    text = NET.format(source=write_list(f"{path} 0", f"{path} 4"), more="").split("layer fc")[0]
    net = netdef.parse(text + "layer e: Embed(label) { num_output: 2 input_dim: 4 }\n", "a.net")
    with pytest.raises(NetdefError) as error:
        open_source(net.layer("data"), 1)
    assert "Embed e: " in str(error.value) and "has label 4, the table has 4 rows: 0 to 3" in str(error.value)
    assert "a.net:2:16" in str(error.value) and "5 rows are needed, or other labels" in str(error.value)
