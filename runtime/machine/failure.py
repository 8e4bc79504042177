"""What a user reads when a device fails: the device, the kernel and the layer, and why."""

from __future__ import annotations

from collections.abc import Mapping

from netdef.language.diagnostics import NetdefError
from runtime.ir.program import Instruction
from runtime.machine.device import StepError


def named(error: StepError, instructions: Mapping[int, Instruction]) -> NetdefError:
    """The failure of a bound instruction as one message.

    Parameters
    ----------
    instructions: by the id of what each is bound to.
    """
    step, cause = instructions.get(id(error.step)), error.__cause__
    where = f"{error.device}, {step.kernel} of layer {step.layer}" if step is not None else error.device
    if isinstance(cause, NetdefError):
        return NetdefError(f"{where}: {cause.diagnostics[0].message}", hint=cause.diagnostics[0].hint)
    if isinstance(cause, MemoryError):
        return NetdefError(f"{where}: out of memory", hint="a smaller batch_size needs less")
    return NetdefError(f"{where} failed: {type(cause).__name__}: {cause}")
