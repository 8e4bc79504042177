"""ONNX of recurrent layers, a time step after another: ONNX's LSTM cannot begin a sequence in the middle, as `cont` does."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.exchange.onnx_out.graph import Scope
from runtime.exchange.onnx_out.registry import writes


@writes("RNN", "LSTM")
def recurrent(layer: Any, on: Scope) -> None:
    """Without exposed states the first ones are 0, as in netdef's first run."""
    (T, N), D = layer.bottoms[0].shape[:2], layer.num_output
    static, first = layer.static_input, len(layer.bottoms) - layer.exposed
    inputs = on.reshaped(
        on.op("Gemm", on.op("Flatten", on.x, axis=2), on.weight(0), on.weight(1), transB=1), T, -1, layer.gates * D
    )
    recurrence = on.weight(3 if static else 2)
    more = on.op("Gemm", on.op("Flatten", on.inputs[2], axis=1), on.weight(2), transB=1) if static else None
    if layer.exposed:
        states = [on.reshaped(on.inputs[first + index], -1, D) for index in range(layer.states)]
    else:
        states = [on.constant(np.zeros((N, D), np.float32), "state")] * layer.states
    outputs = []
    for t in range(T):
        cont = on.op("Reshape", on.sliced(on.inputs[1], [t], [t + 1], [0]), on.whole(-1, 1, form="shape"))
        gates = on.op("Reshape", on.sliced(inputs, [t], [t + 1], [0]), on.whole(-1, layer.gates * D, form="shape"))
        gates = on.op("Add", gates, more) if more else gates
        gates = on.op("Add", gates, on.op("Gemm", on.op("Mul", states[0], cont), recurrence, transB=1))
        states = lstm_unit(on, states[1], gates, cont, D)[::-1] if layer.type == "LSTM" else [on.op("Tanh", gates)]
        outputs.append(_shown(layer, on, states[0]))
    _join(on, outputs, T)
    for index in range(layer.exposed):
        on.out("Reshape", states[index], on.whole(1, -1, D, form="shape"), top=1 + index)


def _shown(layer: Any, on: Scope, hidden: str) -> str:
    """What a time step puts out, with an axis for time."""
    if layer.type == "RNN":
        last = len(layer.parameters) - 1
        hidden = on.op("Tanh", on.op("Gemm", hidden, on.weight(last - 1), on.weight(last), transB=1))
    return on.reshaped(hidden, 1, -1, layer.num_output)


def _join(on: Scope, outputs: list[str], steps: int) -> None:
    if steps == 1:
        on.out("Identity", outputs[0])
    else:
        on.out("Concat", *outputs, axis=0)


def lstm_unit(on: Scope, cell: str, gates: str, cont: str, size: int) -> list[str]:
    """(cell, hidden) after a time step: gates for input, forgetting, output and candidate lie side by side on axis 1."""
    let_in, keep, put_out, candidate = (on.sliced(gates, [index * size], [(index + 1) * size], [1]) for index in range(4))
    kept = on.op("Mul", on.op("Mul", on.op("Sigmoid", keep), cont), cell)
    cell = on.op("Add", kept, on.op("Mul", on.op("Sigmoid", let_in), on.op("Tanh", candidate)))
    return [cell, on.op("Mul", on.op("Sigmoid", put_out), on.op("Tanh", cell))]


@writes("LSTMUnit")
def unit(layer: Any, on: Scope) -> None:
    D = layer.bottoms[0].shape[2]
    before, gates, cont = (on.reshaped(x, -1, size) for x, size in zip(on.inputs, (D, 4 * D, 1), strict=True))
    for top, state in enumerate(lstm_unit(on, before, gates, cont, D)):
        on.out("Reshape", state, on.whole(1, -1, D, form="shape"), top=top)
