"""Solver files: required fields, ranges, and the errors."""

from pathlib import Path

import numpy
import pytest

import netdef
from netdef.diff.solvers import difference
from netdef.fmt import formatted
from netdef.language import read_text
from netdef.language.diagnostics import Remark
from netdef.language.find import find_beside
from netdef.solver_file import POLICIES, check_solver, device_of, devices_left_out, load_solver, state_overrides, without_effect
from netdef.solver_file.nets import test_fields as fields_of_tests
from netdef.solver_file.nets import tests_all_data as is_of_all_data
from tests.paths import TESTS

GOLDENS = sorted((TESTS / "goldens" / "solvers").glob("*.npz"))
GOOD = 'base_lr: 0.01 lr_policy: "fixed" '


def read(text, tmp_path):
    path = tmp_path / "s.txt"
    path.write_text(text)
    return load_solver(path)


def said(text, tmp_path):
    """Message and hint of each mistake."""
    with pytest.raises(netdef.NetdefError) as caught:
        read(text, tmp_path)
    return [(d.message, d.hint) for d in caught.value.diagnostics]


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_solvers_of_caffe_are_good(path, tmp_path):
    assert read(str(numpy.load(path)["solver"]), tmp_path).message.HasField("base_lr")


@pytest.mark.parametrize("name", ["solver", "solver.txt", "imagenet_solver"])
def test_packaged_solvers_are_good_and_their_nets_are_there(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bound = load_solver(name)
    check_solver(bound)
    assert find_beside(bound.message.net, Path(bound.filename).parent).name == "alexnet.net"


def test_policies_name_missing_fields(tmp_path):
    for policy, needs in POLICIES.items():
        if not needs:
            assert read(f'base_lr: 1 lr_policy: "{policy}"', tmp_path)
            continue
        mistakes = said(f'base_lr: 1 lr_policy: "{policy}"', tmp_path)
        assert mistakes == [(f"lr_policy {policy} needs {field}", f"add {field}") for field in needs]


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        (
            'lr_policy: "fixed"',
            [("base_lr, the initial learning rate, is missing", "add base_lr: 0.01, say")],
        ),
        (
            "base_lr: 1",
            [
                (
                    "lr_policy, the schedule of the learning rate, is missing",
                    "policies: fixed, step, exp, inv, multistep, poly, sigmoid, plateau, cosine, multifixed",
                )
            ],
        ),
        ('base_lr: 1 lr_policy: "stpe"', [("unknown lr_policy 'stpe'", "did you mean step?")]),
        (GOOD + 'type: "SGDD"', [("unknown solver type 'SGDD'", "did you mean SGD?")]),
        (GOOD + 'regularization_type: "L3"', [("unknown regularization_type 'L3'", "types: L1, L2")]),
        (GOOD + "iter_size: 0", [("iter_size must be at least 1, not 0", "")]),
        (GOOD + "momentum: -1", [("momentum must be at least 0, not -1", "")]),
        ('base_lr: nan lr_policy: "fixed"', [("base_lr must be a number, not nan", "")]),
        (GOOD + "clip_gradients: -inf", [("clip_gradients must be a number, not -inf", "")]),
        (
            GOOD + 'net: "a" train_net: "b"',
            [("net and train_net both name the net to train", "keep one of them")],
        ),
        (
            GOOD + 'train_net: "a" test_net: "b" test_net: "c" test_iter: 1',
            [("2 nets tested, test_iter given once", "")],
        ),
        (
            'base_lr: 1 lr_policy: "multistep" gamma: 0.1 stepvalue: [5, 3]',
            [("stepvalue must grow: 5, 3", "")],
        ),
        (
            'base_lr: -1 lr_policy: "fixed" snapshot: -2',
            [("base_lr -1 must not be negative", ""), ("snapshot must be at least 0, not -2", "")],
        ),
        (
            GOOD + "warmup_iter: 5 rampup_interval: 5",
            [("warmup_iter and rampup_interval both ask for a warm-up", "keep one of them")],
        ),
        (
            'lr_policy: "multifixed" stagelr: 1 stageiter: 5 warmup_iter: 5',
            [("warmup_iter warms up to base_lr, which is missing", "add base_lr")],
        ),
        (
            'lr_policy: "multifixed" stagelr: 1 stageiter: [5, 4]',
            [("stageiter must grow: 5, 4", ""), ("stagelr is given once, stageiter 2 times", "a stage has one of each")],
        ),
        (
            'base_lr: 1 lr_policy: "cosine" max_iter: 9 min_lr: 2',
            [("min_lr 2 is more than base_lr 1", "lr_policy cosine decreases to it")],
        ),
        (GOOD + 'larc: true larc_policy: "clamp"', [("unknown larc_policy 'clamp'", "policies: scale, clip")]),
        (
            GOOD + "larc: true local_lr_auto: true",
            [("larc and local_lr_auto both scale the rate of each weight array", "keep one of them")],
        ),
        (
            GOOD + 'type: "AdaGrad" momentum: 0.9',
            [("solver type AdaGrad has no momentum", "drop momentum, or take type: SGD")],
        ),
        (GOOD + 'type: "Adam" momentum2: 1', [("momentum2 must be below 1 with solver type Adam, not 1", "")]),
        (GOOD + 'type: "RMSProp" rms_decay: 1.5', [("rms_decay must be below 1 with solver type RMSProp, not 1.5", "")]),
    ],
)
def test_every_error_has_its_message(text, mistakes, tmp_path):
    assert said(text, tmp_path) == mistakes


def test_an_error_points_at_its_field(tmp_path):
    with pytest.raises(netdef.NetdefError, match=r"s\.txt:2:12: error: unknown lr_policy 'stpe'"):
        read('base_lr: 1\nlr_policy: "stpe"', tmp_path)


def test_fields_of_forks_are_kept(tmp_path):
    text = GOOD + 'eval_type: "detection" ap_version: "11point" default_forward_type: FLOAT16 larc: true warmup_iter: 3'
    solver = read(text, tmp_path).message
    assert without_effect(solver) == {
        "eval_type": "tests show the outputs of the test net",
        "ap_version": "no average precision is computed",
        "default_forward_type": "all numbers are float32",
    }


def test_defaults_of_forks_are_not_noted(tmp_path):
    assert without_effect(read(GOOD + 'eval_type: "classification" momentum_policy: "fixed"', tmp_path).message) == {}


def test_unknown_fields_are_kept_and_noted(tmp_path):
    text = GOOD + "rectified: true qhm { nu: [0.7, 1] }"
    with pytest.warns(Remark, match=r"s\.txt: unknown fields without effect: rectified, qhm"):
        bound = read(text, tmp_path)
    assert [(unknown.name, unknown.text) for unknown in bound.unknown] == [
        ("rectified", "rectified: true"), ("qhm", "qhm { nu: [0.7, 1] }"),
    ]  # fmt: skip
    assert formatted(text, "s.txt").endswith("rectified: true\nqhm {\n  nu: 0.7\n  nu: 1\n}\n")
    older = formatted(text.replace("rectified", "solver_type: ADAM rectified"), "s.txt")
    assert older.endswith('type: "Adam"\nrectified: true\nqhm {\n  nu: 0.7\n  nu: 1\n}\n')


def test_of_several_cards_the_first_is_used(tmp_path):
    one, several = (read(f"{GOOD} {text}", tmp_path).message for text in ("device_id: 3", "device_id: [2, 3]"))
    assert (device_of(one), devices_left_out(one)) == (3, ("", ""))
    assert device_of(several) == 2
    text, hint = devices_left_out(several)
    assert text == "of 2 device_id only the first, 2, is used" and "gpu:2,gpu:3" in hint
    assert formatted(f"{GOOD} device_id: 4 device_id: 5", "s.txt").endswith("device_id: 4\ndevice_id: 5\n")


def test_one_card_is_the_same_as_none_given():
    before, after, other = (
        read_text(GOOD + text, "s.txt", "SolverParameter") for text in ("", "device_id: 0", "device_id: [0, 1]")
    )
    assert not difference(before, after, ("a", "b"))
    (finding,) = difference(before, other, ("a", "b")).findings
    assert [(row.what, row.before, row.after) for row in finding.rows] == [("device_id", "0", "0, 1")]


def test_a_misspelt_field_is_an_error(tmp_path):
    assert said(GOOD + "momentun: 0.9", tmp_path) == [("unknown field 'momentun' of a solver", "did you mean momentum?")]
    hint = "it belongs in the network's file"
    assert said(GOOD + "force_backward: true", tmp_path) == [("unknown field 'force_backward' of a solver", hint)]


def test_differences_in_unknown_fields():
    a, b = (read_text(GOOD + more, "s.txt", "SolverParameter") for more in ("gc: true beta: 1", "gc:  true nu { a: 2 }"))
    (section,) = difference(a, b, ("a", "b")).findings
    assert section.title == "Other settings"
    assert [(row.what, row.before, row.after) for row in section.rows] == [("beta", "1", "none"), ("nu", "none", "{ a: 2 }")]


def test_level_and_stages_of_the_solver_reach_the_net(tmp_path):
    solver = read(GOOD + "train_state { level: 2 stage: 'a' } test_iter: 1 test_state { stage: 'b' }", tmp_path).message
    assert state_overrides(solver, "train") == {"state.level": 2, "state.stage": ["a"]}
    assert state_overrides(solver, "test") == {"state.stage": ["b"]}
    text = "layer d: Input { shape { dim: 1 } }\nlayer r: ReLU(d) { include { stage: 'a' min_level: 2 } }"
    assert len(netdef.parse(text, phase="train", overrides=state_overrides(solver, "train")).layers) == 2
    assert len(netdef.parse(text, phase="test", overrides=state_overrides(solver, "test")).layers) == 1


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        ('net: "a"', []),
        ('net: "a" test_interval: 5', [("net",)]),
        ('net: "a" test_interval: 5 test_iter: 2', [("net",)]),
        ('train_net: "a" test_net: "b" test_net: "c"', [("test_net", 0), ("test_net", 1)]),
        ('net: "a" test_net: "b" test_interval: 5', [("test_net", 0)]),
    ],
)
def test_without_test_iter_all_test_data_are_tested(text, tests):
    solver = read_text(GOOD + text, "solver.txt", "SolverParameter")
    check_solver(solver)
    assert fields_of_tests(solver.message) == tests
    assert is_of_all_data(solver.message) == (bool(tests) and "test_iter" not in text)
