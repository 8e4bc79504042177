"""`netdef selftest`: whether a device computes what the CPU does, and how fast."""

from __future__ import annotations

import json
import platform
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.options import card_options, device_option, fuse_option
from netdef.cli.running import RunOptions
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from runtime.kernels.cuda.options import CudaOptions
    from runtime.selftest.agreement import Allowed, Difference
    from runtime.selftest.nets import Sizes
    from runtime.selftest.report import Agreement, Results

OUT = "netdef-selftest.json"
Say = Callable[[str], None]


@click.command(cls=Command)
@device_option
@click.option("--out", metavar="FILE", default=OUT, show_default=True, help="Where the numbers go.")
@card_options
@fuse_option
def command(**options: Any) -> int:
    """Compare a device's kernels with the CPU's, train on both, and measure it. A card takes some minutes."""
    return selftest(Options(**options), click.echo)


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """What --NAME gives; None for what was not given."""

    out: str = OUT


def selftest(options: Options, say: Say = print, sizes: Sizes | None = None) -> int:
    """Run `netdef selftest`; returns the exit code, 1 if the device does not agree.

    Parameters
    ----------
    sizes: how much is done; by default what suits the kind of device.

    Raises
    ------
    NetdefError: the device is not here, or several are given.
    """
    from netdef.language.writing import write_over
    from runtime.machine.open import device_names
    from runtime.selftest.nets import CARD, CPU
    from runtime.selftest.report import agreement_json, agreement_lines, as_json, text

    given = device_names(options.devices) if options.devices else ()
    if len(given) > 1:
        raise NetdefError("netdef selftest tries one device at a time, named once", hint="netdef selftest --devices " + given[0])
    (name,) = device_names(options.choose())
    cuda = options.cuda
    about = machine(name, cuda)  # before anything runs, as a card that failed answers no more
    found: list[Agreement] = []
    try:
        results = run(name, sizes or (CARD if name.startswith("gpu") else CPU), cuda, about, found, say)
    except Exception as error:  # an untested machine may raise anything
        record: dict[str, Any] = {"machine": about, "passed": False, "error": str(error), "agreement": agreement_json(found)}
        if not isinstance(error, NetdefError):
            record["traceback"] = traceback.format_exc().splitlines()
        write_over(options.out, json.dumps(record, indent=1) + "\n")
        say("\n".join([*agreement_lines(found), f"what is known is in {options.out}"]))
        raise
    say(text(results))
    write_over(options.out, json.dumps(as_json(results), indent=1) + "\n")
    say(f"everything measured is in {options.out}")
    return 0 if results.passed else 1


def run(name: str, sizes: Sizes, cuda: CudaOptions, about: dict[str, Any], agreements: list[Agreement], say: Say) -> Results:
    """Compare a card with the CPU, or all threads of the CPU with one thread, bit by bit.

    Parameters
    ----------
    agreements: the result for each net is appended as soon as it is known.
    """
    from runtime.machine.cuda.cards import target_of
    from runtime.selftest import torch_alexnet
    from runtime.selftest.agreement import Allowed
    from runtime.selftest.report import Agreement, Results
    from runtime.selftest.speed import measure
    from runtime.selftest.training import Drift, drift, train
    from runtime.solver.diverged import DivergedError

    on_card = name.startswith("gpu")
    math = target_of(name, cuda).math
    allowed = Allowed.exact() if not on_card else Allowed.of(math)
    reference: dict[str, Any] = {"devices": "cpu", "threads": None if on_card else 1}
    for net, batch in sizes.nets:
        say(f"comparing the kernels of {Path(net).stem}")
        agreements.append(Agreement(Path(net).stem, list(differences(net, batch, name, reference, cuda, allowed))))
    say("comparing the updates of every solver type")
    agreements.append(Agreement("solver types", list(of_solver_types(*sizes.nets[0], name, reference, cuda, allowed))))
    say(f"training {sizes.trained} for {sizes.iterations} iterations on both")
    expected = train(sizes.trained, sizes.batch, sizes.iterations, **reference)
    try:
        apart = drift(expected, train(sizes.trained, sizes.batch, sizes.iterations, name, cuda=cuda), allowed.training)
    except DivergedError:  # as a wrong kernel may make it, which the table names
        apart = Drift(float("inf"), float("inf"), allowed.training)
    say(f"measuring {sizes.measured} in batches of {sizes.measured_batch}")
    speed = measure(sizes.measured, sizes.measured_batch, sizes.rounds, name, cuda=cuda)
    index, tf32 = int(name.split(":")[1]), math == "tf32"
    torch = torch_alexnet.measure(index, sizes.measured_batch, sizes.rounds, tf32) if on_card else None
    return Results(
        about["device"],
        "the CPU" if on_card else "one thread",
        about,
        agreements,
        (sizes.trained, sizes.batch, sizes.iterations),
        apart,
        (sizes.measured, sizes.measured_batch),
        speed,
        torch,
    )


def of_solver_types(
    net: str, batch: int, name: str, reference: dict[str, Any], cuda: CudaOptions, allowed: Allowed
) -> Iterator[Difference]:
    """Compare the updates that the nets' own comparison leaves out: those of all types but SGD, and rates by LARC."""
    from runtime.ops.update.table import ROWS

    for kind, row in ROWS.items():
        if kind != "SGD":
            kernels = (row.kernel, "larc_rate")
            yield from differences(net, batch, name, reference, cuda, allowed, kernels, type=kind, larc=True, delta=1e-3)


def differences(
    net: str,
    batch: int,
    name: str,
    reference: dict[str, Any],
    cuda: CudaOptions,
    allowed: Allowed,
    kernels: Collection[str] = (),
    **fields: Any,
) -> Iterator[Difference]:
    """Compare the kernels of one net, with clipped gradients and sums over batches in its update.

    Parameters
    ----------
    kernels: those alone, see compare.
    fields: of the solver.
    """
    from netdef.schema import message_class
    from runtime.machine.compile import compile
    from runtime.selftest.agreement import compare, noise
    from runtime.selftest.nets import open_net
    from runtime.solver.update import updates

    solver = message_class("SolverParameter")(clip_gradients=10, iter_size=2, momentum=0.9, weight_decay=0.001, **fields)
    loaded = open_net(net, batch)
    options: dict[str, Any] = {"losses_only": True, "update": updates(solver), "keep": "outputs"}
    cards = name.startswith("gpu")  # whose instructions the reference has too
    with (
        compile(loaded, **reference, **options, cuda=cuda, cards=cards) as mine,
        compile(loaded, name, cuda=cuda, **options) as theirs,
    ):
        for executable in (mine, theirs):
            for scalar, value in (("rate", 0.01), ("scale", 0.5), ("added", 1.0), ("correction", 0.5)):
                executable.set_scalar(scalar, value)
        yield from compare(mine, theirs, allowed, kernels, **noise(mine))


def machine(name: str, cuda: CudaOptions) -> dict[str, Any]:
    """The machine and the versions, for readers of the file."""
    import numpy as np

    from runtime.machine.listing import processor
    from runtime.machine.open import describe

    record: dict[str, Any] = {
        "device": describe(name),
        "processor": processor(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    if name.startswith("gpu"):
        from runtime.machine.cuda.cards import find_card, load_cupy

        cupy, card = load_cupy(), find_card(int(name.split(":")[1]))
        record |= {
            "capability": ".".join(map(str, card.capability)),
            "memory": card.memory,
            "cupy": cupy.__version__,
            "driver": int(cupy.cuda.runtime.driverGetVersion()),
            "cuda": int(cupy.cuda.runtime.runtimeGetVersion()),
            "math": cuda.math_on(card.capability),
        }
    return record
