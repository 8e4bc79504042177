"""What graphics cards can do at most, by the vendor's data sheets: the yardstick of `netdef time --predict`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netdef.language.diagnostics import NetdefError
from netdef.language.spelling import did_you_mean
from runtime.kernels.cuda.options import NEW, Capability


@dataclass(frozen=True)
class Limits:
    """The most that a device does in a second.

    Parameters
    ----------
    bandwidth: bytes to and from memory.
    fp32: floating point operations, a multiply-add counting two.
    tf32: those of matrix products on tensor cores, without sparsity; None if it has none for TF32.
    source: where the numbers are from.
    multiprocessors, capability: of a card.
    """

    name: str
    bandwidth: float
    fp32: float
    tf32: float | None
    source: str
    multiprocessors: int = 132
    capability: Capability = NEW

    def products(self, math: str) -> float:
        """The rate of matrix products; tensor cores take twice as many of bfloat16 as of TF32."""
        share = {"tf32": 1, "3xtf32": 1 / 3, "bf16": 2}
        return self.tf32 * share[math] if self.tf32 and math in share else self.fp32

    def best(self, other: Limits) -> Limits:
        """The higher rates of two measurements."""
        tf32 = max(self.tf32, other.tf32) if self.tf32 and other.tf32 else self.tf32
        return replace(self, bandwidth=max(self.bandwidth, other.bandwidth), fp32=max(self.fp32, other.fp32), tf32=tf32)


def _card(
    name: str, gigabytes: float, fp32: float, tf32: float | None, source: str, multiprocessors: int, capability: Capability = NEW
) -> Limits:
    tensor = None if tf32 is None else tf32 * 1e12
    return Limits(name, gigabytes * 1e9, fp32 * 1e12, tensor, source, multiprocessors, capability)


# Rates of tensor cores are those for dense matrices: half of what sheets that count sparsity say.  Each row was checked against the
# page named after it: hpctech is archive-lib.hpctech.co.jp/gpuproduct/nvidia-h100.html, Lockwood glennklockwood.com/garden.
CARDS = {
    "h200": _card("H200 SXM", 4800, 67, 495, "NVIDIA H200 data sheet", 132),  # Lockwood; 4.8 TB/s: aiwiki.ai/wiki/nvidia_h200
    "h100": _card("H100 SXM 80GB", 3350, 67, 495, "NVIDIA H100 data sheet", 132),  # hpctech; Lockwood: TF32 494.7
    "h100-pcie": _card("H100 PCIe 80GB", 2000, 51, 378, "NVIDIA H100 data sheet", 114),  # hpctech: TF32 756 with sparsity
    "a100": _card("A100 SXM 80GB", 2039, 19.5, 156, "NVIDIA A100 data sheet", 108, (8, 0)),  # Lockwood
    "a100-40gb": _card("A100 SXM 40GB", 1555, 19.5, 156, "NVIDIA A100 data sheet", 108, (8, 0)),  # Lockwood
    "v100": _card(
        "V100 SXM2", 900, 15.7, None, "NVIDIA V100 data sheet", 80, (7, 0)
    ),  # huggingface.co/RajBhope/gpu-runtime-predictor
    "l4": _card(
        "L4", 300, 30.3, 60, "NVIDIA L4 data sheet", 58, (8, 9)
    ),  # store.sourcecode.com: TF32 120 with sparsity; fpsbench.com: 30.29
    "t4": _card("T4", 320, 8.1, None, "NVIDIA T4 data sheet", 40, (7, 5)),  # sysrqmts.com/gpus/compare
    "4090": _card("GeForce RTX 4090", 1008, 82.6, 82.6, "NVIDIA Ada GPU architecture white paper", 128, (8, 9)),  # waredb.com
}


def find_limits(name: str) -> Limits:
    """The limits of a card by its name on the command line.

    Raises
    ------
    NetdefError: there is none of that name.
    """
    if name.lower() not in CARDS:
        known = "cards: " + ", ".join(CARDS)
        raise NetdefError(f"there are no numbers for a card {name}", hint=did_you_mean(name.lower(), CARDS) or known)
    return CARDS[name.lower()]
