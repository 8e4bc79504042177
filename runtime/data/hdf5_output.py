"""The files that HDF5Output layers write: what each run makes is appended to the datasets "data" and "label"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netdef.graph.reach import remark_on_reach
from netdef.language.writing import replacing
from netdef.weights.hdf5 import h5py_module
from netdef.weights.hdf5_writing import Hdf5Writing

if TYPE_CHECKING:
    from netdef.layers.sink import HDF5Output

AXES = 4  # of Caffe's datasets, at least: of labels, those after the first are 1


class Hdf5Output:
    """One file.  It is written beside, and has its name from `close` on: until then, what had that name stays whole.

    Raises
    ------
    NetdefError: h5py is not installed.
    """

    def __init__(self, layer: HDF5Output):
        remark_on_reach(layer)
        self.path = Path(layer.p.file_name)
        h5py_module(f"layer {layer.name}, an HDF5Output,")
        self._open: ExitStack | None = None
        self._file: Any = None
        self._writing: Hdf5Writing

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Append to each dataset along its first axis.

        Parameters
        ----------
        arrays: by dataset, (N, ...) float32, each time of the same shape.

        Raises
        ------
        NetdefError: the file cannot be written; what was appended before is lost with it.
        """
        if self._open is None:
            self._open = ExitStack()
        try:
            if self._file is None:
                partial = self._open.enter_context(replacing(self.path))
                self._writing = Hdf5Writing(partial)
                self._file = self._open.enter_context(self._writing)
            for name, array in arrays.items():
                values = array.reshape(array.shape + (1,) * (AXES - array.ndim))
                if name not in self._file:
                    shape = (0, *values.shape[1:])
                    self._file.create_dataset(name, shape, np.float32, maxshape=(None, *values.shape[1:]))
                dataset = self._file[name]
                dataset.resize(len(dataset) + len(values), axis=0)
                dataset[len(dataset) - len(values) :] = values
            self._writing.check()
        except BaseException as error:
            self._end(error)
            raise

    def close(self) -> None:
        """Give the file its name, if anything was appended.

        Raises
        ------
        NetdefError: it cannot be written; what had the name is untouched.
        """
        taken, self._open, self._file = self._open, None, None
        if taken is not None:
            taken.close()

    def discard(self) -> None:
        """Remove what was written.  What is appended afterwards begins a new file."""
        self._end(_DiscardedError())

    def _end(self, error: BaseException) -> None:
        """Remove what was written because of an error; one of the system's is raised as a NetdefError."""
        taken, self._open, self._file = self._open, None, None
        if taken is not None:
            taken.__exit__(type(error), error, error.__traceback__)


class _DiscardedError(Exception):
    """What ends a file that is not wanted."""


def open_outputs(layers: Sequence[HDF5Output]) -> dict[str, Hdf5Output]:
    """The files of these layers, by layer; none is made before something is appended.

    Raises
    ------
    NetdefError: h5py is not installed, or two layers write one file.
    """
    outputs: dict[str, Hdf5Output] = {}
    for layer in layers:
        made = Hdf5Output(layer)
        for name, other in outputs.items():
            if made.path.absolute() == other.path.absolute():
                raise layer.error(f"{layer.p.file_name} is the file of layer {name} too", "file_name")
        outputs[layer.name] = made
    return outputs
