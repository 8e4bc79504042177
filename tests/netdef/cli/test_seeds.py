"""`netdef train --lr`, `--seed` and `--set solver.FIELD`: settings of the solver from the command line."""

import json
from pathlib import Path

import pytest

from netdef.cli.main import run
from netdef.cli.seeds import one_for_each_seed, seeds_in, with_rate
from netdef.cli.train_options import CommandLine, Options
from netdef.graph.overrides import settings_of
from netdef.language import NetdefError
from netdef.weights import read_weights
from runtime.solver.nets import read_solver
from tests.runtime.solver.nets import IMAGES, SOLVER

SHORT = ["--iterations", "2", "--devices", "cpu", "--threads", "1"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.net").write_text(IMAGES)
    Path("solver.txt").write_text(SOLVER + "test_iter: 1 test_interval: 2")


@pytest.mark.parametrize(("text", "seeds"), [("3", (3,)), ("1..3", (1, 2, 3)), ("1,4,9", (1, 4, 9)), ("0..1, 7,1", (0, 1, 7))])
def test_seeds(text, seeds):
    assert seeds_in(text) == seeds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x", "--seed x: x is no seed"),
        ("-1", "--seed -1: -1 is no seed"),
        ("1,", "--seed 1,: nothing is no seed"),
        ("5..1", "--seed 5..1: 1 is less than 5"),
        ("1..9999", "--seed 1..9999 asks for more than 1000 runs"),
    ],
)
def test_what_is_no_seed(text, says):
    with pytest.raises(NetdefError, match=says):
        seeds_in(text)


def test_each_seed_has_a_run_of_its_own(capsys):
    assert run(["train", "small.net", "solver.txt", "--seed", "1..2", "--out", "two", "--lr", "0.005", *SHORT]) == 0
    out = capsys.readouterr().out
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("  seed")] == [["seed", "1"], ["seed", "2"]]
    for seed in (1, 2):
        text = Path(f"two-{seed}/solver.txt").read_text()
        assert f"random_seed: {seed}\n" in text and "base_lr: 0.005\n" in text
        command = json.loads(Path(f"two-{seed}/run.json").read_text())["starts"][0]["command"]
        assert f" --set solver.base_lr=0.005 --set solver.random_seed={seed} " in command
    first, second = (read_weights(f"two-{seed}/small_iter_2.caffemodel") for seed in (1, 2))
    assert any((a != b).any() for a, b in zip(first["conv"], second["conv"], strict=True))
    assert run(["train", "small.net", "two-1/solver.txt", "--out", "again", *SHORT]) == 0
    assert run(["train", "small.net", "solver.txt", "--seed", "0..2", "--out", "two", *SHORT]) == 2
    assert "two-1 holds another run already" in capsys.readouterr().err and not Path("two-0").exists()
    assert Path("again/small_iter_2.caffemodel").read_bytes() == Path("two-1/small_iter_2.caffemodel").read_bytes()


@pytest.mark.parametrize(("prefix", "file"), [("there/x", "there/x-{}/x_iter_2"), ("there/", "there-{}/there_iter_2")])
def test_seeds_of_a_solver_with_a_whole_path_have_folders_apart(prefix, file, capsys):
    whole = ["--set", f"solver.snapshot_prefix={Path.cwd()}/{prefix}"]
    assert run(["train", "small.net", "solver.txt", "--seed", "1..2", *whole, *SHORT]) == 0
    for seed in (1, 2):
        assert Path(f"{file.format(seed)}.caffemodel").exists()
    capsys.readouterr()
    assert run(["train", "small.net", "solver.txt", "--seed", "2..3", *whole, *SHORT]) == 2
    assert "holds another run already" in capsys.readouterr().err and not Path(file.format(3)).parent.exists()


def test_seeds_after_one_that_fails_are_named(capsys, monkeypatch):
    def train(net, solver, options, on_run):
        (seed,) = [one.value for key, one in options.overrides.items() if key == "solver.random_seed"]
        if seed == "2":
            raise NetdefError("the loss is no number")
        Path(seed).mkdir()
        Path(seed, "log.jsonl").write_text('{"event": "start"}\n{"event": "train", "iteration": 1, "loss": 0.5}\n')
        on_run(Path(seed))
        return 0

    monkeypatch.setattr("netdef.cli.train.train", train)
    assert run(["train", "small.net", "solver.txt", "--seed", "1..4"]) == 2
    out, err = capsys.readouterr()
    assert out == "training loss by seed:\n  seed 1  0.5000  1\n"
    assert "the runs of seeds 3,4 have not begun: --seed 3,4 starts them" in err and "the loss is no number" in err


def test_seeds_under_mpirun_are_refused_before_anything_is_read(capsys, monkeypatch):
    monkeypatch.setattr("netdef.cli.train.on_all_ranks", lambda work, *_: work(object()))
    assert run(["train", "small.net", "missing.txt", "--seed", "1..2"]) == 2
    assert "--seed asks for 2 runs; under mpirun or srun there is one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--seed", "1", "--resume", "latest"], "--seed and --resume exclude each other"),
        (["--set", "solver.random_seed=7", "--resume", "latest"], "--set solver.random_seed=7 and --resume exclude each other"),
        (["--seed", "3", "--set", " solver . random_seed=7"], "--seed 3 and --set  solver . random_seed=7 exclude each other"),
        (["--seed", "1..2", "--dry-run"], "--dry-run looks at one run"),
        (["--lr", "0.1", "--set", "solver.base_lr=0.2"], "--lr 0.1 and --set solver.base_lr=0.2 exclude each other"),
        (["--iterations", "3", "--set", "solver.max_iter=2"], "--iterations 3 and --set solver.max_iter=2 exclude each other"),
        (["--test-every", "1 epoch", "--set", "solver.test_interval=2"], "exclude each other"),
        (["--set", "solver.base_lrr=1"], "unknown field 'base_lrr' of a solver\n    1 | solver.base_lrr=1"),
        (["--set", "solver.gamma=-1"], "--set:1:14: error: "),
    ],
)
def test_what_contradicts(options, says, capsys):
    assert run(["train", "small.net", "solver.txt", *options]) == 2
    assert says in capsys.readouterr().err
    assert not Path("runs").exists()


def test_fields_of_a_solver():
    changes = settings_of(["solver.base_lr=0.5", "solver.stepvalue=[1, 2]", "conv.num_output=4"])
    solver, _ = read_solver("solver.txt", overrides=changes)
    assert (solver.base_lr, list(solver.stepvalue)) == (0.5, [1, 2])
    assert read_solver("solver.txt", overrides={"solver.type": "Adam"})[0].type == "Adam"


def test_a_rate_keeps_its_digits():
    changes = with_rate(Options(lr=0.012345678)).overrides
    assert read_solver("solver.txt", overrides=changes)[0].base_lr == pytest.approx(0.012345678, rel=1e-7)


def test_a_command_without_a_solver_says_so(capsys):
    assert run(["shapes", "small.net", "--set", "solver.base_lr=1"]) == 2
    assert "netdef train, rates and study take a solver, whose fields this sets" in capsys.readouterr().err


def test_the_next_command_has_what_fits_it(tmp_path):
    (given,) = one_for_each_seed(with_rate(Options(lr=0.1, seed="4", overrides=settings_of(["conv.num_output=9"]))))
    command = CommandLine("n", "s", given)
    words = "--set conv.num_output=9 --set solver.base_lr=0.1"
    assert command.text() == f"netdef train n s {words} --set solver.random_seed=4"
    assert command.resume(tmp_path) == f"netdef train n s {words} --resume {tmp_path}"  # a snapshot has the seed
    assert command.test("n", tmp_path, tmp_path).endswith("--set conv.num_output=9")
