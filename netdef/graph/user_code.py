"""Who runs classes of the user's that give layers their shapes: the runtime does, where it is allowed; the graph only asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from netdef.graph.layer import Layer, ParameterShape
    from netdef.graph.shape import Shape


class UserLayer(Protocol):
    """An object of the user's that is a layer."""

    def shapes(self, layer: Layer, bottoms: Sequence[Shape]) -> list[Shape]:
        """The shapes of the tops for bottoms of these shapes.

        Raises
        ------
        NetdefError: the user's code failed, or gives no shapes.
        """

    def parameters(self) -> list[ParameterShape]:
        """What the layer learns, once `shapes` has been asked."""


UserCode = Callable[["Layer"], UserLayer | None]  # the object of a layer; None where it may not be run
_allowed: ContextVar[UserCode | None] = ContextVar("allowed", default=None)


@contextmanager
def user_code_allowed(code: UserCode) -> Iterator[None]:
    """Let nets that are built inside run the user's code."""
    token = _allowed.set(code)
    try:
        yield
    finally:
        _allowed.reset(token)


def allowed_user_code() -> UserCode | None:
    """What runs the user's code here; None where that is not allowed."""
    return _allowed.get()
