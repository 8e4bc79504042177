"""`netdef rates`: the loss against the rate."""

from pathlib import Path

import pytest

from netdef.cli.main import run
from runtime.solver.rate_search import FIRST, Found, draw, proposed, rows, smooth
from tests.runtime.solver.nets import IMAGES, SOLVER


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.net").write_text(IMAGES)
    Path("solver.txt").write_text(SOLVER + "test_iter: 1 test_interval: 2 snapshot: 2")


def test_a_search(capsys):
    assert (
        run(["rates", "small.net", "solver.txt", "--iterations", "40", "--high", "1e4", "--devices", "cpu", "--threads", "1"]) == 0
    )
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["rate", "loss"] and out[1].split()[0] == "1e-06"
    assert any(line.startswith("ended after ") and "the loss grew" in line for line in out)
    assert out[-1] == "picture: small-rates.png"
    assert out[-2].startswith(("proposed: --lr ", "no rate of these made the loss fall"))
    assert Path("small-rates.png").read_bytes()[:4] == b"\x89PNG"
    assert sorted(path.name for path in Path().iterdir()) == ["small-rates.png", "small.net", "solver.txt"]  # no snapshot, no log


@pytest.mark.parametrize("words", [["rates", "small.net", "solver.txt"], ["test", "small.net"], ["study", "small.net"]])
def test_several_processes_are_refused_once(words, monkeypatch, capsys):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    said = []
    for rank in "01":
        monkeypatch.setenv("OMPI_COMM_WORLD_RANK", rank)
        assert run([*words, "--solver", "solver.txt"] if words[0] == "study" else words) == 2
        said.append(capsys.readouterr().err)
    assert said[0].startswith(f"error: Open MPI's mpirun started 2 processes, and netdef {words[0]} runs in one\n")
    assert said[1] == ""


def test_a_picture_that_cannot_be_written_loses_no_result(capsys):
    Path("x.png").mkdir()
    words = ["--iterations", "20", "--devices", "cpu", "--threads", "1", "-o", "x.png"]
    assert run(["rates", "small.net", "solver.txt", *words]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split() == ["rate", "loss"] and out.splitlines()[-1].startswith(("proposed: --lr ", "no rate"))
    assert "x.png" in err and "picture: " not in out


def test_the_proposal_is_a_tenth_of_the_rate_of_the_lowest_loss():
    rates = [10.0**-n for n in range(12, 0, -1)]
    losses = [2, 2, 2, 2, 2, 2, 1.9, 1.5, 1, 0.7, 3, 9]
    assert proposed(rates, losses) == pytest.approx(rates[9] / 10)
    assert proposed(rates, [2.0] * 12) is None
    assert proposed(rates, [1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7]) is None
    assert proposed(rates[: FIRST + 1], losses[: FIRST + 1]) is None


def test_smoothing_begins_at_the_first_loss():
    assert smooth([3.0, 3.0, 3.0]) == pytest.approx([3, 3, 3])
    assert smooth([1.0, 2.0])[1] == pytest.approx((0.09 + 0.2) / 0.19)
    assert smooth([]) == []


def test_a_loss_that_is_not_finite_at_once_makes_a_picture(tmp_path):
    draw(Found([], [], [], None), "no$th^ing$", str(tmp_path / "x.svg"))
    assert "<svg" in (tmp_path / "x.svg").read_text()


def test_rows_at_even_distances():
    found = Found([1.0, 2.0, 3.0, 4.0, 5.0], [0] * 5, [9.0, 8.0, 7.0, 6.0, 5.0], None)
    assert rows(found, 3) == [(1.0, 9.0), (3.0, 7.0), (5.0, 5.0)]
    assert rows(Found([], [], [], None), 3) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["solver.txt", "small.net"], "netdef rates small.net solver.txt"),
        (["small.net"], "netdef rates small.net solver.txt"),
        (["small.net", "solver.txt", "--low", "1", "--high", "0.1"], "--low 1 is not below --high 0.1"),
        (["small.net", "solver.txt", "-o", "x.jpeg2000"], "x.jpeg2000: unknown ending"),
        (["small.net", "solver.txt", "-o", "nothere/x.png"], "there is no folder for the picture nothere/x.png"),
        (["small.net", "solver.txt", "--iterations", "3"], "--iterations"),
        (["small.net", "solver.txt", "--set", "solver.gama=1"], "unknown field 'gama' of a solver"),
        (["small.net", "solver.txt", "--set", "solver.max_iter=5"], "no effect: netdef rates goes by --iterations 100"),
        (["small.net", "solver.txt", "--set", "solver.lr_policy=step"], "no effect: netdef rates goes by --low and --high"),
        (["small.net", "solver.txt", "--weights", "none.caffemodel"], "none.caffemodel"),
    ],
)
def test_what_is_wrong(words, says, capsys):
    assert run(["rates", *words]) == 2
    assert says in capsys.readouterr().err
    assert not list(Path().glob("*.png"))
