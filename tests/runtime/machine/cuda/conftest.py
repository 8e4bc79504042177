"""A machine whose cards are stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runtime.solver import iterations, remember, testing
from tests.runtime.kernels.cuda.launchers import launchers
from tests.runtime.machine.cuda.fake_cupy import Cards, install


@pytest.fixture(scope="session")
def execute() -> Callable:
    """Makes kernels for the stand-in."""
    return launchers


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Cards]]:
    """Calling it puts cards into this machine; see Cards."""
    made = []

    def build(**options: Any) -> Cards:
        made.append(install(monkeypatch, Cards(**options)))
        return made[-1]

    yield build
    for cards in made:
        cards.check()


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Calling it makes rings of so many rows."""

    def set_to(count: int) -> None:
        for module in (remember, iterations, testing):
            monkeypatch.setattr(module, "ROUNDS", count)

    return set_to
