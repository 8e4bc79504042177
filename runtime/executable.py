"""A compiled network bound to a device: run it, read and write its blobs and parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netdef import NetdefError
from netdef.language.spelling import did_you_mean
from runtime.devices.device import Device
from runtime.fillers import fill
from runtime.program import Buffer, Program, SourceInput

if TYPE_CHECKING:
    from netdef.graph import Blob, Net, Parameter
    from runtime.data import Source


class Executable:
    """What `runtime.compile` returns.

    Attributes
    ----------
    net: the graph.  program: the instructions it became.
    inputs, outputs: names of the blobs it is fed, and of those nobody consumes.
    sources: the open data sources, by data layer.
    """

    def __init__(
        self, program: Program, device: Device, seed: int, share: Executable | None = None, differentiable: bool = True
    ):
        assert program.plan is not None
        self.net: Net = program.net
        self.program = program
        self.device = device
        self.seed = seed
        self.sources: dict[str, Source] = {}
        self.inputs = [blob.name for blob in self.net.inputs]
        self.outputs = [blob.name for blob in self.net.outputs]
        self._plan = program.plan
        self._share = share
        self._differentiable = differentiable
        self._arenas = {name: device.allocate(size) for name, size in self._plan.arenas.items() if name != "parameters"}
        self._arrays: dict[Buffer, Any] = {}
        if share is None:
            self._arenas["parameters"] = device.allocate(self._plan.arenas["parameters"])
            self._initialise()
        else:
            self._adopt(share)
        self._lists = {
            name: [device.bind(step, self._array) for step in getattr(program, name)]
            for name in ("forward", "backward", "update")
        }
        self._without_sources = [
            bound
            for bound, step in zip(self._lists["forward"], program.forward, strict=True)
            if step.layer not in {source.layer.name for source in program.sources}
        ]
        self._feeds = _feedable(program)
        self._passes = -1  # forward runs so far, less one

    # Running

    def forward(self, **inputs: Any) -> dict[str, np.ndarray]:
        """Run the net forward.

        Parameters
        ----------
        inputs: arrays by blob name, in the blob's shape (N, C, H, W).  Input blobs keep their last values when not given.
            Data layers are fed by their sources, unless their blobs are given here.

        Returns
        -------
        The outputs by name, float32, batch first.

        Raises
        ------
        NetdefError: for an unknown name or a shape other than the compiled one.
        """
        self.run_forward(**inputs)
        return {name: self.blob(name) for name in self.outputs}

    def run_forward(self, **inputs: Any) -> None:
        """`forward` without reading the outputs: a device that runs by itself may not be done when this returns."""
        fed = self._feed_inputs(inputs)
        self._count_pass()
        steps = self._lists["forward"]
        if self.program.sources:
            if fed:
                steps = self._without_sources
            else:
                for source in self.program.sources:
                    self._load(source)
        self.device.run(steps)

    def backward(self, **top_gradients: Any) -> None:
        """Compute the gradients of parameters, and of blobs where needed, after a forward run.

        Parameters
        ----------
        top_gradients: gradients of outputs by name; an output not given has its loss weight (0 for what is no loss).
            An output that no parameter or input could learn from, such as an accuracy, ignores its gradient.
        """
        if not self._differentiable:
            raise NetdefError(f"net '{self.net.name}' has no backward program", hint="it was compiled with backward=False")
        by_name = {blob.name: blob for blob in self.program.seeds}
        for name in top_gradients:
            if name not in by_name and name not in self.outputs:
                raise NetdefError(f"'{name}' is no output", hint="the outputs are " + ", ".join(self.outputs))
        for name, blob in by_name.items():
            array = self._array(self.program.seeds[blob])
            if name in top_gradients:
                self._store(array, top_gradients[name], blob.shape, name)
            else:
                self.device.write(array, np.array(blob.producer.loss_weights[blob.index], np.float32))
        self.device.run(self._lists["backward"])

    def update(self) -> None:
        """Run the update list: one step of the solver on all parameters."""
        self.device.run(self._lists["update"])

    def first_non_finite(self) -> str | None:
        """Run forward again on the same inputs, one kernel at a time; the layer whose output first was not finite, or None."""
        for step, bound in zip(self.program.forward, self._lists["forward"], strict=True):
            self.device.run([bound])
            if not all(np.isfinite(self._host(b)).all() for b in step.outputs if b.dtype == "float32"):
                return step.layer
        return None

    # Reading and writing

    @property
    def runs_ahead(self) -> bool:
        """Whether the device may still be running when a call returns, so that reading has to wait for it."""
        return self.device.threads == 0

    def read_later(self, names: Iterable[str]) -> Callable[[], dict[str, np.ndarray]]:
        """Copies of blobs as they are after all that was run before; calling the result waits for them.

        Raises
        ------
        NetdefError: as `blob`.
        """
        buffers = {name: self._kept(self._blob_buffer(name), f"blob '{name}'") for name in names}
        readers = {name: self.device.read_later(self._array(buffer)) for name, buffer in buffers.items()}
        return lambda: {name: _outer(read()) for name, read in readers.items()}

    def blob(self, name: str) -> np.ndarray:
        """A copy of a blob, (N, C, H, W) float32.

        Raises
        ------
        NetdefError: if there is no such blob, or its memory has been used for others since.
        """
        return self._read(self._blob_buffer(name), f"blob '{name}'")

    def blob_grad(self, name: str) -> np.ndarray:
        """A copy of the gradient of a blob, (N, C, H, W) float32; zeros, as in Caffe, if nothing in the net needs it.

        Where layers work in place it is that of the blob's first version.  `force_backward: true` asks for those of inputs.
        """
        self._blob_buffer(name)  # an unknown name is said so
        versions = [blob for blob in self.program.gradients if blob.name == name]
        if not versions:
            return np.zeros(self.net.blobs[name].shape, np.float32)
        return self._read(self.program.gradients[versions[0]], f"the gradient of blob '{name}'")

    def param(self, layer: str, index: int) -> np.ndarray:
        """A copy of parameter `index` of a layer, in Caffe's shape."""
        return self._host(self._parameter_buffer(layer, index))

    def set_param(self, layer: str, index: int, array: Any) -> None:
        """Overwrite parameter `index` of a layer.

        Raises
        ------
        NetdefError: if the shapes differ.
        """
        target = self._parameter_buffer(layer, index)
        values = np.asarray(array, np.float32)
        if values.shape != target.shape:
            raise NetdefError(f"parameter {index} of layer '{layer}' has shape {target.shape}, not {values.shape}")
        self.device.write(self._array(target), values)

    def param_grad(self, layer: str, index: int) -> np.ndarray:
        """A copy of the gradient of parameter `index` of a layer, in Caffe's shape."""
        owner = self._parameter(layer, index).owner
        if owner not in self.program.parameter_gradients:
            raise NetdefError(f"the gradient of parameter {index} of layer '{layer}' is not computed")
        return self._host(self.program.parameter_gradients[owner])

    def state(self, parameter: Parameter, name: str) -> np.ndarray:
        """A copy of a solver's state, such as a parameter's momentum, in the parameter's shape."""
        return self._host(self.program.states[parameter.owner, name])

    def set_state(self, parameter: Parameter, name: str, values: np.ndarray) -> None:
        """Overwrite a solver's state."""
        self.device.write(self._array(self.program.states[parameter.owner, name]), values.reshape(parameter.shape))

    def set_scalar(self, name: str, value: float) -> None:
        """Set a number that kernels read: `iteration`, `rate`, ...  Programs that do not use it ignore it.

        `iteration` picks the random numbers of the next forward run; when it is not set, each run takes the next.
        """
        if name == "iteration":
            self._passes = int(value) - 1
        elif name in self.program.scalars:
            self._write_scalar(name, value)

    def scalar(self, name: str) -> float:
        """The present value of such a number."""
        return float(self._host(self.program.scalars[name])[0])

    def save_weights(self, path: str | Path) -> None:
        """Write all parameters as a .caffemodel (or .h5 by its ending), beside and renamed."""
        from runtime.solver.weights import write_weights

        write_weights(path, self.net, self.param)

    def load_weights(self, path: str | Path) -> list[str]:
        """Copy parameters from a .caffemodel or .h5 file by layer name; returns the layers that were filled.

        Raises
        ------
        NetdefError: if shapes differ, or no layer of the file is in the net.
        """
        from runtime.solver.weights import load_weights

        return load_weights(path, self)

    def close(self) -> None:
        """Stop the data sources and the worker threads."""
        for source in self.sources.values():
            source.close()
        self.sources.clear()
        if self._share is None:
            self.device.close()

    def __enter__(self) -> Executable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Memory

    def _array(self, buffer: Buffer) -> Any:
        """The device's array of a buffer."""
        if buffer not in self._arrays:
            arena, offset = self._plan.offsets[buffer.root]
            offset += buffer.byte_offset
            self._arrays[buffer] = self.device.array(self._arenas[arena], offset, buffer.shape, buffer.dtype)
        return self._arrays[buffer]

    def _host(self, buffer: Buffer) -> np.ndarray:
        """A copy of a buffer, in internal layout."""
        return self.device.read(self._array(buffer))

    def _write_scalar(self, name: str, value: float) -> None:
        scalar = self.program.scalars[name]
        self.device.write(self._array(scalar), np.array([value], scalar.dtype))

    def _initialise(self) -> None:
        for parameter, buffer in self.program.parameters.items():
            array = self._array(buffer)
            values = array if isinstance(array, np.ndarray) else np.empty(buffer.shape, np.float32)
            fill(values, parameter.filler, self.seed, str(parameter), parameter.layer.position)
            if values is not array:
                self.device.write(array, values)

    def _adopt(self, other: Executable) -> None:
        """Use the parameters of another executable, by layer name; those it lacks are this one's own."""
        theirs = {str(parameter): buffer for parameter, buffer in other.program.parameters.items()}
        own = [parameter for parameter in self.program.parameters if str(parameter) not in theirs]
        if own:
            names = ", ".join(sorted({parameter.layer.name for parameter in own}))
            raise NetdefError(f"layers of the test net that the training net has no weights for: {names}")
        for parameter, buffer in self.program.parameters.items():
            shared = theirs[str(parameter)]
            if shared.shape != buffer.shape:
                raise NetdefError(
                    f"parameter {parameter} has shape {buffer.shape} in phase {self.net.phase} "
                    f"and {shared.shape} in phase {other.net.phase}",
                    position=parameter.layer.position,
                )
            self._arrays[buffer] = other._array(shared)

    def _read(self, buffer: Buffer, what: str) -> np.ndarray:
        return _outer(self._host(self._kept(buffer, what)))

    def _kept(self, buffer: Buffer, what: str) -> Buffer:
        """The buffer, which must not have been used for others since."""
        if buffer.root in self._plan.recycled:
            raise NetdefError(
                f"{what} was not kept: its memory is reused by others in this program",
                hint='compile with keep="all" to read it',
            )
        return buffer

    def _blob_buffer(self, name: str) -> Buffer:
        blob = self.net.blobs.get(name)
        if blob is None:
            raise NetdefError(
                f"net '{self.net.name}' has no blob '{name}' in phase {self.net.phase}",
                hint=did_you_mean(name, self.net.blobs),
            )
        return self.program.blobs[blob]

    def _parameter(self, layer: str, index: int) -> Parameter:
        parameters = self.net.layer(layer).parameters
        if not 0 <= index < len(parameters):
            raise NetdefError(f"layer '{layer}' has {len(parameters)} parameters, there is no parameter {index}")
        return parameters[index]

    def _parameter_buffer(self, layer: str, index: int) -> Buffer:
        return self.program.parameters[self._parameter(layer, index).owner]

    # Feeding

    def _count_pass(self) -> None:
        self._passes += 1
        if "iteration" in self.program.scalars:
            self._write_scalar("iteration", self._passes)

    def _feed_inputs(self, inputs: Mapping[str, Any]) -> bool:
        """Store the given arrays; whether any of them replaces a data source."""
        replaced = False
        for name, values in inputs.items():
            if name not in self._feeds:
                hint = did_you_mean(name, self._feeds) or "those that are: " + (", ".join(self._feeds) or "none")
                raise NetdefError(f"'{name}' is not an input of net '{self.net.name}'", hint=hint)
            blob, from_source = self._feeds[name]
            self._store(self._array(self.program.blobs[blob]), values, blob.shape, name)
            replaced |= from_source
        return replaced

    def _load(self, source: SourceInput) -> None:
        """Copy the next batch of a data source into its buffers."""
        from runtime.data import open_source

        name = source.layer.name
        if name not in self.sources:
            self.sources[name] = open_source(source.layer, self.seed)
        batch = self.sources[name].next()
        for field, buffer in source.fields.items():
            self.device.upload(self._array(buffer), getattr(batch, field))
        self.sources[name].release(batch)

    def _store(self, array: Any, values: Any, shape: tuple[int, ...], name: str) -> None:
        """Write an array in user order (batch first) into one in internal order (batch last)."""
        values = np.asarray(values)
        if values.shape != shape:
            hint = ""
            if values.shape[1:] == shape[1:] and values.ndim:
                hint = f"the program was compiled for a batch of {shape[0]}; compile with batch_size={values.shape[0]}"
            raise NetdefError(f"'{name}' has shape {shape}, not {values.shape}", hint=hint)
        self.device.write(array, np.moveaxis(values, 0, -1) if values.ndim else values)


def _outer(array: np.ndarray) -> np.ndarray:
    """From internal order (batch last) to the users' (batch first)."""
    return np.ascontiguousarray(np.moveaxis(array, -1, 0)) if array.ndim else array


def _feedable(program: Program) -> dict[str, tuple[Blob, bool]]:
    """The blobs that can be given to forward, and whether that replaces a data source."""
    feeds = {blob.name: (blob, False) for blob in program.net.inputs}
    for source in program.sources:
        feeds |= {blob.name: (blob, True) for blob in source.layer.tops}
    return feeds

