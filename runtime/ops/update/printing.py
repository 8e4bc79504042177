"""The text of loops that update weights, printed from a row, and what they do."""

from __future__ import annotations

from typing import Any

from runtime.kernels.cpu.jit import FAST_MATH
from runtime.kernels.formula import NUMBA
from runtime.kernels.operand import Operand
from runtime.ops.update.table import STATES, Row

# There twice, so that l1 is not tested for each number.
LOOPS = """\
        if l1:
            for i in range(weight_tile.size):
                slope, w = gradient_tile[i], weight_tile[i]
                pull = np.float32(w > 0) - np.float32(w < 0)
                {update}
        else:
            for i in range(weight_tile.size):
                slope, w = gradient_tile[i], weight_tile[i]
                pull = w
                {update}
"""
DECAY = 4  # operations of a scaled gradient, weight decay and the weight's change
EXACT = FAST_MATH - {"arcp"}  # no division by a rounded reciprocal


def numbers_text(row: Row) -> str:
    """What a kernel does with a row's numbers before its loops."""
    numbers = [f"{name} = {name}[0]" for name in row.numbers[1:]]
    return "; ".join([*numbers, *(f"{name} = np.float32({name})" for name in row.constants)])


def loops_text(row: Row) -> str:
    """The update of a run of weights from that of gradients."""
    decayed = "" if row.decays_by_itself else " + decay * pull"
    update = [f"g = scale * slope{decayed}", *(f"{name} = {STATES[name]}_tile[i]" for name in row.histories)]
    update += [f"{name} = {NUMBA.text(value)}" for name, value in row.expression.locals]
    *histories, loss = map(NUMBA.text, row.expression.results)
    update += [f"{state}_tile[i] = {value}" for state, value in zip(row.states, histories, strict=True)]
    return LOOPS.format(update="; ".join([*update, f"weight_tile[i] = w - {loss}"]))


def flops(row: Row, weight: Operand, *_: Any) -> int:
    """Of a row, over all weights."""
    return (DECAY + row.expression.flops) * weight.size


def moved(row: Row, weight: Operand, *others: Any) -> int:
    """Bytes: all arrays are read, weights and histories written too."""
    read = sum(operand.bytes for operand in (weight, *others[: 1 + len(row.states) + len(row.numbers)]))
    return read + (1 + len(row.states)) * weight.bytes
