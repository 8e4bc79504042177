"""What graphics cards can do at most, by the vendor's data sheets: the yardstick of `netdef time --predict`."""

from __future__ import annotations

from dataclasses import dataclass

from netdef import NetdefError
from netdef.language.spelling import did_you_mean


@dataclass(frozen=True)
class Limits:
    """The most that a device does in a second.

    Parameters
    ----------
    bandwidth: bytes to and from memory.
    fp32: floating point operations, a multiply-add counting two.
    tf32: those of matrix products on tensor cores, without sparsity; None if it has none for TF32.
    source: where the numbers are from.
    """

    name: str
    bandwidth: float
    fp32: float
    tf32: float | None
    source: str

    def products(self, math: str) -> float:
        """The rate of matrix products."""
        return self.tf32 or self.fp32 if math == "tf32" else self.fp32


def _sheet(name: str, gigabytes: float, fp32: float, tf32: float | None, sheet: str) -> Limits:
    return Limits(name, gigabytes * 1e9, fp32 * 1e12, None if tf32 is None else tf32 * 1e12, f"NVIDIA, {sheet}")


CARDS = {
    "h200": _sheet("H200 SXM", 4800, 67, 495, "H200 Tensor Core GPU data sheet"),
    "h100": _sheet("H100 SXM 80GB", 3350, 67, 495, "H100 Tensor Core GPU data sheet"),
    "h100-pcie": _sheet("H100 PCIe 80GB", 2000, 51, 378, "H100 Tensor Core GPU data sheet"),
    "a100": _sheet("A100 SXM 80GB", 2039, 19.5, 156, "A100 Tensor Core GPU data sheet"),
    "a100-40gb": _sheet("A100 SXM 40GB", 1555, 19.5, 156, "A100 Tensor Core GPU data sheet"),
    "v100": _sheet("V100 SXM2", 900, 15.7, None, "V100 Tensor Core GPU data sheet"),
    "l4": _sheet("L4", 300, 30.3, 60, "L4 Tensor Core GPU data sheet"),
    "a10": _sheet("A10", 600, 31.2, 62.5, "A10 Tensor Core GPU data sheet"),
    "t4": _sheet("T4", 320, 8.1, None, "T4 Tensor Core GPU data sheet"),
    "4090": _sheet("GeForce RTX 4090", 1008, 82.6, 82.6, "Ada GPU architecture white paper"),
    "3090": _sheet("GeForce RTX 3090", 936, 35.6, 35.6, "GA102 GPU architecture white paper"),
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
