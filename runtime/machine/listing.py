"""What this machine could run on: its cores and its graphics cards, and why one of these cannot be used."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from netdef.language.diagnostics import NetdefError
from netdef.language.units import binary
from runtime.machine.cpu.cores import available_cores
from runtime.machine.cuda.cards import Card, NoCudaError, cards
from runtime.machine.cuda.gemm import load_library
from runtime.machine.cuda.kernels import check_compiler


def listing() -> str:
    """A line or more for each device; the first that can be used is the default."""
    lines = [cpu_line()]
    try:
        here = cards()
    except NoCudaError as error:
        return "\n".join([*lines, f"gpu    {error.diagnostics[0].message}", *_hint(error)])
    lines += [line for card in here for line in card_lines(card)]
    missing = library_trouble()
    return "\n".join([*lines, *missing])


def cpu_line() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"cpu:0  {processor()}: {available_cores()} cores, {binary(memory)} memory"


def processor() -> str:
    """The name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def card_lines(card: Card) -> list[str]:
    """What a card is, which others it reaches, and why it cannot be used."""
    major, minor = card.capability
    memory = f"{binary(card.memory)} memory, {binary(card.free)} free"
    lines = [f"gpu:{card.index}  {card.name}: compute capability {major}.{minor}, {card.multiprocessors} multiprocessors, {memory}"]
    if card.peers:
        lines.append("       reaches the memory of " + ", ".join(f"gpu:{peer}" for peer in card.peers))
    if card.trouble:
        lines.append(f"       cannot be used: {card.trouble}")
    return lines


def library_trouble() -> list[str]:
    """What the cards lack to be used at all."""
    import cupy

    lines = []
    for check in (load_library, check_compiler):
        try:
            check(cupy)
        except NetdefError as error:
            lines += [f"gpu    {error.diagnostics[0].message}", *_hint(error)]
    return lines


def _hint(error: NetdefError) -> list[str]:
    hint = error.diagnostics[0].hint
    return [f"       {hint}"] if hint else []
