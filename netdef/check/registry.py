"""How a check is made: a function that yields findings, put down for what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import Diagnostic, Note, Position

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.graph.net import Net

Findings = Iterator[Diagnostic]

EACH_NET: list[Callable[[Net], Findings]] = []
BOTH_NETS: list[Callable[[Net, Net], Findings]] = []
SOLVERS: list[Callable[[Any], Findings]] = []


def each_net(check: Callable[[Net], Findings]) -> Callable[[Net], Findings]:
    """A check of a net in one phase."""
    EACH_NET.append(check)
    return check


def both_nets(check: Callable[[Net, Net], Findings]) -> Callable[[Net, Net], Findings]:
    """A check of a net in training beside the same in testing."""
    BOTH_NETS.append(check)
    return check


def solvers(check: Callable[[Any], Findings]) -> Callable[[Any], Findings]:
    """A check of a solver: of a `netdef.check.solver.Subject`."""
    SOLVERS.append(check)
    return check


def setting(layer: Layer, field: str) -> Position | None:
    """Where a setting of the layer's type stands; the layer, where it is not given."""
    return layer.where(field) if layer.p.HasField(field) else layer.position


def warning(code: str, message: str, position: Position | None, reason: str = "", notes: tuple[Note, ...] = ()) -> Diagnostic:
    """Something suspicious. `reason`: why it matters, or what to do, in a line."""
    return Diagnostic(message, position, reason, notes, "warning", code)


def error(code: str, message: str, position: Position | None, reason: str = "", notes: tuple[Note, ...] = ()) -> Diagnostic:
    """Something that cannot work."""
    return Diagnostic(message, position, reason, notes, "error", code)
