"""caffe.Net: the net of a script.  BVLC's python/caffe/pycaffe.py and _caffe.cpp define its interface."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netdef.graph.data_shapes import data_looked_at
from netdef.graph.phases import phase_name
from netdef.language.diagnostics import NetdefError
from netdef.language.spelling import did_you_mean
from netdef.language.writing import replacing
from netdef.loading import load
from netdef.schema import TEST, TRAIN
from netdef.weights import hdf5_writing
from runtime.machine.compile import compile
from runtime.machine.look import look_at_data
from runtime.machine.weights import owned_arrays, write_caffemodel
from runtime.pycaffe.batches import Arrays, InBatches
from runtime.pycaffe.constants import fill_once
from runtime.pycaffe.engine import CompileFirst, Engine
from runtime.pycaffe.python_layer import layers_of_scripts, user_errors
from runtime.pycaffe.settings import settings

if TYPE_CHECKING:
    from netdef.graph.net import Net as Graph
    from runtime.machine.executable import Executable


CALLS = ("before_forward", "after_forward", "before_backward", "after_backward")


class MissingFileError(NetdefError, RuntimeError):
    """A file is not there; pycaffe raises a RuntimeError of this text."""


class Net(InBatches):
    """A net that a script runs layer by layer, and whose blobs and parameters it reads and writes.

    Parameters
    ----------
    network_file: the path of a .prototxt or .net file, or the name of a model of the package.
    phase: caffe.TRAIN or caffe.TEST.
    weights: a .caffemodel or .caffemodel.h5, whose layers are taken by name.
    level, stages: of the state that the layers' include and exclude rules test.

    The older form Net(network_file, weights, phase) does the same.

    Raises
    ------
    RuntimeError: a file is not there.  NetdefError: the net or the weights are wrong.
    """

    def __init__(
        self,
        network_file: Any,
        *arguments: Any,
        phase: int | None = None,
        weights: Any = None,
        level: int = 0,
        stages: Sequence[str] | None = None,
    ):
        given = list(arguments)
        if given and isinstance(given[0], str | os.PathLike):
            weights = given.pop(0)
        for name, value in zip(("phase", "level", "stages", "weights"), given, strict=False):
            if name == "phase":
                phase = value
            elif name == "level":
                level = value
            elif name == "stages":
                stages = value
            else:
                weights = value
        if phase not in (TRAIN, TEST) or len(given) > 4:
            what = "no phase is given" if phase is None else f"{phase!r} is no phase"
            raise NetdefError(f"Net({network_file!r}, ...): {what}", hint="write caffe.Net(file, caffe.TEST)")
        for file in (network_file, weights):
            _check_file(file)
        states = {"state.level": level} if level else {}
        overrides: dict[str, Any] = {**states, **({"state.stage": [*stages]} if stages else {})}
        with user_errors(), layers_of_scripts(), data_looked_at(look_at_data):
            graph = load(os.fspath(network_file), phase_name(phase), overrides)
            self._take(*_compiled(graph), _compiled_first)
        if weights is not None:
            self.copy_from(weights)

    @classmethod
    def _of(cls, executable: Executable) -> Net:
        """The net that a solver has compiled."""
        net = cls.__new__(cls)
        net._take(executable, None)
        return net

    def _take(self, executable: Executable, why_not: NetdefError | None, first: CompileFirst | None = None) -> None:
        self._engine = Engine(executable, why_not, first)
        self._calls: dict[str, list[Callable[[int], Any]]] = {name: [] for name in CALLS}
        self._name_all()

    # Running

    def forward(
        self, blobs: Sequence[str] | None = None, start: str | None = None, end: str | None = None, **kwargs: Any
    ) -> Arrays:
        """Run layers forward, by default all.

        Parameters
        ----------
        blobs: names of blobs to return with the outputs.
        start, end: the first and the last layer to run.
        kwargs: arrays for the inputs, by name: for all or for none.

        Returns
        -------
        The arrays of the outputs, or of what layer `end` makes, by name.
        """
        first, last = self._index(start, 0), self._index(end, -1)
        if kwargs:
            self._give(kwargs, self.inputs, "inputs", "data")
        self._forward(first, last)
        names = (self.outputs if end is None else self.top_names[end]) + list(blobs or [])
        return {name: self.blobs[name].data for name in dict.fromkeys(names)}

    def _forward(self, start: int, end: int) -> float:
        """Run layers forward, both by index; the loss of those that ran."""
        with user_errors():
            before, after = self._calls["before_forward"], self._calls["after_forward"]
            if before or after:
                for index in range(start, end + 1):
                    self._call(before, index)
                    self._engine.forward(index, index)
                    self._call(after, index)
            else:
                self._engine.forward(start, end)
        return self._loss(start, end)

    def _loss(self, start: int, end: int) -> float:
        tops = [pair for layer in self._graph.layers[start : end + 1] for pair in zip(layer.tops, layer.loss_weights, strict=True)]
        return float(sum(weight * self.blobs[top.name].data_copy.peek().sum(dtype=np.float64) for top, weight in tops if weight))

    def backward(
        self, diffs: Sequence[str] | None = None, start: str | None = None, end: str | None = None, **kwargs: Any
    ) -> Arrays:
        """Run layers backward, by default all.

        Parameters
        ----------
        diffs: names of blobs whose diffs are returned with those of the inputs.
        start, end: the first layer to run, which comes last in the net, and the last.
        kwargs: diffs of the outputs, by name: for all or for none.

        Returns
        -------
        The diffs of the inputs, or of what layer `end` reads, by name.
        """
        first, last = self._index(start, -1), self._index(end, 0)
        if kwargs:
            self._give(kwargs, self.outputs, "outputs", "diff")
        self._backward(first, last)
        names = (self.inputs if end is None else self.bottom_names[end]) + list(diffs or [])
        return {name: self.blobs[name].diff for name in dict.fromkeys(names)}

    def _backward(self, start: int, end: int) -> None:
        """Run layers backward, both by index, from `start` down to `end`."""
        before, after = self._calls["before_backward"], self._calls["after_backward"]
        with user_errors():
            if not (before or after):
                self._engine.backward(start, end)
                return
            for index in range(start, end - 1, -1):
                self._call(before, index)
                self._engine.backward(index, index)
                self._call(after, index)

    def _index(self, layer: str | None, default: int) -> int:
        names = self._layer_names
        if layer is None:
            return range(len(names))[default]
        if layer not in names:
            raise ValueError(
                f"the net has no layer {layer!r}; {did_you_mean(str(layer), names) or 'there are: ' + ', '.join(names)}"
            )
        return names.index(layer)

    def _give(self, arrays: Any, names: list[str], what: str, attribute: str) -> None:
        if set(arrays) != set(names):
            raise ValueError(f"{', '.join(sorted(arrays))} are given, and the {what} of the net are {', '.join(names) or 'none'}")
        for name, values in arrays.items():
            array, blob = np.asarray(values), self.blobs[name]
            if array.shape[:1] != blob.shape[:1]:
                raise ValueError(
                    f"{name} has a batch of {blob.shape[0] if blob.shape else 0}, and an array of {array.shape} is given"
                )
            getattr(blob, attribute)[...] = array

    def before_forward(self, call: Callable[[int], Any]) -> None:
        """Call a function with each layer's index before it runs forward."""
        self._calls["before_forward"].append(call)

    def after_forward(self, call: Callable[[int], Any]) -> None:
        """Call a function with each layer's index after it has run forward."""
        self._calls["after_forward"].append(call)

    def before_backward(self, call: Callable[[int], Any]) -> None:
        """Call a function with each layer's index before it runs backward."""
        self._calls["before_backward"].append(call)

    def after_backward(self, call: Callable[[int], Any]) -> None:
        """Call a function with each layer's index after it has run backward."""
        self._calls["after_backward"].append(call)

    @staticmethod
    def _call(functions: list[Callable[[int], Any]], index: int) -> None:
        for function in functions:
            function(index)

    def reshape(self) -> None:
        """Give every blob the shape that follows from those of the inputs."""
        with user_errors():
            self._engine.reshape()

    def clear_param_diffs(self) -> None:
        """Set the diffs of all parameters to 0."""
        for blob in self._engine.every_parameter:
            blob.clear_diff()

    def set_input_arrays(self, data: Any, labels: Any) -> None:
        """Give the MemoryData layer, the net's first, its images and labels."""
        self._engine.executable.set_input_arrays(data, np.asarray(labels).reshape(len(labels)))

    # Weights

    def copy_from(self, weights: Any) -> None:
        """Copy parameters from a .caffemodel or .caffemodel.h5, by the names of the layers; others stay.

        Raises
        ------
        RuntimeError: there is no such file.  NetdefError: shapes differ, or no layer of the file is in the net.
        """
        _check_file(weights)
        if not self.params:
            return
        self._engine.write_parameters()
        self._engine.whole.load_weights(os.fspath(weights), allow_missing=True)
        self._engine.parameters_changed()

    def load_hdf5(self, weights: Any) -> None:
        """`copy_from`."""
        self.copy_from(weights)

    def share_with(self, other: Net) -> None:
        """Use the parameters of another net, for layers of the same name: both nets then see what either changes."""
        if not isinstance(other, Net):
            raise NetdefError(f"share_with takes a caffe.Net, not {type(other).__name__}")
        self._engine.share_with(other._engine)

    def save(self, filename: Any) -> None:
        """Write the net with its parameters as a .caffemodel."""
        self._engine.write_parameters()
        with replacing(os.fspath(filename)) as partial:
            write_caffemodel(Path(partial), self._graph, self._engine.whole.param)

    def save_hdf5(self, filename: Any) -> None:
        """Write the parameters as HDF5."""
        self._engine.write_parameters()
        with replacing(os.fspath(filename)) as partial:
            hdf5_writing.write_weights(Path(partial), owned_arrays(self._graph, self._engine.whole.param))

    def __repr__(self) -> str:
        graph = self._graph
        return f"<caffe.Net {graph.name!r} {graph.phase}: {len(graph.layers)} layers, {len(self.blobs)} blobs>"


def _check_file(file: Any) -> None:
    """Raises RuntimeError, as pycaffe does: there is no such file and no model of that name."""
    if file is None:
        return
    if not isinstance(file, str | os.PathLike):
        raise NetdefError(f"expected the path of a file, not {type(file).__name__}")
    from netdef.language.find import model_names

    if not os.path.exists(file) and str(file) not in model_names():
        raise MissingFileError(f"Could not open file {os.fspath(file)}")


OPTIONS: dict[str, Any] = {"keep": "versions", "fold": False}


def _compiled(graph: Graph) -> tuple[Executable, NetdefError | None]:
    """A net that any layers can run of; and why it has no backward, where it has none."""
    devices, seed = settings.devices, settings.next_seed()
    try:
        return compile(graph, devices, seed=seed, update=fill_once(), **OPTIONS), None
    except NetdefError as error:
        try:
            return compile(graph, devices, seed=seed, update=fill_once(), backward=False, **OPTIONS), error
        except NetdefError:
            raise error from None


def _compiled_first(graph: Graph, whole: Executable) -> Executable:
    """The first layers of a net, with its parameters."""
    return compile(graph, share=whole, seed=whole.seed, update=fill_once(), backward=whole.differentiable, **OPTIONS)
