"""What a solver wants to know of every run stays on the device, in rings of so many rows, until it is read.

A run's row is its number modulo the rows.  A blob of few numbers is remembered as it is, a large one as their sum, which is all
that counts of a loss.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from runtime.ir.program import Buffer, Instruction, Program
from runtime.machine.regions import BufferMap
from runtime.solver.results import SHOWN, losses_of, shown_of

if TYPE_CHECKING:
    from netdef.graph.layer import Blob

ROUNDS = 1024  # runs that are remembered


def remember_losses(program: Program, at_least: int = 1) -> Program:
    """A training program that remembers the losses of the last ROUNDS runs, or of `at_least` if those are more."""
    return remember(program, [blob for blob, _ in losses_of(BufferMap(program).net)], max(ROUNDS, at_least))


def remember_results(program: Program) -> Program:
    """A testing program that remembers the losses of the last ROUNDS runs, and the outputs that are shown."""
    net = BufferMap(program).net
    return remember(program, dict.fromkeys([*(blob for blob, _ in losses_of(net)), *shown_of(net)]), ROUNDS)


def remember(program: Program, blobs: Iterable[Blob], rounds: int) -> Program:
    """Append to the forward list what remembers these blobs of the net that was written."""
    forward, scalars, rings = list(program.forward), dict(program.scalars), dict(program.remembered)
    for blob in blobs:
        for piece in _pieces(program, blob):
            x = program.blobs[piece]
            turn = scalars.setdefault(("iteration", x.device), Buffer("iteration", (1,), "scalar", "int64", device=x.device))
            kept = x.shape if blob.count <= SHOWN else ()
            ring = Buffer(f"{piece}.ring", (rounds, *kept), "state", "float64", device=x.device)
            rows = ring.view((rounds, ring.size // rounds))
            forward.append(Instruction("remember", (x.flat(), turn), (rows,), {}, piece.producer.name))
            rings[piece] = ring
    return replace(program, forward=tuple(forward), scalars=scalars, remembered=rings)


def _pieces(program: Program, blob: Blob) -> list[Blob]:
    """The blobs of the program's net that a blob of the written net became, as far as a kernel makes them."""
    found = [piece.blob for piece in program.division.pieces[blob]] if program.division else [blob]
    return [piece for piece in found if piece in program.blobs]
