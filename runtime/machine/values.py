"""The values in the memory of a compiled net, as users see them: blobs, parameters and states, to read and to write."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from netdef.language.paths import path_of
from netdef.language.source import excerpt
from netdef.language.spelling import did_you_mean
from runtime.ir.program import Buffer, Program
from runtime.machine.memory import Memory
from runtime.machine.ranks.ranks import Ranks
from runtime.machine.regions import BufferMap, BufferRegion, gathered, scattered, summed
from runtime.machine.weights import Loaded, Paths, listed, load_weights, read_as_written, remark, without_statistics, write_weights

if TYPE_CHECKING:
    from netdef.graph.layer import Blob, Parameter
    from netdef.graph.net import Net


class Values:
    """Reads and writes what the buffers of a program hold; an executable is one that runs it too.

    Arrays go in and come out in Caffe's shapes, batch first.
    """

    net: Net
    program: Program
    buffers: BufferMap
    memory: Memory
    ranks: Ranks | None
    inputs: list[str]
    _share: Values | None  # whose parameters and devices these are, if not its own
    _closed: bool
    _changes: int  # of parameters

    def remembered(self, runs: Iterable[int]) -> list[dict[Blob, np.ndarray]]:
        """What the program remembers of each of these runs, by blob: (N, C, H, W), or () where only the sum is.

        It is there until the program has run as often again as it remembers.

        Parameters
        ----------
        runs: what `iteration` was.
        """
        regions = self.buffers.remembered
        buffers = [held.buffer for found in regions.values() for held in found]
        rings = dict(zip(buffers, self.memory.read_all(buffers), strict=True))

        def of(run: int, blob: Blob, found: list[BufferRegion]) -> np.ndarray:
            rows = {held.buffer: outer(rings[held.buffer][run % held.buffer.shape[0]]) for held in found}
            sums = not found[0].buffer.shape[1:]
            return np.sum(list(rows.values())) if sums else gathered(found, blob.shape, rows.__getitem__)

        return [{blob: of(run, blob, found) for blob, found in regions.items()} for run in runs]

    def blob(self, name: str) -> np.ndarray:
        """A copy of a blob, (N, C, H, W) float32.

        Raises
        ------
        NetdefError: if there is no such blob, or its memory has been used for others since; after `close`, as for all that is
            read or set.
        """
        blob = self._blob(name)
        return gathered(self._kept(self.buffers.blob(blob), f"blob '{name}'"), blob.shape, self._read)

    def blob_grad(self, name: str) -> np.ndarray:
        """A copy of the gradient of a blob, (N, C, H, W) float32; zeros, as in Caffe, if nothing in the net needs it.

        Where layers work in place it is that of the blob's first version.  `force_backward: true` asks for those of inputs.
        """
        shape = self._blob(name).shape  # raises for an unknown name
        versions = [blob for blob in self.buffers.with_gradient if blob.name == name]
        if not versions:
            return np.zeros(shape, np.float32)
        first = min(versions, key=lambda blob: blob.version)
        regions = self._kept(self.buffers.gradient(first), f"the gradient of blob '{name}'")
        return summed(regions, first.shape, self._read)

    def param(self, layer: str, index: int) -> np.ndarray:
        """A copy of parameter `index` of a layer, in Caffe's shape."""
        owner = self._parameter(layer, index).owner
        return gathered(self.buffers.parameter(owner), owner.shape, self.memory.read)

    def set_param(self, layer: str, index: int, array: Any) -> None:
        """Overwrite parameter `index` of a layer.

        Raises
        ------
        NetdefError: if the shapes differ.
        """
        owner = self._parameter(layer, index).owner
        values = array_of(array, f"parameter {index} of layer '{layer}'").astype(np.float32)
        if values.shape != owner.shape:
            raise NetdefError(f"parameter {index} of layer '{layer}' has shape {owner.shape}, not {values.shape}")
        scattered(self.buffers.parameter(owner), values, self.memory.write)
        self._owner._changes += 1

    def param_grad(self, layer: str, index: int) -> np.ndarray:
        """A copy of the gradient of parameter `index` of a layer, in Caffe's shape."""
        owner = self._parameter(layer, index).owner
        regions = self.buffers.parameter_gradient(owner)
        if not regions:
            hint = 'an update may have made it without keeping it: keep="activations", of compile or of the Solver, keeps it'
            raise NetdefError(f"the gradient of parameter {index} of layer '{layer}' is not computed", hint=hint)
        return gathered(regions, owner.shape, self.memory.read)

    def has_state(self, parameter: Parameter, name: str) -> bool:
        """Whether the solver keeps such a state for a parameter."""
        return bool(self.buffers.state(parameter.owner, name))

    def state(self, parameter: Parameter, name: str) -> np.ndarray:
        """A copy of a solver's state, such as a parameter's momentum, in the parameter's shape."""
        return gathered(self._state(parameter, name), parameter.owner.shape, self.memory.read)

    def set_state(self, parameter: Parameter, name: str, values: np.ndarray) -> None:
        """Overwrite a solver's state."""
        scattered(self._state(parameter, name), values.reshape(parameter.owner.shape), self.memory.write)

    def _state(self, parameter: Parameter, name: str) -> list[BufferRegion]:
        self._check_open()
        regions = self.buffers.state(parameter.owner, name)
        if not regions:
            raise NetdefError(f"no state {name!r} of {parameter} is kept", hint="`has_state` says which the solver keeps")
        return regions

    def carried(self) -> dict[str, np.ndarray]:
        """Copies of what layers carry from run to run, such as the states of an LSTM, by name."""
        self._check_open()
        return {name: self.memory.read(buffer) for name, buffer in self._carried.items()}

    def set_carried(self, name: str, values: Any) -> None:
        """Overwrite what `carried` has under a name.

        Raises
        ------
        NetdefError: it has other than so many numbers.
        """
        self._check_open()
        buffer = self._carried[name]
        if np.size(values) != buffer.size:
            raise NetdefError(f"the state {name} of net '{self.net.name}' has {buffer.size} numbers, not {np.size(values)}")
        self.memory.write(buffer, np.reshape(values, buffer.shape))

    @property
    def _carried(self) -> dict[str, Buffer]:
        roots = (buffer.root for one in self.program.forward for buffer in one.buffers)
        return {buffer.name: buffer for buffer in roots if buffer.role == "carried"}

    def set_scalar(self, name: str, value: float) -> None:
        """Set a number that kernels read, such as `rate`.  Programs that do not use it ignore it."""
        self._check_open()
        for (scalar, _), buffer in self.program.scalars.items():
            if scalar == name:
                self.memory.set(buffer, value)

    def scalar(self, name: str) -> float:
        """The present value of such a number.

        Raises
        ------
        NetdefError: the program reads no number of that name.
        """
        self._check_open()
        names = [scalar for scalar, _ in self.program.scalars]
        if name not in names:
            known = ", ".join(dict.fromkeys(names)) or "none"
            raise NetdefError(f"net '{self.net.name}' reads no number {name!r}", hint=f"those that it reads: {known}")
        buffer = next(buffer for (scalar, _), buffer in self.program.scalars.items() if scalar == name)
        return float(self.memory.read(buffer)[0])

    def save_weights(self, path: str | Path) -> None:
        """Write all parameters as a .caffemodel (or .h5 by its ending): to a temporary file, which is renamed.

        Of several ranks, rank 0 writes.
        """
        self._check_open()
        path = path_of(path, "a file of weights")
        if self.ranks is None or self.ranks.first:
            write_weights(path, self.net, self.param)
        else:
            read_as_written(path, self.net, self.param)

    def load_weights(self, paths: Paths, allow_missing: bool = False, say: Callable[[str], None] = remark) -> Loaded:
        """Copy parameters from .caffemodel or .caffemodel.h5 files by layer name; see `runtime.machine.weights.load_weights`.

        Raises
        ------
        NetdefError: a file holds no weights or numbers that are not finite, shapes differ, or layers of the net are in no file and
            `allow_missing` is false.
        """
        loaded = load_weights(paths, self.net, self.set_param, allow_missing, say)
        if empty := self.without_statistics:
            files = paths if isinstance(paths, str | Path) else " and ".join(map(str, paths))
            say(f"{files}: no running statistics for {listed(empty)}; as in Caffe, they divide by sqrt(eps)")
        return loaded

    @property
    def without_statistics(self) -> list[str]:
        """The layers that normalise by running statistics, and have those of no batch."""
        return without_statistics(self.net, self.param)

    @property
    def closed(self) -> bool:
        """Whether `close` has ended it, or the executable whose parameters and devices it uses."""
        return self._closed or (self._share is not None and self._share.closed)

    def _check_open(self) -> None:
        """Raises NetdefError: it is closed."""
        if self.closed:
            raise NetdefError(f"{self!r} is closed", hint="compile the net again")

    @property
    def _owner(self) -> Values:
        """What has the parameters that are used here."""
        return self if self._share is None else self._share._owner

    def _present(self, blob: Blob) -> np.ndarray:
        """What the memory of a blob holds now, the blob or not; (N, C, H, W)."""
        return gathered(self.buffers.blob(blob), blob.shape, self._read)

    def _read(self, buffer: Buffer) -> np.ndarray:
        return outer(self.memory.read(buffer))

    def _kept(self, regions: list[BufferRegion], what: str) -> list[BufferRegion]:
        """The regions, which must not have been used for others since."""
        if not regions or any(self.memory.recycles(held.buffer) for held in regions):
            raise NetdefError(
                f"{what} was not kept: its memory is reused by others in this program",
                hint='keep="all", of compile or of the Solver, lets it be read; share=EXECUTABLE takes the weights of this one',
            )
        return regions

    def _blob(self, name: str) -> Blob:
        self._check_open()
        blob = self.net.blobs.get(name)
        if blob is None:
            raise NetdefError(
                f"net '{self.net.name}' has no blob '{name}' in phase {self.net.phase}",
                hint=did_you_mean(str(name), self.net.blobs),
            )
        return blob

    def _parameter(self, layer: str, index: int) -> Parameter:
        self._check_open()
        parameters = self.net.layer(layer).parameters
        if not isinstance(index, Integral) or not 0 <= index < len(parameters):
            raise NetdefError(f"layer '{layer}' has {len(parameters)} parameters, there is no parameter {index!r}")
        return parameters[index]


def store(values: Values, regions: list[BufferRegion], given: Any, shape: tuple[int, ...], name: str) -> None:
    """Write an array in user order (batch first) into its regions in internal order (batch last)."""
    array = array_of(given, f"'{name}'")
    if array.shape != shape:
        hints = [f"reshape({name}={array.shape}) gives the net this shape"] * (name in values.inputs)
        if array.ndim and shape and array.shape[1:] == shape[1:]:
            hints.append(f"the program was compiled for a batch of {shape[0]}; compile with batch_size={array.shape[0]}")
        hint = "; or ".join(reversed(hints))
        raise NetdefError(f"'{name}' has shape {shape}, not {array.shape}", hint=hint)
    scattered(regions, array, lambda buffer, own: values.memory.write(buffer, np.moveaxis(own, 0, -1) if own.ndim else own))


def array_of(values: Any, what: str) -> np.ndarray:
    """Values of a caller as an array; raises NetdefError if they are no array of real numbers."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "biuf":
            return array
    except ValueError:  # rows of different lengths
        pass
    raise NetdefError(f"{what} takes an array of numbers, not {excerpt(repr(values))}")


def outer(array: np.ndarray) -> np.ndarray:
    """From internal order (batch last) to the users' (batch first)."""
    return np.ascontiguousarray(np.moveaxis(array, -1, 0)) if array.ndim else array
