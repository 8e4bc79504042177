"""Every layer that can run against results that Caffe 1.0 computed: forward, gradients of inputs and of parameters."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import netdef
import runtime
from runtime.ops.registry import runnable_types
from tests.paths import TESTS
from tests.runtime.ops import test_gradients
from tests.runtime.ops.gather import test_layers as gather

GOLDENS = TESTS / "goldens"
OP = "op"  # every golden net is Input layers and this one


@cache
def runnable() -> list[Path]:
    """The goldens of layers that have kernels."""
    kinds = [f'type: "{name}"' for name in runnable_types() if name != "Input"]
    texts = {path: str(np.load(path)["prototxt"]) for path in sorted((GOLDENS / "layers").glob("*.npz"))}
    return [path for path, text in texts.items() if any(kind in text for kind in kinds)]


def close(mine: np.ndarray, caffes: np.ndarray, what: str) -> None:
    """|mine - caffes| <= 1e-4 * max(1, |caffes|)."""
    assert mine.shape == caffes.shape, what
    worst = np.max(np.abs(mine - caffes) / np.maximum(1, np.abs(caffes)), initial=0)
    assert worst <= 1e-4, f"{what} is off by {worst:.2g}"


def test_all_layers_of_the_first_release_are_covered() -> None:
    names = {path.stem for path in runnable()}
    families = ("conv_", "pool_", "lrn_", "relu", "ip", "softmax_loss", "accuracy_", "concat", "eltwise_")
    single = {"dropout_test", "softmax", "sigmoid", "tanh", "flatten", "reshape"}
    assert single <= names and all(any(name.startswith(family) for name in names) for family in families)


@pytest.mark.parametrize("path", runnable(), ids=lambda path: path.stem)
@pytest.mark.parametrize("threads", [1, 7])
def test_layer(path: Path, threads: int) -> None:
    golden = np.load(path)
    check(golden, runtime.compile(net_of(golden), threads=threads))


def assert_hinge_left_its_terms(golden: np.lib.npyio.NpzFile) -> None:
    """No gradient was computed in these nets, and Caffe's HingeLoss keeps the terms of its sum where gradients would stand."""
    sign = np.where(np.arange(golden["in_x0"].shape[1]) == golden["in_x1"][:, None], -1, 1)
    np.testing.assert_allclose(golden["din_x0"], np.maximum(0, 1 + sign * golden["in_x0"]), rtol=1e-6)


def learns_unasked(net: netdef.Net) -> bool:
    """Whether a net learns from gradients of outputs that are no losses without force_backward.

    Caffe computes no gradient then and leaves zeros; BESIDE_DIFFERENCES says what proves what netdef computes.
    """
    losses = any(weight for layer in net.layers for weight in layer.loss_weights)
    return bool(net.parameters) and not losses and not net.force_backward


# Types whose goldens have zeros for gradients, as Caffe ran no backward pass there: what proves their gradients instead.
BESIDE_DIFFERENCES = {
    "Embed": test_gradients.test_embed,
    "LSTM": test_gradients.test_recurrent,
    "RNN": test_gradients.test_recurrent,
    "SoftmaxWithLoss": test_gradients.test_softmax_loss,
    **{kind: test_gradients.test_other_losses for kind, *_ in test_gradients.OTHER_LOSSES},
    "BatchReindex": gather.test_values_and_gradients,  # beside NumPy
}


def test_gradients_that_caffe_did_not_compute_are_proved_elsewhere() -> None:
    without = set()
    for path in runnable():
        golden = np.load(path)
        gradients = [golden[name] for name in golden if name.startswith(("din_", "dparam_"))]
        if gradients and not any(gradient.any() for gradient in gradients):
            without.add(net_of(golden).layer(OP).type)
    assert {"Embed", "LSTM", "RNN"} <= without <= set(BESIDE_DIFFERENCES)


def net_of(golden: np.lib.npyio.NpzFile) -> netdef.Net:
    return netdef.parse(str(golden["prototxt"]), phase=str(golden["phase"]).lower())


def check(golden: np.lib.npyio.NpzFile, exe: runtime.Executable) -> None:
    """Run the golden's net on its inputs, both ways, and close it."""
    net = exe.net
    for index in range(len(net.layer(OP).parameters)):
        exe.set_param(OP, index, golden[f"param_{index}"])
    exe.forward(**{name.removeprefix("in_"): golden[name] for name in golden if name.startswith("in_")})
    for name in golden:
        if name.startswith("out_"):
            close(exe.blob(name.removeprefix("out_")), golden[name], name)
    gradients = {name.removeprefix("dout_"): golden[name] for name in golden if name.startswith("dout_")}
    if gradients:
        exe.backward(**gradients)
        for name in golden:
            if name.startswith(("din_", "dparam_")) and learns_unasked(net):
                assert not golden[name].any()
            elif name == "din_x0" and net.layer(OP).type == "HingeLoss":
                assert_hinge_left_its_terms(golden)
                assert not exe.blob_grad("x0").any()
            elif name.startswith("din_"):
                close(exe.blob_grad(name.removeprefix("din_")), golden[name], name)
            elif name.startswith("dparam_") and net.layer(OP).frozen_parameters:
                assert not golden[name].any()
            elif name.startswith("dparam_"):
                close(exe.param_grad(OP, int(name.removeprefix("dparam_"))), golden[name], name)
    check_statistics(golden, exe)
    exe.close()


def check_statistics(golden: np.lib.npyio.NpzFile, exe: runtime.Executable) -> None:
    """What Caffe's forward makes of a layer's own statistics, ours makes of them in the update, and nothing before."""
    after = [name for name in golden if name.startswith("param_after_")]
    before = [exe.param(OP, index) for index in range(len(after))]
    exe.update()
    for index, name in enumerate(after):
        assert before[index].tobytes() == golden[f"param_{index}"].tobytes()
        close(exe.param(OP, index), golden[name], name)
