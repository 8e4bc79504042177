"""The Solver as Python uses it: its nets, its inputs, when it tests and writes."""

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

import netdef
import runtime
from netdef import NetdefError
from netdef.language import read_text
from netdef.schema import message_class
from runtime.solver.diverged import DivergedError
from runtime.solver.nets import SolverNets, load_net, read_solver
from tests.runtime.data.databases import numbered, raw, write_lmdb
from tests.runtime.solver.nets import IMAGES, SOLVER

FED = """
name: "fed"
layer data: Input -> data, label { shape { dim: 4 dim: 6 } shape { dim: 4 } }
layer fc: InnerProduct(data) { num_output: 3 weight_filler { type: "gaussian" std: 0.1 } }
layer loss: SoftmaxWithLoss(fc, label)
test layer accuracy: Accuracy(fc, label)
"""

HIDDEN = FED.replace("fc: InnerProduct(data)", "hidden: InnerProduct(data) { num_output: 5 } layer fc: InnerProduct(hidden)")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.net").write_text(IMAGES)
    Path("fed.net").write_text(FED)
    return tmp_path


@pytest.fixture
def start():
    solvers = []

    def make(*arguments, **options):
        solvers.append(runtime.Solver(*arguments, threads=1, **options))
        return solvers[-1]

    yield make
    for solver in solvers:
        solver.close()


@pytest.fixture
def batch():
    random = np.random.default_rng(2)
    return {"data": random.standard_normal((4, 6), dtype="f4"), "label": np.array([0, 1, 2, 0], "f4")}


def test_inputs_are_fed_by_name(start, batch):
    solver = start(SOLVER, "fed.net")
    first = solver.step(1, **batch)
    assert first == pytest.approx(np.log(3), abs=0.3)
    assert solver.step(30, **batch) < first
    assert solver.iteration == 31
    assert solver.executable.inputs == ["data", "label"]


def test_every_form_of_a_solver(start):
    Path("solver.txt").write_text(SOLVER)
    bound = read_text(SOLVER, "inline", "SolverParameter")
    forms = ["solver.txt", Path("solver.txt"), SOLVER, bound, bound.message, netdef.load_solver("solver.txt")]
    losses = {start(form, "small.net").step(2) for form in forms}
    assert len(losses) == 1
    assert bound.message.max_iter == 10


@pytest.fixture(params=["text", "text file", "binary file", "message", "changed after reading"])
def form(request):
    """A function from the fields of a solver to one of the forms that `Solver` takes."""

    def make(text):
        message = text_format.Parse(text, message_class("SolverParameter")())
        Path("solver.txt").write_text(text)
        Path("solver.binaryproto").write_bytes(message.SerializeToString())
        changed = read_text('base_lr: 0.1 lr_policy: "fixed"', "inline", "SolverParameter")
        changed.message.MergeFrom(message)
        forms = (text, "solver.txt", "solver.binaryproto", message, changed)
        return dict(zip(("text", "text file", "binary file", "message", "changed after reading"), forms, strict=True))[
            request.param
        ]

    return make


@pytest.mark.filterwarnings("ignore::netdef.OldFormatWarning")
def test_the_older_solver_type_is_read_as_type(start, form):
    solver = start(form(SOLVER + "solver_type: ADAM"), "small.net")
    assert solver.parameters.type == "Adam" and not solver.parameters.HasField("solver_type")
    assert solver.side_state()["type"] == "Adam"


@pytest.mark.filterwarnings("ignore::netdef.OldFormatWarning")
def test_the_older_solver_type_is_checked(start, form):
    with pytest.raises(NetdefError, match="solver type RMSProp has no momentum"):
        start(form('base_lr: 0.1 lr_policy: "fixed" solver_type: RMSPROP momentum: 0.9'), "small.net")


def test_type_and_the_older_solver_type(start, form):
    with pytest.raises(NetdefError, match="type and solver_type are both given") as caught:
        start(form(SOLVER + 'type: "SGD" solver_type: ADAM'), "small.net")
    assert len(caught.value.diagnostics) == 1


@pytest.mark.parametrize("solver", [None, 3, message_class("NetParameter")()])
def test_what_is_no_solver(start, solver):
    with pytest.raises(NetdefError, match="expected a solver, not "):
        start(solver, "small.net")


def test_the_callers_message_is_left_alone(start):
    message = read_text(SOLVER, "inline", "SolverParameter").message
    assert start(message, "small.net", max_iter=3).parameters.max_iter == 3
    assert message.max_iter == 10


def test_tests_run_where_the_solver_says(start, monkeypatch):
    tested = []
    monkeypatch.setattr(runtime.Solver, "test", lambda self, **_: tested.append(self.iteration))
    tests = "test_iter: 1 test_interval: 3"
    start(SOLVER + tests, "small.net").step(7)
    assert tested == [0, 3, 6]
    tested.clear()
    start(SOLVER + tests + " test_initialization: false", "small.net").step(7)
    assert tested == [3, 6]


def test_a_test_is_the_mean_over_its_batches(start, batch):
    solver = start(SOLVER + "test_iter: 3 test_interval: 1000", "fed.net")
    (result,) = solver.test(**batch)
    assert set(result.outputs) == {"loss", "accuracy"}
    assert result.accuracies == ("accuracy",)
    scores = batch["data"] @ solver.executable.param("fc", 0).T + solver.executable.param("fc", 1)
    assert result.outputs["accuracy"] == pytest.approx((scores.argmax(1) == batch["label"]).mean())
    right = scores[np.arange(4), batch["label"].astype(int)]
    assert result.loss == pytest.approx((np.log(np.exp(scores).sum(1)) - right).mean(), rel=1e-5)


def test_a_device_that_runs_ahead_gives_the_same_results(start, monkeypatch):
    """Results that are read some batches later, the last ones after the last batch."""
    results = []
    for ahead in (False, True):
        solver = start(SOLVER + "test_iter: 20", "small.net")
        monkeypatch.setattr(type(solver.executable), "runs_ahead", ahead)
        results.append(solver.test())
    assert results[0] == results[1]
    assert results[0][0].loss is not None


def test_tests_see_the_weights_being_trained(start, batch):
    solver = start(SOLVER + "test_iter: 1 test_interval: 1000", "fed.net")
    before = solver.test(**batch)[0].loss
    solver.step(20, **batch)
    assert solver.test(**batch)[0].loss < before


def test_a_stopped_test_leaves_no_trace(start):
    solver = start(SOLVER + "test_iter: 3 test_interval: 1000", "small.net")
    asked = []
    assert solver.test(stop=lambda: asked.append(1) or len(asked) > 2) is None
    assert solver.rate.best is None


@pytest.mark.parametrize("iter_size", [1, 2])
def test_a_loss_that_is_no_number_does_not_reach_the_weights(start, batch, iter_size):
    """Where it is the host that computes: so that the layer can be named that it came from."""
    solver = start(SOLVER + f"iter_size: {iter_size}", "fed.net")
    solver.step(2, **batch)
    before = solver.executable.param("fc", 0)
    with pytest.raises(
        DivergedError,
        match=r"the loss is nan at iteration 2: the first output that is not finite is of cpu:0, inner_product of layer fc\n",
    ):
        solver.step(1, data=np.full((4, 6), np.nan), label=batch["label"])
    np.testing.assert_array_equal(solver.executable.param("fc", 0), before)
    assert solver.iteration == 2
    solver.step(1, **batch)


def test_gradients_of_an_iteration_are_summed(start, batch):
    """iter_size: 2 on one batch given twice moves the weights as one batch does."""
    one, two = (start(SOLVER + more, "fed.net") for more in ("", "iter_size: 2"))
    for solver in (one, two):
        solver.executable.set_param("fc", 0, np.ones((3, 6)))
        solver.step(3, **batch)
    np.testing.assert_allclose(two.executable.param("fc", 0), one.executable.param("fc", 0), rtol=1e-6)


def test_l1_and_l2_pull_weights_to_zero(start):
    for kind, pull in (("L1", 0.1), ("L2", 0.1 * 2.0)):
        text = f'base_lr: 0.5 lr_policy: "fixed" weight_decay: 0.1 regularization_type: "{kind}" momentum: 0'
        solver = start(text, "fed.net")
        solver.executable.set_param("fc", 0, np.full((3, 6), 2.0))
        solver.step(1, data=np.zeros((4, 6)), label=np.zeros(4))
        np.testing.assert_allclose(solver.executable.param("fc", 0), 2.0 - 0.5 * pull, rtol=1e-6)


def test_nets_named_by_the_solver_stand_beside_it(start):
    Path("deep").mkdir()
    Path("deep/mine.net").write_text(FED)
    Path("deep/solver.txt").write_text('net: "mine.net"\n' + SOLVER)
    assert start("deep/solver.txt").nets.train.name == "fed"


def test_nets_written_into_the_solver(start):
    solver = start(SOLVER + f"net_param {{ {FED} }} test_iter: 1 test_interval: 5")
    assert solver.nets.train.phase == "train"
    assert [net.outputs[-1].name for net in solver.nets.tests] == ["accuracy"]


def test_several_test_nets(start):
    other = IMAGES.replace('name: "small"', 'name: "other"')
    Path("other.net").write_text(other)
    text = SOLVER + 'net: "small.net" test_net: "other.net" test_iter: [1, 2] test_interval: 5'
    solver = start(text)
    assert [net.name for net in solver.nets.tests] == ["other", "small"]
    assert [test.batches for test in solver.tests] == [1, 2]
    assert [result.net for result in solver.test()] == [0, 1]


def test_no_batches_are_no_test(start):
    solver = start(SOLVER + 'net: "small.net" test_iter: 0 test_interval: 5')
    assert (solver.tests, solver.test_due) == ([], False)
    with pytest.raises(NetdefError, match="test_iter must be at least 0"):
        start(SOLVER + 'net: "small.net" test_iter: -1 test_interval: 5')


def test_states_of_the_nets(start):
    net = IMAGES + 'layer extra: Silence(fc) { include { stage: "quiet" } }\n'
    Path("small.net").write_text(net)
    text = SOLVER + 'net: "small.net" train_state { stage: "quiet" } test_iter: [1, 1] test_interval: 5 '
    solver = start(text + 'test_state {} test_state { stage: "quiet" }')
    has = ["extra" in [layer.name for layer in net.layers] for net in (solver.nets.train, *solver.nets.tests)]
    assert has == [True, False, True]


def test_weights_named_by_the_solver(start):
    first = start(SOLVER, "fed.net")
    first.executable.save_weights("w.caffemodel")
    second = start(SOLVER.replace("random_seed: 5", "random_seed: 6") + 'weights: "w.caffemodel"', "fed.net")
    np.testing.assert_array_equal(second.executable.param("fc", 0), first.executable.param("fc", 0))
    assert (second.loaded.filled, start(SOLVER + 'weights: "w.caffemodel"', "fed.net", weights=()).loaded) == (("fc",), None)


def test_batch_size(start):
    assert start(SOLVER + "iter_size: 3", "small.net", batch_size=2).batch_size == 6


def test_the_rate_lowers_on_a_plateau(start, batch):
    text = 'base_lr: 0.5 lr_policy: "plateau" gamma: 0.1 plateau_patience: 2 plateau_max: 1 test_iter: 1 test_interval: 1'
    solver = start(text, "fed.net")
    solver.executable.set_param("fc", 0, np.eye(3, 6))
    # Always the same right answers: an accuracy that cannot get better.
    best = {"data": np.eye(3, 6, dtype="f4")[[0, 1, 2, 0]], "label": batch["label"]}
    rates = []
    for _ in range(6):
        solver.step(1, **best)
        rates.append(solver.rate.at(solver.iteration))
    assert rates == pytest.approx([0.5, 0.5, 0.05, 0.05, 0.05, 0.05])


@pytest.mark.parametrize(
    ("text", "net", "says"),
    [
        (SOLVER, None, "names no net"),
        (SOLVER + 'net: "gone.net"', None, "gone.net"),
        (SOLVER, "no-loss.net", "no loss"),
        (SOLVER + 'type: "RMSProp"', "fed.net", "RMSProp has no momentum"),
        (SOLVER + "test_iter: [1, 1] test_interval: 2 train_net: 'fed.net' test_net: 'fed.net'", None, "test_iter"),
        ("base_lr: 0.1", "fed.net", "lr_policy"),
    ],
)
def test_solvers_that_cannot_train_are_refused(text, net, says, start):
    Path("no-loss.net").write_text(FED.replace("layer loss: SoftmaxWithLoss(fc, label)\n", ""))
    with pytest.raises(NetdefError, match=says):
        start(text, net)


def test_a_message_without_a_file(start):
    message = message_class("SolverParameter")(base_lr=0.1, lr_policy="fixed", max_iter=2)
    start(message, "small.net").step(2)


def test_a_test_before_any_statistics_does_not_end_the_run(start):
    """As in Caffe: the outputs are so large that the loss is not finite, and training goes on."""
    norms = "".join(f"layer n{i}: BatchNorm(conv) -> conv {{ eps: 1e-30 }}\n" for i in range(3))
    Path("small.net").write_text(IMAGES.replace("layer relu:", norms + "layer relu:"))
    said = []
    solver = start(SOLVER + "test_iter: 2 test_interval: 2", "small.net", say=said.append)
    (result,) = solver.test()
    assert (result.loss, result.outputs, result.metric) == (None, {}, None)
    assert said == ["the test at iteration 0 came to no numbers: no batch yet for 3 layers: n0, n1, n2"]
    solver.step(2)
    (result,) = solver.test()
    assert np.isfinite(result.loss) and len(said) == 2  # `step` tested at iteration 0 once more
    solver.executable.set_param("fc", 1, [np.nan] * 3)
    with pytest.raises(DivergedError, match="loss is nan"):
        solver.test()


def test_rates_are_checked_up_to_the_max_iter_that_is_given(start):
    Path("solver.txt").write_text("base_lr: 0.5 lr_policy: 'exp' max_iter: 10\n  gamma: 4")
    assert start("solver.txt", "small.net").parameters.max_iter == 10
    with pytest.raises(NetdefError, match=r"solver\.txt:2:3: error: lr_policy exp: the rate of iteration 65 is infinite"):
        start("solver.txt", "small.net", max_iter=100)


def test_a_solver_shows_a_rate_that_it_would_refuse(start):
    solver = start("base_lr: 0.5 lr_policy: 'poly' power: -1 max_iter: 1", "small.net")
    solver.step(1)
    assert "iteration 1 of 1, rate inf" in repr(solver)
    with pytest.raises(NetdefError, match="lr_policy poly: the rate of iteration 1 is infinite"):
        solver.step(1)


@pytest.mark.parametrize(("name", "net"), [("lenet_solver", "LeNet"), ("imagenet_solver", "AlexNet")])
def test_a_packaged_solver_finds_the_net_beside_it(name, net):
    nets = SolverNets(*read_solver(name))
    assert (nets.train.name, [test.name for test in nets.tests]) == (net, [net])


def test_other_data_replace_a_database_that_is_not_there():
    """Its size is that of the records given, where the net's own would say it."""
    write_lmdb(Path("db"), numbered([raw(0), raw(1)]))
    Path("data.net").write_text(
        'layer data: Data -> data, label { source: "gone" backend: LMDB batch_size: 2 }\n' + FED[FED.index("layer fc") :]
    )
    with pytest.raises(NetdefError, match="there is no gone"):
        load_net("data.net", "test")
    assert load_net("data.net", "test", data="db").layer("data").tops[0].shape == (2, 3, 4, 5)
    with pytest.raises(NetdefError, match="there is no none, which layer data, of type Data, is to read"):
        load_net("data.net", "test", data="none")


@pytest.mark.parametrize(("keep", "gradients"), [("activations", False), ("all", True)])
def test_blobs_that_are_asked_for_stay(start, batch, keep, gradients):
    Path("hidden.net").write_text(HIDDEN)
    text = SOLVER + "test_iter: 1 test_interval: 100"
    plain, keeping = start(text, "hidden.net"), start(text, "hidden.net", keep=keep)
    assert plain.step(2, **batch) == keeping.step(2, **batch)
    with pytest.raises(NetdefError, match='keep="all", of compile or of the Solver'):
        plain.executable.blob("hidden")
    assert keeping.executable.blob("hidden").shape == keeping.tests[0].executable.blob("hidden").shape == (4, 5)
    if gradients:
        assert keeping.executable.blob_grad("hidden").any()
    with pytest.raises(NetdefError, match="keep cannot be 'each'"):
        start(text, "hidden.net", keep="each")
