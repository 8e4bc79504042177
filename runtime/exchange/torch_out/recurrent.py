"""Lines of recurrent layers. A sequence may begin in the middle of a batch, which nn.LSTM cannot."""

from __future__ import annotations

from typing import Any

from runtime.exchange.torch_out.lines import Scope, writes


@writes("LSTM", "RNN")
def recurrent(layer: Any, on: Scope) -> None:
    """Without exposed states the first ones are 0, as in netdef's first run."""
    static = layer.static_input
    given = f"{_linear(on, 0, 1)}({on.x}.flatten(2))"
    if static:
        given += f" + {_linear(on, 2)}({on.inputs[2]}.flatten(1))"
    recurrence = on.parameter(on.array(3 if static else 2))
    states = on.inputs[len(on.inputs) - layer.exposed :] if layer.exposed else []
    call = f"{on.call('run_' + layer.type.lower())}({', '.join([given, on.inputs[1], recurrence, *states])})"
    if layer.exposed:
        on.let_all(call)
    else:
        on.let(f"{call}[0]")
    if layer.type == "RNN":
        last = len(layer.parameters) - 1
        on.let(f"{_linear(on, last - 1, last)}({on.outputs[0]}).tanh()")


def _linear(on: Scope, weight: int, bias: int | None = None) -> str:
    """A module with two parameters of the layer, or one."""
    outputs, inputs = on.array(weight).shape
    arrays = {"weight": on.array(weight), **({"bias": on.array(bias)} if bias is not None else {})}
    return on.module(f"nn.Linear({inputs}, {outputs}{'' if bias is not None else ', bias=False'})", **arrays)


@writes("LSTMUnit")
def unit(layer: Any, on: Scope) -> None:
    cell, gates, cont = on.inputs
    on.let_all(f"{on.call('lstm_step')}({cell}, {gates}, {cont}[..., None])")
