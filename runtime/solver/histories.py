"""What a solver's state keeps of each parameter, such as its momentum, in the order of Caffe's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural
from runtime.ops.update.table import ROWS, Row

if TYPE_CHECKING:
    from netdef.graph.layer import Parameter
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable

TYPES_BY_HISTORIES = {n: [row.type for row in ROWS.values() if len(row.states) == n] for n in (1, 2)}


def owners(net: Net) -> list[Parameter]:
    """The parameters in the order of Caffe's learnable_params: a shared one once, at its owner's position."""
    return [parameter for parameter in net.parameters if parameter.owner is parameter]


def histories(net: Net, row: Row) -> list[tuple[Parameter, str]]:
    """What a state keeps, in Caffe's order: the first history of all parameters, then the second of all, if there is one."""
    return [(parameter, name) for name in row.states for parameter in owners(net)]


def read_histories(executable: Executable, row: Row) -> list[np.ndarray]:
    """The arrays of `histories`; zeros for a frozen parameter, of which Caffe keeps one all the same."""
    return [
        executable.state(parameter, name) if executable.has_state(parameter, name) else np.zeros(parameter.shape, np.float32)
        for parameter, name in histories(executable.net, row)
    ]


def set_histories(executable: Executable, row: Row, found: Sequence[np.ndarray]) -> None:
    """Overwrite the states by the arrays of `histories`."""
    for (parameter, name), array in zip(histories(executable.net, row), found, strict=True):
        if executable.has_state(parameter, name):
            executable.set_state(parameter, name, array)


def check_type(written: str | None, kind: str, path: str | Path) -> None:
    """That a state is of this type of solver, where it is known of which it is: Caffe's files do not say."""
    if written not in (None, kind):
        raise NetdefError(
            f"{path} is the state of solver type {written}, this solver is of type {kind}",
            hint=f"resume with type: {written!r}, or start from its weights: --weights",
        )


def check_histories(found: Sequence[np.ndarray], net: Net, row: Row, path: str | Path) -> None:
    """That a state's histories are of a net's parameters, and as many as the type of solver keeps."""
    kept, learnable = len(row.states), owners(net)
    for other, types in TYPES_BY_HISTORIES.items():
        if other != kept and len(found) == other * len(learnable):
            raise NetdefError(
                f"{path} keeps {plural(other, 'array')} for each parameter, as {' and '.join(types)} do; "
                f"solver type {row.type} keeps {kept}",
                hint="resume with the type of solver that wrote it, or start from its weights: --weights",
            )
    if len(found) != kept * len(learnable):
        raise NetdefError(
            f"{path} has the history of {len(found) / kept:g} parameters, the net has {len(learnable)}",
            hint="a run resumes with the net and the type of solver that it was started with",
        )
    for parameter, array in zip(learnable * kept, found, strict=True):
        if array.size != parameter.count:
            raise NetdefError(f"{path}: the history of {parameter} has shape {array.shape}, the net's parameter {parameter.shape}")
