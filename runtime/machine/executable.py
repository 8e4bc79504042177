"""A compiled network bound to its devices: run it, read and write its blobs and parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import takewhile
from numbers import Integral
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError
from netdef.language.html_table import table
from netdef.language.paths import path_of
from netdef.language.source import excerpt
from netdef.language.spelling import did_you_mean
from netdef.language.units import binary
from netdef.loading import rebuilt, with_input_shapes
from runtime.ir.program import Buffer, Instruction, Program, SourceInput
from runtime.machine.bad_input import not_finite_because, wrong_label
from runtime.machine.device import BoundInstruction, Device, LaunchError, location
from runtime.machine.memory import Memory
from runtime.machine.open import different
from runtime.machine.regions import BufferMap, BufferRegion, gathered, scattered, summed
from runtime.machine.schedule import Schedule
from runtime.machine.weights import Loaded, Paths, listed, load_weights, remark, without_statistics, write_weights
from runtime.ops.changed_shapes import ShapesChangedError
from runtime.ops.loss.label_error import LabelError
from runtime.ops.python.layer import python_layers
from runtime.ops.random_fill.fillers import fill

if TYPE_CHECKING:
    from netdef.graph.layer import Blob, Layer, Parameter
    from netdef.graph.net import Net
    from runtime.data.hdf5_output import Hdf5Output
    from runtime.data.source import Opener, Source


class Executable:
    """A net on its devices, ready to run: what `runtime.compile` returns.  docs/python.md shows its use.

    Arrays go in and come out in Caffe's shapes, batch first: (N, C, H, W) for images.  An executable owns threads and memory of
    its devices; `close`, or a `with` statement, frees them.

    Attributes
    ----------
    net: the graph.  program: the instructions it became.  devices: what runs each of its shares.
    inputs, outputs: names of the blobs it is fed, and of those that no layer reads.
    sources: the open data sources, by data layer.
    memory: where the program's buffers are.
    run_number: of the last forward run, -1 before the first.
    update_interrupted: whether a run with an update was interrupted or failed: only some of the weights may be updated.
        It stays true until a caller that has restored weights and states sets it to False.
    """

    def __init__(
        self,
        program: Program,
        devices: Sequence[Device],
        seed: int,
        share: Executable | None = None,
        differentiable: bool = True,
        recompile: Callable[[Net], Program] | None = None,
    ):
        """`recompile`: gives the program of the same net with other shapes; None: it keeps those it has."""
        self.devices = tuple(devices)
        self.seed = seed
        self.sources: dict[str, Source] = {}
        self._outputs = _open_outputs(program)
        self._share = share
        self._differentiable = differentiable
        self._recompile = recompile
        self._images_kept: dict[str, int] = {}  # by the last run, of layers that keep some
        self._use(program)
        self.memory = Memory(program, self.devices, own_parameters=share is None)
        if share is None:
            self._initialise()
        else:
            self._adopt(share)
        self._bind()
        self.run_number = -1
        self.update_interrupted = False
        self._closed = False
        self._changes = 0  # of parameters

    def _use(self, program: Program) -> None:
        """Take a program, of which memory is not made yet."""
        assert program.plan is not None
        self._plan = program.plan
        self.buffers = BufferMap(program)
        self.net: Net = self.buffers.net
        self.program = program
        self.inputs = [blob.name for blob in self.net.inputs]
        self.outputs = [blob.name for blob in self.net.outputs]
        self._fed = {source.layer.name for source in program.sources}
        self._feeds = _feedable(self.net, program)
        self._python = python_layers(self.net)

    def _bind(self) -> None:
        self._bound = {one: self.devices[one.device].bind(one, self.memory.array) for one in self.program.instructions}
        self._runners: dict[tuple[tuple[str, ...], bool, bool], Callable[[], None]] = {}  # see `_run`
        self._makes_once = any(instruction.once for instruction in self.program.forward)
        self._prepared: int | None = None  # after how many changes of parameters that was made

    def __repr__(self) -> str:
        net, memory = self.net, binary(sum(self._plan.arenas.values()))
        return f"<Executable {net.name!r} {net.phase}: batch {net.batch} on {self._device_names}; {net.totals.counts}, {memory}>"

    def _repr_html_(self) -> str:
        """Its inputs, outputs and memory as tables, for notebooks."""
        blobs = [("input", blob) for blob in self.net.inputs] + [("output", blob) for blob in self.net.outputs]
        rows = [(kind, blob.name, shape_text(blob.shape)) for kind, blob in blobs]
        memory = [(kind, binary(count)) for kind, count in self._plan.totals.items()]
        return table(repr(self), ("", "blob", "shape"), rows) + table("memory", ("kind", "size"), memory)

    @property
    def _device_names(self) -> str:
        """The devices by name, one for each share."""
        return ",".join(device.name for device in self.devices)

    # Running

    def forward(self, number: int | None = None, /, **inputs: Any) -> dict[str, np.ndarray]:
        """Run the net forward.

        Parameters
        ----------
        number: of the run, which picks its random numbers; default the one after the last run's.
        inputs: arrays by blob name, in the blob's shape (N, C, H, W).  Input blobs keep their last values when not given.
            Data layers are fed by their sources, unless their blobs are given here.

        Returns
        -------
        The outputs by name, float32, batch first.

        Raises
        ------
        NetdefError: for an unknown name or a shape other than the compiled one.
        """
        self.run_forward(number, **inputs)
        return {name: self.blob(name) for name in self.outputs}

    def run_forward(self, number: int | None = None, /, **inputs: Any) -> None:
        """`forward` without reading the outputs: a device that runs by itself may not be done when this returns."""
        self._run("forward", without_sources=self._feed(number, inputs))

    def run_training(self, number: int | None = None, /, *, update: bool, **inputs: Any) -> None:
        """Forward, backward and, with `update`, the update, as one list: a card takes it as one graph, with nothing in between."""
        fed = self._feed(number, inputs)
        self._seed_backward({})
        self._run(*(["iteration"] if update else ["forward", "backward"]), without_sources=fed)

    def backward(self, **top_gradients: Any) -> None:
        """Compute the gradients of parameters, and of blobs where needed, after a forward run.

        Parameters
        ----------
        top_gradients: gradients of outputs by name; an output not given has its loss weight (0 for what is no loss).
            An output that no parameter or input could learn from, such as an accuracy, ignores its gradient.
        """
        if not self._differentiable:
            raise NetdefError(f"net '{self.net.name}' has no backward program", hint="it was compiled with backward=False")
        by_name = {blob.name: blob for blob in self.buffers.seeded}
        for name in top_gradients:
            if name not in by_name and name not in self.outputs:
                raise NetdefError(f"'{name}' is no output", hint="the outputs are " + ", ".join(self.outputs))
        self._seed_backward(top_gradients)
        self._run("backward")

    def update(self) -> None:
        """Run the update list: what the solver does to all parameters in an iteration."""
        self._run("update")

    def first_non_finite(self) -> str | None:
        """Run forward again on the same inputs, one kernel at a time, and find the first output that is not finite.

        Returns
        -------
        Its device, kernel and layer, "cpu:0, inner_product of layer fc", and behind a colon the cause where that is in what the
        layer reads, such as a label that is no class; None if all are finite.

        Raises
        ------
        NetdefError: a kernel failed.
        """
        with ExitStack() as stack:
            for one in self._python:
                stack.enter_context(one.repeated())
            for instruction, bound in self.bound("forward"):
                self.run_bound([bound], instruction.device)
                self.devices[instruction.device].synchronize()
                if not all(np.isfinite(self.memory.read(b)).all() for b in instruction.outputs if b.dtype == "float32"):
                    where = location(self.devices[instruction.device].name, instruction)
                    because = not_finite_because(self.net.layer(instruction.layer), self._present)
                    return f"{where}: {because}" if because else where
        return None

    # Shapes

    def reshape(self, **shapes: Sequence[int]) -> None:
        """Give inputs other shapes, and every blob behind them.

        Parameters, solver states and compiled kernels stay; memory for blobs grows where it has to, and never shrinks.  Inputs
        that are not given keep their shapes and values.

        Parameters
        ----------
        shapes: by the names of inputs, (N, C, H, W) for images.

        Raises
        ------
        NetdefError: there is no such input; the net, or one of its parameters, does not fit the shapes.  Nothing is changed then.
        """
        for name in shapes:
            if name not in self.inputs:
                hint = did_you_mean(name, self.inputs) or "its inputs: " + (", ".join(self.inputs) or "none")
                raise NetdefError(f"'{name}' is not an input of net '{self.net.name}'", hint=hint)
        given = {name: _shape(shape, name) for name, shape in shapes.items()}
        if any(self.net.blobs[name].shape != shape for name, shape in given.items()):
            self._rebuild(with_input_shapes(self.net, given))

    def _rebuild(self, net: Net) -> None:
        """Go on with the same net in other shapes."""
        if self.closed or self._recompile is None:
            raise NetdefError(f"{self!r} cannot change its shapes", hint="compile the net again")
        for mine, other in zip(self.net.parameters, net.parameters, strict=True):
            if mine.shape != other.shape:
                text = f"parameter {mine} is {shape_text(mine.shape)}, and would be {shape_text(other.shape)} for these inputs"
                raise NetdefError(text, position=mine.layer.position, hint="weights stay as they are, and so must their shapes")
        program = self._recompile(net)
        for device in different(self.devices):
            device.synchronize()
        memory = Memory(program, self.devices, own_parameters=False, before=self.memory)
        kept = {(buffer.name, buffer.device, buffer.shape): self.memory.read(buffer) for buffer in self._from_host(self.program)}
        for device in different(self.devices):
            device.forget(self._bound.values())
        self.memory.leave()
        self._use(program)
        self.memory = memory
        for buffer in self._from_host(program):
            if (buffer.name, buffer.device, buffer.shape) in kept:
                memory.write(buffer, kept[buffer.name, buffer.device, buffer.shape])
        self._bind()

    @staticmethod
    def _from_host(program: Program) -> list[Buffer]:
        """What the host has written, and may not write again before the next run."""
        return [buffer for buffer in program.plan.offsets if buffer.role in ("input", "scalar")] if program.plan else []

    # Reading and writing

    @property
    def runs_ahead(self) -> bool:
        """Whether devices may still be running when a call returns, so that reading has to wait for them."""
        waits = self._python or any(layer.keeps_some_images for layer in self.net.layers)  # the host, for what such layers read
        return self.threads == 0 and not waits

    @property
    def device(self) -> Device:
        """The first of its devices."""
        return self.devices[0]

    @property
    def threads(self) -> int:
        """Host threads that compute; 0 where the hardware has its own."""
        return sum(device.threads for device in different(self.devices))

    def remembered(self, runs: Iterable[int]) -> list[dict[Blob, np.ndarray]]:
        """What the program remembers of each of these runs, by blob: (N, C, H, W), or () where only the sum is.

        It is there until the program has run as often again as it remembers.

        Parameters
        ----------
        runs: what `iteration` was.
        """
        regions = self.buffers.remembered
        rings = {held.buffer: self.memory.read(held.buffer) for found in regions.values() for held in found}

        def of(run: int, blob: Blob, found: list[BufferRegion]) -> np.ndarray:
            rows = {held.buffer: _outer(rings[held.buffer][run % held.buffer.shape[0]]) for held in found}
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
        values = _array(array, f"parameter {index} of layer '{layer}'").astype(np.float32)
        if values.shape != owner.shape:
            raise NetdefError(f"parameter {index} of layer '{layer}' has shape {owner.shape}, not {values.shape}")
        scattered(self.buffers.parameter(owner), values, self.memory.write)
        self._owner._changes += 1

    def param_grad(self, layer: str, index: int) -> np.ndarray:
        """A copy of the gradient of parameter `index` of a layer, in Caffe's shape."""
        owner = self._parameter(layer, index).owner
        regions = self.buffers.parameter_gradient(owner)
        if not regions:
            raise NetdefError(f"the gradient of parameter {index} of layer '{layer}' is not computed")
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
        roots = (buffer.root for step in self.program.forward for buffer in step.buffers)
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
        """Write all parameters as a .caffemodel (or .h5 by its ending): to a temporary file, which is renamed."""
        self._check_open()
        write_weights(path_of(path, "a file of weights"), self.net, self.param)

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

    def close(self) -> None:
        """Stop the data sources and the worker threads, and give the files of HDF5Output layers their names.

        Raises
        ------
        NetdefError: such a file cannot be written.
        """
        self.close_sources()
        try:
            for output in self._outputs.values():
                output.close()
        finally:
            self._release()

    def _release(self) -> None:
        """Stop the worker threads, if they are this executable's own."""
        if self._share is None and not self._closed:
            for device in different(self.devices):
                device.close()
        self._closed = True

    @property
    def closed(self) -> bool:
        """Whether `close` has ended it, or the executable whose parameters and devices it uses."""
        return self._closed or (self._share is not None and self._share.closed)

    def _check_open(self) -> None:
        """Raises NetdefError: it is closed."""
        if self.closed:
            raise NetdefError(f"{self!r} is closed", hint="compile the net again")

    def __enter__(self) -> Executable:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            self._discard_outputs()
        self.close()

    # Binding

    def bound(self, name: str) -> list[tuple[Instruction, BoundInstruction]]:
        """A list's instructions ("forward", "backward", "update" or "iteration"), each as its device runs it."""
        return [(instruction, self._bound[instruction]) for instruction in getattr(self.program, name)]

    def run_bound(self, bound: Sequence[BoundInstruction], device: int = 0) -> None:
        """Run some of the instructions of `bound` on one of the devices, by its index.

        Raises
        ------
        NetdefError: one failed; it is named by device, layer and kernel.
        """
        with self._naming_failures():
            self.devices[device].run(bound)

    def times(self, bound: Sequence[BoundInstruction]) -> list[float]:
        """Seconds that each of some bound instructions takes on the first device, one after the other; raises as `run_bound`."""
        with self._naming_failures():
            return self.device.times(bound)

    @contextmanager
    def _naming_failures(self) -> Iterator[None]:
        """An instruction that fails is named by device, layer and kernel."""
        try:
            yield
        except LaunchError as error:
            if isinstance(error.__cause__, ShapesChangedError):
                raise error.__cause__ from None
            instruction = next((i for i, bound in self._bound.items() if bound is error.bound), None)
            raise self._label_error(instruction, error) or error.named(instruction) from error.__cause__

    def _run(self, *names: str, without_sources: bool = False) -> None:
        """Run lists as one; without the instructions of data layers if the caller gave their blobs."""
        self._check_open()
        for one in self._python:
            one.ran = False
        with ExitStack() as stack:
            while True:
                try:
                    return self._run_lists(names, without_sources)
                except ShapesChangedError as changed:
                    self._follow(changed, stack)

    def _follow(self, changed: ShapesChangedError, stack: ExitStack) -> None:
        """Give the net the shapes that a run has found.  The list runs again, but not the Python layers that ran.

        Raises
        ------
        NetdefError: a layer that keeps sums of runs would add this one twice; the net does not fit the shapes.
        """
        for instruction in self._ran_before(changed.layer):
            kept = [buffer for buffer in instruction.outputs if buffer.root.role in ("state", "carried")]
            if kept and instruction.kernel != "remember":
                what = f"{changed.diagnostics[0].message}: layer {instruction.layer} before it keeps sums, and would run twice"
                raise NetdefError(what, changed.diagnostics[0].position, "let what changes shapes come before it")
        for one in self._python:
            if one.ran:
                stack.enter_context(one.repeated())
        found = self._images_kept if changed.images is None else {**self._images_kept, changed.layer.name: changed.images}
        self._rebuild(rebuilt(self.net, found=found))
        self._images_kept = found

    def _ran_before(self, layer: Layer) -> Iterator[Instruction]:
        """The forward instructions that may have run before a layer's: on several devices all that do not wait for it."""
        if len(different(self.devices)) == 1:
            return takewhile(lambda instruction: instruction.layer != layer.name, self.program.forward)
        behind = {layer.name}
        for one in self.net.layers:
            if any(blob.producer.name in behind for blob in one.bottoms):
                behind.add(one.name)
        return (instruction for instruction in self.program.forward if instruction.layer not in behind)

    def _run_lists(self, names: tuple[str, ...], without_sources: bool) -> None:
        changes = self._owner._changes
        prepared = self._prepared == changes  # what is made once has been made
        key = names, without_sources, prepared
        if key not in self._runners:
            pairs = [pair for name in names for pair in self.bound(name)]
            pairs = [pair for pair in pairs if not (without_sources and pair[0].layer in self._fed)]
            self._runners[key] = self._runner([pair for pair in pairs if not (prepared and pair[0].once)])
        self._prepared = None
        try:
            with self._naming_failures():
                self._runners[key]()
            if not {"forward", "iteration"}.isdisjoint(names):
                self._store_outputs()
            if self._makes_once and (prepared or "forward" in names):
                self._prepared = changes
            if not {"update", "iteration"}.isdisjoint(names):
                self._owner._changes += 1
        except ShapesChangedError:
            raise
        except BaseException:
            self._discard_outputs()
            self.update_interrupted |= not {"update", "iteration"}.isdisjoint(names)
            raise

    @property
    def _owner(self) -> Executable:
        """The executable whose parameters these are."""
        return self if self._share is None else self._share._owner

    def _label_error(self, instruction: Instruction | None, error: LaunchError) -> NetdefError | None:
        """The error that says which label is no class, where that is what broke an instruction."""
        if instruction is None or not isinstance(error.__cause__, LabelError):
            return None
        return wrong_label(self.net.layer(instruction.layer), self._present)

    def _runner(self, pairs: Sequence[tuple[Instruction, BoundInstruction]]) -> Callable[[], None]:
        """What puts these instructions on the devices."""
        if len(self.devices) == 1:
            return partial(self.devices[0].run, [bound for _, bound in pairs])
        assert self.program.plan is not None
        instructions, bound = [instruction for instruction, _ in pairs], [bound for _, bound in pairs]
        return Schedule(self.devices, instructions, bound, self.program.plan.span).run

    def _initialise(self) -> None:
        """Fill every parameter as a whole, so that its numbers are the same however it is cut."""
        for owner, regions in self.buffers.parameters().items():
            array = self.memory.array(regions[0].buffer)
            here = len(regions) == 1 and regions[0].is_whole and isinstance(array, np.ndarray)
            values = array if here else np.empty(owner.shape, np.float32)
            fill(values, owner.filler, self.seed, str(owner), owner.layer.position)
            if not here:
                scattered(regions, values, self.memory.write)

    def _adopt(self, other: Executable) -> None:
        """Use the parameters of another executable, by layer name."""
        theirs = {str(owner): (owner, regions) for owner, regions in other.buffers.parameters().items()}
        mine = self.buffers.parameters()
        lacking = [owner for owner in mine if str(owner) not in theirs]
        if lacking:
            names = ", ".join(sorted({owner.layer.name for owner in lacking}))
            raise NetdefError(f"layers of the test net that the training net has no weights for: {names}")
        for owner, regions in mine.items():
            shared, existing = theirs[str(owner)]
            if shared.shape != owner.shape:
                raise NetdefError(
                    f"parameter {owner} has shape {owner.shape} in phase {self.net.phase} "
                    f"and {shared.shape} in phase {other.net.phase}",
                    position=owner.layer.position,
                )
            on = {held.buffer.device: held.buffer for held in existing}
            for held in regions:
                self.memory.adopt(held.buffer, other.memory, on[held.buffer.device])

    def _present(self, blob: Blob) -> np.ndarray:
        """What the memory of a blob holds now, the blob or not; (N, C, H, W)."""
        return gathered(self.buffers.blob(blob), blob.shape, self._read)

    def _read(self, buffer: Buffer) -> np.ndarray:
        return _outer(self.memory.read(buffer))

    def _kept(self, regions: list[BufferRegion], what: str) -> list[BufferRegion]:
        """The regions, which must not have been used for others since."""
        if not regions or any(self.memory.recycles(held.buffer) for held in regions):
            raise NetdefError(
                f"{what} was not kept: its memory is reused by others in this program",
                hint='compile with keep="all" to read it',
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

    # Feeding

    def _feed(self, number: int | None, inputs: Mapping[str, Any]) -> bool:
        """Everything that a forward run takes from the host; whether the caller gave what a data layer gives otherwise."""
        fed = self._feed_inputs(inputs)
        self.run_number = self.run_number + 1 if number is None else number
        self.set_scalar("iteration", self.run_number)
        if not fed:
            self._load_sources()
        return fed

    def _seed_backward(self, top_gradients: Mapping[str, Any]) -> None:
        """The gradients that backward starts from: those given, else the losses' weights."""
        for blob in self.buffers.seeded:
            regions = self.buffers.seed(blob)
            if blob.name in top_gradients:
                self._store(regions, top_gradients[blob.name], blob.shape, blob.name)
            else:
                for held in regions:
                    self.memory.set(held.buffer, blob.producer.loss_weights[blob.index])

    def _feed_inputs(self, inputs: Mapping[str, Any]) -> bool:
        """Store the given arrays; whether any of them replaces a data source."""
        replaced = False
        for name, values in inputs.items():
            if name not in self._feeds:
                hint = did_you_mean(name, self._feeds) or "those that are: " + (", ".join(self._feeds) or "none")
                raise NetdefError(f"'{name}' is not an input of net '{self.net.name}'", hint=hint)
            blob, from_source = self._feeds[name]
            self._store(self.buffers.blob(blob), values, blob.shape, name)
            replaced |= from_source
        return replaced

    def open_sources(self, opener: Opener | None = None, classes: Sequence[str] | None = None) -> None:
        """Open the sources of all data layers that have none yet, at their start.  The first run opens those that are still closed.

        Parameters
        ----------
        opener: opens a data layer's source; default `runtime.data.open_source`.
        classes: the names of the labels that the weights were trained with, for a net with one source; several may have different
            classes.
        """
        from runtime.data import open_source

        names = list(dict.fromkeys(source.layer.name for source in self.program.sources))
        for name in names:
            if name not in self.sources:
                layer: Any = self.net.layer(name)  # whole, where the program's are regions of it
                known = classes if len(names) == 1 else None
                self.sources[name] = (opener or open_source)(layer, self.seed, classes=known)

    def close_sources(self) -> None:
        """Close all sources, so that `open_sources` opens them again."""
        for source in self.sources.values():
            source.close()
        self.sources.clear()

    def _load_sources(self) -> None:
        """Copy the next batch of every data source into its buffers, on each device that takes any of it."""
        inputs: dict[str, list[SourceInput]] = {}
        for source in self.program.sources:
            inputs.setdefault(source.layer.name, []).append(source)
        if inputs and not self.sources:
            self.open_sources()
        for name, takers in inputs.items():
            batch = self.sources[name].next()
            for taker in takers:
                for field, buffer in taker.fields.items():
                    values = getattr(batch, field)
                    self.memory.upload(buffer, values[slice(*taker.images[field])] if field in taker.images else values)
            self.sources[name].release(batch)

    def _store_outputs(self) -> None:
        """Append what layers that write files were given in this run."""
        for sink in self.program.sinks:
            self._outputs[sink.layer.name].append({name: self._read(buffer) for name, buffer in sink.fields.items()})

    def _discard_outputs(self) -> None:
        """Remove the unfinished files of layers that write files, so that no file holds a part of what was to be in it."""
        for output in self._outputs.values():
            output.discard()

    def _store(self, regions: list[BufferRegion], values: Any, shape: tuple[int, ...], name: str) -> None:
        """Write an array in user order (batch first) into its regions in internal order (batch last)."""
        values = _array(values, f"'{name}'")
        if values.shape != shape:
            hints = [f"reshape({name}={values.shape}) gives the net this shape"] * (name in self.inputs)
            if values.ndim and shape and values.shape[1:] == shape[1:]:
                hints.append(f"the program was compiled for a batch of {shape[0]}; compile with batch_size={values.shape[0]}")
            hint = "; or ".join(reversed(hints))
            raise NetdefError(f"'{name}' has shape {shape}, not {values.shape}", hint=hint)
        scattered(regions, values, lambda buffer, own: self.memory.write(buffer, np.moveaxis(own, 0, -1) if own.ndim else own))


def _array(values: Any, what: str) -> np.ndarray:
    """Values of a caller as an array; raises NetdefError if they are no array of real numbers."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "biuf":
            return array
    except ValueError:  # rows of different lengths
        pass
    raise NetdefError(f"{what} takes an array of numbers, not {excerpt(repr(values))}")


def _shape(values: Any, name: str) -> tuple[int, ...]:
    """A shape that a user gives. Raises NetdefError: it is none."""
    try:
        return tuple(map(index, values))
    except TypeError:
        text = f"the shape of '{name}' is {excerpt(repr(values))}"
        raise NetdefError(text, hint="it is a tuple of numbers, such as (1, 3, 224, 224)") from None


def _open_outputs(program: Program) -> dict[str, Hdf5Output]:
    """The files that a program's layers write, by layer."""
    if not program.sinks:
        return {}
    from runtime.data.hdf5_output import open_outputs  # as runtime.data imports numba

    return open_outputs([sink.layer for sink in program.sinks])


def _outer(array: np.ndarray) -> np.ndarray:
    """From internal order (batch last) to the users' (batch first)."""
    return np.ascontiguousarray(np.moveaxis(array, -1, 0)) if array.ndim else array


def _feedable(net: Net, program: Program) -> dict[str, tuple[Blob, bool]]:
    """The blobs that can be given to forward, and whether that replaces a data source."""
    feeds = {blob.name: (blob, False) for blob in net.inputs}
    for source in program.sources:
        feeds |= {blob.name: (blob, True) for blob in net.layer(source.layer.name).tops}
    return feeds
