"""Python layers of a script: they run without leave, and what they raise comes out of pycaffe as it is."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from netdef.graph.user_code import user_code_allowed
from netdef.language.diagnostics import OldFormatWarning
from runtime.ops.python.layer import PythonLayer
from runtime.ops.python.modules import TRAIN, UserCodeRemark


class LayerRaised(BaseException):
    """What a script's layer has raised, past all that takes exceptions for failures of netdef's own."""

    def __init__(self, error: Exception):
        self.error = error


class PhaseNumber(int):
    """0 or 1, as in Caffe; as a text TRAIN or TEST, as in the fork of Faster R-CNN, whose layers look up settings by it."""

    def __str__(self) -> str:
        return "TRAIN" if self == TRAIN else "TEST"


class ScriptLayer(PythonLayer):
    """The object of a layer's class; as in Caffe, a method that is missing shows when it is called."""

    required: ClassVar[tuple[str, ...]] = ()

    def _made(self) -> Any:
        made = super()._made()
        made.phase = PhaseNumber(made.phase)
        return made

    def _guarded(self, name: str, function: Any, *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception as error:
            error.add_note(f"in {self}.{name}, of layer {self.layer.name}")
            raise LayerRaised(error) from None

    def _call(self, method: str, *arguments: Any) -> None:
        self._guarded(method, lambda *given: getattr(self._object, method)(*given), *arguments)


@contextmanager
def layers_of_scripts() -> Iterator[None]:
    """With nets that are built running the script's layers, without remarks on that and on old formats."""
    with warnings.catch_warnings(), user_code_allowed(ScriptLayer):  # type: ignore[arg-type]
        warnings.simplefilter("ignore", UserCodeRemark)
        warnings.simplefilter("ignore", OldFormatWarning)
        yield


@contextmanager
def user_errors() -> Iterator[None]:
    """What a layer of the script raises comes out as it is, as from pycaffe; where it was is a note to it."""
    try:
        yield
    except LayerRaised as raised:
        raise raised.error from None
