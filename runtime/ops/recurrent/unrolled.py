"""What LSTM and RNN have in common when they are unrolled over time: inputs, states, and the products with them.

Inside, time is the first axis and streams are the last: x (T, K, N), gates (T, G, N), states (T + 1, D, N), the first of which are
those before the first time step.  What does not depend on the states before is one product for all time steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod

from netdef.layers.recurrent import Recurrent
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.recurrent.order import turn
from runtime.ops.recurrent.products import Product


@dataclass(frozen=True)
class States:
    """What goes from each time step to the next.

    Parameters
    ----------
    index: which of the layer's states it is.
    all: (T + 1, D, N).
    carried: (D, N), what goes from run to run; None if states are exposed, and come and go as blobs.
    """

    index: int
    all: Buffer
    carried: Buffer | None

    def at(self, t: int) -> Buffer:
        """(D, N) before time step t."""
        _, D, N = self.all.shape
        return self.all.view((D, N), t * D * N)

    def after(self, first: int) -> Buffer:
        """Those from `first` on for each of T time steps, (T, D, N)."""
        steps, D, N = self.all.shape
        return self.all.view((steps - 1, D, N), first * D * N)


class Unrolled:
    """A layer over its time steps.

    Attributes
    ----------
    T, N, D, G: time steps, streams, states of a stream, rows of the gates.
    gates: (T, G, N), what goes into the nonlinearities.  dgates: their gradients.  cont: (T, N), 0 where a sequence begins.
    hidden: the states that are the output.  outcome: the gradient of each of them as an output, (T, D, N).
    """

    def __init__(self, layer: Recurrent, build: Builder):
        self.layer, self.build = layer, build
        (self.T, self.N), self.D, self.G = layer.bottoms[0].shape[:2], layer.num_output, layer.gates * layer.num_output
        self.K = prod(layer.bottoms[0].shape[2:])
        self.input = Product(layer, build, 0, 1)
        self.static = Product(layer, build, 2) if layer.static_input else None
        self.recurrence = Product(layer, build, 3 if layer.static_input else 2)
        self.x, self.cont = self.new("x", self.T, self.K, self.N), self.new("cont", self.T, self.N)
        self.gates, self.dgates = (self.new(name, self.T, self.G, self.N) for name in ("gates", "dgates"))
        self.continued = self.new("continued", self.T, self.D, self.N)
        self.product = self.new("product", 1, self.G, self.N)
        self.hidden = self.states("hidden", 0)

    def new(self, name: str, *shape: int) -> Buffer:
        return self.build.saved(self.layer, name, shape)

    def states(self, name: str, index: int) -> States:
        carried = None if self.layer.expose_hidden else self.build.carried(self.layer, f"{name}_before", (self.D, self.N))
        return States(index, self.new(name, self.T + 1, self.D, self.N), carried)

    def at(self, buffer: Buffer, t: int) -> Buffer:
        """An array's region of a time step, (rows, N)."""
        rows = buffer.size // buffer.shape[0] // self.N
        return buffer.view((rows, self.N), t * rows * self.N)

    def cont_at(self, t: int) -> Buffer:
        return self.cont.view((self.N,), t * self.N)

    def continue_sequences(self, append: Callable[..., None], source: Buffer, t: int, target: Buffer) -> None:
        """target (D, N) = source (D, N), 0 where a sequence begins; by `build.forward` or `build.backward`."""
        rows = 1, self.D, self.N
        append("scale_columns", source.view(rows), self.cont_at(t).view((1, self.N)), out=target.view(rows))

    # Forward

    def begin(self, *states: States) -> None:
        """Bring inputs and first states in order, and multiply what is known of all time steps."""
        layer, build = self.layer, self.build
        turn(build.forward, build.bottom(layer, 0), self.x, (self.N, self.K, self.T))
        turn(build.forward, build.bottom(layer, 1), self.cont, (self.N, 1, self.T))
        self.input.forward(self.x, self.gates)
        if self.static is not None:
            self.static.forward(self.static_x, self.static_gates)
        for state in states:
            if state.carried is None:
                turn(build.forward, build.bottom(layer, self.bottom_of(state)), state.at(0), (self.N, self.D, 1))
            else:
                build.forward("copy", state.carried.flat(), out=state.at(0).flat())

    @cached_property
    def static_x(self) -> Buffer:
        return self.build.bottom(self.layer, 2).view((1, prod(self.layer.bottoms[2].shape[1:]), self.N))

    @cached_property
    def static_gates(self) -> Buffer:
        """What a static input adds to the gates of each time step."""
        return self.new("static", 1, self.G, self.N)

    def bottom_of(self, state: States) -> int:
        """Which bottom an exposed state is before the first time step."""
        return len(self.layer.bottoms) - self.layer.states + state.index

    def add_recurrence(self, t: int) -> Buffer:
        """The gates (G, N) of a time step: W (cont * hidden before), and a static input's sum, added to what they are."""
        build, gates, continued = self.build, self.at(self.gates, t), self.at(self.continued, t)
        self.continue_sequences(build.forward, self.hidden.at(t), t, continued)
        self.recurrence.forward(continued.view((1, self.D, self.N)), self.product)
        build.forward("add", self.product.flat(), gates.flat(), out=gates.flat())
        if self.static is not None:
            build.forward("add", gates.flat(), self.static_gates.flat(), out=gates.flat())
        return gates

    def end(self, *states: States) -> None:
        """Give out the states after the last time step, or carry them to the next run."""
        for state in states:
            last = state.at(self.T)
            if state.carried is None:
                top = self.build.top(self.layer, 1 + state.index)
                turn(self.build.forward, last, top, (1, self.D, self.N))
            else:
                self.build.forward("copy", last.flat(), out=state.carried.flat())

    def put_out(self, states: Buffer) -> None:
        """Let (T, D, N) be the layer's output."""
        turn(self.build.forward, states, self.build.top(self.layer, 0), (self.T, self.D, self.N))

    # Backward

    @property
    def learns(self) -> bool:
        """Whether anything needs the gradients of the gates."""
        layer, build = self.layer, self.build
        bottoms = any(build.needs_gradient(layer, index) for index in range(len(layer.bottoms)))
        return bottoms or any(build.needs_parameter_gradient(layer, index) for index in range(len(layer.parameters)))

    def output_gradient(self) -> Buffer:
        """The gradient of the output, (T, D, N)."""
        gradient = self.new("doutput", self.T, self.D, self.N)
        turn(self.build.backward, self.build.top_gradient(self.layer, 0), gradient, (self.N, self.D, self.T))
        return gradient

    def last_gradient(self, state: States, gradient: Buffer) -> bool:
        """Bring the gradient of an exposed state after the last time step in order; whether there is any."""
        if state.carried is None:
            given = self.build.top_gradient(self.layer, 1 + state.index)
            turn(self.build.backward, given, gradient, (self.N, self.D, 1))
        return state.carried is None

    def needs_first(self, state: States) -> bool:
        """Whether the gradient of a state before the first time step is asked for."""
        return state.carried is None and self.build.needs_gradient(self.layer, self.bottom_of(state))

    def first_gradient(self, state: States, gradient: Buffer) -> None:
        """Let (D, N) be the gradient of an exposed state before the first time step."""
        if self.needs_first(state):
            bottom = self.build.bottom_gradient(self.layer, self.bottom_of(state))
            turn(self.build.backward, gradient, bottom, (1, self.D, self.N))

    def recurrence_gradient(self, t: int, dhidden: Buffer) -> None:
        """dhidden (D, N) = cont * W^T dgates of a time step."""
        dgates, rows = self.at(self.dgates, t), dhidden.view((1, self.D, self.N))
        self.recurrence.input_gradient(dgates.view((1, self.G, self.N)), rows)
        self.continue_sequences(self.build.backward, dhidden, t, dhidden)

    def end_backward(self) -> None:
        """The gradients of weights and inputs, from those of the gates at all time steps."""
        layer, build = self.layer, self.build
        self.recurrence.parameter_gradients(self.continued, self.dgates)
        self.input.parameter_gradients(self.x, self.dgates)
        if build.needs_gradient(layer, 0):
            dx = self.new("dx", self.T, self.K, self.N)
            self.input.input_gradient(self.dgates, dx)
            turn(build.backward, dx, build.bottom_gradient(layer, 0), (self.T, self.K, self.N))
        if self.static is not None:
            summed = self.new("dstatic", 1, self.G, self.N)
            build.backward("sum_tiles", self.dgates.view((1, self.T, self.G * self.N)), out=summed.view((1, self.G * self.N)))
            self.static.parameter_gradients(self.static_x, summed)
            if build.needs_gradient(layer, 2):
                dx = build.bottom_gradient(layer, 2)
                self.static.input_gradient(summed, dx.view((1, dx.size // self.N, self.N)))
