"""A Python layer: an object of the user's class, its blobs, and the calls that Caffe makes of it.

As in Caffe, `setup` is called once, `reshape` after it and before every `forward`; `backward` follows the last `forward`.  Tops may
have another shape in every run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import FunctionType
from typing import Any, ClassVar

import numpy as np

from netdef.graph.layer import ParameterShape
from netdef.graph.net import Net
from netdef.graph.shape import Shape, shape_text
from netdef.graph.user_code import user_code_allowed
from netdef.layers.python import Python
from runtime.ops.changed_shapes import ShapesChangedError
from runtime.ops.python.blob import UserBlob, UserBlobs
from runtime.ops.python.failure import failure
from runtime.ops.python.method import python_layer
from runtime.ops.python.modules import TEST, TRAIN, load_class
from runtime.ops.random_fill.fillers import FirstValues

REQUIRED = ("setup", "reshape", "forward")
Array = np.ndarray


class PythonLayer:
    """The object of a layer's class.

    Parameters
    ----------
    layer: of the graph; that of the last net that was built with it.

    Raises
    ------
    NetdefError: the class is not found, lacks a method, or its code fails.
    """

    required: ClassVar[tuple[str, ...]] = REQUIRED

    def __init__(self, layer: Python):
        self.layer = layer
        self._class = load_class(layer)
        for method in self.required:
            if not callable(getattr(self._class, method, None)):
                hint = "its methods are setup(bottom, top), reshape(bottom, top), forward(bottom, top) and backward"
                raise layer.error(f"class {self} has no method {method}", "layer", hint=hint)
        self.blobs = UserBlobs()
        self._object = self._made()
        self._bottoms: list[UserBlob] = []
        self._tops: list[UserBlob] = []
        self._is_set_up = False
        self._repeats = False
        self.ran = False  # whether `forward` has called the user's; whoever asks sets it back

    def __str__(self) -> str:
        return f"{self.layer.p.module}.{self.layer.p.layer}"

    def _made(self) -> Any:
        """An object of the class with the attributes that pycaffe gives it before `setup`."""
        made: Any = self._class
        if isinstance(getattr(made, "blobs", None), property):  # of Caffe's own class, whose blobs are in C++
            made = type(made.__name__, (made,), {"blobs": None})
        instance = made.__new__(made)
        message = self.layer.message
        instance.param_str = instance.param_str_ = self.layer.p.param_str
        instance.phase = TRAIN if self.layer.phase == "train" else TEST
        instance.blobs = self.blobs
        if isinstance(made.__init__, FunctionType):
            self._guarded("__init__", instance.__init__, message)
        return instance

    # Shapes

    def shapes(self, layer: Python, bottoms: Sequence[Shape]) -> list[Shape]:
        """The shapes of the tops for bottoms of these shapes; parameters: see UserLayer."""
        self.layer = layer
        if self._repeats:
            return [top.shape for top in self._tops]
        if not self._is_set_up:
            message = layer.message
            self._bottoms = [UserBlob(shape) for shape in bottoms]
            in_place = [i < len(bottoms) and message.bottom[i] == name for i, name in enumerate(message.top)]
            self._tops = [self._bottoms[i] if shared else UserBlob() for i, shared in enumerate(in_place)]
            self._call("setup", self._bottoms, self._tops)
            self._is_set_up = True
        for blob, shape in zip(self._bottoms, bottoms, strict=True):
            blob.reshape(*shape)
        self._call("reshape", self._bottoms, self._tops)
        self._check_tops()
        return [top.shape for top in self._tops]

    def _check_tops(self) -> None:
        for index, (name, top) in enumerate(zip(self.layer.message.top, self._tops, strict=True)):
            if not top.is_shaped:
                hint = f"reshape calls top[{index}].reshape(...), here or in setup"
                raise self.layer.error(f"{self} gives top {name} no shape", "top", index, hint=hint)
            if not top.count:
                raise self.layer.error(f"{self} makes top {name} empty: {shape_text(top.shape)}", "top", index)

    def parameters(self) -> list[ParameterShape]:
        """The shapes and first values of the blobs that `setup` added."""
        return [(blob.shape, FirstValues(blob.data.copy())) for blob in self.blobs]

    # Running

    def check_backward(self) -> None:
        """That it can compute gradients.

        Raises
        ------
        NetdefError: its class has no `backward`.
        """
        if not callable(getattr(self._object, "backward", None)):
            hint = "add backward(top, propagate_down, bottom), or propagate_down: false for each bottom"
            raise self.layer.error(f"class {self} has no method backward, and a gradient goes through it", "layer", hint=hint)

    def forward(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Compute the tops from the bottoms and the parameters; arrays have the batch last.

        Raises
        ------
        ShapesChangedError: the tops have other shapes than these arrays.
        NetdefError: the user's code failed, or left a top empty.
        """
        if not self._repeats:
            for blob, array in zip([*self._bottoms, *self.blobs], inputs, strict=True):
                blob.reshape(*_outer(array).shape)
                blob.data[...] = _outer(array)
            self.ran = True
            self._call("reshape", self._bottoms, self._tops)
            self._call("forward", self._bottoms, self._tops)
            self._check_tops()
        self._check_shapes(outputs)
        for array, blob in zip(outputs, self._tops, strict=True):
            _outer(array)[...] = blob.data

    def _check_shapes(self, outputs: Sequence[Array]) -> None:
        for index, (array, blob) in enumerate(zip(outputs, self._tops, strict=True)):
            before = _outer(array).shape
            if blob.shape != before:
                text = f"{self} made top {self.layer.message.top[index]} {shape_text(blob.shape)}, it was {shape_text(before)}"
                raise ShapesChangedError(self.layer, index, text)

    def backward(self, inputs: Sequence[Array], outputs: Sequence[Array], down: Sequence[bool], learned: Sequence[int]) -> None:
        """Compute gradients from those of the tops, after a `forward`.

        Parameters
        ----------
        outputs: the gradients of the bottoms that `down` says, then of the parameters with the numbers in `learned`.

        Raises
        ------
        NetdefError: the user's code failed.
        """
        for blob, array in zip(self._tops, inputs, strict=True):
            blob.diff[...] = _outer(array)
        for blob in self.blobs:
            blob.diff[...] = 0
        self._call("backward", self._tops, list(down), self._bottoms)
        wanted = [blob for blob, needed in zip(self._bottoms, down, strict=True) if needed]
        for array, blob in zip(outputs, [*wanted, *(self.blobs[i] for i in learned)], strict=True):
            _outer(array)[...] = blob.diff

    @contextmanager
    def repeated(self) -> Iterator[None]:
        """With `forward` and `shapes` giving the tops of the last run again, so that a source does not go on."""
        self._repeats = True
        try:
            yield
        finally:
            self._repeats = False

    # The user's code

    def _call(self, method: str, *arguments: Any) -> None:
        self._guarded(method, getattr(self._object, method), *arguments)

    def _guarded(self, name: str, function: Any, *arguments: Any) -> None:
        try:
            function(*arguments)
        except (Exception, SystemExit) as error:
            raise failure(self.layer, f"{self}.{name}", error) from error


def python_layers(net: Net) -> list[PythonLayer]:
    """The objects behind a net's Python layers."""
    return [python_layer(layer) for layer in net.layers if isinstance(layer, Python)]


def python_allowed() -> AbstractContextManager[None]:
    """A context in which nets that are built run the classes that their Python layers name."""
    return user_code_allowed(PythonLayer)  # type: ignore[arg-type]


def _outer(array: Array) -> Array:
    """A view of an array with the batch last as one with the batch first."""
    return np.moveaxis(array, -1, 0) if array.ndim else array
