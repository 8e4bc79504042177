"""Which device makes which region of each layer's tops, so that few bytes are sent.

Layers are decided in the net's order.  A layer can be cut as its bottoms lie, or evenly along the axis of the split; where it has
no such cut it is whole on one device.  A layer without weights can also be whole on every device, which pays where all of them have
its bottoms in any case.  The BEAM cheapest decisions are kept; of those after which the blobs still to be read lie alike, only one.
The cost is the bytes sent in one iteration, where work done more than once counts for some bytes (BYTES_PER_REPEAT); of equal ones,
the work of the busiest device.

The tests compare the result with that of an exact search (tests/runtime/compiler/placement/exact_search.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from math import prod

from netdef.graph.cuts import Cut, Region
from netdef.graph.layer import Blob, Layer, Parameter
from netdef.graph.net import Net
from netdef.graph.shape import BYTES_PER_ELEMENT
from netdef.language.diagnostics import NetdefError
from runtime.compiler.placement.choice import Choice, Spread, cut, even, followed, given, is_copied, whole

BEAM = 32  # states kept after each layer
BYTES_PER_REPEAT = 0.25  # what may be sent to save a device one multiply-accumulate that another makes too

Cuts = Mapping[int, Cut | None]  # the cut of a parameter that each device has, of those that have any
Demand = tuple[int, Region, bool]  # a device and a region of a blob that is sent to it; True: whose gradient is sent back
NONE: frozenset[Demand] = frozenset()


@dataclass(frozen=True)
class Gradients:
    """Where gradients flow: bottoms as (layer, index), and the parameters that learn."""

    bottoms: Collection[tuple[Layer, int]] = ()
    parameters: Collection[Parameter] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """A choice for a layer, and what it takes, whatever was decided before.

    Attributes
    ----------
    demands: the regions of bottoms that the devices need, forward and backward.
    bytes, work: the cost without what is sent of bottoms.
    forgotten: blobs that no later layer reads.
    shared: how it cuts the parameters that several layers share.
    """

    layer: Layer
    choice: Choice
    demands: tuple[tuple[Blob, Demand], ...]
    bytes: int
    work: int
    spreads: tuple[tuple[Blob, Spread | None], ...]
    forgotten: tuple[Blob, ...]
    shared: tuple[tuple[Parameter, Cuts], ...]


@dataclass(slots=True)
class State:
    """The decisions up to a layer: the last one, the state before it, and what later layers can see of all of them.

    Attributes
    ----------
    bytes, work: the cost.
    spreads: how the blobs lie that are still to be read; None: to be had anywhere.
    demands: what of them has been sent already.
    shared: how the parameters are cut that several layers share.
    """

    bytes: int = 0
    work: int = 0
    before: State | None = None
    decided: tuple[Layer, Choice] | None = None
    spreads: dict[Blob, Spread | None] = field(default_factory=dict)
    demands: dict[Blob, frozenset[Demand]] = field(default_factory=dict)
    shared: dict[Parameter, Cuts] = field(default_factory=dict)

    @property
    def key(self) -> tuple[object, ...]:
        """Equal where later layers see no difference."""
        seen = tuple((blob, spread, self.demands.get(blob)) for blob, spread in self.spreads.items())
        return seen, tuple(tuple(cuts.items()) for cuts in self.shared.values())

    @property
    def cost(self) -> tuple[int, int]:
        return self.bytes, self.work

    def choices(self) -> dict[Layer, Choice]:
        """All decisions."""
        found, state = {}, self
        while state.before is not None and state.decided is not None:
            found[state.decided[0]], state = state.decided[1], state.before
        return found


class Search:
    """One search.

    Parameters
    ----------
    split: how layers are cut that can be cut in more than one way, of SPLITS.
    fixed: parameters whose cut is given: a test net's are where the training net has them.
    nodes: groups of as many devices, within which "hybrid" cuts channels.
    """

    def __init__(
        self, net: Net, devices: int, split: str, gradients: Gradients, fixed: Mapping[str, Cuts] | None = None, nodes: int = 1
    ):
        self.nodes = nodes if split == "hybrid" else 1
        self.net, self.devices, self.split, self.gradients, self.fixed = net, devices, split, gradients, fixed or {}
        self.shared_owners = {p.owner for p in net.parameters if p.shared}
        self.together: dict[Layer, int] = {layer: layer.message.device for layer in net.layers if layer.message.HasField("device")}
        self.groups = sorted({g for layer in net.layers if (g := layer.channel_groups) is not None} | {1})
        self.option, self._cut, self._whole_on = cache(self._option), cache(cut), cache(whole)  # many spreads lead to the same
        self.last_reader = {bottom: layer for layer in net.layers for bottom in layer.bottoms}

    def run(self) -> dict[Layer, Choice]:
        """A choice for every layer.

        Raises
        ------
        NetdefError: a layer is placed on a device that there is not, or away from one that it shares parameters with.
        """
        states = [State()]
        for layer in self.net.layers:
            best: dict[tuple[object, ...], State] = {}
            options = cache(partial(self.options, layer))  # many states have the bottoms alike
            for state in states:
                for option in options(tuple(state.spreads[blob] for blob in layer.bottoms)):
                    new = self.taken(state, option)
                    if new is not None and ((key := new.key) not in best or new.cost < best[key].cost):
                        best[key] = new
            states = sorted(best.values(), key=lambda state: state.cost)[:BEAM]
            if not states:
                return self._again(layer)
        return states[0].choices()

    def _again(self, stuck: Layer) -> dict[Layer, Choice]:
        """Search again with the layers that share parameters with this one on one device."""
        owners = {parameter.owner for parameter in stuck.parameters}
        group = {p.layer for p in self.net.parameters if p.owner in owners}
        if group <= self.together.keys():
            raise NetdefError(
                f"layer {stuck.name} cannot run on {self.devices} devices together with the layers it shares parameters with",
                position=stuck.position,
                hint="`device` on all of them, the same number, puts them together",
            )
        given = [self.together[layer] for layer in self.net.layers if layer in group and layer in self.together]
        lie = [device for owner in owners for device in self.fixed.get(str(owner), ())]
        self.together = dict.fromkeys(group, given[0] if given else min(lie, default=0)) | self.together
        return self.run()

    def options(self, layer: Layer, bottoms: tuple[Spread | None, ...]) -> list[Option]:
        """What a layer can choose from whose bottoms lie so."""
        found = [self.option(layer, choice) for choice in self.proposals(layer, bottoms)]
        return [option for option in found if option is not None]

    def proposals(self, layer: Layer, bottoms: tuple[Spread | None, ...]) -> list[Choice]:
        """The ways to cut a layer whose bottoms lie so; whole on one device only where there is no other."""
        if layer in self.together:
            return [self._whole(layer, self.together[layer])]
        if layer.is_source or layer.cuts.idle:
            return [Choice(anywhere=True) if layer.is_source else Choice((), (None,) * self.devices)]
        ends = any(layer.loss_weights) or not all(top.consumers for top in layer.tops)  # each copy would add to the gradients
        once = ends or not layer.copies_agree
        spreads = [] if (follows := followed(layer, bottoms, self.devices)) is None else [follows]
        if layer.tops and len({top.shape[:2] for top in layer.tops}) == 1:
            shape = layer.tops[0].shape
            cuts = [self.fixed[str(p.owner)] for p in layer.parameters if str(p.owner) in self.fixed]
            evenly = (
                *even(shape, self.split, self.devices, self.groups, self.nodes),
                *given(shape, self.devices, cuts, self.nodes),
            )
            spreads += [(one,) * len(layer.tops) for one in evenly]
        found = [
            self._cut(layer, tops, self.devices) for tops in dict.fromkeys(spreads) if not (once and any(map(is_copied, tops)))
        ]
        choices = [choice for choice in found if choice is not None]
        choices = choices or [self._whole_on(layer, range(device, device + 1), self.devices) for device in range(self.devices)]
        if not layer.parameters and not once:
            choices.append(self._whole_on(layer, range(self.devices), self.devices))
        return choices

    def _whole(self, layer: Layer, device: int) -> Choice:
        if not 0 <= device < self.devices:
            text = f"device {device} is not there: the net is placed on {self.devices}"
            raise layer.error(text, "device", hint=f"device is from 0 to {self.devices - 1}")
        return self._whole_on(layer, range(device, device + 1), self.devices)

    @staticmethod
    def taken(state: State, option: Option) -> State | None:
        """The state after a choice; None where shared parameters would have to lie in two ways."""
        layer, shared = option.layer, state.shared
        if option.shared:
            shared = dict(shared)
            if any(shared.setdefault(owner, cuts) != cuts for owner, cuts in option.shared):
                return None
        spreads, demands = dict(state.spreads), dict(state.demands)
        sent = option.bytes
        for blob, demand in option.demands:
            spread, before = spreads[blob], demands.get(blob, NONE)
            if spread is not None and demand not in before and (missing := lacking(demand[1], spread[demand[0]], blob.shape)):
                sent += BYTES_PER_ELEMENT * missing
                demands[blob] = before | {demand}
        spreads.update(option.spreads)
        for blob in option.forgotten:
            spreads.pop(blob, None)
            demands.pop(blob, None)
        return State(state.bytes + sent, state.work + option.work, state, (layer, option.choice), spreads, demands, shared)

    def _option(self, layer: Layer, choice: Choice) -> Option | None:
        """A choice and what it takes; None where it contradicts what is fixed."""
        cuts = [choice.cuts(index) for index in range(len(layer.parameters))]
        shared = []
        for parameter, mine in zip(layer.parameters, cuts, strict=True):
            owner = parameter.owner
            fixed = self.fixed.get(str(owner)) if self.fixed else None
            if fixed is not None and any(device not in fixed or fixed[device] != cut for device, cut in mine.items()):
                return None
            if owner in self.shared_owners:
                if parameter.shape != owner.shape and len(mine) > 1:
                    return None
                shared.append((owner, mine))
        repeated, work = self._work(layer, choice)
        spreads = tuple((blob, None if choice.anywhere else choice.tops[index]) for index, blob in enumerate(layer.tops))
        demands = tuple(self._demands(layer, choice))
        forgotten = tuple(blob for blob in (*layer.bottoms, *layer.tops) if self.last_reader.get(blob, layer) is layer)
        sent = repeated + self._bytes_of_copies(layer, cuts)
        return Option(layer, choice, demands, sent, work, spreads, forgotten, tuple(shared))

    def _demands(self, layer: Layer, choice: Choice) -> Iterator[tuple[Blob, Demand]]:
        for device, share in enumerate(choice.shares):
            for index, (blob, region) in enumerate(zip(layer.bottoms, share.bottoms if share else (), strict=share is not None)):
                if region is not None:
                    yield blob, (device, region, False)
                    if (layer, index) in self.gradients.bottoms:
                        yield blob, (device, region, True)

    def _bytes_of_copies(self, layer: Layer, cuts: Sequence[Cuts]) -> int:
        """What is sent for parameters that several devices have: gradients are summed and weights sent back."""
        return sum(
            2 * (copies - 1) * (parameter.bytes if cut is None else BYTES_PER_ELEMENT * prod(cut.shape(parameter.shape)))
            for parameter, mine in zip(layer.parameters, cuts, strict=True)
            if parameter in self.gradients.parameters and parameter.owner is parameter
            for cut, copies in Counter(mine.values()).items()
        )

    def _work(self, layer: Layer, choice: Choice) -> tuple[int, int]:
        """As bytes what several devices do alike, and the busiest device's multiply-accumulates of one image."""
        if not choice.tops or not layer.tops[0].count:
            return 0, 0
        shape, entire = layer.tops[0].shape, layer.tops[0].count
        made = [region.count(shape) for region in choice.tops[0] if region is not None]
        repeated = 0
        if sum(made) > entire:
            work = layer.macs * (shape[0] if shape else 1) + entire
            repeated = int(BYTES_PER_REPEAT * work * (sum(made) - entire) // entire / self.devices)
        return repeated, layer.macs * max(made) // entire


@lru_cache(4096)
def lacking(region: Region, held: Region | None, shape: tuple[int, ...]) -> int:
    """Elements of a region that are not in the one held."""
    mine = region.meet(held) if held else None
    return region.count(shape) - (mine.count(shape) if mine else 0)
