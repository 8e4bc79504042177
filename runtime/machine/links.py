"""How fast data go between the ranks of a cluster, and between the cards of a rank, by data sheets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from netdef.language.diagnostics import NetdefError
from netdef.language.spelling import did_you_mean
from runtime.machine.limits import Limits


@dataclass(frozen=True)
class Link:
    """A way that data take.

    Parameters
    ----------
    bandwidth: bytes a second, one way.
    latency: seconds that a message of no bytes takes.
    source: where the bandwidth is from.
    hidden: whether cards compute while data are sent; ranks of one machine copy with the cores that they compute with.
    """

    name: str
    bandwidth: float
    latency: float
    source: str
    hidden: bool = True


ETHERNET, INFINIBAND, CARDS_APART = 30e-6, 2e-6, 5e-6  # seconds of a message: assumed, as data sheets give those of the wire alone
SHARED = 50e-6  # of one between two processes, by way of their couriers; tools/check_scaling.py measures it


def _network(gigabits: int, source: str, latency: float) -> Link:
    return Link(f"{gigabits} Gbit/s", gigabits * 1e9 / 8, latency, source)


# From the host's adapter to the network's switch.  Each speed is that of the standard, or of the adapter's data sheet.
NETWORKS = {
    "1gbit": _network(1, "IEEE 802.3ab", ETHERNET),
    "10gbit": _network(10, "IEEE 802.3ae", ETHERNET),
    "25gbit": _network(25, "IEEE 802.3by", ETHERNET),
    "40gbit": _network(40, "IEEE 802.3ba", ETHERNET),
    "56gbit": _network(56, "InfiniBand FDR, ConnectX-3 data sheet", INFINIBAND),
    "100gbit": _network(100, "InfiniBand EDR, ConnectX-4 data sheet", INFINIBAND),
    "200gbit": _network(200, "InfiniBand HDR, ConnectX-6 data sheet", INFINIBAND),
    "400gbit": _network(400, "InfiniBand NDR, ConnectX-7 data sheet", INFINIBAND),
    "800gbit": _network(800, "InfiniBand XDR, ConnectX-8 data sheet", INFINIBAND),
}
ADAPTERS = re.compile(r"(?:([1-9]\d?)x)?(\w+)")


def _cards(name: str, gigabytes: float, source: str) -> Link:
    return Link(name, gigabytes * 1e9, CARDS_APART, source)


# Between cards of a host, by names of runtime/machine/limits.py; data sheets count both ways together.
INSIDE = {
    "h200": _cards("NVLink 4", 450, "NVIDIA H200 data sheet"),
    "h100": _cards("NVLink 4", 450, "NVIDIA H100 data sheet"),
    "h100-pcie": _cards("PCIe 5.0 x16", 64, "NVIDIA H100 data sheet"),
    "a100": _cards("NVLink 3", 300, "NVIDIA A100 data sheet"),
    "a100-40gb": _cards("NVLink 3", 300, "NVIDIA A100 data sheet"),
    "v100": _cards("NVLink 2", 150, "NVIDIA V100 data sheet"),
    "l4": _cards("PCIe 4.0 x16", 32, "NVIDIA L4 data sheet"),
    "t4": _cards("PCIe 3.0 x16", 16, "NVIDIA T4 data sheet"),
    "4090": _cards("PCIe 4.0 x16", 32, "NVIDIA Ada GPU architecture white paper"),
}


def find_network(text: str) -> Link:
    """The network of a `--network`: 400gbit, or 8x400gbit where a rank's host has eight such adapters.

    Raises
    ------
    NetdefError: there is none of that name.
    """
    match = ADAPTERS.fullmatch(text.lower())
    name = match[2] if match else text.lower()
    if name not in NETWORKS:
        known = f"networks: {', '.join(NETWORKS)}; 8x400gbit is eight adapters a rank"
        raise NetdefError(f"there are no numbers for a network {text}", hint=did_you_mean(name, NETWORKS) or known)
    link, count = NETWORKS[name], int(match[1] or 1) if match else 1
    if count == 1:
        return link
    return Link(f"{count} x {link.name}", count * link.bandwidth, link.latency, link.source)


def shared_memory(limits: Limits) -> Link:
    """Between the ranks of one machine: what is sent is copied to shared memory and from there, each time read and written."""
    return Link("shared memory", limits.bandwidth / 4, SHARED, "a large copy, measured now", hidden=False)
