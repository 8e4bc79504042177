"""Placement: which device runs what, and what must be sent for it.  With one device everything runs on it.

The numbers stay one device's to float32 rounding: each of a device's results is a whole sum, as on one device, except gradients of
what several devices read and of weights that they copy.  Those are added over the devices, always in the order of the devices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from netdef.language.diagnostics import NetdefError
from netdef.language.gc_pause import gc_paused
from runtime.compiler.passes.lower import gradient_flow
from runtime.compiler.placement.choice import SPLITS
from runtime.compiler.placement.divide import divide
from runtime.compiler.placement.search import Gradients, Search
from runtime.ir.division import Division
from runtime.ops.registry import check_runnable

if TYPE_CHECKING:
    from netdef.graph.cuts import Cut
    from netdef.graph.net import Net

DEFAULT_SPLIT = SPLITS[0]
Fixed = Mapping[str, Mapping[int, "Cut | None"]]


def split_of(name: str | None) -> str:
    """The split of that name, DEFAULT_SPLIT for None.

    Raises
    ------
    NetdefError: there is none.
    """
    if name is not None and name not in SPLITS:
        raise NetdefError(f"a network cannot be split by '{name}'", hint="it can by " + ", ".join(SPLITS))
    return name or DEFAULT_SPLIT


@gc_paused
def place(
    net: Net,
    devices: int,
    split: str | None = None,
    backward: bool = True,
    losses_only: bool = False,
    fixed: Fixed | None = None,
    nodes: int = 1,
) -> Division:
    """Divide a net over devices so that few bytes are sent.

    Parameters
    ----------
    split: "groups", the default, cuts channels, "batch" images, "hybrid" the images of convolutions and the channels of fully
        connected layers.
    backward, losses_only: as for `lower`; gradients are sent too.
    fixed: parameters that lie somewhere already, see `parameter_cuts`.
    nodes: groups of as many devices that follow one another.  "hybrid" cuts the channels of fully connected layers within a node;
        each node has all of their weights, and makes its own images.

    Raises
    ------
    NetdefError: `split` is none of these, a layer's type cannot run, its `device` is not there, or devices are no such nodes.
    """
    if nodes < 1 or devices % nodes:
        message = f"{devices} shares cannot be {nodes} nodes of as many each"
        raise NetdefError(message, hint=f"--nodes divides the number of shares: {devices} here")
    check_runnable(net.layers)
    flow = gradient_flow(net, losses_only) if backward else None
    gradients = Gradients()
    if flow is not None:
        learned = {p for layer in flow.live for p in layer.parameters if p.lr_mult != 0}
        gradients = Gradients({pair for pair in flow.wanted if pair[0] in flow.live}, learned)
    choices = Search(net, devices, split_of(split), gradients, fixed, nodes).run()
    return replace(divide(net, devices, choices), nodes=nodes)


def parameter_cuts(division: Division) -> Fixed:
    """How a division cuts the parameters, by their names: what another net on the same weights must keep to."""
    return {str(owner): {shard.device: shard.cut for shard in shards} for owner, shards in division.shards.items()}
