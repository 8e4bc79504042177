"""An instruction with the arrays that it runs on, and the values of which arrays are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from runtime.ir.program import ITEM_BYTES, NARROW
from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import DEFAULT
from runtime.ops.halves.forms import narrow_bf16

Shape = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Spec:
    """An array: its shape, and the values it is filled with by `draw(random, shape)`; NaN (99 for integers) where there is none.

    One of bfloat16 is of uint16, the upper halves of float32 numbers.
    """

    shape: Shape
    draw: Callable[[np.random.Generator, Shape], np.ndarray] | None = None
    dtype: str = "float32"

    @property
    def item(self) -> int:
        """Bytes of a number."""
        return ITEM_BYTES[self.dtype]


@dataclass(frozen=True)
class Case:
    """An instruction with its arrays and constants.

    Parameters
    ----------
    arrays: inputs, then outputs.
    aliases: (i, j): array i is array j itself.
    close: how far the two may be apart, relative to the larger of 1 and the value; 0: not at all.
    aligned: its arrays are not to be moved to addresses where no pack may begin.
    """

    kernel: str
    arrays: tuple[Spec, ...]
    constants: dict[str, Any] = field(default_factory=dict)
    aliases: tuple[Pair, ...] = ()
    close: float = 1e-5
    target: Target = DEFAULT
    aligned: bool = False

    def __str__(self) -> str:
        shapes = " ".join("x".join(map(str, spec.shape)) for spec in self.arrays[:3])
        numbers = [f"{k}{v}" for k, v in self.constants.items() if isinstance(v, bool | int | float | tuple)]
        return f"{self.kernel} {shapes} {' '.join(numbers)}{' in place' if self.aliases else ''}"

    @property
    def narrow(self) -> frozenset[int]:
        """Which arrays are of bfloat16."""
        return frozenset(index for index, spec in enumerate(self.arrays) if spec.dtype == NARROW)

    def values(self, seed: int = 0) -> list[np.ndarray]:
        """Each array's contents before the instruction; the same object where arrays are aliases."""
        random = np.random.default_rng([seed, *self.kernel.encode()])
        made = []
        for spec in self.arrays:
            if spec.dtype == NARROW:
                values = spec.draw(random, spec.shape) if spec.draw else np.full(spec.shape, np.nan)
                made.append(narrow_bf16(np.ascontiguousarray(values, np.float32)))
            elif spec.draw:
                made.append(np.ascontiguousarray(spec.draw(random, spec.shape), spec.dtype))
            else:
                made.append(np.full(spec.shape, np.nan if spec.dtype.startswith("float") else 99, spec.dtype))
        for i, j in self.aliases:
            made[i] = made[j]
        return made


def normal(*shape: int) -> Spec:
    return Spec(shape, lambda random, shape: random.standard_normal(shape))


def ties(*shape: int) -> Spec:
    """Few different values."""
    return Spec(shape, lambda random, shape: np.round(2 * random.standard_normal(shape)) / 2)


def positive(*shape: int) -> Spec:
    return Spec(shape, lambda random, shape: 0.5 + random.random(shape))


def whole(below: int, *shape: int, dtype: str = "float32") -> Spec:
    """Integers in [0, below)."""
    return Spec(shape, lambda random, shape: random.integers(0, below, shape), dtype)


def value(number: float, dtype: str = "float32") -> Spec:
    return Spec((1,), lambda random, shape: np.full(shape, number), dtype)


def half(spec: Spec) -> Spec:
    """The same as bfloat16."""
    return replace(spec, dtype=NARROW)


def out(*shape: int, dtype: str = "float32") -> Spec:
    return Spec(shape, None, dtype)
