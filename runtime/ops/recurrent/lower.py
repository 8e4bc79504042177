"""How recurrent layers lower: unrolled over time, as in Caffe's recurrent_layer.cpp, lstm_layer.cpp and rnn_layer.cpp."""

from __future__ import annotations

from netdef.layers.recurrent import LSTM, RNN, LSTMUnit
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.recurrent.order import turn
from runtime.ops.recurrent.products import Product
from runtime.ops.recurrent.unrolled import Unrolled
from runtime.ops.registry import lowers


@lowers(LSTM)
def lower_lstm(layer: LSTM, build: Builder) -> None:
    steps = Unrolled(layer, build)
    hidden, cell = steps.hidden, steps.states("cell", 1)
    steps.begin(hidden, cell)
    for t in range(steps.T):
        gates = steps.add_recurrence(t)
        build.forward("lstm_unit", cell.at(t), gates, steps.cont_at(t), out=(cell.at(t + 1), hidden.at(t + 1)))
    steps.put_out(hidden.after(1))
    steps.end(hidden, cell)
    if not steps.learns:
        return
    output, dhidden, dcell = steps.output_gradient(), *(steps.new(name, steps.D, steps.N) for name in ("dhidden", "dcell"))
    more = steps.last_gradient(hidden, dhidden)
    if not steps.last_gradient(cell, dcell):
        build.backward("fill", out=dcell.flat(), value=0.0)
    for t in reversed(range(steps.T)):
        gradient = _sum(build, steps.at(output, t), dhidden, more)
        given = cell.at(t), steps.at(steps.gates, t), steps.cont_at(t), cell.at(t + 1), dcell, gradient
        build.backward("lstm_unit_backward", *given, out=(dcell, steps.at(steps.dgates, t)))
        more = t > 0 or steps.needs_first(hidden)
        if more:
            steps.recurrence_gradient(t, dhidden)
    steps.first_gradient(hidden, dhidden)
    steps.first_gradient(cell, dcell)
    steps.end_backward()


@lowers(RNN)
def lower_rnn(layer: RNN, build: Builder) -> None:
    steps = Unrolled(layer, build)
    hidden, weights = steps.hidden, len(layer.parameters) - 2
    result, output = Product(layer, build, weights, weights + 1), steps.new("output", steps.T, steps.D, steps.N)
    steps.begin(hidden)
    for t in range(steps.T):
        build.forward("tanh_forward", steps.add_recurrence(t).flat(), out=hidden.at(t + 1).flat())
    result.forward(hidden.after(1), output)
    build.forward("tanh_forward", output.flat(), out=output.flat())
    steps.put_out(output)
    steps.end(hidden)
    if not steps.learns:
        return
    doutput, dhidden = steps.output_gradient(), steps.new("dhidden", steps.D, steps.N)
    build.backward("tanh_backward", doutput.flat(), output.flat(), out=doutput.flat())
    result.parameter_gradients(hidden.after(1), doutput)
    outer = steps.new("dstates", steps.T, steps.D, steps.N)
    result.input_gradient(doutput, outer)
    more = steps.last_gradient(hidden, dhidden)
    for t in reversed(range(steps.T)):
        gradient = _sum(build, steps.at(outer, t), dhidden, more)
        build.backward("tanh_backward", gradient.flat(), hidden.at(t + 1).flat(), out=steps.at(steps.dgates, t).flat())
        more = t > 0 or steps.needs_first(hidden)
        if more:
            steps.recurrence_gradient(t, dhidden)
    steps.first_gradient(hidden, dhidden)
    steps.end_backward()


def _sum(build: Builder, own: Buffer, further: Buffer, more: bool) -> Buffer:
    """The gradient of a state: as an output, and where there is more, by the time step after."""
    if more:
        build.backward("add", own.flat(), further.flat(), out=own.flat())
    return own


@lowers(LSTMUnit)
def lower_unit(layer: LSTMUnit, build: Builder) -> None:
    _, N, D = layer.bottoms[0].shape

    def new(name: str, rows: int = D) -> Buffer:
        return build.saved(layer, name, (rows, N))

    before, gates, cell, hidden = new("before"), new("gates", 4 * D), new("cell"), new("hidden")
    cont = build.bottom(layer, 2).flat()
    turn(build.forward, build.bottom(layer, 0), before, (N, D, 1))
    turn(build.forward, build.bottom(layer, 1), gates, (N, 4 * D, 1))
    build.forward("lstm_unit", before, gates, cont, out=(cell, hidden))
    turn(build.forward, cell, build.top(layer, 0), (1, D, N))
    turn(build.forward, hidden, build.top(layer, 1), (1, D, N))
    if not (build.needs_gradient(layer, 0) or build.needs_gradient(layer, 1)):
        return
    dcell, dhidden, dgates = new("dcell"), new("dhidden"), new("dgates", 4 * D)
    turn(build.backward, build.top_gradient(layer, 0), dcell, (N, D, 1))
    turn(build.backward, build.top_gradient(layer, 1), dhidden, (N, D, 1))
    build.backward("lstm_unit_backward", before, gates, cont, cell, dcell, dhidden, out=(dcell, dgates))
    for index, gradient, rows in ((0, dcell, D), (1, dgates, 4 * D)):
        if build.needs_gradient(layer, index):
            turn(build.backward, gradient, build.bottom_gradient(layer, index), (1, rows, N))
