"""What a PTX text says of its kernels."""

from __future__ import annotations

import re

ACCESS = re.compile(r"\b(?:ld|st)(?P<how>(?:\.\w+)*)\.(?:f|u|s|b)(?P<bits>\d+)\b")
NOT_GLOBAL = re.compile(r"\.(?:param|shared|local|const)\b")


def entries(text: str) -> dict[str, str]:
    """Each kernel's text."""
    kernels = text.split(".entry ")[1:]
    return {kernel.split("(")[0].strip(): kernel for kernel in kernels}


def accesses(kernel: str) -> tuple[int, int]:
    """How many accesses to global memory take a pack at once, and how many one number."""
    found = [(access["how"], int(access["bits"])) for access in ACCESS.finditer(kernel) if not NOT_GLOBAL.search(access["how"])]
    wide = sum(".v4" in how or (".v2" in how and bits == 64) for how, bits in found)
    return wide, len(found) - wide
