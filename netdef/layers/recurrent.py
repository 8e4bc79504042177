"""Recurrent layers: time along the first axis, independent streams along the second."""

from __future__ import annotations

from math import prod

from netdef.graph.layer import Layer, ParameterShape, layer
from netdef.graph.shape import Shape, shape_text
from netdef.language.units import plural


class Recurrent(Layer):
    """A time step for each entry of the first axis; states (1, N, num_output) go from each time step to the next.

    Bottoms: x (T, N, ...); cont (T, N), 0 where a sequence begins; optionally x_static (N, ...); with expose_hidden the
    states before the first time step. Tops: the output (T, N, num_output); with expose_hidden the states after the last.
    Without it, the states after the last time step are those before the first one of the next run, 0 in the first run.
    Gradients go through exposed states, where Caffe's are not defined; they end at the first time step of a run.
    """

    states = 1  # arrays that go from each time step to the next
    gates = 1  # rows of its input weights, in units of num_output
    bottoms_allowed = (2, 5)
    tops_allowed = (1, 3)
    backward_reads = frozenset({"bottom", "top"})
    no_gradient_to = (1,)
    kind = "connected"

    @property
    def num_output(self) -> int:
        return self.p.num_output

    @property
    def expose_hidden(self) -> bool:
        return self.p.expose_hidden

    @property
    def exposed(self) -> int:
        """The number of states that are bottoms and tops too."""
        return self.states if self.expose_hidden else 0

    @property
    def static_input(self) -> bool:
        """Whether bottom 2 is an input that is the same at every time step."""
        return len(self.bottoms) > 2 + self.exposed

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        if self.num_output < 1:
            raise self.error("num_output, the size of the output at each time step, is missing", "num_output")
        fewest = 2 + self.exposed
        if not fewest <= len(bottoms) <= fewest + 1:
            raise self.error(f"{len(bottoms)} bottoms: it reads {fewest}, or {fewest + 1} with a static input", "bottom")
        if len(self.message.top) != 1 + self.exposed:
            raise self.error(f"it makes {plural(1 + self.exposed, 'top')}, not {len(self.message.top)}", "top")
        x = bottoms[0]
        if len(x) < 3:
            text = f"{self.bottoms[0]} ({shape_text(x)}) must have axes for time, streams and the input of each time step"
            raise self.error(text, "bottom", 0)
        self.expect(1, x[:2])
        if self.static_input and bottoms[2][:1] != x[1:2]:
            raise self.error(f"{self.bottoms[2]} must have {x[1]} streams first, it is {shape_text(bottoms[2])}", "bottom", 2)
        state = (1, x[1], self.num_output)
        for index in range(len(bottoms) - self.exposed, len(bottoms)):
            self.expect(index, state)
        return [(*x[:2], self.num_output), *[state] * self.exposed]

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        rows, weight, bias = self.gates * self.num_output, self.p.weight_filler, self.p.bias_filler
        inputs: list[ParameterShape] = [((rows, prod(bottoms[0][2:])), weight), ((rows,), bias)]
        if self.static_input:
            inputs.append(((rows, prod(bottoms[2][1:])), weight))
        return [*inputs, ((rows, self.num_output), weight)]

    @property
    def macs(self) -> int:
        steps = prod(self.bottoms[0].shape[:2])
        return steps * sum(p.count for p in self.parameters if len(p.shape) == 2) // self.bottoms[0].shape[0]


@layer("RNN")
class RNN(Recurrent):
    """h_t = tanh(W_xh x_t + b_h + W_hh (cont_t h_(t-1))), output o_t = tanh(W_ho h_t + b_o).

    Parameters: W_xh, b_h, W_xh_static with a static input, W_hh, W_ho, b_o.
    """

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        size = self.num_output
        output: list[ParameterShape] = [((size, size), self.p.weight_filler), ((size,), self.p.bias_filler)]
        return super().parameter_shapes(*bottoms) + output


@layer("LSTM")
class LSTM(Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; gates in the order input, forget, output, candidate).

    Parameters: W_xc (4 num_output, K), b_c, W_xc_static with a static input, W_hc (4 num_output, num_output).
    """

    states = 2
    gates = 4


@layer("LSTMUnit")
class LSTMUnit(Layer):
    """One time step of an LSTM. Bottoms: cell (1, N, D), gates (1, N, 4 D), cont (1, N). Tops: cell, output (1, N, D)."""

    bottoms_allowed = (3, 3)
    tops_allowed = (2, 2)
    backward_reads = frozenset({"bottom", "top"})
    no_gradient_to = (2,)
    kind = "connected"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        cell = bottoms[0]
        if len(cell) != 3 or cell[0] != 1:
            raise self.error(f"{self.bottoms[0]} must be 1 x N x D, it is {shape_text(cell)}", "bottom", 0)
        self.expect(1, (*cell[:2], 4 * cell[2]))
        self.expect(2, cell[:2])
        return [cell, cell]
