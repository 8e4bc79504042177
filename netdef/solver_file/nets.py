"""The nets that a solver trains and tests, and the state of each.

(The order of test nets is that of Caffe's Solver::InitTestNets: those written into the solver, those of other files, then the
net itself for the rest of test_iter.)
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


def test_fields(solver: Any) -> list[FieldPath]:
    """The field of each net to test, in Caffe's order; those of a net that the solver does not name are left out."""
    own: list[FieldPath] = [("test_net_param", index) for index in range(len(solver.test_net_param))]
    own += [("test_net", index) for index in range(len(solver.test_net))]
    generic = generic_field(solver)
    return own + ([generic] * (len(solver.test_iter) - len(own)) if generic is not None else [])


def test_count(solver: Any) -> int:
    """How many nets are tested; a solver that names no net to train is given one, which is tested for each test_iter."""
    return len(test_fields(solver)) if train_field(solver) is not None else max(len(test_fields(solver)), len(solver.test_iter))


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
