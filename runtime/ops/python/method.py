"""What the instructions of a Python layer call.  Lowering imports this, and no arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from netdef.layers.python import Python

if TYPE_CHECKING:
    import numpy as np


class Runs(Protocol):
    """The object behind a Python layer, see runtime/ops/python/layer.py."""

    def check_backward(self) -> None: ...
    def forward(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None: ...
    def backward(
        self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], down: Sequence[bool], learned: Sequence[int]
    ) -> None: ...


@dataclass(frozen=True, eq=False)
class Method:
    """What an instruction calls: a layer's `forward` or `backward` on inputs and outputs.

    Parameters
    ----------
    inputs: how many of the instruction's arrays are inputs.
    down, learned: as the layer's `backward` has them; None for `forward`.
    """

    layer: Runs
    inputs: int
    down: tuple[bool, ...] | None = None
    learned: tuple[int, ...] = ()

    def __call__(self, arrays: Sequence[np.ndarray]) -> None:
        inputs, outputs = arrays[: self.inputs], arrays[self.inputs :]
        if self.down is None:
            self.layer.forward(inputs, outputs)
        else:
            self.layer.backward(inputs, outputs, self.down, self.learned)

    def __str__(self) -> str:
        return f"{self.layer}.{'forward' if self.down is None else 'backward'}"


def python_layer(layer: Python) -> Any:
    """The object behind a layer of a graph, or of a share of it.

    Raises
    ------
    NetdefError: the net was built without leave to run the user's code.
    """
    whole: Any = layer.whole
    if whole.user is None:
        raise layer.not_allowed()
    return whole.user
