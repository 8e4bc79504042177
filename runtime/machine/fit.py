"""Whether programs fit into their devices' memory together, before any of it is taken; and if not, how large a batch would."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from netdef.language.diagnostics import NetdefError
from netdef.language.units import binary
from runtime.ir.program import PARAMETERS, STATES, WORKING, Program, arena_of
from runtime.machine.device import HOST, Device
from runtime.machine.open import different

WHOLE = 4  # images in a pack

TestPrograms = Callable[[Program], Sequence[Program]]


def no_tests(program: Program) -> Sequence[Program]:
    """No programs test the parameters of a program."""
    return ()


def needed(programs: Sequence[Program], device: Device, shares: Collection[int], own_parameters: bool) -> int:
    """Bytes that programs on the same parameters, the first one's, take together on a device that has these shares of them."""
    arenas = [(program, kind) for program in programs for kind in (WORKING, STATES)] + (
        [(programs[0], PARAMETERS)] if own_parameters else []
    )
    plans = [(program.plan, arena) for program, arena in arenas if program.plan is not None]
    held = sum(plan.arenas[arena_of(arena, share)] for plan, arena in plans for share in shares)
    return held + device.workspace_bytes(programs, shares)


def check_fit(
    program: Program,
    devices: Sequence[Device],
    own_parameters: bool,
    batch: int,
    smaller: Callable[[int], Program],
    tests: TestPrograms = no_tests,
) -> None:
    """That every device has room for its shares.

    Parameters
    ----------
    own_parameters: whether memory for parameters is needed too; else others hold them already.
    batch: the program's batch size.
    smaller: the same program for another batch size.
    tests: the programs that test a training program's parameters, and stay as they are when its batch gets smaller.

    Raises
    ------
    NetdefError: one has not; with what it needs, what there is, and the largest batch that fits.
    """

    def lacking(candidate: Program, tests: TestPrograms = tests) -> list[str]:
        """What each pool of memory without room is to give, and has."""
        missing = []
        programs: list[Program] = []
        for pool in dict.fromkeys(device.pool for device in devices):
            together = [device for device in different(devices) if device.pool == pool]
            memory = together[0].memory()
            if memory is None:
                continue
            # The host's arenas are checked once more when the test nets are compiled: until then they cost no time here.
            programs = programs or [candidate, *(tests(candidate) if pool != HOST else ())]
            need = 0
            for device in together:
                shares = [share for share, other in enumerate(devices) if other is device]
                need += needed(programs, device, shares, own_parameters)
            free, total = memory
            if need > free:
                names = " and ".join(device.name for device in together)
                missing.append(f"{binary(need)} on {names}, where {binary(free)} of {binary(total)} are free")
        return missing

    short = lacking(program)
    if not short:
        return

    def fits(size: int, tests: TestPrograms = tests) -> bool:
        try:
            return not lacking(smaller(size), tests)
        except NetdefError:  # too few images to divide
            return False

    best = _largest(batch, fits)
    hint = f"the largest batch that fits is {best} (--batch, or batch_size in the net)" if best else _why_none(fits)
    batches = [test.net.batch or 1 for test in tests(program)]
    tested = f", tested in batches of {' and '.join(map(str, batches))}," if batches else ""
    net = program.net.name or program.net.filename
    raise NetdefError(f"{net} in batches of {batch}{tested} needs {', and '.join(short)}", hint=hint)


def _largest(batch: int, fits: Callable[[int], bool]) -> int:
    """The largest size below `batch` that fits, 0 if none does.

    Of multiples of WHOLE a larger one never needs less; others may need more than the next multiple, as cards have kernels for it.
    """
    low, high = 0, -(-batch // WHOLE)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(WHOLE * middle) else (low, middle)
    between = range(min(batch, WHOLE * (low + 1)) - 1, WHOLE * low, -1)
    return next((size for size in between if fits(size)), WHOLE * low)


def _why_none(fits: Callable[[int, TestPrograms], bool]) -> str:
    """What is said where not even a batch of one fits."""
    none = "not even one image at a time fits"
    return f"{none} together with the test net: a smaller batch_size there needs less" if fits(1, no_tests) else none
