"""How far a net's weights are from one device's after some iterations on others, beside what a change of their last bits does.

    python tools/compare_placements.py [--net alexnet] [--batch 8] [--iterations 20] [--rate 0.002] [--smooth] [--each]
                                       [--shares] [--on cpu:0,cpu:1/groups --on cpu:0-3/batch ...]

Trains on the photographs (noise where a net takes other images) as the net's file has it, dropout included, on one device with two
threads; then from the same start on the others, and on one device from weights that each differ by half a unit in the last place.
Printed: the largest distance of a layer's weights, |a - b| / |a| with Euclidean norms, of its biases, and of all together.

One device and several add the same numbers in another order, which changes last bits.  Wherever that decides on which side of zero
a ReLU's input lies, or which element of a window is the largest, a gradient jumps, and from then on the runs drift apart: when it
happens first is a matter of chance, as it is for the changed weights.  --smooth puts TanH for ReLU and AVE for MAX, so that nothing
can jump: what remains is rounding.  --each gives the others one device's weights and momentum before every iteration, so that each
is compared by itself and nothing has time to drift: the largest distances of any iteration are printed.  --shares divides the net
for the one device too, into as many shares as the others are: then all add in one order, and the distances are 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import netdef
from netdef.graph.layer import Parameter
from netdef.language.printer import print_message
from runtime import Solver
from runtime.machine.open import device_names

SOLVER = 'base_lr: {rate} lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 max_iter: 1000000 random_seed: 1'
ON = [f"{devices}/{split}" for devices in ("cpu:0,cpu:1", "cpu:0-2", "cpu:0-3") for split in ("groups", "batch", "hybrid")]
LAST_PLACE = 2.0**-24
Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Iteration:
    """What one iteration came to: its loss, the gradients of all parameters, and their values after the update."""

    loss: float
    gradients: Weights
    weights: Weights


def net_of(name: str, batch: int, smooth: bool) -> netdef.Net:
    """A model in its training phase, fed by itself; smooth: without kinks."""
    message = netdef.load(name, phase="train", batch_size=batch).message
    for layer in message.layer:
        if layer.type == "Input":
            layer.type = "DummyData"
            layer.dummy_data_param.shape.extend(layer.input_param.shape)
            for shape in layer.dummy_data_param.shape:
                shape.dim[0] = batch
            layer.dummy_data_param.data_filler.add(type="gaussian", std=1)
            layer.dummy_data_param.data_filler.add(type="uniform", max=9.99)
            layer.ClearField("input_param")
        if smooth and layer.type == "ReLU":
            layer.type = "TanH"
        if smooth and layer.type == "Pooling":
            layer.pooling_param.pool = layer.pooling_param.AVE
    return netdef.parse(print_message(message), phase="train")


def solver_on(net: netdef.Net, options: argparse.Namespace, where: str, split: str | None = None) -> Solver:
    """A fresh run, the same on all devices."""
    threads = max(2, len(device_names(where)))
    return Solver(SOLVER.format(rate=options.rate), net, where, threads=threads, split=split, keep="activations")


def owners(solver: Solver) -> list[Parameter]:
    """The parameters, a shared one once."""
    return [p for p in solver.executable.net.parameters if p.owner is p]


def change_last_bits(solver: Solver, random: np.random.Generator) -> None:
    """Each weight half a unit in its last place up or down."""
    for p in owners(solver):
        values = solver.executable.param(p.layer.name, p.index)
        signs = random.choice(np.array([-1, 1], np.float32), values.shape)
        solver.executable.set_param(p.layer.name, p.index, values * (1 + LAST_PLACE * signs))


def weights_of(solver: Solver) -> Weights:
    return {str(p): solver.executable.param(p.layer.name, p.index) for p in owners(solver)}


def trained(
    net: netdef.Net, options: argparse.Namespace, where: str, split: str | None = None, changed: bool = False
) -> Iterator[Weights]:
    """The weights after each iteration."""
    solver = solver_on(net, options, where, split)
    if changed:
        change_last_bits(solver, np.random.default_rng(1))
    for _ in range(options.iterations):
        solver.iterate()
        yield weights_of(solver)
    solver.close()


def in_step(
    net: netdef.Net, options: argparse.Namespace, where: str, split: str | None = None, changed: bool = False
) -> Iterator[tuple[Iteration, Iteration]]:
    """Each iteration of one device, and the same on others from the same weights and momentum."""
    one, other = solver_on(net, options, *one_device(options, where, split)), solver_on(net, options, where, split)
    random = np.random.default_rng(1)
    for _ in range(options.iterations):
        hand_over(one, other)
        if changed:
            change_last_bits(other, random)
        yield iteration_of(one), iteration_of(other)
    one.close()
    other.close()


def hand_over(one: Solver, other: Solver) -> None:
    """Give a run the weights and the momentum of another."""
    for p in owners(one):
        other.executable.set_param(p.layer.name, p.index, one.executable.param(p.layer.name, p.index))
        if one.executable.has_state(p, "history"):
            theirs = other.executable.net.layer(p.layer.name).parameters[p.index]
            other.executable.set_state(theirs, "history", one.executable.state(p, "history"))


def iteration_of(solver: Solver) -> Iteration:
    """The next one."""
    loss = solver.iterate().loss
    gradients = {str(p): solver.executable.param_grad(p.layer.name, p.index) for p in owners(solver) if p.lr_mult != 0}
    return Iteration(loss, gradients, weights_of(solver))


def distances(found: Weights, expected: Weights) -> dict[str, float]:
    """Of each parameter."""
    return {n: float(np.linalg.norm(found[n] - expected[n]) / np.linalg.norm(expected[n])) for n in expected}


def distance(found: Weights, expected: Weights, ending: str) -> float:
    """The largest of the parameters whose names end so."""
    return max(apart for name, apart in distances(found, expected).items() if name.endswith(ending))


def total(found: Weights, expected: Weights) -> float:
    """Of all parameters as one vector."""
    apart = sum(float(np.linalg.norm(found[name] - expected[name])) ** 2 for name in expected)
    return float(np.sqrt(apart / sum(float(np.linalg.norm(values)) ** 2 for values in expected.values())))


def show_each(net: netdef.Net, options: argparse.Namespace) -> None:
    """The largest distances that one iteration made."""
    print(f"{'':20}   loss      gradients                                  weights")
    print(f"{'':20}             together  of a layer (where, iteration)   together  of a layer")
    for name, where, split, changed in runs_of(options):
        loss, together, largest, where_largest, after, largest_after = 0.0, 0.0, 0.0, "", 0.0, 0.0
        for number, (expected, found) in enumerate(in_step(net, options, where, split, changed), start=1):
            loss = max(loss, abs(found.loss - expected.loss) / abs(expected.loss))
            together = max(together, total(found.gradients, expected.gradients))
            worst, apart = max(distances(found.gradients, expected.gradients).items(), key=lambda item: item[1])
            if apart > largest:
                largest, where_largest = apart, f"({worst}, {number})"
            after = max(after, total(found.weights, expected.weights))
            largest_after = max(largest_after, *distances(found.weights, expected.weights).values())
        gradients = f"{together:.1e}   {largest:.1e} {where_largest:23}"
        print(f"{name:20}   {loss:.1e}   {gradients}  {after:.1e}   {largest_after:.1e}", flush=True)


def show_drift(net: netdef.Net, options: argparse.Namespace) -> None:
    """The distances after some of the iterations."""
    shown = sorted({min(n, options.iterations) for n in (1, 2, 5, 10)} | {options.iterations})
    expected, base = {}, None
    print(f"{'':20} iterations  weights   biases  all together")
    for name, where, split, changed in runs_of(options):
        if one_device(options, where, split) != base:
            base = one_device(options, where, split)
            expected = dict(kept(trained(net, options, *base), shown))
        for number, found in kept(trained(net, options, where, split, changed), shown):
            apart = distance(found, expected[number], "/0"), distance(found, expected[number], "/1"), total(found, expected[number])
            print(f"{name:20} {number:10}  {apart[0]:.1e}  {apart[1]:.1e}  {apart[2]:.1e}", flush=True)


def one_device(options: argparse.Namespace, where: str, split: str | None) -> tuple[str, str | None]:
    """What others are compared with."""
    return (",".join(["cpu:0"] * len(device_names(where))), split) if options.shares else ("cpu", None)


def runs_of(options: argparse.Namespace) -> Iterator[tuple[str, str, str | None, bool]]:
    """What is compared with one device: its name, devices, split, and whether last bits are changed."""
    if not options.shares:
        yield "last bits changed", "cpu", None, True
    for on in options.on or ON:
        where, _, split = on.partition("/")
        yield on, where, split or None, False


def main() -> None:
    """Train on all, and print the distances."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="alexnet")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--rate", type=float, default=0.002)
    parser.add_argument("--smooth", action="store_true", help="no kinks: TanH for ReLU, AVE for MAX")
    parser.add_argument("--each", action="store_true", help="every iteration from one device's weights and momentum")
    parser.add_argument("--shares", action="store_true", help="one device has as many shares as the others are")
    parser.add_argument("--on", action="append", metavar="DEVICES/SPLIT", help="default: " + ", ".join(ON))
    options = parser.parse_args()
    net = net_of(options.net, options.batch, options.smooth)
    print(f"{net.name}{' without kinks' if options.smooth else ''}, batches of {options.batch}, rate {options.rate}")
    (show_each if options.each else show_drift)(net, options)


def kept(run: Iterator[Weights], shown: list[int]) -> Iterator[tuple[int, Weights]]:
    """The weights after the iterations that are shown, one after another."""
    return ((number, weights) for number, weights in enumerate(run, start=1) if number in shown)


if __name__ == "__main__":
    main()
