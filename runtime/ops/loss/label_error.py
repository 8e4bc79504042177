"""The error of a label that is no class."""

from __future__ import annotations

from netdef.language.diagnostics import NetdefError


class LabelError(NetdefError):
    """A label is no class; which one it is, is not said here."""
