"""The pipeline: the ordered list of named passes that turn a net into a program.

Each pass takes a program and returns one; `netdef compile --print --after NAME` shows what it made.  None knows a machine: how each
device carries out the instructions is its own plan (runtime/machine).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from netdef.graph.net import Net
from netdef.language.diagnostics import NetdefError
from runtime.compiler.passes.fold import fold
from runtime.compiler.passes.fuse import fuse
from runtime.compiler.passes.fuse_gradients import fuse_gradients
from runtime.compiler.passes.fuse_scale import fuse_scale
from runtime.compiler.passes.fuse_terms import fuse_terms
from runtime.compiler.passes.fuse_updates import fuse_updates
from runtime.compiler.passes.lower import lower
from runtime.compiler.passes.narrow import Forms, narrow
from runtime.compiler.passes.order import order
from runtime.compiler.passes.plan_memory import KEEP, plan_memory
from runtime.compiler.placement.copies import Buckets, return_weights, sum_copies
from runtime.compiler.placement.elide import elide
from runtime.compiler.placement.overlap import send_first
from runtime.compiler.placement.place import Fixed, parameter_cuts, place, split_of
from runtime.compiler.placement.together import together
from runtime.ir.program import Program

DEFAULT_SEED = 1701
MOST_ADDED = 8  # arrays that a kernel of a card adds up
Update = Callable[[Program], Program]


@dataclass(frozen=True)
class Request:
    """What is to be compiled; fields as `compile_program` has them, `split` and `keep` resolved."""

    devices: int
    hosts: Sequence[int] | None
    split: str
    fixed: Fixed | None
    backward: bool
    keep: str
    losses_only: bool
    update: Update | None
    seed: int
    fold: bool
    buckets: Buckets | None
    nodes: int
    narrow: Forms | None
    cards: bool
    apart: bool


@dataclass(frozen=True)
class Pass:
    """One entry of the pipeline.  about: what it does, in a line."""

    name: str
    about: str
    run: Callable[[Program, Request], Program]


def _place(program: Program, request: Request) -> Program:
    if request.devices == 1:
        return program
    division = place(
        program.net, request.devices, request.split, request.backward, request.losses_only, request.fixed, request.nodes
    )
    return Program(division.net, division=division)


def _lower(program: Program, request: Request) -> Program:
    lowered = lower(program.net, request.backward, request.losses_only, request.seed, program.division)
    if request.backward:
        return lowered
    return replace(lowered, forward=tuple(replace(instruction, lasting=True) for instruction in lowered.forward))


def _fold(program: Program, request: Request) -> Program:
    return fold(program, request.keep) if request.fold and not request.backward else program


PIPELINE = (
    Pass("place", "divide the net over devices so that few bytes are sent", _place),
    Pass("lower", "let every layer write its instructions, and sum gradients where they meet", _lower),
    Pass("send_first", "in backward, send gradients of blobs before computing those of weights", lambda p, _: send_first(p)),
    Pass(
        "sum_copies",
        "sum the gradients of weights that several devices hold",
        lambda p, r: sum_copies(p, r.buckets, MOST_ADDED if r.cards else 2),
    ),
    Pass("update", "append what a solver needs", lambda p, request: request.update(p) if request.update else p),
    Pass("return_weights", "send updated weights to their other copies", lambda p, r: return_weights(p, r.buckets)),
    Pass(
        "fuse_gradients",
        "on cards, mask gradients by ReLU, and sum them for a bias's, where they are made",
        lambda program, request: fuse_gradients(program, request.keep) if request.cards else program,
    ),
    Pass(
        "fuse_updates",
        "on processors, let the update of a fully connected layer make the gradient of its weights",
        lambda program, request: program if request.cards or request.apart else fuse_updates(program, request.keep),
    ),
    Pass("together", "copy between shares that lie on one device", lambda p, r: together(p, r.hosts) if r.hosts else p),
    Pass("fold", "in inference, make scales and shifts part of the weights before them", _fold),
    Pass("fuse_scale", "in training, normalise and scale in one kernel", lambda p, request: fuse_scale(p, request.keep)),
    Pass("fuse_terms", "in training, sum for BatchNorm's gradient while ReLU's is made", lambda p, r: fuse_terms(p, r.keep)),
    Pass(
        "fuse",
        "let the kernel of a product or a sum do what follows: a sum, an activation",
        lambda p, request: fuse(p, request.keep),
    ),
    Pass("elide", "make what is gathered where it will lie", lambda p, _: elide(p)),
    Pass(
        "narrow",
        "with --math bf16, keep blobs in 16 bits where all their instructions can",
        lambda p, request: narrow(p, request.narrow) if request.narrow else p,
    ),
    Pass("plan_memory", "give every buffer its offset in an arena", lambda p, request: plan_memory(p, request.keep)),
    Pass("order", "update each weight as soon as its gradient is whole", lambda p, _: order(p)),
)
PASSES = tuple(one.name for one in PIPELINE)


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
    fold: bool = True,
    buckets: Buckets | None = None,
    nodes: int = 1,
    narrow: Forms | None = None,
    cards: bool = False,
    apart: bool = False,
    after: str = PASSES[-1],
) -> Program:
    """The program of a net after one of PASSES, without binding it to devices.

    Parameters
    ----------
    devices: how many, each with a share of the net.  hosts: which of the machine's each of them is, if some have several shares.
    fixed: parameters that lie on them already, see `place`.
    buckets: how gradients go between ranks.  nodes: see `place`.
    narrow: which buffers of an instruction its device takes as bfloat16; None keeps all as float32.
    update: a function that adds what a solver needs: its update list (runtime/solver/update.py), what it remembers (remember.py).
    cards: for graphics cards, which have kernels for more instructions at once.
    apart: no update makes the gradient of its weights itself, which graphics cards cannot, and shares do not.
    others: see `compile`.

    Raises
    ------
    NetdefError: there is no such pass, split or `keep`; a layer's type cannot run; `net` or `update` is something else.
    """
    if not isinstance(net, Net):
        raise NetdefError(f"expected a net, not {type(net).__name__}", hint="give what netdef.load returns")
    if update is not None and not callable(update):
        raise NetdefError(f"update is a function from a program to another, not {update!r}")
    if after not in PASSES:
        raise NetdefError(f"there is no pass '{after}'", hint="the passes are " + ", ".join(PASSES))
    keep = keep or ("all" if backward else "outputs")
    if keep not in KEEP:
        raise NetdefError(f"keep cannot be '{keep}'", hint="it is one of " + ", ".join(KEEP))
    how = split_of(split), fixed, backward, keep, losses_only, update, seed, fold, buckets, nodes, narrow, cards, apart
    request = Request(devices, hosts, *how)
    program = Program(net)
    for one in PIPELINE[: PASSES.index(after) + 1]:
        program = one.run(program, request)
    return program


def compile_sharing(program: Program, net: Net, **options: Any) -> Program:
    """The program of a net that shares the parameters and the devices of another's.  options: see `compile_program`."""
    division = program.division
    if division is None:
        return compile_program(net, narrow=program.forms, **options)
    lying: dict[str, Any] = {"devices": division.devices, "hosts": division.hosts, "nodes": division.nodes}
    lying["fixed"] = parameter_cuts(division)
    return compile_program(net, narrow=program.forms, **lying, **options)
