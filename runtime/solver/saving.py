"""A snapshot as a whole: its weights, the solver's state and the side file, written and read together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import NetdefError
from netdef.weights.snapshots import weights_beside
from runtime.machine.weights import MissingWeightsError
from runtime.ops.update.table import Row
from runtime.solver.histories import check_histories, check_type, read_histories, set_histories
from runtime.solver.snapshot import SnapshotFiles, read_side, write_side
from runtime.solver.solverstate import SolverState, read_solverstate, write_solverstate

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable


@contextmanager
def naming_lack_of_memory(path: Path) -> Iterator[None]:
    """Too little memory for a snapshot is an error that names it."""
    try:
        yield
    except MemoryError:
        message = f"out of memory: {path} cannot be written"
        raise NetdefError(message, hint="a smaller batch leaves more; snapshots of earlier iterations are whole") from None


def write_snapshot(files: SnapshotFiles, executable: Executable, row: Row, stage: int, side: dict[str, Any]) -> None:
    """Write a snapshot's three files; the state last, as it is what a run resumes from.  Of several ranks, rank 0 writes.

    Parameters
    ----------
    stage: of the rate policy.  side: what Caffe's files have no fields for.
    """
    executable.save_weights(files.weights)
    history = read_histories(executable, row)
    if executable.ranks is None or executable.ranks.first:
        write_side(files.side, side)
        write_solverstate(files.state, SolverState(files.iteration, str(files.weights), stage, history))


def read_snapshot(path: Path, net: Net, row: Row) -> tuple[SolverState, dict[str, Any]]:
    """The state and the side file of a snapshot.

    Raises
    ------
    NetdefError: one cannot be read, or the state is of another net or another type of solver.
    """
    state, side = read_solverstate(path), read_side(path)
    check_type(side.get("type"), row.type, path)
    check_histories(state.history, net, row, path)
    return state, side


def restore_arrays(executable: Executable, row: Row, path: Path, state: SolverState) -> None:
    """Overwrite the weights, and the solver's states, by those of a snapshot.

    Raises
    ------
    NetdefError: the weights are missing, damaged or of another net.
    """
    try:
        executable.load_weights(weights_beside(path, state.learned_net))
    except MissingWeightsError as error:
        raise NetdefError(f"{path} is of another net: it has no weights of {', '.join(error.layers)}") from None
    set_histories(executable, row, state.history)
