"""A compiled network bound to its devices, to run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError
from netdef.language.html_table import table
from netdef.language.units import binary, shortened
from netdef.loading import rebuilt, with_batch_size, with_input_shapes
from runtime.ir.program import Instruction, Program
from runtime.kernels.wrong_number import WrongNumberError
from runtime.machine.bad_input import wrong_number
from runtime.machine.cpu.queue import HostQueue
from runtime.machine.device import BoundInstruction, Device, Keeping, LaunchError, repeated
from runtime.machine.feeding import OpenSources, feed, seed_backward
from runtime.machine.memory import Memory
from runtime.machine.non_finite import find_non_finite
from runtime.machine.open import different
from runtime.machine.parameters import adopt_parameters, fill_parameters, share_parameters
from runtime.machine.ranks.courier import RankError
from runtime.machine.ranks.ranks import Ranks
from runtime.machine.ranks.shares import binder_of, remote_shares, rows_read
from runtime.machine.regions import BufferMap
from runtime.machine.reshape import check_parameters_fit, check_runs_again, follow_memory, given_shapes
from runtime.machine.schedule import Schedule
from runtime.machine.sinks import Sinks
from runtime.machine.values import Values
from runtime.ops.changed_shapes import ShapesChangedError
from runtime.ops.python.layer import python_layers
from runtime.ops.update.table import check_gradients_are_there

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.data.source import Opener

UPDATING = frozenset({"update", "learning", "iteration"})  # the lists that change weights


class Executable(Values):
    """A net on its devices, ready to run: what `runtime.compile` returns.  docs/python.md shows its use.

    Arrays go in and come out in Caffe's shapes, batch first: (N, C, H, W) for images.  An executable owns threads and memory of
    its devices; `close`, or a `with` statement, frees them.

    Attributes
    ----------
    net: the graph.  program: the instructions it became.  devices: what runs each of its shares.
    inputs, outputs: names of the blobs it is fed, and of those that no layer reads.
    sources: the open data sources, by data layer.
    memory: where the program's buffers are.
    ranks: this process among others that run the same; None where it is alone.  What is read is then read by all at once.
    differentiable: whether it has a backward program.
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
        ranks: Ranks | None = None,
    ):
        """`recompile`: gives the program of the same net with other shapes; None: it keeps those it has."""
        self.devices = tuple(devices)
        self.ranks = ranks
        self._remote = remote_shares(devices)
        self.seed = seed
        self._sinks = Sinks(program, writes=ranks is None or ranks.first)
        self.sources = OpenSources()
        self._share = share
        self.differentiable = differentiable
        self._recompile = recompile
        self._images_kept: dict[str, int] = {}  # by the last run, of layers that keep some
        self._use(program)
        self.memory = Memory(program, self.devices, own_parameters=share is None, ranks=ranks)
        if share is None:
            fill_parameters(self, seed)
        else:
            adopt_parameters(self, share)
        self._bind()
        self.run_number = -1
        self.update_interrupted = False
        self._closed = False
        self._changes = 0

    def _use(self, program: Program) -> None:
        """Take a program."""
        assert program.plan is not None
        self._plan = program.plan
        self.buffers = BufferMap(program)
        self.net = self.buffers.net
        self.program = program
        self.inputs = [blob.name for blob in self.net.inputs]
        self.outputs = [blob.name for blob in self.net.outputs]
        self._fed = {source.layer.name for source in program.sources}
        self._python = python_layers(self.net)

    def _bind(self) -> None:
        binders = ((one, binder_of(one, self.devices, self._remote)) for one in self.program.instructions)
        self._bound = {one: device.bind(one, self.memory.array) for one, device in binders if device is not None}
        self._runners: dict[tuple[tuple[str, ...], bool, bool], Callable[[], None]] = {}  # see `_run`
        keeps = any(isinstance(bound, Keeping) for bound in self._bound.values())
        self._makes_once = keeps or any(instruction.once for instruction in self.program.forward)
        self._last: tuple[str, ...] = ()  # the lists that were run last
        self._prepared: int | None = None  # after how many changes of parameters that was made

    def __repr__(self) -> str:
        net, memory = self.net, binary(sum(self._plan.arenas.values()))
        return f"<Executable {net.name!r} {net.phase}: batch {net.batch} on {self._device_names}; {net.totals.counts}, {memory}>"

    def _repr_html_(self) -> str:
        """Its inputs, outputs and memory as tables, and its net, for notebooks."""
        blobs = [("input", blob) for blob in self.net.inputs] + [("output", blob) for blob in self.net.outputs]
        rows = [(kind, blob.name, shape_text(blob.shape)) for kind, blob in blobs]
        memory = [(kind, binary(count)) for kind, count in self._plan.totals.items()]
        own = table(repr(self), ("", "blob", "shape"), rows) + table("memory", ("kind", "size"), memory)
        return own + self.net._repr_html_()

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
        seed_backward(self, {})
        self._run(*(["iteration"] if update else ["forward", "backward"]), without_sources=fed)

    def backward(self, **top_gradients: Any) -> None:
        """Compute the gradients of parameters, and of blobs where needed, after a forward run.

        Parameters
        ----------
        top_gradients: gradients of outputs by name; an output not given has its loss weight (0 for what is no loss).
            An output that no parameter or input could learn from, such as an accuracy, ignores its gradient.
        """
        if not self.differentiable:
            raise NetdefError(f"net '{self.net.name}' has no backward program", hint="it was compiled with backward=False")
        by_name = {blob.name: blob for blob in self.buffers.seeded}
        for name in top_gradients:
            if name not in by_name and name not in self.outputs:
                raise NetdefError(f"'{name}' is no output", hint="the outputs are " + shortened([*self.outputs]))
        seed_backward(self, top_gradients)
        self._run("backward")

    def run_learning(self) -> None:
        """Backward from the losses, and the update, as one list: weights are updated, and sent, while backward goes on."""
        seed_backward(self, {})
        self._run("learning")

    def update(self) -> None:
        """Run the update list, what the solver does to all parameters; right behind `backward` where it makes gradients itself."""
        if self._last != ("backward",):
            check_gradients_are_there(self.program)
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
            return find_non_finite(self, self._present)

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
        given = given_shapes(self.net, shapes)
        if any(self.net.blobs[name].shape != shape for name, shape in given.items()):
            self._rebuild(with_input_shapes(self.net, given))

    def share_parameters(self, other: Executable, layers: Collection[str]) -> None:
        """Use the parameters that another executable, on the same devices, has for these layers, instead of own ones.

        Raises NetdefError: a layer's parameters have other shapes there.
        """
        share_parameters(self, other, layers)
        for device in different(self.devices):
            device.synchronize()
            device.forget(self._bound.values())
        self._bind()

    def set_batch_size(self, images: int) -> None:
        """Give all data layers and inputs so many images, and every blob behind them; as `reshape`, which see.

        Raises
        ------
        NetdefError: the net does not fit such a batch.  Nothing is changed then.
        """
        if self.net.batch != images:
            self._rebuild(with_batch_size(self.net, images))

    def _rebuild(self, net: Net) -> None:
        """Go on with the same net in other shapes."""
        if self.closed or self._recompile is None:
            raise NetdefError(f"{self!r} cannot change its shapes", hint="compile the net again")
        check_parameters_fit(self.net, net)
        program = self._recompile(net)
        self.memory = follow_memory(self.memory, self.program, program, self.devices, self._bound.values(), self.ranks)
        self._use(program)
        self._bind()

    def follow(self, changed: ShapesChangedError, stack: ExitStack) -> None:
        """Give the net the shapes that a run has found.  The list runs again, but not the Python layers that ran.

        Raises
        ------
        NetdefError: a layer that keeps sums of runs would add this one twice; the net does not fit the shapes.
        """
        check_runs_again(changed, self.program, self.net, self.devices)
        for one in self._python:
            if one.ran:
                stack.enter_context(one.repeated())
        found = self._images_kept if changed.images is None else {**self._images_kept, changed.layer.name: changed.images}
        self._rebuild(rebuilt(self.net, found=found))
        self._images_kept = found

    # Devices

    @property
    def runs_ahead(self) -> bool:
        """Whether devices may still be running when a call returns, so that reading has to wait for them."""
        waits = self._python or any(layer.keeps_some_images for layer in self.net.layers)  # the host, for what such layers read
        return self.threads == 0 and not waits

    @property
    def device(self) -> Device:
        """The first of its devices that is here."""
        return next(device for share, device in enumerate(self.devices) if share not in self._remote)

    @property
    def threads(self) -> int:
        """Host threads that compute; 0 where the hardware has its own."""
        return sum(device.threads for device in different(self.devices))

    @property
    def busy_seconds(self) -> float:
        """How long this rank's CPU devices have computed until now, the longest of them; without what they have waited."""
        here = (device for share, device in enumerate(self.devices) if share not in self._remote)
        return max((device.queue.seconds for device in here if isinstance(device.queue, HostQueue)), default=0.0)

    def close(self) -> None:
        """Stop the data sources and the worker threads, and give the files of HDF5Output layers their names.

        Raises
        ------
        NetdefError: such a file cannot be written.
        """
        self.close_sources()
        try:
            self._sinks.close()
        finally:
            self._release()

    def _release(self) -> None:
        """Stop the worker threads, if they are this executable's own."""
        if self._share is None and not self._closed:
            for device in different(self.devices):
                device.close()
        self._closed = True

    def __enter__(self) -> Executable:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            self._sinks.discard()
        self.close()

    # Binding

    def bound(self, name: str) -> list[tuple[Instruction, BoundInstruction]]:
        """A list's instructions ("forward", "backward", "update", "learning", "iteration") that this rank has, bound to devices."""
        instructions = getattr(self.program, name)
        return [(instruction, self._bound[instruction]) for instruction in instructions if instruction in self._bound]

    def run_bound(self, bound: Sequence[BoundInstruction], device: int = 0) -> None:
        """Run some of the instructions of `bound` on one of the devices, by its index.

        Raises
        ------
        NetdefError: one failed; it is named by device, layer and kernel.
        """
        with self._naming_failures():
            self.devices[device].run(bound)

    def begin_run(self, number: int | None = None, load: bool = True) -> None:
        """Begin a forward run that `run_some` will do.  number: as `forward` has it.  load: whether data sources give a batch."""
        self._check_open()
        self._begin(number, load)
        for one in self._python:
            one.ran = False

    def run_some(self, name: str, chosen: Callable[[Instruction], bool]) -> None:
        """Run the instructions of a list that are chosen, in the list's order, on what the memory holds now.

        Raises
        ------
        ShapesChangedError: a layer has found other shapes; after `follow`, the caller runs them again.
        NetdefError: one failed; it is named by device, layer and kernel.
        """
        self._check_open()
        pairs = [pair for pair in self.bound(name) if chosen(pair[0])]
        with self._naming_failures():
            self._runner(pairs)()
        ran = {instruction.layer for instruction, _ in pairs}
        if name == "forward" and any(sink.layer.name in ran for sink in self.program.sinks):
            self._sinks.append(self.program, self._read)

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
            if isinstance(error.__cause__, ShapesChangedError | RankError):
                raise error.__cause__ from None
            instruction = next((i for i, bound in self._bound.items() if error.bound in (bound, repeated(bound))), None)
            if self.ranks is not None and self.ranks.first:  # on its own screen; others' errors are named there by their ranks
                error.device = f"{self.ranks.name}, {error.device}"
            raise self._number_error(instruction, error) or error.named(instruction) from error.__cause__

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
                    self.follow(changed, stack)

    def _run_lists(self, names: tuple[str, ...], without_sources: bool) -> None:
        changes = self._owner._changes
        prepared = self._prepared == changes  # what is made once has been made
        key = names, without_sources, prepared
        if key not in self._runners:
            pairs = [pair for name in names for pair in self.bound(name)]
            pairs = [pair for pair in pairs if not (without_sources and pair[0].layer in self._fed)]
            if prepared:
                pairs = [(instruction, repeated(bound)) for instruction, bound in pairs if not instruction.once]
            self._runners[key] = self._runner(pairs)
        self._prepared, self._last = None, names
        try:
            with self._naming_failures():
                self._runners[key]()
            if not {"forward", "iteration"}.isdisjoint(names):
                self._sinks.append(self.program, self._read)
            if self._makes_once and (prepared or "forward" in names):
                self._prepared = changes
            if not UPDATING.isdisjoint(names):
                self._owner._changes += 1
        except ShapesChangedError:
            raise
        except BaseException:
            self._sinks.discard()
            if not UPDATING.isdisjoint(names):
                self.update_interrupted = True
                self._owner._changes += 1  # of some weights
            raise

    def _number_error(self, instruction: Instruction | None, error: LaunchError) -> NetdefError | None:
        """The error that says which label is no class, or number no image, where that is what broke an instruction."""
        if instruction is None or not isinstance(error.__cause__, WrongNumberError):
            return None
        with self.memory.only_here():
            return wrong_number(self.net.layer(instruction.layer), self._present)

    def _runner(self, pairs: Sequence[tuple[Instruction, BoundInstruction]]) -> Callable[[], None]:
        """What puts these instructions on the devices."""
        for device in different(self.devices):
            device.prepare()
        if len(self.devices) == 1:
            return partial(self.devices[0].run, [bound for _, bound in pairs])
        assert self.program.plan is not None
        instructions, bound = [instruction for instruction, _ in pairs], [bound for _, bound in pairs]
        return Schedule(self.devices, instructions, bound, self.program.plan.span).run

    # Feeding

    def _feed(self, number: int | None, inputs: Mapping[str, Any]) -> bool:
        """Everything that a forward run takes from the host; whether the caller gave what a data layer gives otherwise."""
        fed = feed(self, inputs)
        self._begin(number, not fed)
        return fed

    def _begin(self, number: int | None, load: bool) -> None:
        self.run_number = self.run_number + 1 if number is None else number
        self.set_scalar("iteration", self.run_number)
        if load:
            if self.program.sources and not self.sources:
                self.open_sources()
            self.sources.load(self)

    def open_sources(self, opener: Opener | None = None, classes: Sequence[str] | None = None, own_images: bool = False) -> None:
        """Open the sources of all data layers that have none yet, at their start.  The first run opens those that are still closed.

        Parameters
        ----------
        opener: opens a data layer's source; default `runtime.data.open_source`.
        classes: the names of the labels that the weights were trained with, for a net with one source; several may have different
            classes.
        own_images: let a rank read no other images of a batch than those that its shares take; for batches that are all whole.
        """
        ranks = self.ranks if own_images else None
        self.sources.open(self, self.seed, opener, classes, partial(rows_read, self.program, self.devices, ranks))

    def set_input_arrays(self, images: Any, labels: Any, layer: str | None = None) -> None:
        """Give the net's MemoryData layer, or the one of that name, its images (N, C, H, W) and labels (N,), as in pycaffe.

        N is a multiple of the batch size; runs take a batch each, and begin again after the last.

        Raises
        ------
        NetdefError: there is no such layer, or the arrays do not fit it.
        """
        names = [source.layer.name for source in self.program.sources if source.layer.type == "MemoryData"]
        chosen = [name for name in dict.fromkeys(names) if layer in (None, name)]
        if len(chosen) != 1:
            known = ", ".join(dict.fromkeys(names)) or "none"
            raise NetdefError(f"net '{self.net.name}' has {len(chosen)} such MemoryData layers", hint=f"those that it has: {known}")
        self.open_sources()
        memory: Any = self.sources[chosen[0]]
        memory.set(images, labels)

    def close_sources(self) -> None:
        """Close all sources, so that `open_sources` opens them again."""
        self.sources.close()
