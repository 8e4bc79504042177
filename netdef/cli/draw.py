"""What `netdef draw --devices` shows: the net as it would be spread over devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdef import NetdefError
from runtime.compiler.placement.place import place
from runtime.machine.open import device_names

if TYPE_CHECKING:
    from netdef.graph.net import Net

MOST = 16  # columns in a picture


def spread(net: Net, devices: str, split: str | None = None) -> tuple[Net, tuple[str, ...]]:
    """The net divided over devices, and their names; `devices` is a list of names, or how many there are.

    Raises
    ------
    NetdefError: `devices` is neither, or a layer's type cannot run.
    """
    given = () if devices.isdecimal() else device_names(devices)
    count = len(given) or int(devices)
    if not 1 <= count <= MOST:
        raise NetdefError(f"a picture has 1 to {MOST} devices, not {count}")
    if len(set(given)) < len(given):
        given = tuple(f"share {number} on {name}" for number, name in enumerate(given))
    training = net.phase == "train"
    return place(net, count, split, training, losses_only=training).net, given or tuple(f"device {i}" for i in range(count))
