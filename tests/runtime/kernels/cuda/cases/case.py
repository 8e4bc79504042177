"""An instruction with the arrays that it runs on, and the values of which arrays are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import DEFAULT

Shape = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Spec:
    """An array: its shape, and the values it is filled with by `draw(random, shape)`; NaN (99 for integers) where there is none."""

    shape: Shape
    draw: Callable[[np.random.Generator, Shape], np.ndarray] | None = None
    dtype: str = "float32"


@dataclass(frozen=True)
class Case:
    """An instruction with its arrays and constants.

    Parameters
    ----------
    arrays: inputs, then outputs.
    aliases: (i, j): array i is array j itself.
    close: how far the two may be apart, relative to the larger of 1 and the value; 0: not at all.
    """

    kernel: str
    arrays: tuple[Spec, ...]
    constants: dict[str, Any] = field(default_factory=dict)
    aliases: tuple[Pair, ...] = ()
    close: float = 1e-5
    target: Target = DEFAULT

    def __str__(self) -> str:
        shapes = " ".join("x".join(map(str, spec.shape)) for spec in self.arrays[:3])
        numbers = [f"{k}{v}" for k, v in self.constants.items() if isinstance(v, bool | int | float | tuple)]
        return f"{self.kernel} {shapes} {' '.join(numbers)}{' in place' if self.aliases else ''}"

    def values(self, seed: int = 0) -> list[np.ndarray]:
        """Each array's contents before the instruction; the same object where arrays are aliases."""
        random = np.random.default_rng([seed, *self.kernel.encode()])
        made = []
        for spec in self.arrays:
            if spec.draw:
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


def out(*shape: int, dtype: str = "float32") -> Spec:
    return Spec(shape, None, dtype)
