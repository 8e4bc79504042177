"""--no-fold of the commands that run a net forward."""

from __future__ import annotations

import numpy as np
import pytest

import netdef
import runtime
from netdef.cli.main import run

NET = """
name: "folds"
layer data: ImageData -> data, label { source: "builtin:photos" batch_size: 3 transform_param { crop_size: 20 scale: 0.01 } }
layer conv: Convolution(data) { num_output: 4 kernel_size: 5 stride: 3 weight_filler { type: "xavier" } bias_term: false }
layer norm: BatchNorm(conv) -> conv { eps: 1e-3 }
layer scale: Scale(conv) -> conv { bias_term: true }
layer relu: ReLU(conv) -> conv
layer fc: InnerProduct(conv) { num_output: 10 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
layer accuracy: Accuracy(fc, label)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.net").write_text(NET)
    with runtime.compile(netdef.parse(NET, phase="train"), seed=1) as exe:
        exe.forward()
        exe.update()
        exe.set_param("scale", 1, np.arange(4))
        exe.save_weights("a.caffemodel")


def lines(capsys, *arguments: str) -> list[str]:
    assert run(list(arguments)) == 0
    return capsys.readouterr().out.splitlines()


def test_numbers_are_the_same(capsys):
    options = ("a.net", "--weights", "a.caffemodel", "--iterations", "2", "--devices", "cpu")
    folded, apart = lines(capsys, "test", *options), lines(capsys, "test", *options, "--no-fold")
    assert folded[:-1] == apart[:-1] and "loss" in folded[0]
    image = netdef.language.find.models_folder() / "photos" / "cat.jpg"
    options = ("predict", "a.net", str(image), "--weights", "a.caffemodel", "--devices", "cpu")
    assert lines(capsys, *options) == lines(capsys, *options, "--no-fold")


@pytest.mark.slow
@pytest.mark.parametrize("where", [("--predict", "h100"), ("--devices", "cpu", "--iterations", "1")])
def test_layers_that_are_folded_take_no_time(capsys, where):
    def layers(*options: str) -> set[str]:
        return {line.split()[0] for line in lines(capsys, "time", "a.net", "--phase", "test", *where, *options) if line.strip()}

    assert not {"norm", "scale"} & layers()
    assert {"norm", "scale", "conv"} <= layers("--no-fold")
