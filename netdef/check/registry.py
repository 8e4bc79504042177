"""Register checks: functions that yield findings about a net, two nets, or a solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import Diagnostic, Note, Position

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.graph.net import Net

Findings = Iterator[Diagnostic]

EACH_NET: list[Callable[[Net], Findings]] = []
BOTH_NETS: list[Callable[[Net, Net], Findings]] = []
SOLVERS: list[Callable[[Any], Findings]] = []


ALSO: ContextVar[tuple[Callable[[Net], Findings], ...]] = ContextVar("also", default=())  # for as long as a command asks


@contextmanager
def also_checked(check: Callable[[Net], Findings]) -> Iterator[None]:
    """Let a function look at each net too, inside this context: one that knows more than the text, such as the machine."""
    before = ALSO.set((*ALSO.get(), check))
    try:
        yield
    finally:
        ALSO.reset(before)


def each_net(check: Callable[[Net], Findings]) -> Callable[[Net], Findings]:
    """Register a check of a net in one phase."""
    EACH_NET.append(check)
    return check


def both_nets(check: Callable[[Net, Net], Findings]) -> Callable[[Net, Net], Findings]:
    """Register a check that compares the nets of the train and the test phase."""
    BOTH_NETS.append(check)
    return check


def solvers(check: Callable[[Any], Findings]) -> Callable[[Any], Findings]:
    """Register a check of a solver, a `netdef.check.solver.Subject`."""
    SOLVERS.append(check)
    return check


def setting(layer: Layer, field: str) -> Position | None:
    """The position of a setting of the layer's type; that of the layer if it is not given."""
    return layer.where(field) if layer.p.HasField(field) else layer.position


def warning(code: str, message: str, position: Position | None, reason: str = "", notes: tuple[Note, ...] = ()) -> Diagnostic:
    """A finding that is suspicious. `reason`: why it matters, or what to do, in one line."""
    return Diagnostic(message, position, reason, notes, "warning", code)


def error(code: str, message: str, position: Position | None, reason: str = "", notes: tuple[Note, ...] = ()) -> Diagnostic:
    """A finding that is an error."""
    return Diagnostic(message, position, reason, notes, "error", code)
