"""The first pass: graph -> program.  Decides which gradients are needed, lets every layer append its kernels, joins gradients."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runtime.ir.builder import Builder, no_region
from runtime.ir.program import Buffer, Instruction, Program
from runtime.ops.registry import check_runnable, lowering_of

if TYPE_CHECKING:
    from netdef.graph.layer import Blob, Layer
    from netdef.graph.net import Net
    from runtime.ir.division import Division


def lower(net: Net, backward: bool = True, losses_only: bool = False, seed: int = 0, division: Division | None = None) -> Program:
    """Lower every layer of a net.

    Parameters
    ----------
    backward: whether gradients are computed at all.
    losses_only: gradients flow from the net's losses only, not from its other outputs (a training program).
    seed: the run's random seed.
    division: which regions of the whole the blobs of a divided net are.

    Raises
    ------
    NetdefError: if a layer's type has no kernels.
    """
    flow = gradient_flow(net, losses_only) if backward else Flow()
    build = Builder(net, flow.live, flow.wanted, flow.seeds, seed, division.region if division else no_region)
    check_runnable(net.layers)
    for layer in net.layers:
        build.begin(layer)
        lowering_of(layer)(layer, build)
    if build.partial_contributions:
        from runtime.compiler.placement.partial import join_partials  # for nets on several devices only

        join_partials(build)
    return _join(build, division)


@dataclass(frozen=True)
class Flow:
    """Where gradients go.

    Attributes
    ----------
    seeds: the blobs whose gradient comes from outside.
    wanted: the bottoms, as (layer, index), that backward computes.
    live: the layers whose backward runs.
    """

    seeds: Sequence[Blob] = ()
    wanted: Collection[tuple[Layer, int]] = ()
    live: Collection[Layer] = ()


def gradient_flow(net: Net, losses_only: bool = False) -> Flow:
    """Which gradients backward computes; parameters as for `lower`."""
    wanted = _wanted(net)
    seeds = _seeds(net, wanted, losses_only)
    live = _live(net, wanted, seeds)
    return Flow([blob for blob in seeds if blob.producer in live], wanted, live)


def _wanted(net: Net) -> set[tuple[Layer, int]]:
    """The (layer, bottom) pairs that backward must compute, as Caffe's Net::Init decides it.

    propagate_down says which bottoms of a layer with a backward get a gradient; it gives no layer a backward.
    """
    needing: set[Blob] = set()
    wanted: set[tuple[Layer, int]] = set()
    for layer in net.layers:
        learns = any(parameter.lr_mult != 0 for parameter in layer.parameters)
        if not (learns or net.force_backward or any(bottom in needing for bottom in layer.bottoms)):
            continue
        needing.update(layer.tops)
        for index in layer.gradient_bottoms:
            explicit = layer.propagate_down[index] if index < len(layer.propagate_down) else None
            needs = net.force_backward or layer.bottoms[index] in needing
            if needs if explicit is None else explicit:
                wanted.add((layer, index))
    return wanted


def _has_backward(layer: Layer, wanted: set[tuple[Layer, int]]) -> bool:
    return any((layer, index) in wanted for index in layer.gradient_bottoms) or any(
        parameter.lr_mult != 0 for parameter in layer.parameters
    )


def _seeds(net: Net, wanted: set[tuple[Layer, int]], losses_only: bool) -> list[Blob]:
    """The blobs whose gradient comes from outside: losses, and unless `losses_only` every output."""
    seeds = []
    for layer in net.layers:
        if not _has_backward(layer, wanted):
            continue
        for blob, weight in zip(layer.tops, layer.loss_weights, strict=True):
            if weight != 0 or (not losses_only and blob in net.outputs):
                seeds.append(blob)
    return seeds


def _live(net: Net, wanted: set[tuple[Layer, int]], seeds: list[Blob]) -> set[Layer]:
    """The layers that a gradient reaches and that have something to do with it."""
    reached = set(seeds)
    live: set[Layer] = set()
    for layer in reversed(net.layers):
        if any(top in reached for top in layer.tops) and _has_backward(layer, wanted):
            live.add(layer)
            reached.update(layer.bottoms[index] for index in layer.gradient_bottoms if (layer, index) in wanted)
    return live


def _join(build: Builder, division: Division | None) -> Program:
    """Sum each blob's gradient contributions before its producer's backward, and order the lists."""
    substitute = build.substitutes
    for blob in build.contributions:
        build.gradient(blob)
    for blob, total in build.gradients.items():
        addends = build.contributions.get(blob, [])
        before = build.backward_lists[blob.producer]
        if not addends:
            before.insert(0, Instruction("fill", (), (total.flat(),), {"value": 0.0}, blob.producer.name))
        elif len(addends) == 1 and addends[0].base is None and addends[0].role == "gradient":
            substitute[addends[0]] = total
        elif len(addends) == 1:
            substitute[total] = addends[0]
        else:
            before[:0] = _sum(addends, total, blob.producer.name)
    backward = [instruction for layer in reversed(build.net.layers) for instruction in build.backward_lists[layer]]
    for owner, addends in build.parameter_contributions.items():
        if len(addends) > 1:
            backward += _sum(addends, addends[0], owner.layer.name)
    resolve = _Resolver(substitute)
    return Program(
        net=build.net,
        forward=tuple(build.forward_list),
        backward=tuple(instruction.renamed({b: resolve(b) for b in instruction.buffers}) for instruction in backward),
        update=tuple(build.update_list),
        blobs=build.blobs,
        gradients={blob: resolve(total) for blob, total in build.gradients.items()},
        seeds=build.seeds,
        parameters=build.parameters,
        parameter_gradients={owner: addends[0] for owner, addends in build.parameter_contributions.items()},
        scalars=build.scalars,
        sources=tuple(build.sources),
        sinks=tuple(build.sinks),
        division=division,
    )


def _sum(addends: list[Buffer], total: Buffer, layer: str) -> list[Instruction]:
    """total = addends[0] + addends[1] + ..., in this order."""
    instructions = []
    first = addends[0]
    for addend in addends[1:]:
        inputs = (first.flat(), addend.flat())
        instructions.append(Instruction("add", inputs, (total.flat(),), {}, layer, inplace=True))
        first = total
    return instructions


class _Resolver:
    """Follows substitutions through views: a view of a substituted buffer becomes a view of its substitute."""

    def __init__(self, substitute: dict[Buffer, Buffer]):
        self._done: dict[Buffer, Buffer] = {}
        self._substitute = substitute

    def __call__(self, buffer: Buffer) -> Buffer:
        if buffer not in self._done:
            if buffer in self._substitute:
                self._done[buffer] = self(self._substitute[buffer])
            elif buffer.base is not None:
                base = self(buffer.base)
                name = base.name if buffer.name == buffer.base.name else buffer.name
                self._done[buffer] = buffer if base is buffer.base else replace(buffer, base=base, name=name)
            else:
                self._done[buffer] = buffer
        return self._done[buffer]
