"""Wrong arguments to the Python API end in an error that says what to do."""

from types import SimpleNamespace

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError

TEXT = """name: "small"
layer data: Input -> data, label { shape { dim: [4, 6] } shape { dim: 4 } }
layer fc: InnerProduct(data) { num_output: 3 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
SOLVER = 'base_lr: 0.1 lr_policy: "fixed" max_iter: 2'


@pytest.fixture(scope="module")
def made():
    """A net, an executable and a solver of it."""
    net = netdef.parse(TEXT, phase="train")
    with runtime.compile(net, threads=1) as executable, runtime.Solver(SOLVER, net, threads=1) as solver:
        yield SimpleNamespace(net=net, executable=executable, solver=solver, parameter=net.parameters[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda made: netdef.load(None), "expected the path of a net, not NoneType"),
        (lambda made: netdef.load(made.net), "expected the path of a net, not Net"),
        (lambda made: netdef.load("lenet", phase=1), "there is no phase 1"),
        (lambda made: netdef.load("lenet", batch_size="4"), "a batch of '4' images"),
        (lambda made: netdef.load("lenet", phase="train", batch_size=2**40), "a batch of 1,099,511,627,776 images"),
        (lambda made: netdef.load("lenet", overrides=["conv1.num_output=3"]), "overrides are a mapping"),
        (lambda made: netdef.parse(None), "expected the text of a net, not NoneType"),
        (lambda made: netdef.load_solver(None), "expected the path of a solver, not NoneType"),
        (lambda made: made.net.layer(0), "no layer 0"),
        (lambda made: made.net.position(0), "no layer 0"),
        (lambda made: runtime.compile(made.net.message), "expected a net, not NetParameter"),
        (lambda made: runtime.compile(made.net, 2), "devices are named in a text, not 2"),
        (lambda made: runtime.compile(made.net, ["cpu"]), "devices are named in a text"),
        (lambda made: runtime.compile(made.net, seed="a"), "seed 'a' is no whole number"),
        (lambda made: runtime.compile(made.net, threads=0), "threads must be a whole number of at least 1, not 0"),
        (lambda made: runtime.compile(made.net, threads="2"), "threads must be a whole number of at least 1, not '2'"),
        (lambda made: runtime.compile(made.net, update=3), "update is a function from a program to another, not 3"),
        (lambda made: runtime.compile(made.net, share=3), "share is what `compile` returns for another net, not 3"),
        (lambda made: runtime.compile_program("lenet"), "expected a net, not str"),
        (lambda made: runtime.compile_program(None), "expected a net, not NoneType"),
        (lambda made: made.executable.forward(data=[[1], [1, 2]]), "'data' takes an array of numbers"),
        (lambda made: made.executable.forward(data="x"), "'data' takes an array of numbers, not 'x'"),
        (lambda made: made.executable.forward(data=np.zeros((4, 6), complex)), "'data' takes an array of numbers"),
        (lambda made: made.executable.backward(loss=np.zeros(3)), r"'loss' has shape \(\), not \(3,\)"),
        (lambda made: made.executable.blob(3), "has no blob '3'"),
        (lambda made: made.executable.param("fc", "w"), "there is no parameter 'w'"),
        (lambda made: made.executable.set_param("fc", 0, "abc"), "parameter 0 of layer 'fc' takes an array of numbers"),
        (lambda made: made.executable.scalar("rate"), "reads no number 'rate'"),
        (lambda made: made.executable.state(made.parameter, "history"), "no state 'history' of fc"),
        (lambda made: made.executable.set_state(made.parameter, "history", np.zeros(3)), "no state 'history' of fc"),
        (lambda made: made.executable.load_weights([]), "no file of weights is given"),
        (lambda made: made.executable.load_weights(None), "expected files of weights, not NoneType"),
        (lambda made: made.executable.load_weights([None]), "expected files of weights, not NoneType"),
        (lambda made: made.executable.save_weights(None), "expected the path of a file of weights, not NoneType"),
        (lambda made: made.solver.load_weights(()), "no file of weights is given"),
        (lambda made: made.solver.restore(None), "expected the path of a .solverstate, not NoneType"),
        (lambda made: runtime.Solver(SOLVER, made.net, out=3), "expected the path of a directory for snapshots, not int"),
        (lambda made: runtime.Solver(SOLVER, 3), "expected the path of a net, not int"),
        (lambda made: runtime.Solver(SOLVER, "lenet", max_iter="3"), "max_iter '3' is no number of iterations"),
        (lambda made: runtime.Solver(SOLVER, "lenet", max_iter=-1), "max_iter must be at least 0, not -1"),
        (lambda made: made.solver.step(-1), "-1 is no number of iterations"),
        (lambda made: made.solver.step(1.5), "1.5 is no number of iterations"),
    ],
)
def test_the_error_says_what_is_wrong(made, call, message):
    with pytest.raises(NetdefError, match=message):
        call(made)


CLOSED = {
    "forward": lambda exe, net: exe.forward(data=np.zeros((4, 6)), label=np.zeros(4)),
    "backward": lambda exe, net: exe.backward(),
    "update": lambda exe, net: exe.update(),
    "blob": lambda exe, net: exe.blob("fc"),
    "blob_grad": lambda exe, net: exe.blob_grad("fc"),
    "param": lambda exe, net: exe.param("fc", 0),
    "set_param": lambda exe, net: exe.set_param("fc", 0, np.zeros((3, 6))),
    "param_grad": lambda exe, net: exe.param_grad("fc", 0),
    "state": lambda exe, net: exe.state(net.parameters[0], "history"),
    "carried": lambda exe, net: exe.carried(),
    "scalar": lambda exe, net: exe.scalar("rate"),
    "set_scalar": lambda exe, net: exe.set_scalar("rate", 0.1),
    "save_weights": lambda exe, net: exe.save_weights("never.caffemodel"),
}


@pytest.mark.parametrize("call", CLOSED.values(), ids=CLOSED)
def test_a_closed_executable_says_so(call):
    net = netdef.parse(TEXT, phase="train")
    executable = runtime.compile(net, threads=1)
    executable.close()
    with pytest.raises(NetdefError, match=r"<Executable 'small' train: .*> is closed"):
        call(executable, net)


def test_numbers_of_numpy_are_taken(made):
    assert netdef.load("lenet", batch_size=np.int64(3)).batch == 3
    made.solver.step(np.int32(0))
    assert made.executable.param("fc", np.int64(1)).shape == (3,)
    made.executable.set_param("fc", 1, [1, 2, 3])
    assert made.executable.param("fc", 1).tolist() == [1, 2, 3]
