"""The error of commands whose net gives numbers that are not finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from runtime.machine.executable import Executable


def not_finite(text: str, executable: Executable) -> NetdefError:
    """The error of this text, which also names the first output that is not finite."""
    from runtime.machine.non_finite import with_origin

    return NetdefError(with_origin(text, executable), hint="the weights, or the mean, may be of another net")
