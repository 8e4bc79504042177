"""The CPU device's table of kernels: name -> function over a range of items, and how many items its arguments make."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature


@dataclass(frozen=True)
class Kernel:
    """`function(begin, end, *arrays, *constants)` computes the items [begin, end) of `items(*arrays, *constants)`."""

    name: str
    function: Callable[..., None]
    items: Callable[..., int]
    parameters: tuple[str, ...]  # after begin and end

    @property
    def wants_scratch(self) -> bool:
        return "scratch" in self.parameters


CPU_KERNELS: dict[str, Kernel] = {}


def kernel(items: Callable[..., int]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a kernel under its function's name.

    Parameters
    ----------
    items: takes the kernel's arguments after begin and end (without `scratch`) and returns the number of independent items.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        python = getattr(function, "py_func", function)
        names = tuple(signature(python).parameters)
        if names[:2] != ("begin", "end"):
            raise TypeError(f"kernel {python.__name__} must start with (begin, end)")
        CPU_KERNELS[python.__name__] = Kernel(python.__name__, function, items, names[2:])
        return function

    return register
