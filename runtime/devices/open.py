"""From the names that users give to devices."""

from __future__ import annotations

from netdef import NetdefError
from runtime.devices.device import Device


def open_device(name: str, threads: int | None = None) -> Device:
    """The device of that name.

    Parameters
    ----------
    threads: worker threads of a CPU device; default all cores.

    Raises
    ------
    NetdefError: if it is not one this version knows.
    """
    if name in ("cpu", "cpu:0"):
        from runtime.devices.cpu import CpuDevice

        return CpuDevice(threads)
    raise NetdefError(f"there is no device '{name}'", hint="this version runs on `cpu`")
