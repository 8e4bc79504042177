"""What recurrent layers need beyond products and sums (Caffe's lstm_unit_layer.cpp).

D states of N streams at one time step, the streams innermost: states are (D, N), gates (4 D, N) in the order input, forget, output,
candidate, and cont (N,) is 0 where a sequence begins.
"""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.exponential import ONE
from runtime.kernels.cpu.intrinsics import exp, tanh
from runtime.kernels.cpu.jit import inner, jit
from runtime.kernels.cpu.registry import kernel


@inner
def gates_of(gates, cont, d, n):
    """What state d of stream n lets in, keeps and puts out, and the candidate for it."""
    D = gates.shape[0] // 4
    let_in, put_out = ONE / (ONE + exp(-gates[d, n])), ONE / (ONE + exp(-gates[2 * D + d, n]))
    keep = np.float32(0) if cont[n] == 0 else cont[n] / (ONE + exp(-gates[D + d, n]))
    return let_in, keep, put_out, tanh(gates[3 * D + d, n])


@kernel(items=lambda before, *_: before.shape[0], flops=lambda before, *_: 65 * before.size)
@jit
def lstm_unit(begin, end, before, gates, cont, cell, hidden):
    """cell = keep * before + let_in * candidate; hidden = put_out * tanh(cell).  Item: a state of all streams."""
    for d in range(begin, end):
        for n in range(cont.size):
            let_in, keep, put_out, candidate = gates_of(gates, cont, d, n)
            cell[d, n] = keep * before[d, n] + let_in * candidate
            hidden[d, n] = put_out * tanh(cell[d, n])


@kernel(items=lambda before, *_: before.shape[0], flops=lambda before, *_: 85 * before.size)
@jit
def lstm_unit_backward(begin, end, before, gates, cont, cell, dcell, dhidden, dbefore, dgates):
    """The gradients of `before` and `gates` from those of `cell` and `hidden`; dbefore may be dcell.  Item: a state."""
    D = before.shape[0]
    for d in range(begin, end):
        for n in range(cont.size):
            let_in, keep, put_out, candidate = gates_of(gates, cont, d, n)
            shown = tanh(cell[d, n])
            inner = dcell[d, n] + dhidden[d, n] * put_out * (ONE - shown * shown)
            dbefore[d, n] = inner * keep
            dgates[d, n] = inner * candidate * let_in * (ONE - let_in)
            dgates[D + d, n] = inner * before[d, n] * keep * (ONE - keep)
            dgates[2 * D + d, n] = dhidden[d, n] * shown * put_out * (ONE - put_out)
            dgates[3 * D + d, n] = inner * let_in * (ONE - candidate * candidate)
