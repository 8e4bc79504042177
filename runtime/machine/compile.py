"""From a net to an executable: its program, bound to devices."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from numbers import Integral
from pathlib import Path
from typing import Any

from netdef.graph.data_shapes import data_looked_at
from netdef.graph.net import Net
from netdef.language.diagnostics import NetdefError
from netdef.loading import load, with_batch_size, with_data_shapes
from runtime.compiler.passes.narrow import Forms
from runtime.compiler.pipeline import DEFAULT_SEED, Update, compile_program
from runtime.compiler.placement.copies import Buckets
from runtime.compiler.placement.place import parameter_cuts
from runtime.ir.program import Program
from runtime.kernels.cuda.options import CudaOptions
from runtime.machine.device import Device
from runtime.machine.executable import Executable
from runtime.machine.fit import TestPrograms, check_fit, no_tests
from runtime.machine.look import look_at_data
from runtime.machine.open import different, hosts_of, open_devices
from runtime.machine.ranks.bucket import OF_CARDS, choose_bucket, gradients_between
from runtime.machine.ranks.ranks import MEASURED, Ranks
from runtime.machine.ranks.shares import message_host, open_shares, ranks_of
from runtime.ops.python.layer import python_allowed


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
    fold: bool = True,
    tests: TestPrograms = no_tests,
    allow_python: bool = False,
    ranks: Ranks | None = None,
    nodes: int | None = None,
    cards: bool | None = None,
) -> Executable:
    """Compile a net for one device or several and fill its parameters as its fillers say.

    docs/python.md shows its use.  Where CPU kernels run for the first time on a machine, they are compiled for up to a minute.

    Parameters
    ----------
    net: a Net, or what netdef.load takes.
    devices: "cpu", a graphics card such as "gpu:0", or several: "cpu:0,cpu:1", "gpu:0-3".  One that is named twice has two shares:
        "cpu:0,cpu:0" computes with one device the numbers of two.
    batch_size: replaces the batch size of the net's inputs and data layers.
    seed: of everything random; default DEFAULT_SEED.
    threads: worker threads of all CPU devices together; default one a core.
    backward: False compiles for inference: no gradients, memory reused by lifetime.
    keep: which blobs stay readable after a run: "versions" (with gradients, and those that a layer in place writes over), "all"
        (with gradients), "activations" or "outputs".
    losses_only: gradients flow from losses only, not from other outputs.
    update: adds what a solver needs, see `compile_program`.
    share: use the parameters and the devices of this executable.
    split: what is cut on several devices: "groups" (the default), "batch" or "hybrid", see `place`.
    cuda: how graphics cards compute.
    fold: without backward, let BatchNorm, Scale and Bias be part of the weights before them.
    tests: the programs that will share this one's parameters and devices, for which there must be room too.
    allow_python: import and run the classes that the Python layers of a file name, see docs/python-layers.md.
    nodes: groups of as many shares, within which "hybrid" cuts channels, see `place`; default: those of the ranks, else one.
    cards: whether the program is that of graphics cards; default: as the devices are.
    ranks: this process among others that compile the same; `devices` has this rank's shares, and each other rank has as many.

    Returns
    -------
    An Executable: `forward`, `backward`, `blob`, `param`, `load_weights`.  Close it to free threads and memory.

    Raises
    ------
    NetdefError: an argument is of a wrong kind.
    NetdefError: the net has a mistake, a layer's type cannot run yet, a device is not there, or memory does not suffice.
    """
    check_arguments(net, seed, threads, share)
    if isinstance(net, str | Path):
        with python_allowed() if allow_python else nullcontext(), data_looked_at(look_at_data):
            net = load(net, batch_size=batch_size)
    elif batch_size is not None:
        net = with_batch_size(net, batch_size)
    net = with_data_shapes(net, look_at_data)
    seed = DEFAULT_SEED if seed is None else seed
    if share is not None:
        opened, ranks = share.devices, share.ranks
    else:
        opened = open_devices(devices, threads, cuda) if ranks is None else open_shares(ranks, devices, threads, cuda)
    division = share.program.division if share is not None else None
    on_cards = any(device.name.startswith("gpu") for device in opened) if cards is None else cards
    options: dict[str, Any] = {
        "devices": len(opened),
        "hosts": hosts_of(opened),
        "split": split,
        "fixed": parameter_cuts(division) if division is not None else None,
        "backward": backward,
        "keep": keep,
        "losses_only": losses_only,
        "update": update,
        "seed": seed,
        "fold": fold,
        "buckets": buckets_of(ranks, opened),
        "narrow": forms_of(opened),
        "nodes": division.nodes if division is not None else nodes or (1 if ranks is None else ranks.nodes),
        "cards": on_cards and (cuda or CudaOptions()).fuse,
        "apart": on_cards,
    }
    try:
        program = compile_program(net, **options)
        if ranks is not None and ranks.bucket == MEASURED and (size := gradients_between(program, ranks_of(opened, ranks))):
            choose_bucket(ranks, size, cards=message_host(opened) is not None)
            options["buckets"] = buckets_of(ranks, opened)
            program = compile_program(net, **options)

        def smaller(size: int) -> Program:
            return compile_program(with_batch_size(net, size), **options)

        def recompile(reshaped: Net) -> Program:
            lying = parameter_cuts(program.division) if program.division is not None else None
            return compile_program(reshaped, **{**options, "fixed": lying})

        check_fit(program, opened, share is None, net.batch or 1, smaller, tests)
        return Executable(program, opened, seed, share, differentiable=backward, recompile=recompile, ranks=ranks)
    except BaseException:
        for device in different(opened) if share is None else ():
            device.close()
        raise


def buckets_of(ranks: Ranks | None, devices: Sequence[Device]) -> Buckets | None:
    """How gradients go between ranks; None: each by itself, or it is not measured yet."""
    if ranks is None or not (ranks.bucket or ranks.fast):
        return None
    return Buckets(ranks.bucket or OF_CARDS, ranks_of(devices, ranks), ranks.fast)


def forms_of(devices: Sequence[Device]) -> Forms | None:
    """Which buffers of an instruction its device takes as bfloat16; None where any device keeps float32, as other ranks' do."""
    forms = [device.forms for device in devices]
    known = [each for each in forms if each is not None]
    return (lambda instruction: known[instruction.device](instruction)) if len(known) == len(forms) else None


def check_arguments(net: Any, seed: Any, threads: Any, share: Any) -> None:
    """Check the kinds of arguments whose mistakes would show late or not at all.

    Raises
    ------
    NetdefError: one is of a wrong kind.
    """
    if not isinstance(net, str | Path | Net):
        raise NetdefError(
            f"expected a net, not {type(net).__name__}", hint="give a path, a model's name, or what netdef.load returns"
        )
    if seed is not None and not isinstance(seed, Integral):
        raise NetdefError(f"seed {seed!r} is no whole number")
    if threads is not None and (not isinstance(threads, Integral) or threads < 1):
        raise NetdefError(f"threads must be a whole number of at least 1, not {threads!r}")
    if share is not None and not isinstance(share, Executable):
        raise NetdefError(f"share is what `compile` returns for another net, not {share!r}")
