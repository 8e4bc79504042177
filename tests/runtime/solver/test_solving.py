"""`Solver.solve`: a whole training with functions called on the way, equal to `step`."""

import numpy as np
import pytest

import runtime
from tests.runtime.solver.nets import IMAGES, SOLVER


@pytest.fixture
def solver(tmp_path, monkeypatch):
    """A function that makes one of 10 iterations, which tests before every 4th."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.net").write_text(IMAGES)
    made = []

    def make(more=""):
        made.append(runtime.Solver(SOLVER + f"test_iter: 1 test_interval: 4 {more}", net="small.net"))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_what_is_called_when(solver):
    seen = []
    own = solver()
    results = own.solve(
        on_iteration=lambda made: seen.append((made.iteration, own.iteration, np.isfinite(made.loss))),
        on_test=lambda tests: seen.append([(one.iteration, one.net) for one in tests]),
    )
    tests = [at for at in seen if isinstance(at, list)]
    assert tests == [[(0, 0)], [(4, 0)], [(8, 0)], [(10, 0)]]
    assert seen.index([(4, 0)]) == 1 + 4  # before the iteration of that number
    assert [at for at in seen if isinstance(at, tuple)] == [(n, n + 1, True) for n in range(10)]
    assert results[0].iteration == 10 == own.iteration


def test_it_trains_as_step_does(solver):
    one, other = solver(), solver()
    one.solve()
    other.step(10)
    for parameter in one.executable.net.parameters:
        at = parameter.layer.name, parameter.index
        np.testing.assert_array_equal(one.executable.param(*at), other.executable.param(*at))


@pytest.mark.parametrize(("end", "iteration", "tested"), [("iteration", 3, 3), ("test", 4, 4)])
def test_a_function_that_returns_true_ends_it_with_a_snapshot(solver, tmp_path, end, iteration, tested):
    own = solver()
    if end == "iteration":
        results = own.solve(on_iteration=lambda made: made.iteration == 2)
    else:
        results = own.solve(on_test=lambda tests: tests[0].iteration == 4)
    assert (own.iteration, results[0].iteration) == (iteration, tested)
    assert [path.name for path in tmp_path.glob("*.caffemodel")] == [f"{own.prefix.name}_iter_{iteration}.caffemodel"]


def test_no_snapshot_where_none_is_wanted(solver, tmp_path):
    solver("snapshot_after_train: false").solve()
    assert not list(tmp_path.glob("*.caffemodel"))


def test_html_has_its_state_and_its_executable(solver):
    own = solver()
    own.step(2)
    page = own._repr_html_()
    assert "<td>iteration</td><td>2 of 10</td>" in page and "<td>loss</td>" in page
    assert "every 4 iterations" in page and page.endswith(own.executable._repr_html_())
