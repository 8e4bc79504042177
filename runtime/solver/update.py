"""The update list that a solver asks for, appended to a training program.

For each learned parameter w with gradient g, in Caffe's order (src/caffe/solvers/sgd_solver.cpp):
    with iter_size > 1     g = the sum over the sub-batches
    with clip_gradients    g *= min(1, clip_gradients / |all gradients|)
    normalise              g /= iter_size
    with larc              the rate is the parameter's own, from |w| and |g|
    regularise             g += weight_decay * decay_mult * (w, or sign(w) with L1); AdamW decays by itself
    update                 w and its histories as the type of solver says (runtime/ops/update/table.py)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netdef.schema import message_class
from netdef.solver_file import LARC_TYPES
from runtime.ir.program import SEND, Buffer, Instruction, Program
from runtime.ir.runs import element_runs
from runtime.ops.update.table import OF_ITERATIONS, ROWS, Row
from runtime.solver.remember import remember_losses

if TYPE_CHECKING:
    from netdef.graph.layer import Parameter
    from netdef.graph.net import Net


def updates(solver: Any) -> Callable[[Program], Program]:
    """What `runtime.compile(update=...)` takes: adds the update list of a SolverParameter, and remembers the losses."""
    return lambda program: remember_losses(add_updates(program, solver), solver.iter_size)


def plain_update(net: Net) -> Callable[[Program], Program] | None:
    """The update that a solver file without any settings asks for; None in testing."""
    return updates(message_class("SolverParameter")()) if net.phase == "train" else None


def row_of(solver: Any) -> Row:
    """How a solver's type updates."""
    return ROWS[solver.type]


def scalars_at(solver: Any, iteration: int) -> dict[str, float]:
    """The numbers of an iteration that its type's updates read in addition to the rate."""
    return {name: OF_ITERATIONS[name](solver, iteration) for name in row_of(solver).scalars}


def add_updates(program: Program, solver: Any) -> Program:
    """The program with an update list, and with gradients summed over sub-batches where iter_size asks for it.

    It reads the scalars `rate`, `scale` (1 / iter_size, times what clipping leaves), those of the type, and with iter_size > 1
    `added` (how many sub-batches the sums already hold).
    """
    row = row_of(solver)
    gradients = {p: gradient for p, gradient in program.parameter_gradients.items() if p.lr_mult != 0}
    devices = sorted({gradient.device for gradient in gradients.values()})
    names = ("rate", "scale", *row.scalars, *(["added"] if solver.iter_size > 1 else []))
    new = {(name, device): Buffer(name, (1,), "scalar", device=device) for name in names for device in devices}
    scalars = {**new, **program.scalars}  # what layers read too is one number
    states: dict[tuple[Parameter, str], Buffer] = {}
    backward, update = list(program.backward), list(program.update)
    if solver.iter_size > 1:
        for parameter, gradient in gradients.items():
            total = states[parameter, "gradient_sum"] = state(program, parameter, "sum")
            added = (gradient.flat(), scalars["added", gradient.device], total.flat())
            backward.append(Instruction("accumulate", added, (), {}, parameter.layer.name))
            gradients[parameter] = total
    if solver.clip_gradients >= 0:
        update += clipping(gradients, [scalars["scale", device] for device in devices], solver)
    rates: dict[Parameter, Buffer] = {}
    if (larc := larc_of(solver, row)) is not None:
        for group in groups(program, gradients):
            update += own_rates(program, {parameter: gradients[parameter] for parameter in group}, scalars, larc, rates)
    for parameter, gradient in gradients.items():
        histories = [states.setdefault((parameter, name), state(program, parameter, name)) for name in row.states]
        here = {name: scalars[name, gradient.device] for name in names}
        lr_mult = parameter.lr_mult
        if parameter in rates:
            here["rate"], lr_mult = rates[parameter], 1.0
        arrays = [program.weights(parameter), gradient, *histories]
        inputs = (*(array.flat() for array in arrays), *(here[name] for name in ("rate", "scale", *row.scalars)))
        constants = {
            "lr_mult": lr_mult,
            "decay": solver.weight_decay * parameter.decay_mult,
            "l1": solver.regularization_type == "L1",
            **{name: getattr(solver, name) for name in row.constants},
        }
        update.append(Instruction(row.kernel, inputs, (), constants, parameter.layer.name))
    return replace(
        program,
        backward=tuple(backward),
        update=tuple(update),
        states={**program.states, **states},
        scalars=scalars,
    )


def state(program: Program, parameter: Parameter, name: str) -> Buffer:
    """A new buffer of a parameter's shape, where its weights are, that lasts over iterations."""
    weights = program.weights(parameter)
    return Buffer(f"{weights.name}.{name}", weights.shape, "state", device=weights.device)


def clipping(gradients: dict[Parameter, Buffer], scales: list[Buffer], solver: Any) -> list[Instruction]:
    """The scale on every device, from the norm of all gradients; all devices are given all sums, and compute the same scale."""
    sums, instructions = squares("squares", gradients, [scale.device for scale in scales])
    limits = {"clip": solver.clip_gradients, "scale": 1 / solver.iter_size}
    return [*instructions, *(Instruction("clip_scale", (sums[scale.device],), (scale,), limits) for scale in scales)]


def squares(name: str, arrays: dict[Parameter, Buffer], devices: Sequence[int]) -> tuple[dict[int, Buffer], list[Instruction]]:
    """Sums of squares by block, each at an offset of its own so that their order never changes; a copy of all of them by device."""
    size = sum(element_runs(array.size) for array in arrays.values())
    sums = {device: Buffer(name, (size,), "saved", "float64", device=device) for device in devices}
    instructions, sends, start = [], [], 0
    for parameter, array in arrays.items():
        count = element_runs(array.size)
        copies = {device: all_.view((count,), start) for device, all_ in sums.items()}
        own = copies.pop(array.device)
        instructions.append(Instruction("sum_of_squares", (array.flat(),), (own,), {}, parameter.layer.name))
        sends += [Instruction(SEND, (own,), (copy,), {}, parameter.layer.name) for copy in copies.values()]
        start += count
    return sums, [*instructions, *sends]


# Layer-wise adaptive rates


@dataclass(frozen=True)
class Larc:
    """How LARC's rate comes about; decay: weight_decay, times decay_mult if `by_mult`; clip: the smaller of the two rates."""

    eta: float
    decay: float
    by_mult: bool
    clip: bool


def larc_of(solver: Any, row: Row) -> Larc | None:
    """NVIDIA's larc, or Intel's local_lr_auto; None where neither is given, or the type does not read them."""
    if row.type not in LARC_TYPES or not (solver.larc or solver.local_lr_auto):
        return None
    if solver.local_lr_auto:
        return Larc(solver.local_gw_ratio, solver.weight_decay, by_mult=False, clip=False)
    return Larc(solver.larc_eta, solver.weight_decay, by_mult=True, clip=solver.larc_policy == "clip")


def groups(program: Program, gradients: dict[Parameter, Buffer]) -> Iterator[list[Parameter]]:
    """The parameters of a program that learn, those together that are one in the net that was written."""
    division = program.division
    if division is None:
        yield from ([parameter] for parameter in gradients)
        return
    for owner, shards in division.shards.items():
        found = [shard.parameter for shard in division.learned.get(owner, shards) if shard.parameter in gradients]
        if found:
            yield found


def own_rates(
    program: Program,
    gradients: dict[Parameter, Buffer],
    scalars: dict[tuple[str, int], Buffer],
    larc: Larc,
    rates: dict[Parameter, Buffer],
) -> Iterator[Instruction]:
    """Add to `rates` the rate of the regions of one parameter, on each of their devices from the norms of all of them."""
    devices = list(dict.fromkeys(gradient.device for gradient in gradients.values()))
    first = next(iter(gradients))
    name = program.weights(first).name
    weights, of_weights = squares(f"{name}.squares", {p: program.weights(p) for p in gradients}, devices)
    slopes, of_gradients = squares(f"{name}.grad.squares", gradients, devices)
    yield from of_weights
    yield from of_gradients
    decay = larc.decay * (first.decay_mult if larc.by_mult else 1)
    constants = {"eta": larc.eta, "decay": decay, "clip": larc.clip}
    local = {device: Buffer(f"{name}.rate", (1,), "saved", device=device) for device in devices}
    for device, rate in local.items():
        inputs = (weights[device], slopes[device], scalars["rate", device], scalars["scale", device])
        yield Instruction("larc_rate", inputs, (rate,), constants, first.layer.name)
    rates.update((parameter, local[gradient.device]) for parameter, gradient in gradients.items())
