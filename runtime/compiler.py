"""graph -> lower -> place -> fuse -> plan_memory -> bound to a device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from netdef import NetdefError
from netdef.loading import load, with_batch_size
from runtime.devices.open import open_device
from runtime.devices.options import CudaOptions
from runtime.executable import Executable
from runtime.passes.fuse import fuse
from runtime.passes.lower import lower
from runtime.passes.place import place
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
    backward: bool = True,
    keep: str | None = None,
    losses_only: bool = False,
    update: Update | None = None,
    seed: int = DEFAULT_SEED,
    after: str = PASSES[-1],
) -> Program:
    """The program of a net after one of PASSES, without binding it to a device.

    Parameters
    ----------
    update: a function that adds a solver's update list (runtime/solver/update.py).
    others: see `compile`.
    """
    if after not in PASSES:
        raise NetdefError(f"there is no pass '{after}'", hint="the passes are " + ", ".join(PASSES))
    keep = keep or ("all" if backward else "outputs")
    if keep not in KEEP:
        raise NetdefError(f"keep cannot be '{keep}'", hint="it is one of " + ", ".join(KEEP))
    program = lower(net, backward=backward, losses_only=losses_only, seed=seed)
    if update is not None:
        program = update(program)
    for run in (place, fuse, lambda p: plan_memory(p, keep))[: PASSES.index(after)]:
        program = run(program)
    return program


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
    cuda: CudaOptions | None = None,
) -> Executable:
    """Compile a net for a device, its parameters filled as the net's fillers say.

    Parameters
    ----------
    net: a Net, or what netdef.load takes.
    devices: "cpu", or a graphics card such as "gpu:0".
    batch_size: replaces the batch size of the net's inputs and data layers.
    seed: of everything random; default DEFAULT_SEED.
    threads: worker threads; default all cores.
    backward: False compiles for inference: no gradients, memory reused by lifetime.
    keep: which blobs stay readable after a run: "all" (with gradients), "activations" or "outputs".
    losses_only: gradients flow from losses alone, not from other outputs.
    update: adds a solver's update list.
    share: use the parameters and the device of this executable.
    cuda: how graphics cards compute.

    Raises
    ------
    NetdefError: if a layer's type cannot run yet, or the device is not there.
    """
    if isinstance(net, str | Path):
        net = load(net, batch_size=batch_size)
    elif batch_size is not None:
        net = with_batch_size(net, batch_size)
    seed = DEFAULT_SEED if seed is None else seed
    program = compile_program(net, backward=backward, keep=keep, losses_only=losses_only, update=update, seed=seed)
    device = share.device if share is not None else open_device(devices, threads, cuda)
    return Executable(program, device, seed, share, differentiable=backward)

