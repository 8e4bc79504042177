"""graph -> lower -> place -> fuse -> plan_memory -> bound to devices.

For several devices `place` divides the graph, and the divided one is lowered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import NetdefError
from runtime.compiler.passes.fuse import fuse
from runtime.compiler.passes.lower import lower
from runtime.compiler.passes.plan_memory import KEEP, plan_memory
from runtime.compiler.placement.copies import return_weights
from runtime.compiler.placement.elide import elide
from runtime.compiler.placement.place import Fixed, lies, lower_divided, place, split_of
from runtime.compiler.placement.together import together
from runtime.ir.program import Program

if TYPE_CHECKING:
    from netdef.graph.net import Net

PASSES = ("lower", "place", "fuse", "plan_memory")
DEFAULT_SEED = 1701
Update = Callable[[Program], Program]


def compile_program(
    net: Net,
    *,
    devices: int = 1,
    hosts: Sequence[int] | None = None,
    split: str | None = None,
    fixed: Fixed | None = None,
    backward: bool = True,
    keep: str | None = None,
    losses_only: bool = False,
    update: Update | None = None,
    seed: int = DEFAULT_SEED,
    after: str = PASSES[-1],
) -> Program:
    """The program of a net after one of PASSES, without binding it to devices.

    Parameters
    ----------
    devices: how many, each with a share of the net.  hosts: which of the machine's each of them is, if some have several shares.
    fixed: parameters that lie on them already, see `place`.
    update: a function that adds what a solver needs: its update list (runtime/solver/update.py), what it remembers (remember.py).
    others: see `compile`.
    """
    if after not in PASSES:
        raise NetdefError(f"there is no pass '{after}'", hint="the passes are " + ", ".join(PASSES))
    keep = keep or ("all" if backward else "outputs")
    if keep not in KEEP:
        raise NetdefError(f"keep cannot be '{keep}'", hint="it is one of " + ", ".join(KEEP))
    split = split_of(split)
    if devices > 1 and after != "lower":
        division = place(net, devices, split, backward, losses_only, fixed)
        program = lower_divided(division, backward, losses_only, seed)
    else:
        program = lower(net, backward, losses_only, seed)
    if update is not None:
        program = return_weights(update(program))
    if hosts is not None:
        program = together(program, hosts)
    if after in ("fuse", "plan_memory"):
        program = elide(fuse(program, keep))
    return plan_memory(program, keep) if after == "plan_memory" else program


def compile_beside(program: Program, net: Net, **options: Any) -> Program:
    """The program of a net that shares the parameters and the devices of another's.  options: see `compile_program`."""
    division = program.division
    if division is None:
        return compile_program(net, **options)
    return compile_program(net, devices=division.devices, hosts=division.hosts, fixed=lies(division), **options)
