"""Placement: which device runs what.  With one device everything runs on it."""

from __future__ import annotations

from runtime.program import Program


def place(program: Program, devices: int = 1) -> Program:
    """Assign every instruction to a device.

    Raises
    ------
    NetdefError: for more than one device, which this version cannot split a network over.
    """
    if devices != 1:
        from netdef import NetdefError

        raise NetdefError(f"a network runs on one device for now, not {devices}")
    return program
