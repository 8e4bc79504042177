"""The nets of a solver are all checked, each in its file."""

import pytest

from netdef.check.run import check
from netdef.language import read_text
from netdef.solver_file import check_solver
from tests.netdef.check.nets import GOOD, SOLVER, looked

TRAINED = GOOD.replace("test layer data", "#").replace("test layer acc", "#").replace("train layer", "layer")
TESTED = (
    TRAINED.replace("[4, 3, 16, 16]", "[2, 3, 16, 16]").replace("dim: 4 }", "dim: 2 }") + "layer accuracy: Accuracy(fc, label)\n"
)
OWN = SOLVER.replace('net: "x.net"', 'train_net: "x.net" test_net: "one.net" test_net: "two.net"').replace(
    "iter: 1 test", "iter: [1, 1] test"
)


@pytest.fixture
def tests_of_their_own(tmp_path):
    """A function from two nets to test to the findings about a solver that names them."""

    def look(one=TESTED, two=TESTED, train=TRAINED, solver=OWN):
        (tmp_path / "one.net").write_text(one)
        (tmp_path / "two.net").write_text(two)
        return looked(tmp_path, train, solver)

    return look


def test_solvers_with_separate_nets_have_no_findings(tests_of_their_own):
    assert tests_of_their_own() == {}


def test_every_test_net_is_checked(tests_of_their_own, tmp_path):
    found = tests_of_their_own(two=TESTED + "layer p: Pooling(data) { kernel_size: 99 }")
    ((marked, one),) = found.pop("ND107")
    assert (marked, one.position.file) == ("kernel_size: 99", str(tmp_path / "two.net"))
    assert not found


def test_findings_are_reported_by_file(tests_of_their_own, tmp_path):
    two = TESTED + "layer q: Pooling(data) { kernel_size: 99 }"
    solver = "# a comment\n" * 9 + OWN.replace("base_lr: 0.1", "base_lr: 0")
    tests_of_their_own(two=two, train=TRAINED + "layer p: Softmax(fc)", solver=solver)
    files = [one.position.file for one in check(str(tmp_path / "solver.txt")).findings]
    assert files == [str(tmp_path / name) for name in ("solver.txt", "x.net", "two.net")]


def test_shapes_that_disagree_between_files(tests_of_their_own, tmp_path):
    ((marked, one),) = tests_of_their_own(two=TESTED.replace("num_output: 5", "num_output: 6"))["ND217"]
    assert (marked, one.severity, one.position.file) == ("fc", "error", str(tmp_path / "two.net"))
    assert one.message == "fc has weights 5 x 768 + 5 in training and 6 x 768 + 6 in testing"
    assert one.notes[0].position.file == str(tmp_path / "x.net")


def test_settings_that_disagree_between_files(tests_of_their_own):
    net = TRAINED + "layer p: LRN(data) { alpha: 1 }\nlayer s: Silence(p)\n"
    ((marked, one),) = tests_of_their_own(two=TESTED + "layer p: LRN(data) { alpha: 2 }\nlayer s: Silence(p)\n", train=net)["ND217"]
    assert marked.startswith("alpha") and "has alpha 1 (default) in training and 2 in testing" in one.message


def test_accuracy_may_be_in_one_test_net_of_several(tests_of_their_own):
    assert tests_of_their_own(two=TRAINED, train=TESTED) == {}
    assert [*tests_of_their_own(TRAINED, TRAINED, TESTED)] == ["ND208"]


def test_a_missing_test_net(tests_of_their_own, tmp_path):
    ((marked, one),) = tests_of_their_own(solver=OWN.replace("two.net", "three.net"))["ND301"]
    assert (marked, one.position.file) == ('"three.net"', str(tmp_path / "solver.txt"))
    assert "there is no file three.net" in one.message


def test_one_test_iter_for_two_test_nets(tests_of_their_own):
    ((marked, one),) = tests_of_their_own(solver=OWN.replace("[1, 1]", "1"))["ND301"]
    assert (marked, one.message) == ("test_iter: 1", "2 nets tested, test_iter given once")


def test_test_iter_without_a_net_to_test(tmp_path):
    ((marked, one),) = looked(tmp_path, GOOD, SOLVER.replace("net:", "train_net:"))["ND301"]
    assert (marked, one.message) == ("test_iter: 1", "test_iter is given, but no net to test")


def test_states_of_the_tests_of_a_net_that_is_given_later():
    tests = "test_iter: [1, 1] test_interval: 1 test_state { } test_state { }"
    check_solver(read_text(f"base_lr: 1 lr_policy: 'fixed' max_iter: 9 {tests}", "s.txt", "SolverParameter"))


def test_states_of_tests(tmp_path):
    net = GOOD + 'layer p: Pooling(data) { kernel_size: 99 include { phase: TEST stage: "late" } }'
    solver = SOLVER.replace("test_iter: 1", 'test_iter: 1 test_iter: 1 test_state { } test_state { stage: "late" }')
    assert looked(tmp_path, net, SOLVER) == {}
    ((marked, one),) = looked(tmp_path, net, solver)["ND107"]
    assert marked == "kernel_size: 99" and one.position.file.endswith("x.net")


def test_states_of_training_do_not_reach_tests(tmp_path):
    net = GOOD + 'layer p: Pooling(data) { kernel_size: 99 include { phase: TEST stage: "late" } }'
    assert looked(tmp_path, net, SOLVER + 'train_state { stage: "late" }') == {}


def test_test_nets_in_the_solver(tmp_path):
    inside = (TESTED + "layer p: Pooling(data) { kernel_size: 99 }").replace("\n", "\n  ")
    solver = SOLVER.replace('net: "x.net"', 'train_net: "x.net" test_net_param { ' + inside + " }\n")
    ((marked, one),) = looked(tmp_path, TRAINED, solver)["ND107"]
    assert (marked, one.position.file) == ("kernel_size: 99", str(tmp_path / "solver.txt"))


def test_settings_of_the_command_line_reach_every_net(tests_of_their_own, tmp_path):
    from netdef.graph.overrides import settings_of

    tests_of_their_own()
    found = check(str(tmp_path / "solver.txt"), settings_of(["fc.num_output=0"])).findings
    assert {one.position.file for one in found} == {"--set"}


def test_the_net_itself_is_tested_for_the_rest_of_test_iter(tmp_path):
    """The order of Caffe's Solver::InitTestNets."""
    from netdef.check.solver_nets import nets_of_solver
    from netdef.language import read_file

    for name in ("x.net", "one.net"):
        (tmp_path / name).write_text(GOOD)
    (tmp_path / "solver.txt").write_text(SOLVER.replace("test_iter: 1", 'test_net: "one.net" test_iter: [1, 1, 1]'))
    problems = []
    runs = nets_of_solver(read_file(tmp_path / "solver.txt", "SolverParameter"), None, problems)
    assert [(run.phase, run.opened.filename.rpartition("/")[2]) for run in runs] == [
        ("train", "x.net"), ("test", "one.net"), ("test", "x.net"), ("test", "x.net")
    ]  # fmt: skip
    assert not problems
