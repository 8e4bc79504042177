"""What stands behind a script's net: an executable of which any layers run, forward or backward, on what the script has written.

In Caffe a blob's name is one piece of memory; here each layer that works in place makes a new version of the blob, in memory of
its own.  The engine knows which version of each name is the present one.  Before layers run, each version that they read and do
not make gets the present values of its name.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from netdef.graph.layer import Blob as GraphBlob
from netdef.graph.overrides import set_input_shapes
from netdef.language.diagnostics import NetdefError
from netdef.loading import rebuilt
from runtime.ir.program import Buffer
from runtime.machine.values import outer
from runtime.ops.changed_shapes import ShapesChangedError
from runtime.pycaffe.arrays import Copy, Shape
from runtime.pycaffe.blob import NetBlob, ParameterBlob, ParameterData
from runtime.pycaffe.constants import constants
from runtime.pycaffe.flow import BackwardRun, ForwardRun, Versions

if TYPE_CHECKING:
    from netdef.graph.layer import Parameter
    from netdef.graph.net import Net as Graph
    from runtime.machine.executable import Executable

CompileFirst = Callable[["Graph", "Executable"], "Executable"]
ADDED = "added"  # how many batches an iteration has added up before this one


class Engine:
    """The runs of a net, and its blobs and parameters as the script has them.

    Parameters
    ----------
    executable: compiled with keep="versions", without folding.
    why_not: what kept it from being compiled with its backward; None: it was.
    compile_first: compiles a net of its first layers, which uses its parameters; None: nets of other shapes are whole.

    Attributes
    ----------
    whole: of all layers.  executable: that runs now: the whole one, or one of the first layers.
    blobs: by name, in the order in which layers make them.
    parameters: of each layer with any.
    """

    def __init__(self, executable: Executable, why_not: NetdefError | None = None, compile_first: CompileFirst | None = None):
        self.executable, self._why_not, self._compile_first = executable, why_not, compile_first
        self.whole, self._first_layers = executable, executable
        self._pending: dict[str, Shape] = {}  # of inputs that the script has reshaped
        self._shared_with: list[Engine] = []  # whose devices and parameters live as long as this one
        weights = {
            blob.name: weight for layer in self.net.layers for blob, weight in zip(layer.tops, layer.loss_weights, strict=True)
        }
        self.blobs: OrderedDict[str, NetBlob] = OrderedDict()
        for layer in self.net.layers:
            for top in layer.tops:
                if top.name not in self.blobs:
                    copies = self._copy(top, "blobs"), self._copy(top, "gradients", weights[top.name])
                    self.blobs[top.name] = NetBlob(top.name, copies, self._ask)
        self.parameters: OrderedDict[str, list[ParameterBlob]] = OrderedDict()
        self._attach()
        self._closes = weakref.finalize(self, executable.close)

    @property
    def net(self) -> Any:
        """The graph of the layers that can run now."""
        return self.executable.net

    def _attach(self) -> None:
        """Take a new executable's versions and parameters."""
        self.versions = Versions(self.executable)
        known: dict[Parameter, ParameterBlob] = {}
        for layer in self.net.layers:
            for parameter in layer.parameters:
                known.setdefault(parameter.owner, self._parameter(parameter.owner))
            if layer.parameters and layer.name not in self.parameters:
                self.parameters[layer.name] = [known[parameter.owner] for parameter in layer.parameters]
        for top, buffer, value in constants(self.net, self.executable.program):
            self.executable.memory.write(buffer, np.asarray(value, np.float32))
            self.blobs[top.name].data_copy.made(top.version)

    def adopt(self, executable: Executable) -> None:
        """Go on with another executable of the same net; blobs and parameters have its values."""
        self._closes.detach()
        self.executable = self.whole = self._first_layers = executable
        self._closes = weakref.finalize(self, executable.close)
        old = self.parameters
        self.parameters = OrderedDict()
        for blob in self.blobs.values():
            for copy in (blob.data_copy, blob.diff_copy):
                copy.drop(copy.shape)
        self._attach()
        for name, blobs in old.items():
            for mine, new in zip(blobs, self.parameters[name], strict=True):
                mine.source = new.source
                mine.clear_diff()
        self.parameters = old

    # Values

    def _copy(self, top: GraphBlob, table: str, first: float = 0.0) -> Copy:
        """What a script has of a blob's values or of its gradient."""

        def buffer(version: int) -> Buffer:
            return getattr(self.executable.program, table)[self.versions.blob(top.name, version)]

        def read(version: int) -> np.ndarray:
            return outer(self.executable.memory.read(buffer(version)))

        def write(version: int, values: np.ndarray) -> None:
            self.executable.memory.write(buffer(version), np.moveaxis(values, 0, -1) if values.ndim else values)

        return Copy(top.shape, read, write, first)

    def _parameter(self, owner: Parameter) -> ParameterBlob:
        memory, program = self.whole.memory, self.whole.program
        buffer = program.parameters[owner]

        def read(version: int) -> np.ndarray:
            return self.whole.param(owner.layer.name, owner.index)

        def write(version: int, values: np.ndarray) -> None:
            self.whole.set_param(owner.layer.name, owner.index, values)

        def gradient() -> np.ndarray:
            if (total := self.versions.totals.get(str(owner))) is not None:
                return self.executable.memory.read(total)
            return self.executable.param_grad(owner.layer.name, owner.index)

        copy = Copy(owner.shape, read, write)
        copy.made(0)
        array = memory.array(buffer)
        return ParameterBlob(
            str(owner), ParameterData(owner.shape, array if isinstance(array, np.ndarray) else None, copy), gradient
        )

    @property
    def every_parameter(self) -> list[ParameterBlob]:
        """Each once, those that layers share too."""
        return list(dict.fromkeys(blob for blobs in self.parameters.values() for blob in blobs))

    def write_parameters(self) -> None:
        """Write what the script has changed in parameters that it has copies of."""
        for blob in self.every_parameter:
            source = blob.source
            if not source.is_live and source.copy.needs_writing(0):
                source.copy.write(0, source.copy.values_to_write())

    def parameters_changed(self) -> None:
        """Others than the script have changed the parameters."""
        for blob in self.every_parameter:
            if not blob.source.is_live:
                blob.source.copy.made(0)

    def _settle(self, table: str, wanted: Iterable[tuple[str, int]]) -> None:
        """Let versions have the present values of their names.

        Parameters
        ----------
        table: of the program: blobs, or gradients.  wanted: names, each with a version.
        """
        copies, buffers = self._copies(table), getattr(self.executable.program, table)
        versions = {(name, version): self.versions.blob(name, version) for name, version in wanted}
        versions = {key: blob for key, blob in versions.items() if blob in buffers}
        for blob in self._sharing(table, versions.values()):
            versions.setdefault((blob.name, blob.version), blob)
        changed = [(copies[name], version) for name, version in versions if copies[name].needs_writing(version)]
        values = [copy.values_to_write() for copy, _ in changed]
        for (copy, version), array in zip(changed, values, strict=True):
            copy.write(version, array)
        written = [blob for (name, version), blob in versions.items() if (copies[name], version) in changed]
        for blob in self._sharing(table, written):
            if blob not in written:
                copies[blob.name].stale()

    def _copies(self, table: str) -> dict[str, Copy]:
        return {name: blob.data_copy if table == "blobs" else blob.diff_copy for name, blob in self.blobs.items()}

    def _sharing(self, table: str, blobs: Iterable[GraphBlob]) -> list[GraphBlob]:
        """The present versions that lie in the same memory as some blobs, as Flatten's top lies in its bottom's."""
        buffers: Any = getattr(self.executable.program, table)
        roots = {buffers[blob].root for blob in blobs if blob in buffers}
        present = [self.versions.blob(name, copy.version) for name, copy in self._copies(table).items() if copy.version is not None]
        return [blob for blob in present if blob in buffers and buffers[blob].root in roots]

    def _made(self, table: str, blobs: Iterable[GraphBlob]) -> None:
        """A run has made these versions."""
        made, copies = list(blobs), self._copies(table)
        for blob in made:
            copies[blob.name].made(blob.version)
        for blob in self._sharing(table, made):
            if blob not in made:
                copies[blob.name].stale()

    # Running

    def forward(self, first: int, last: int) -> None:
        """Run the layers from one to another, both by index."""
        self.reshape(last)
        self.write_parameters()
        layers = self.net.layers[first : last + 1]
        self.executable.begin_run(load=any(layer.name in self.versions.sources for layer in layers))
        with ExitStack() as stack:
            while True:
                run = ForwardRun(self.versions, self.net.layers[first : last + 1])
                self._settle("blobs", ((blob.name, blob.version) for blob in run.reads))
                self.executable.set_scalar(ADDED, 0)  # running statistics go on from the parameters
                try:
                    self.executable.run_some("forward", run.runs)
                    break
                except ShapesChangedError as changed:
                    self._take_out(name for name in self.blobs if name not in run.makes)
                    self.executable.follow(changed, stack)
                    self._follow_shapes()
        self._update_statistics(run)
        self._synchronize()
        self._made("blobs", run.makes.values())

    def _update_statistics(self, run: ForwardRun) -> None:
        """In training, running statistics take in the batch, which Caffe's forward does."""
        copies = {one for one in self.executable.program.update if one.kernel == "copy" and run.runs(one)}
        if copies:
            self.executable.run_some("update", copies.__contains__)
            self.parameters_changed()

    def backward(self, first: int, last: int) -> None:
        """Run the layers backward, from one down to another, both by index."""
        if self._why_not is not None:
            raise self._why_not
        if self._pending:
            raise NetdefError("a blob was reshaped since the last forward run", hint="run forward before backward")
        if first >= len(self.net.layers):
            layer = self.net.layers[-1].name
            raise NetdefError(
                f"layers behind {layer} do not fit the shapes of the inputs, and did not run forward",
                hint=f"backward(start={layer!r}) begins with the last one that ran",
            )
        self.write_parameters()
        run = BackwardRun(self.versions, self.net.layers[last : first + 1])
        for blob in self.every_parameter:
            if blob.name in run.learning:
                blob.settle_diff()
        for buffer in run.unused_addends:
            self.executable.memory.write(buffer, np.zeros((), np.float32))
        read = {blob.name: blob.version for blob in run.reads_data}
        present = {name: self.blobs[name].data_copy.version for name in read}
        self._settle("blobs", ((name, read[name] if version is None else version) for name, version in present.items()))
        self._settle("gradients", ((blob.name, blob.version) for blob in run.reads))
        self.executable.set_scalar(ADDED, 0)
        self.executable.run_some("backward", run.runs)
        self._synchronize()
        self._made("gradients", run.makes.values())
        for blob in self.every_parameter:
            if blob.name in run.learning:
                blob.gradient_made()

    def _synchronize(self) -> None:
        """Wait: another net of the script may use the same memory."""
        if self.executable.threads == 0:
            self.executable.device.synchronize()

    # What others run: a solver's iterations

    def before_iterations(self) -> None:
        """Give the executable what the script has written for its next runs."""
        self.reshape()
        self.write_parameters()
        run = ForwardRun(self.versions, self.net.layers)
        self._settle("blobs", ((blob.name, blob.version) for blob in run.reads))

    def after_iterations(self, backward: bool) -> None:
        """Let the script see what the executable has made in whole runs."""
        self._synchronize()
        if self.versions.program is not self.executable.program:
            self._follow_shapes()
        self._made("blobs", ForwardRun(self.versions, self.net.layers).makes.values())
        if not backward:
            return
        run = BackwardRun(self.versions, self.net.layers)
        self._made("gradients", [*run.reads, *run.makes.values()])
        for parameter in self.every_parameter:
            parameter.clear_diff()
            if parameter.name in run.learning:
                parameter.gradient_made()
        self.parameters_changed()

    # Shapes

    def _ask(self, name: str, shape: Shape) -> None:
        """A script has given a blob a shape."""
        if name in self.whole.inputs:
            self._pending[name] = shape

    def reshape(self, last: int | None = None) -> None:
        """Give the net the shapes of its inputs, and every blob behind them; at least as far as the layer of an index.

        Raises
        ------
        NetdefError: layers up to that one, by default all, do not fit the shapes.
        """
        if self._pending or (last is not None and last >= len(self.net.layers)):
            self._take_out(name for name, blob in self.blobs.items() if blob.data_copy.is_held or name in self.versions.given)
            for parameter in self.every_parameter:
                parameter.settle_diff()
            self.executable = self._of_shapes({name: self.blobs[name].shape for name in self.whole.inputs}, last)
            self._pending = {}
            self._follow_shapes()
        elif any(self.blobs[name].shape != blob.shape for name, blob in self.net.blobs.items()):
            self._take_out(self.blobs)  # what the layers do not make again, such as constants, stays
            self._follow_shapes()

    def _of_shapes(self, shapes: dict[str, Shape], last: int | None) -> Executable:
        """All layers with these inputs; where they do not fit, those up to one, as Caffe gives each its shapes when it runs."""
        try:
            self.whole.reshape(**shapes)
            return self.whole
        except NetdefError:
            if self._compile_first is None or last is None or last + 1 == len(self.whole.net.layers):
                raise
        if self._first_layers is self.whole or len(self._first_layers.net.layers) != last + 1:
            self._first_layers = self._compile_first(first_layers(self.whole.net, last + 1, shapes), self.whole)
        self._first_layers.reshape(**{name: shapes[name] for name in self._first_layers.inputs})
        return self._first_layers

    def _take_out(self, names: Iterable[str]) -> None:
        """Take the values of blobs from memory that is given up."""
        for name in names:
            self.blobs[name].data_copy.take_out()

    def _follow_shapes(self) -> None:
        """Let blobs have the shapes of the net, after it was built again."""
        self.versions = Versions(self.executable)
        for name, blob in self.blobs.items():
            shape = self.net.blobs[name].shape if name in self.net.blobs else blob.shape
            blob.data_copy.drop(shape)
            blob.diff_copy.drop(shape)

    # Weights

    def share_with(self, other: Engine) -> None:
        """Use the parameters of another net for all layers that have the same names."""
        layers = [name for name in self.parameters if name in other.parameters]
        self.whole.share_parameters(other.whole, layers)
        if self._first_layers is not self.whole:
            there = {layer.name for layer in self._first_layers.net.layers}
            self._first_layers.share_parameters(other.whole, [name for name in layers if name in there])
        if other not in self._shared_with:
            self._shared_with.append(other)
        for name in layers:
            for mine, theirs in zip(self.parameters[name], other.parameters[name], strict=True):
                mine.source = theirs.source

    def run_update(self) -> None:
        """Run the update of a solver's net on the diffs as the script has them."""
        self.write_parameters()
        for blob in self.every_parameter:
            read = self.versions.totals.get(blob.name, self.versions.gradients.get(blob.name))
            if read is not None and blob.has_sum:
                self.executable.memory.write(read, blob.diff)
        self.executable.update()
        self._synchronize()
        self.parameters_changed()


def first_layers(net: Graph, count: int, shapes: dict[str, Shape]) -> Graph:
    """A net of the first layers of another one, with inputs of these shapes.  Raises NetdefError: they do not fit."""

    def change(message: Any) -> None:
        del message.layer[count:]
        set_input_shapes(message, shapes)

    return rebuilt(net, change)
