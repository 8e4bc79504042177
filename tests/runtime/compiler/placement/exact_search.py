"""Who makes what: the assignment of a net's layers to devices that moves the fewest bytes.

Layers are decided in order.  For each there are a few ways to cut it (`proposals`); the search keeps, for every distinct way that
the blobs still to be read can lie, the cheapest decisions that lead there.  It is exact until there are more than BEAM of them.

The fewest, that is, of the assignments that cut every layer that can be cut, along the axis of the split, its parts on the devices
in their order; work done on several devices counts for some bytes (BYTES_PER_REPEAT).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, combinations

from netdef.graph.cuts import Cut, Region, Regions, Share, even_cuts, region_of
from netdef.graph.layer import Blob, Layer, Parameter
from netdef.graph.net import Net
from netdef.language.diagnostics import NetdefError

BEAM = 1024  # states kept after each layer
FLOAT_BYTES = 4
BYTES_PER_REPEAT = 0.25  # what may be sent to save a device one multiply-accumulate that another makes too

CHANNELS, IMAGES = "channels", "images"
SPLITS = ("groups", "batch", "hybrid")

Spread = tuple["Region | None", ...]  # which part of a blob each device has
Demand = tuple[int, Region, bool]  # a device, and what comes to it of a blob; or, if the last is True, what goes back as gradient
Owed = tuple[Blob, Demand, int]  # a gradient that goes back only if somebody reads what was made of it, and its bytes


@dataclass(frozen=True)
class Choice:
    """How one layer is cut.

    Attributes
    ----------
    tops: for each top, which part each device is to have.
    shares: for each device what making that takes; None where it makes nothing.
    anywhere: data from outside, to be had wherever it is needed: `tops` and `shares` are empty.
    """

    tops: tuple[Spread, ...] = ()
    shares: tuple[Share | None, ...] = ()
    anywhere: bool = False

    def cuts(self, index: int) -> dict[int, Cut | None]:
        """Which part of a parameter each device has that has any."""
        return {device: share.parameters[index] for device, share in enumerate(self.shares) if share is not None}


@dataclass(frozen=True)
class Gradients:
    """Where gradients flow: bottoms as (layer, index), and the parameters that learn."""

    bottoms: Collection[tuple[Layer, int]] = ()
    parameters: Collection[Parameter] = ()


@dataclass
class State:
    """The decisions up to a layer, and all of them that later layers can see.

    Attributes
    ----------
    bytes: moved in one iteration, and what work done more than once counts for.
    work: the largest share of each layer's multiply-accumulates, summed.
    spreads, demands: of the blobs that are still to be read.
    owed: by blob that several devices have, and device, what goes back once that device's is read: a copy that nobody reads has no
        gradient.
    shared: how the parameters lie that several layers share.
    """

    bytes: int = 0
    work: int = 0
    choices: dict[Layer, Choice] = field(default_factory=dict)
    spreads: dict[Blob, Spread | None] = field(default_factory=dict)  # None: anywhere
    demands: dict[Blob, frozenset[Demand]] = field(default_factory=dict)
    owed: dict[tuple[Blob, int], frozenset[Owed]] = field(default_factory=dict)
    shared: dict[Parameter, dict[int, Cut | None]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[object, ...]:
        shared = tuple((p, tuple(sorted(cuts.items(), key=lambda item: item[0]))) for p, cuts in self.shared.items())
        seen = tuple((blob, spread, self.demands.get(blob)) for blob, spread in self.spreads.items())
        return seen, frozenset(self.owed.items()), shared

    @property
    def cost(self) -> tuple[int, int]:
        return self.bytes, self.work


class Search:
    """One search.

    Parameters
    ----------
    split: how layers are cut that can be cut in more than one way, of SPLITS.
    fixed: parameters whose cut is given: a test net's are where the training net has them.
    """

    def __init__(
        self,
        net: Net,
        devices: int,
        split: str,
        gradients: Gradients,
        fixed: Mapping[str, Mapping[int, Cut | None]] | None = None,
    ):
        self.net, self.devices, self.split, self.gradients = net, devices, split, gradients
        self.fixed = fixed or {}
        self.shared_owners = {p.owner for p in net.parameters if p.shared}
        self.together: dict[Layer, int] = {}  # layers that share parameters and cannot be cut alike: whole, on this device
        self.groups = sorted({g for layer in net.layers if (g := layer.channel_groups) is not None} | {1})
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
            proposals: dict[tuple[Spread | None, ...], list[Choice]] = {}  # they depend on nothing else of a state
            for state in states:
                bottoms = tuple(state.spreads[blob] for blob in layer.bottoms)
                if bottoms not in proposals:
                    proposals[bottoms] = list(self.proposals(layer, bottoms))
                for choice in proposals[bottoms]:
                    new = self.taken(state, layer, choice)
                    if new is not None and (new.key not in best or new.cost < best[new.key].cost):
                        best[new.key] = new
            states = sorted(best.values(), key=lambda state: state.cost)[:BEAM]
            if not states:
                return self._again(layer)
        return states[0].choices

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
        self.together |= dict.fromkeys(group, self._home(group))
        return self.run()

    def _home(self, group: Collection[Layer]) -> int:
        """The device for layers that must be on one: what one of them says, or where their parameters are; 0 if neither."""
        said = [layer.message.device for layer in self.net.layers if layer in group and layer.message.HasField("device")]
        lie = [device for layer in group for p in layer.parameters for device in self.fixed.get(str(p.owner), ())]
        return said[0] if said else min(lie, default=0)

    # The ways to cut a layer

    def proposals(self, layer: Layer, bottoms: tuple[Spread | None, ...]) -> Iterator[Choice]:
        """The ways to cut a layer whose bottoms lie so; whole on one device only where there is no other."""
        if layer.message.HasField("device") or layer in self.together:
            yield self.whole(layer, layer.message.device if layer.message.HasField("device") else self.together[layer])
            return
        if layer.is_source:
            yield Choice(anywhere=True)
            return
        if layer.cuts.idle:
            yield Choice((), (None,) * self.devices)
            return
        found = False
        once = any(layer.loss_weights) or not all(top.consumers for top in layer.tops)  # each copy would add to the gradients
        for tops in self.spreads(layer, bottoms):
            choice = None if once and any(map(is_copied, tops)) else cut(layer, tops, self.devices)
            if choice is not None:
                found = True
                yield choice
        if not found:
            for device in range(self.devices):
                yield self.whole(layer, device)
        if not layer.parameters and not once:
            yield self.repeated(layer)

    def spreads(self, layer: Layer, bottoms: tuple[Spread | None, ...]) -> Iterator[tuple[Spread, ...]]:
        """How the tops may lie: as follows from the bottoms, or cut evenly."""
        known = [spread for spread in bottoms if spread is not None]
        if known and len(known) == len(bottoms):
            followed = [self.follow(layer, tuple(spread[device] for spread in known)) for device in range(self.devices)]
            made = [regions for regions in followed if regions is not None]
            tops = tuple(zip(*made, strict=True)) if len(made) == self.devices else ()
            if tops and all(map(is_sound, tops)):
                yield tops
        if not layer.tops or len({top.shape[:2] for top in layer.tops}) > 1:
            return
        shape = layer.tops[0].shape
        for one in dict.fromkeys(chain(self.even(shape), self.as_given(layer))):
            yield (one,) * len(layer.tops)

    @staticmethod
    def follow(layer: Layer, bottoms: Regions) -> Regions | None:
        """The parts of the tops that a device makes of its parts of the bottoms: of nothing, nothing."""
        if all(bottom is None for bottom in bottoms):
            return (None,) * len(layer.tops)
        return layer.cuts.follow(layer, bottoms)

    def even(self, shape: tuple[int, ...]) -> Iterator[Spread]:
        """The even cuts of a blob, along the axis that `split` wants cut."""
        whole = region_of(shape)
        along = {"groups": CHANNELS, "batch": IMAGES, "hybrid": IMAGES if len(shape) > 2 else CHANNELS}[self.split]
        if along == IMAGES and shape:
            yield tuple(Region(run, whole.channels) if run[0] < run[1] else None for run in even_cuts(shape[0], self.devices))
        if along == CHANNELS and len(shape) > 1:
            for groups in self.groups:
                if shape[1] % groups == 0:
                    runs = even_cuts(shape[1], self.devices, groups)
                    one = tuple(Region(whole.images, (run,)) if run[0] < run[1] else None for run in runs)
                    yield one
                    if shape[1] == 1:  # not cut at all, so that any device will do
                        yield from (one[-device:] + one[:-device] for device in range(1, self.devices))

    def as_given(self, layer: Layer) -> Iterator[Spread]:
        """The top cut as the layer's parameters lie already, a channel for each of their entries."""
        shape = layer.tops[0].shape
        whole = region_of(shape)
        for given in (self.fixed.get(str(parameter.owner), {}) for parameter in layer.parameters):
            cuts = [given.get(device) for device in range(self.devices)]
            if len(shape) > 1 and any(cuts) and all(cut is None or cut.runs[-1][1] <= shape[1] for cut in cuts):
                yield tuple(Region(whole.images, cut.runs) if cut else None for cut in cuts)

    def whole(self, layer: Layer, device: int) -> Choice:
        """All of a layer on one device.

        Raises
        ------
        NetdefError: `device` in the net's text is beyond the devices there are.
        """
        if not 0 <= device < self.devices:
            raise layer.error(
                f"device {device} is not there: the net is placed on {self.devices}",
                "device",
                hint=f"device is from 0 to {self.devices - 1}",
            )
        return self.whole_on(layer, device)

    def whole_on(self, layer: Layer, device: int) -> Choice:
        """The same, for a device that is there."""

        def only(region: Region) -> Spread:
            return tuple(region if d == device else None for d in range(self.devices))

        bottoms = tuple(region_of(blob.shape) for blob in layer.bottoms)
        tops = tuple(region_of(blob.shape) for blob in layer.tops)
        share = Share(bottoms, tops, (None,) * len(layer.parameters))
        return Choice(tuple(map(only, tops)), tuple(share if d == device else None for d in range(self.devices)))

    def repeated(self, layer: Layer) -> Choice:
        """All of a layer on every device: backward is linear, so that the copies' gradients add up."""
        one = [self.whole_on(layer, device) for device in range(self.devices)]
        tops = tuple(tuple(choice.tops[index][device] for device, choice in enumerate(one)) for index in range(len(layer.tops)))
        return Choice(tops, tuple(choice.shares[device] for device, choice in enumerate(one)))

    # What a choice costs

    def taken(self, state: State, layer: Layer, choice: Choice) -> State | None:
        """The state after a choice; None where shared parameters would have to lie in two ways."""
        shared = self.agreed(state, layer, choice)
        if shared is None:
            return None
        choices = {**state.choices, layer: choice}
        new = State(state.bytes, state.work, choices, dict(state.spreads), dict(state.demands), dict(state.owed), shared)
        copied = bool(choice.tops) and is_copied(choice.tops[0])
        for device, share in enumerate(choice.shares):
            owed: set[Owed] = set()
            for index, (blob, region) in enumerate(zip(layer.bottoms, share.bottoms if share else (), strict=share is not None)):
                if region is not None:
                    self._send(new, self._moved(new, blob, (device, region, False)))
                    if (layer, index) in self.gradients.bottoms:
                        owed |= self._returned(new, blob, device, region)
            if not copied:
                self._send(new, owed)
            elif owed:
                new.owed |= {(top, device): frozenset(owed) for top in layer.tops}
        new.bytes += self._summed(layer, choice) + self._repeated(layer, choice)
        new.work += largest_share(layer, choice)
        for index, blob in enumerate(layer.tops):
            new.spreads[blob] = None if choice.anywhere else choice.tops[index]
        for blob in (*layer.bottoms, *layer.tops):
            if self.last_reader.get(blob, layer) is layer:
                new.spreads.pop(blob, None)
                new.demands.pop(blob, None)
                for device in range(self.devices if new.owed else 0):
                    new.owed.pop((blob, device), None)
        return new

    @staticmethod
    def _moved(state: State, blob: Blob, demand: Demand) -> set[Owed]:
        """What must come to a device for it to have a region of a blob, or go back as its gradient, if it has not been sent yet."""
        spread, (device, region, _) = state.spreads[blob], demand
        if spread is None or demand in state.demands.get(blob, ()):
            return set()
        missing = FLOAT_BYTES * lacking(region, spread[device], blob.shape)
        return {(blob, demand, missing)} if missing else set()

    def _returned(self, state: State, blob: Blob, device: int, region: Region) -> set[Owed]:
        """What goes back as the gradient of a region, and, if this device has one of several copies, of what that was made of."""
        return self._moved(state, blob, (device, region, True)) | state.owed.get((blob, device), frozenset())

    @staticmethod
    def _send(state: State, owed: set[Owed]) -> None:
        """Count bytes, once."""
        for blob, demand, size in owed:
            state.bytes += size
            if blob in state.spreads:
                state.demands[blob] = state.demands.get(blob, frozenset()) | {demand}
        if owed and state.owed:
            state.owed = {where: left for where, others in state.owed.items() if (left := others - owed)}

    def _summed(self, layer: Layer, choice: Choice) -> int:
        """Bytes of gradients that are summed over devices, and of weights sent back: both by all but one of the copies."""
        total = 0
        for index, parameter in enumerate(layer.parameters):
            copies = len(choice.shares) - choice.shares.count(None) - 1
            cuts = set(choice.cuts(index).values())
            if parameter in self.gradients.parameters and cuts == {None} and parameter.owner is parameter:
                total += 2 * copies * parameter.bytes
        return total

    def _repeated(self, layer: Layer, choice: Choice) -> int:
        """What the work that a device does although another does it counts for, in bytes."""
        spreads = choice.tops[:1]
        if not spreads or not layer.tops[0].count:
            return 0
        shape, whole = layer.tops[0].shape, layer.tops[0].count
        made = sum(region.count(shape) for region in spreads[0] if region is not None)
        batch = shape[0] if shape else 1
        work = (layer.macs * batch + whole) * (made - whole) // whole
        return int(BYTES_PER_REPEAT * work / self.devices) if made > whole else 0

    def agreed(self, state: State, layer: Layer, choice: Choice) -> dict[Parameter, dict[int, Cut | None]] | None:
        """How shared parameters lie after a choice; None if it contradicts an earlier one."""
        shared = dict(state.shared)
        for index, parameter in enumerate(layer.parameters):
            cuts, owner = choice.cuts(index), parameter.owner
            given = self.fixed.get(str(owner))
            if given is not None and any(device not in given or given[device] != cut for device, cut in cuts.items()):
                return None
            if owner in self.shared_owners:
                if parameter.shape != owner.shape and len(cuts) > 1:
                    return None
                if shared.setdefault(owner, cuts) != cuts:
                    return None
        return shared


@lru_cache(4096)
def lacking(region: Region, held: Region | None, shape: tuple[int, ...]) -> int:
    """Elements of a region that are not in the one held."""
    mine = region.meet(held) if held else None
    return region.count(shape) - (mine.count(shape) if mine else 0)


def is_sound(spread: Spread) -> bool:
    """Whether every element is on one device, or everything on all that have any: else gradients would count twice."""
    held = [region for region in spread if region is not None]
    return is_copied(spread) or not any(a.meet(b) for a, b in combinations(held, 2))


def is_copied(spread: Spread) -> bool:
    """Whether several devices have the same."""
    held = [region for region in spread if region is not None]
    return len(held) > 1 and len(set(held)) == 1


def cut(layer: Layer, tops: tuple[Spread, ...], devices: int) -> Choice | None:
    """The choice that gives the tops these spreads; None if a device cannot make its part."""
    shares: list[Share | None] = []
    for device in range(devices):
        regions = tuple(spread[device] for spread in tops)
        empty = all(region is None for region in regions) and bool(regions)
        share = None if empty else layer.cuts.share(layer, regions)
        if share is None and not empty:
            return None
        shares.append(share if share is None or share.parameters else _with_parameters(layer, share))
    return Choice(tops, tuple(shares))


def _with_parameters(layer: Layer, share: Share) -> Share:
    return Share(share.bottoms, share.made, (None,) * len(layer.parameters), share.fields)


def largest_share(layer: Layer, choice: Choice) -> int:
    """The multiply-accumulates of one image that the busiest device makes of a layer."""
    if not choice.tops or not layer.tops[0].count:
        return 0
    whole = layer.tops[0]
    return max(layer.macs * region.count(whole.shape) // whole.count for region in choice.tops[0] if region is not None)
