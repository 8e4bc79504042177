"""What the ranks that train together must have in common."""

from __future__ import annotations

from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural
from runtime.ir.program import Program
from runtime.machine.ranks.ranks import Ranks, fingerprint
from runtime.solver.nets import SolverNets


def check_nets(ranks: Ranks, nets: SolverNets, split: str | None, nodes: int | None) -> None:
    """Check that all ranks train the same nets in the same way, and that each has images of a batch.

    Raises
    ------
    NetdefError: they do not, or one has none.
    """
    ranks.check_same({**_identity(nets, split), "--nodes": nodes})
    if split in ("batch", "hybrid") and nets.batch_size < ranks.size:
        raise NetdefError(
            f"--split {split} divides batches of {plural(nets.batch_size, 'image')} over {ranks.size} ranks",
            hint=f"start fewer ranks, or give --batch {ranks.size} or more",
        )


def sums_of(ranks: Ranks | None) -> dict[str, str]:
    """As what ranks send gradients, fp32 being as they are, and whether they are added up in the order of the ranks."""
    rounding = None if ranks is None else ranks.rounding
    fast = ranks is not None and ranks.fast
    return {"gradients": "fp32" if rounding is None else rounding.form, "reduce": "fast" if fast else "ordered"}


def lines_about(ranks: Ranks | None, program: Program) -> list[str]:
    """What rank 0 says of how gradients go between ranks."""
    if ranks is None or not ranks.first:
        return []
    lines = [ranks.measured] if ranks.measured else []
    if any(one.is_reduce for one in program.instructions):
        lines.append("note: with --reduce fast, the last bits of sums of gradients depend on the number of ranks")
    return lines


def _identity(nets: SolverNets, split: str | None) -> dict[str, Any]:
    """What all ranks must have in common, by its name for a message; texts as hashes."""
    named = {f"training net ({nets.train.filename})": nets.train}
    named |= {f"test net ({net.filename})": net for net in nets.tests}
    texts = {name: fingerprint(layer.message for layer in net.layers) for name, net in named.items()}
    return {
        f"solver ({nets.filename})": fingerprint([nets.solver]),
        **texts,
        "batch size": nets.batch_size,
        "--split": split,
        "--data": nets.data,
    }
