"""The files that layers write: what each run gives them is appended."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from runtime.ir.program import Buffer, Program

if TYPE_CHECKING:
    from runtime.data.hdf5_output import Hdf5Output


class Sinks:
    """The open files of a program's layers, by layer.  writes: whether it is this process that writes them."""

    def __init__(self, program: Program, writes: bool = True):
        self._files: dict[str, Hdf5Output] = {}
        if program.sinks and writes:
            from runtime.data.hdf5_output import open_outputs  # as runtime.data imports numba

            self._files = open_outputs([sink.layer for sink in program.sinks])

    def append(self, program: Program, read: Callable[[Buffer], np.ndarray]) -> None:
        """Append what the layers were given in this run.  program: the present one; its buffers are read."""
        for sink in program.sinks:
            values = {name: read(buffer) for name, buffer in sink.fields.items()}
            if sink.layer.name in self._files:
                self._files[sink.layer.name].append(values)

    def discard(self) -> None:
        """Remove the unfinished files, so that no file holds a piece of what was to be in it."""
        for file in self._files.values():
            file.discard()

    def close(self) -> None:
        """Give the files their names."""
        for file in self._files.values():
            file.close()
