"""From a net and the choices of a search to one net for all devices: each layer's shares, and transfers between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from netdef.graph.cuts import Cut, Region, Regions, Share, region_of
from netdef.graph.layer import Blob, Layer, Parameter
from netdef.graph.net import Net
from netdef.layers.data import Samples
from runtime.compiler.placement.choice import Choice
from runtime.ir.division import Division, Piece, Shard
from runtime.ops.transfer.layer import Transfer, contains, union


def divide(net: Net, devices: int, choices: Mapping[Layer, Choice]) -> Division:
    """The net that does what the choices say."""
    return _Divider(net, devices, choices).division()


@dataclass
class _Divider:
    whole: Net
    devices: int
    choices: Mapping[Layer, Choice]
    layers: list[Layer] = field(default_factory=list)
    pieces: dict[Blob, list[Piece]] = field(default_factory=dict)
    brought: dict[tuple[Blob, int, Region], Blob] = field(default_factory=dict)
    shards: dict[Parameter, list[Shard]] = field(default_factory=dict)

    def division(self) -> Division:
        wanted = self.wanted()
        for layer in self.whole.layers:
            choice = self.choices[layer]
            if choice.anywhere:
                self.source(layer, [[wanted[top][device] for top in layer.tops] for device in range(self.devices)])
            else:
                self.layer(layer, choice)
        return Division(self.whole, self.devices, self.net(), self.pieces, self.shards)

    def net(self) -> Net:
        every = {f"{blob.name}:{p.device}": p.blob for blob in self.whole.blobs.values() for p in self.pieces.get(blob, ())}
        return Net(
            name=self.whole.name,
            phase=self.whole.phase,
            layers=tuple(self.layers),
            blobs=every,
            inputs=self.parts_of(self.whole.inputs),
            outputs=self.parts_of(self.whole.outputs),
            parameters=tuple(parameter for layer in self.layers for parameter in layer.parameters),
            force_backward=self.whole.force_backward,
            message=self.whole.message,
            filename=self.whole.filename,
        )

    def parts_of(self, blobs: Sequence[Blob]) -> tuple[Blob, ...]:
        return tuple(piece.blob for blob in blobs for piece in self.pieces[blob])

    # Data from outside

    def wanted(self) -> dict[Blob, list[Region | None]]:
        """What each device needs of the blobs that can be had anywhere; together all of it."""
        needs: dict[Blob, list[list[Region]]] = {
            top: [[] for _ in range(self.devices)] for layer, c in self.choices.items() if c.anywhere for top in layer.tops
        }
        for layer, choice in self.choices.items():
            for device, share in enumerate(choice.shares):
                for blob, region in zip(layer.bottoms, share.bottoms if share else (), strict=share is not None):
                    if blob in needs and region is not None:
                        needs[blob][device].append(region)
        result: dict[Blob, list[Region | None]] = {}
        for blob, regions in needs.items():
            result[blob] = [union(found) if found else None for found in regions]
            whole = region_of(blob.shape)
            if sum(region.count(blob.shape) for region in result[blob] if region) < whole.count(blob.shape):
                result[blob][0] = whole
        return result

    def source(self, layer: Layer, regions: Sequence[Sequence[Region | None]]) -> None:
        """A share of a data layer on each device that needs any of its tops."""
        for device, wanted in enumerate(regions):
            if all(region is None for region in wanted):
                continue
            share = layer.cuts.share(layer, tuple(wanted))
            if share is None:
                everything = tuple(region and region_of(top.shape) for region, top in zip(wanted, layer.tops, strict=True))
                share = layer.cuts.share(layer, everything) or Share((), everything)
            self.share(layer, device, share, share.made)

    # Layers

    def layer(self, layer: Layer, choice: Choice) -> None:
        """The transfers to a layer's shares, then the shares."""
        demand = object()
        for device, share in enumerate(choice.shares):
            for blob, region in zip(layer.bottoms, share.bottoms if share else (), strict=share is not None):
                if region is not None:
                    self.bring(blob, device, region, layer, demand)
        for device, share in enumerate(choice.shares):
            if share is not None:
                self.share(layer, device, share, tuple(spread[device] for spread in choice.tops))

    def share(self, layer: Layer, device: int, share: Share, requested: Regions) -> None:
        """One device's share of a layer, and the requested region of what it makes."""
        message = type(layer.message)()
        message.CopyFrom(layer.message)
        twin = type(layer)(layer.name, message, layer.phase, layer.within)
        twin.whole = layer
        if isinstance(layer, Samples) and isinstance(twin, Samples):
            twin.found = layer.found
        for name, value in share.fields.items():
            twin.p.ClearField(name)
            if isinstance(value, list):
                getattr(twin.p, name).extend(value)
            else:
                setattr(twin.p, name, value)
        here = [index for index, region in enumerate(share.bottoms) if region is not None]
        twin.bottoms = tuple(self.have(layer.bottoms[i], device, share.bottoms[i]) for i in here)
        twin.propagate_down = tuple(layer.propagate_down[i] for i in here)
        made = [index for index, region in enumerate(share.made) if region is not None]
        twin.tops = tuple(_blob(layer.tops[i], share.made[i], twin, index) for index, i in enumerate(made))
        twin.loss_weights = tuple(layer.loss_weights[i] for i in made)
        twin.in_place = tuple(layer.in_place[i] for i in made)
        twin.device = device
        twin.parameters = tuple(self.shard(layer, index, device, cut, twin) for index, cut in enumerate(share.parameters))
        self.append(twin)
        for top, index in zip(twin.tops, made, strict=True):
            region, wanted, blob = share.made[index], requested[index], layer.tops[index]
            assert region is not None and wanted is not None
            if region != wanted:
                kept = _blob(blob, wanted, None, 0)
                self.append(Transfer(layer, device, object(), [(top, region)], kept, wanted))
                top = kept
            self.pieces.setdefault(blob, []).append(Piece(device, top, wanted))

    def append(self, layer: Layer) -> None:
        for blob in layer.bottoms:
            blob.consumers.append(layer)
        for blob in layer.tops:
            blob.producer = layer
        self.layers.append(layer)

    def have(self, blob: Blob, device: int, region: Region | None) -> Blob:
        """The region of a blob that is on a device."""
        assert region is not None
        for piece in self.pieces[blob]:
            if piece.device == device and piece.region == region:
                return piece.blob
        return self.brought[blob, device, region]

    def bring(self, blob: Blob, device: int, region: Region, reader: Layer, demand: object) -> None:
        """See that a device has a region of a blob."""
        pieces = self.pieces[blob]
        mine = [piece for piece in pieces if piece.device == device]
        if (blob, device, region) in self.brought or any(piece.region == region for piece in mine):
            return
        nearest = list(dict.fromkeys((*mine, *pieces)))
        enough = [piece for piece in nearest if contains(piece.region, region)][:1]
        sources = enough or [piece for piece in nearest if piece.region.meet(region)]
        name = f"{blob}.all" if region == region_of(blob.shape) else f"{blob}.for.{reader.name}"
        top = Blob(name, 0, region.shape(blob.shape), reader, 0)
        self.append(Transfer(reader, device, demand, [(piece.blob, piece.region) for piece in sources], top, region))
        self.brought[blob, device, region] = top

    def shard(self, layer: Layer, index: int, device: int, cut: Cut | None, twin: Layer) -> Parameter:
        """A layer's cut of one of its parameters; the owner's where it is shared."""
        whole = layer.parameters[index]
        shape = cut.shape(whole.shape) if cut else whole.shape
        made = Parameter(twin, index, shape, whole.filler, whole.lr_mult, whole.decay_mult, whole.name)
        shards = self.shards.setdefault(whole.owner, [])
        for shard in shards:
            if shard.device == device:
                made.owner = shard.parameter
                return made
        shards.append(Shard(device, made, cut))
        return made


def _blob(whole: Blob, region: Region | None, producer: Layer | None, index: int) -> Blob:
    """A region of a blob."""
    assert region is not None
    return Blob(whole.name, whole.version, region.shape(whole.shape), producer, index)  # type: ignore[arg-type]
