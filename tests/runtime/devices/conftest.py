"""A machine whose cards are stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.runtime.devices.fake_cupy import Cards, install


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
