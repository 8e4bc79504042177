"""Votes over crops and nets, against probabilities computed one by one."""

import json
from pathlib import Path

import numpy as np
import pytest

import runtime
from netdef import NetdefError, load
from netdef.cli.main import run
from runtime.solver.votes import Votes, together
from tests.netdef.cli import images

PROB = images.NET + "test layer prob: Softmax(fc)\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Two nets, one of them with a Softmax, and their weights."""
    monkeypatch.chdir(tmp_path)
    images.make(tmp_path)
    Path("prob.net").write_text(PROB)
    for name, seed in (("shades", 1), ("prob", 2)):
        with runtime.compile(load(f"{name}.net", "test"), "cpu", seed=seed) as exe:
            exe.save_weights(f"{name}.caffemodel")


def probabilities(name, top, left, mirror):
    """Of all images, cropped at one place."""
    from runtime.data import open_source

    net = load(f"{name}.net", "test")
    rows, labels = [], []
    with runtime.compile(net, "cpu", keep="activations") as exe, open_source(net.layers[0], 0) as source:
        exe.load_weights(f"{name}.caffemodel")
        for _ in range(5):
            batch = source.next()
            crops = batch.images[:, top : top + 16, left : left + 16].astype(np.float32)
            crops = crops[:, :, ::-1] if mirror else crops
            exe.forward(data=(crops.transpose(0, 3, 1, 2) - 128) * np.float32(0.01), label=batch.labels)
            scores = exe.blob("fc").astype(np.float64)
            powers = np.exp(scores - scores.max(axis=1, keepdims=True))
            rows.append(powers / powers.sum(axis=1, keepdims=True))
            labels.append(batch.labels.copy())
            source.release(batch)
    return np.concatenate(rows), np.concatenate(labels).astype(int)


CROPS = [(top, left, mirror) for mirror in (False, True) for top, left in ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))]


def error(rows, labels):
    own = rows[np.arange(len(rows)), labels]
    return np.mean((rows >= own[:, None]).sum(axis=1) > 1)


@pytest.mark.slow
@pytest.mark.parametrize("batch", ["4", "7"])
@pytest.mark.parametrize("name", ["shades", "prob"])
def test_ten_crops(name, batch, capsys):
    rows = [probabilities(name, *crop) for crop in CROPS]
    expected = error(np.mean([row for row, _ in rows], axis=0), rows[0][1])
    assert run(["test", f"{name}.net", "--weights", f"{name}.caffemodel", "--crops", "10", "--batch", batch]) == 0
    out = capsys.readouterr().out
    assert f"top-1 error  {expected:.2%}\n" in out
    assert "over 20 images, 10 crops of each, " in out
    assert "top-5" not in out  # of two classes


def test_several_nets(capsys):
    found = [probabilities(name, 2, 2, False) for name in ("shades", "prob", "prob")]
    expected = error(np.mean([row for row, _ in found], axis=0), found[0][1])
    texts = ["shades.net:shades.caffemodel", "prob.net:prob.caffemodel", "prob.net:prob.caffemodel"]
    assert run(["test", *texts]) == 0
    out = capsys.readouterr().out
    assert f"top-1 error  {expected:.2%}\n" in out
    assert "over 20 images, the mean of 3 nets, " in out


def test_unreadable_images_are_no_votes(capsys):
    Path("images/dark/10.png").write_bytes(b"")
    assert run(["test", "shades.net", "--weights", "shades.caffemodel", "--crops", "10"]) == 0
    captured = capsys.readouterr()
    assert "over 19 images" in captured.out and "1 image could not be read" in captured.out
    assert captured.err.count("skipping images/dark/10.png") == 1


def test_errors():
    rows = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7], [1, 0, 0]], np.float32)
    votes = Votes(rows, np.array([0, 1, 0, 1]), np.array([True, True, True, False]))
    assert votes.errors(1) == 2 / 3  # equal scores count against the label
    assert votes.errors(2) == 1 / 3
    with pytest.raises(NetdefError, match="the nets test on other images"):
        together([votes, Votes(rows, np.array([0, 1, 0, 2]), votes.seen)])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shades.net", "--crops", "10", "--iterations", "2", "--weights", "shades.caffemodel"], "leave --iterations out"),
        (["shades.net:a", "prob.net:b", "--weights", "shades.caffemodel"], "--weights is for one net"),
        (["shades.net", "prob.net:b"], "no weights are given for shades.net"),
    ],
)
def test_options_that_exclude_each_other_are_refused(arguments, said, capsys):
    assert run(["test", *arguments]) == 2
    assert said in capsys.readouterr().err


def predicted(capsys, *arguments):
    """The probabilities of all images, by the order of their paths."""
    assert run(["predict", *arguments, "--format", "json"]) == 0
    found = {one["image"]: {c["class"]: c["probability"] for c in one["classes"]} for one in json.loads(capsys.readouterr().out)}
    return np.array([[found[path][0], found[path][1]] for path in sorted(found)])


def test_predictions_of_ten_crops(capsys):
    expected = np.mean([probabilities("shades", *crop)[0] for crop in CROPS], axis=0)
    found = predicted(capsys, "shades.net", "images", "--weights", "shades.caffemodel", "--crops", "10")
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_predictions_of_several_nets(capsys):
    expected = np.mean([probabilities(name, 2, 2, False)[0] for name in ("shades", "prob")], axis=0)
    found = predicted(capsys, "shades.net:shades.caffemodel", "images", "--with", "prob.net:prob.caffemodel")
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert run(["predict", "shades.net", "images", "--weights", "shades.caffemodel", "--with", "prob.net:prob.caffemodel"]) == 2
    assert "--weights is for one net" in capsys.readouterr().err
