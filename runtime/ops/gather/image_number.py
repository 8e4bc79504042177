"""The error of a number that picks no image."""

from __future__ import annotations

from netdef.language.diagnostics import NetdefError


class ImageNumberError(NetdefError):
    """A number is no image of a batch; which one it is, is not said here."""
