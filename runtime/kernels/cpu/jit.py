"""How every CPU kernel is compiled."""

from typing import Any

# No nnan or ninf: a run must see its NaNs.  reassoc lets sums be vectorised; their order stays fixed for a given machine.
JIT: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"nsz", "contract", "reassoc", "arcp"}}

BLOCK = 16384  # floats in one item of an elementwise kernel: 64 KiB, and whole vectors whatever the thread count


def blocks(size: int) -> int:
    """How many BLOCK-sized items cover `size` elements."""
    return -(-size // BLOCK)
