"""The error of a number that picks nothing."""

from __future__ import annotations

from netdef.language.diagnostics import NetdefError


class WrongNumberError(NetdefError):
    """A label is no class, or another number no row or image; which one it is, is not said here."""
