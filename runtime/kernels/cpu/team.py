"""Threads that share a launch in compiled code: which piece of it is next is counted without Python's lock.

A job is words of 8 bytes in memory, each that many threads write in a cache line of its own.  A helper's state is a word too: while
it waits for a job that comes soon, it looks at that word all the time, as waking it takes longer than many kernels run.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir

from runtime.kernels.cpu.generated import cgutils, intrinsic, types
from runtime.kernels.cpu.jit import inner, jit

LINE = 8  # words of a cache line
# Words of a job: how many pieces, the code, where the bounds of the pieces begin; which is next, which failed, how many helpers are
# done.  From WORKERS on the address of each worker's arguments, then the bounds.
CHUNKS, CODE, BOUNDS, TICKET, FAILED, DONE, WORKERS = 0, 1, 2, LINE, LINE + 1, 2 * LINE, 3 * LINE
# States of a helper; any other is the address of a job that it is to take, and that can be taken back until it has.
ASLEEP, WAITING, LEAVE, BUSY = 0, 1, 2, 3
INDEX, BYTES = ir.IntType(64), ir.IntType(8).as_pointer()
NAP = 50  # microseconds


def _word(build: Any, address: Any, index: Any) -> Any:
    return build.inttoptr(build.add(address, build.mul(index, INDEX(8))), INDEX.as_pointer())


def _load(context: Any, address: Any, index: Any) -> Any:
    """Word `index` from an address on."""
    return types.intp(types.intp, types.intp), lambda _, build, __, given: build.load_atomic(_word(build, *given), "acquire", 8)


def _store(context: Any, address: Any, index: Any, value: Any) -> Any:
    def generate(context: Any, build: Any, signature: Any, given: Any) -> Any:
        build.store_atomic(given[2], _word(build, *given[:2]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), generate


def _add(context: Any, address: Any, index: Any, value: Any) -> Any:
    """Add to a word; returns what it was."""

    def generate(context: Any, build: Any, signature: Any, given: Any) -> Any:
        return build.atomic_rmw("add", _word(build, *given[:2]), given[2], "seq_cst")

    return types.intp(types.intp, types.intp, types.intp), generate


def _change(context: Any, address: Any, index: Any, before: Any, after: Any) -> Any:
    """Whether a word was `before`, and then is `after`."""

    def generate(context: Any, build: Any, signature: Any, given: Any) -> Any:
        return build.extract_value(build.cmpxchg(_word(build, *given[:2]), *given[2:], "seq_cst", "seq_cst"), 1)

    return types.boolean(types.intp, types.intp, types.intp, types.intp), generate


def _call(context: Any, code: Any, block: Any, begin: Any, end: Any) -> Any:
    """Call what `runtime.kernels.cpu.native` made; not 0: it failed."""

    def generate(context: Any, build: Any, signature: Any, given: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [BYTES, INDEX, INDEX])
        function, block = build.inttoptr(given[0], kind.as_pointer()), build.inttoptr(given[1], BYTES)
        return build.sext(build.call(function, [block, *given[2:]]), INDEX)

    return types.intp(types.intp, types.intp, types.intp, types.intp), generate


def _pause(context: Any) -> Any:
    """Let a core rest for some cycles, where there is an instruction for it."""

    def generate(context: Any, build: Any, signature: Any, given: Any) -> Any:
        if platform.machine() in ("x86_64", "AMD64"):
            kind = ir.FunctionType(ir.VoidType(), [])
            build.call(cgutils.get_or_insert_function(build.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), generate


def _nap(context: Any) -> Any:
    """Let other threads have the core for NAP."""

    def generate(context: Any, build: Any, signature: Any, given: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(32)])
        build.call(cgutils.get_or_insert_function(build.module, kind, "usleep"), [ir.IntType(32)(NAP)])
        return context.get_dummy_value()

    return types.void(), generate


load, store, add = intrinsic(_load), intrinsic(_store), intrinsic(_add)
change, call = intrinsic(_change), intrinsic(_call)
pause, nap = intrinsic(_pause), intrinsic(_nap)


@inner
def take(job: int, worker: int) -> None:
    """Compute pieces of a job until none is left, or one has failed."""
    chunks, code, block, bounds = load(job, CHUNKS), load(job, CODE), load(job, WORKERS + worker), load(job, BOUNDS)
    ticket = add(job, TICKET, 1)
    while ticket < chunks:
        if call(code, block, load(job, bounds + ticket), load(job, bounds + ticket + 1)) != 0:
            store(job, FAILED, ticket + 1)
            add(job, TICKET, chunks)
        ticket = add(job, TICKET, 1)


@jit
def serve(state: int, worker: int, turns: int) -> None:
    """A helper's work: the jobs that its state says.  Returns when there is none for so many turns, or it says LEAVE."""
    waited = 0
    while True:
        job = load(state, 0)
        if job == WAITING:
            waited += 1
            if waited > turns and change(state, 0, WAITING, ASLEEP):
                return
            pause()
        elif job in (LEAVE, ASLEEP):
            return
        elif change(state, 0, job, BUSY):
            take(job, worker)
            store(state, 0, WAITING)
            add(job, DONE, 1)
            waited = 0


@jit
def share(job: int, states: int, helpers: int, turns: int, begun: bool) -> int:
    """Compute a job with so many helpers; `begun`: they were woken.

    Returns how many were asleep, and are to be woken before the job is begun; or 0 when it is done, and below 0 the number of a
    piece that failed, negated, from 1 on.
    """
    if not begun:
        store(job, TICKET, 0)
        store(job, FAILED, 0)
        store(job, DONE, 0)
        asleep = 0
        for helper in range(1, helpers + 1):
            if not change(states, LINE * helper, WAITING, job) and change(states, LINE * helper, ASLEEP, job):
                asleep += 1
        if asleep:
            return asleep
    take(job, 0)
    late = 0  # a helper that has not begun is not waited for: it may wait for a core
    for helper in range(1, helpers + 1):
        if change(states, LINE * helper, job, WAITING):
            late += 1
    waited = 0
    while load(job, DONE) < helpers - late:
        waited += 1
        if waited > turns:
            nap()
        else:
            pause()
    return -load(job, FAILED)
