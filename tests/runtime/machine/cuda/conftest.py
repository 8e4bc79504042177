"""A machine whose cards are stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.machine import yardstick
from runtime.selftest import nets
from runtime.selftest.nets import KINDS, Sizes
from runtime.solver import iterations, remember, testing
from tests.runtime.kernels.cuda.launchers import launchers
from tests.runtime.machine.cuda.fake_cupy import Cards, install
from tests.runtime.solver.nets import IMAGES, SOLVER

TINY = Sizes(((KINDS, 6), ("lenet", 5)), "lenet", 4, 3, "lenet", 6, 2)


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


@pytest.fixture
def small_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh folder with a small net and its solver; small sizes of what selftest and time measure."""
    monkeypatch.chdir(tmp_path)
    Path("small.net").write_text(IMAGES)
    Path("solver.txt").write_text(SOLVER + "display: 4 test_iter: 2 test_interval: 4 snapshot: 4")
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path))
    for name, size in (("COPY", 1 << 16), ("CARD_COPY", 1 << 16), ("PRODUCT", 64), ("CARD_PRODUCT", 64)):
        monkeypatch.setattr(yardstick, name, size)
    monkeypatch.setattr(nets, "CARD", TINY)
    monkeypatch.setattr(nets, "CPU", TINY)
