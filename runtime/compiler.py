"""graph -> lower -> place -> fuse -> plan_memory -> bound to devices.

For several devices `place` divides the graph, and the divided one is lowered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdef import NetdefError
from netdef.loading import load, with_batch_size
from runtime.devices.open import different, hosts_of, open_devices
from runtime.devices.options import CudaOptions
from runtime.executable import Executable
from runtime.fit import Beside, alone, check_fit
from runtime.passes.fuse import fuse
from runtime.passes.lower import lower
from runtime.passes.place import Fixed, lies, lower_divided, place, split_of
from runtime.passes.placement.copies import return_weights
from runtime.passes.placement.elide import elide
from runtime.passes.placement.together import together
from runtime.passes.plan_memory import KEEP, plan_memory
from runtime.program import Program

if TYPE_CHECKING:
    from netdef.graph import Net

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


def compile(
    net: Net | str | Path,
    devices: str = "cpu",
    batch_size: int | None = None,
    seed: int | None = None,
    *,
    threads: int | None = None,
    backward: bool = True,
    keep: str | None = None,
    losses_only: bool = False,
    update: Update | None = None,
    share: Executable | None = None,
    split: str | None = None,
    cuda: CudaOptions | None = None,
    beside: Beside = alone,
) -> Executable:
    """Compile a net for one device or several, its parameters filled as the net's fillers say.

    Parameters
    ----------
    net: a Net, or what netdef.load takes.
    devices: "cpu", a graphics card such as "gpu:0", or several: "cpu:0,cpu:1", "gpu:0-3".  One that is named twice has two shares:
        "cpu:0,cpu:0" computes with one device the numbers of two.
    batch_size: replaces the batch size of the net's inputs and data layers.
    seed: of everything random; default DEFAULT_SEED.
    threads: worker threads of all CPU devices together; default one a core.
    backward: False compiles for inference: no gradients, memory reused by lifetime.
    keep: which blobs stay readable after a run: "all" (with gradients), "activations" or "outputs".
    losses_only: gradients flow from losses alone, not from other outputs.
    update: adds what a solver needs, see `compile_program`.
    share: use the parameters and the devices of this executable.
    split: what is cut on several devices: "groups" (the default), "batch" or "hybrid", see `place`.
    cuda: how graphics cards compute.
    beside: the programs that will share this one's parameters and devices, for which there must be room too.

    Raises
    ------
    NetdefError: if a layer's type cannot run yet, or a device is not there.
    """
    if isinstance(net, str | Path):
        net = load(net, batch_size=batch_size)
    elif batch_size is not None:
        net = with_batch_size(net, batch_size)
    seed = DEFAULT_SEED if seed is None else seed
    opened = share.devices if share is not None else open_devices(devices, threads, cuda)
    division = share.program.division if share is not None else None
    options: dict[str, Any] = {
        "devices": len(opened),
        "hosts": hosts_of(opened),
        "split": split,
        "fixed": lies(division) if division is not None else None,
        "backward": backward,
        "keep": keep,
        "losses_only": losses_only,
        "update": update,
        "seed": seed,
    }
    try:
        program = compile_program(net, **options)

        def smaller(size: int) -> Program:
            return compile_program(with_batch_size(net, size), **options)

        check_fit(program, opened, share is None, net.batch or 1, smaller, beside)
        return Executable(program, opened, seed, share, differentiable=backward)
    except BaseException:
        for device in different(opened) if share is None else ():
            device.close()
        raise
