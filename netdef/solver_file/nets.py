"""The nets that a solver trains and tests, and the state of each.

(The order of test nets is that of Caffe's Solver::InitTestNets: those written into the solver, those of other files, then the
net itself for the rest of test_iter.  Without test_iter, which Caffe refuses, each test is of all the test data.)
"""

from __future__ import annotations

from typing import Any

FieldPath = tuple[str | int, ...]  # of the field that names or contains a net


def generic_field(solver: Any) -> FieldPath | None:
    """The field of the net that is both trained and tested; None if there is none."""
    return next(((field,) for field in ("net", "net_param") if solver.HasField(field)), None)


def train_field(solver: Any) -> FieldPath | None:
    """The field of the net to train; None if there is none."""
    own = next(((field,) for field in ("train_net", "train_net_param") if solver.HasField(field)), None)
    return generic_field(solver) or own


def tests_all_data(solver: Any) -> bool:
    """Whether each test is of all the test data: tests are asked for, and test_iter does not say of how many batches."""
    asked = solver.test_interval > 0 or len(solver.test_net) or len(solver.test_net_param)
    return bool(asked) and not len(solver.test_iter)


def test_fields(solver: Any) -> list[FieldPath]:
    """The field of each net to test, in Caffe's order; those of a net that the solver does not name are left out."""
    own: list[FieldPath] = [("test_net_param", index) for index in range(len(solver.test_net_param))]
    own += [("test_net", index) for index in range(len(solver.test_net))]
    generic = generic_field(solver)
    count = max(1, len(own)) if tests_all_data(solver) else len(solver.test_iter)
    return own + ([generic] * (count - len(own)) if generic is not None else [])


def test_count(solver: Any) -> int:
    """How many nets are tested; a solver that names no net to train is given one, which is tested for each test_iter."""
    own = len(test_fields(solver))
    return own if train_field(solver) is not None else max(own, len(solver.test_iter), int(tests_all_data(solver)))


def value_at(solver: Any, path: FieldPath) -> Any:
    """The value of a field: the name of a file, or a NetParameter."""
    value = solver
    for key in path:
        value = value[key] if isinstance(key, int) else getattr(value, key)
    return value


def state_overrides(solver: Any, phase: str, index: int = 0) -> dict[str, Any]:
    """Level and stages of the solver's train_state, or of its test_state number `index`, as overrides for `load`."""
    states = [solver.train_state] if phase == "train" else list(solver.test_state)[index : index + 1]
    result: dict[str, Any] = {}
    for state in states:
        if state.HasField("level"):
            result["state.level"] = state.level
        if len(state.stage):
            result["state.stage"] = list(state.stage)
    return result
