"""The update list: SGD with momentum, as Caffe's solver does it, appended to a training program.

For each learned parameter w with gradient g, in Caffe's order (src/caffe/solvers/sgd_solver.cpp):
    with iter_size > 1     g = the sum over the sub-batches
    with clip_gradients    g *= min(1, clip_gradients / |all gradients|)
    normalise              g /= iter_size
    regularise             g += weight_decay * decay_mult * (w, or sign(w) with L1)
    momentum               h = momentum * h + rate * lr_mult * g
    update                 w -= h
The rate stands inside the momentum term, so a lowered rate lets old steps fade as they were made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import NetdefError
from runtime.ir.program import Buffer, Instruction, Program
from runtime.kernels.cpu.jit import blocks
from runtime.solver.remember import remember_losses

if TYPE_CHECKING:
    from netdef.graph.layer import Parameter

TYPES = ("SGD",)
OLD_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}


def sgd(solver: Any) -> Callable[[Program], Program]:
    """What `runtime.compile(update=...)` takes: adds the update list that a SolverParameter asks for, and remembers the losses.

    Raises
    ------
    NetdefError: a type of solver that is not available.
    """
    kind = solver_type(solver)
    if kind not in TYPES:
        raise NetdefError(f"solver type {kind} is not available yet", hint=f"available: {', '.join(TYPES)}")
    return lambda program: remember_losses(add_sgd(program, solver), solver.iter_size)


def solver_type(solver: Any) -> str:
    """The solver's type, from the enum of Caffe's older files where only that is given."""
    if solver.HasField("type") or not solver.HasField("solver_type"):
        return solver.type
    name = solver.DESCRIPTOR.fields_by_name["solver_type"].enum_type.values_by_number[solver.solver_type].name
    return OLD_TYPES[name]


def add_sgd(program: Program, solver: Any) -> Program:
    """The program with an update list, and with gradients summed over sub-batches where iter_size asks for it.

    It reads the scalars `rate`, `scale` (1 / iter_size, times what clipping leaves) and with iter_size > 1 `added`
    (how many sub-batches the sums already hold).
    """
    gradients = {p: gradient for p, gradient in program.parameter_gradients.items() if p.lr_mult != 0}
    states: dict[tuple[Parameter, str], Buffer] = {}
    names = ("rate", "scale", "added") if solver.iter_size > 1 else ("rate", "scale")
    devices = sorted({gradient.device for gradient in gradients.values()})
    scalars = {(name, device): Buffer(name, (1,), "scalar", device=device) for name in names for device in devices}
    backward, update = list(program.backward), []
    if solver.iter_size > 1:
        for parameter, gradient in gradients.items():
            total = states[parameter, "gradient_sum"] = state(program, parameter, "sum")
            inputs = (gradient.flat(), scalars["added", gradient.device])
            backward.append(Instruction("accumulate", inputs, (total.flat(),), {}, parameter.layer.name))
            gradients[parameter] = total
    if solver.clip_gradients >= 0:
        update += clipping(gradients, [scalars["scale", device] for device in devices], solver)
    for parameter, gradient in gradients.items():
        history = states[parameter, "history"] = state(program, parameter, "history")
        here = {name: scalars[name, gradient.device] for name in ("rate", "scale")}
        update.append(step(program.weights(parameter), gradient, history, here, parameter, solver))
    return replace(
        program,
        backward=tuple(backward),
        update=tuple(update),
        states={**program.states, **states},
        scalars={**program.scalars, **scalars},
    )


def state(program: Program, parameter: Parameter, name: str) -> Buffer:
    """A new buffer of a parameter's shape, where its weights are, that lasts over iterations."""
    weights = program.weights(parameter)
    return Buffer(f"{weights.name}.{name}", weights.shape, "state", device=weights.device)


def step(
    weights: Buffer, gradient: Buffer, history: Buffer, scalars: dict[str, Buffer], parameter: Parameter, solver: Any
) -> Instruction:
    """The update of one parameter; weights and history are read and written."""
    constants = {
        "lr_mult": parameter.lr_mult,
        "decay": solver.weight_decay * parameter.decay_mult,
        "momentum": solver.momentum,
        "l1": solver.regularization_type == "L1",
    }
    inputs = (weights.flat(), gradient.flat(), history.flat(), scalars["rate"], scalars["scale"])
    return Instruction("sgd_update", inputs, (), constants, parameter.layer.name)


def clipping(gradients: dict[Parameter, Buffer], scales: list[Buffer], solver: Any) -> list[Instruction]:
    """Sums of squares by block, each in its own place so that their order never changes; then the scale from them.

    Every device has a scale.  Each is given the sums of all, so that all come to the same scale.
    """
    size = sum(blocks(gradient.size) for gradient in gradients.values())
    sums = {scale.device: Buffer("squares", (size,), "saved", "float64", device=scale.device) for scale in scales}
    steps, sends, start = [], [], 0
    for parameter, gradient in gradients.items():
        count = blocks(gradient.size)
        parts = {device: all_.view((count,), start) for device, all_ in sums.items()}
        own = parts.pop(gradient.device)
        steps.append(Instruction("sum_of_squares", (gradient.flat(),), (own,), {}, parameter.layer.name))
        sends += [Instruction("send", (own,), (part,), {}, parameter.layer.name) for part in parts.values()]
        start += count
    limits = {"clip": solver.clip_gradients, "scale": 1 / solver.iter_size}
    return [*steps, *sends, *(Instruction("clip_scale", (sums[scale.device],), (scale,), limits) for scale in scales)]
