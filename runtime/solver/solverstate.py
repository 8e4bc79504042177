"""A solver's state in Caffe's own files: .solverstate (binary SolverState) and .solverstate.h5."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netdef.language.diagnostics import NetdefError
from netdef.language.foreign import how_to_get
from netdef.weights import check_finite, hdf5, hdf5_writing, wire
from netdef.weights.foreign import SOLVER_STATE, form_of
from netdef.weights.reading import contents

# SolverState's fields (netdef/schema/solver.proto).
ITER, LEARNED_NET, HISTORY, CURRENT_STEP = 1, 2, 3, 4


@dataclass
class SolverState:
    """The state that Caffe writes in addition to the weights.

    Attributes
    ----------
    iteration: how many updates the weights have had.
    learned_net: the path of the weights' file as it was when it was written.
    rate_stage: Caffe's current_step: how often the rate policy has changed the rate.
    history: of each parameter that owns its array, in the net's order and Caffe's shapes: its momentum or mean of squares; of
        AdaDelta, Adam and AdamW behind these a second array of each.
    """

    iteration: int
    learned_net: str
    rate_stage: int
    history: Sequence[np.ndarray]


def read_solverstate(path: str | Path) -> SolverState:
    """Read either form; which one is seen from the file itself.

    Raises
    ------
    NetdefError: it is missing, is something else, is cut short, or holds numbers that are not finite.
    """
    path = Path(path)
    data = contents(path)
    if hdf5.is_hdf5(data):
        state = SolverState(*hdf5.read_state(path))
    else:
        try:
            state = parse(data)
        except wire.MalformedError as error:
            form = form_of(data)
            if form and form != SOLVER_STATE:
                raise NetdefError(f"{path} is not a .solverstate: it is {form}", hint=how_to_get(form)) from None
            raise NetdefError(f"{path} is not a .solverstate, or is cut short: {error}") from None
    if not (0 <= state.iteration < 1 << 31 and 0 <= state.rate_stage < 1 << 31):
        raise NetdefError(f"{path} is damaged: its iteration is {state.iteration}, its current_step {state.rate_stage}")
    check_finite(path, ((f"history {index}", array) for index, array in enumerate(state.history)))
    return state


def parse(data: memoryview) -> SolverState:
    history: list[np.ndarray] = []
    state = SolverState(-1, "", 0, history)
    for number, _, value in wire.fields(data):
        if isinstance(value, int):
            if number == ITER:
                state.iteration = value
            elif number == CURRENT_STEP:
                state.rate_stage = value
        elif number == LEARNED_NET:
            state.learned_net = bytes(value).decode("utf-8", "surrogateescape")
        elif number == HISTORY:
            history.append(wire.read_blob(value))
    if state.iteration < 0:
        raise wire.MalformedError("it names no iteration")
    return state


def write_solverstate(path: Path, state: SolverState, as_hdf5: bool = False) -> None:
    """Write a .solverstate.h5, or a binary SolverState.

    Raises
    ------
    OSError: it cannot be written.
    """
    if as_hdf5:
        hdf5_writing.write_state(path, state.iteration, state.learned_net, state.rate_stage, state.history)
        return
    with open(path, "wb") as file:
        name = state.learned_net.encode("utf-8", "surrogateescape")
        file.write(wire.key(ITER, wire.VARINT) + wire.varint(state.iteration))
        file.write(wire.prefix(LEARNED_NET, len(name)) + name)
        for array in state.history:
            wire.write_blob(file, HISTORY, array, array.shape)
        file.write(wire.key(CURRENT_STEP, wire.VARINT) + wire.varint(state.rate_stage))
