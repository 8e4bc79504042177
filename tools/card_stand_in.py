"""tools/card.sh without a card: its steps in small on the tests' stand-in for CuPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runtime.machine import yardstick
from runtime.selftest import nets

if TYPE_CHECKING:
    from card_steps import Task

SIZES = (("COPY", 1 << 16), ("CARD_COPY", 1 << 16), ("PRODUCT", 64), ("CARD_PRODUCT", 64))
SMALL = nets.Sizes((("lenet", 5),), "lenet", 4, 3, "lenet", 6, 2)


@contextmanager
def stand_in() -> Iterator[None]:
    """A machine with one stand-in card, whose kernels are built for the CPU."""
    from tests.runtime.kernels.cuda.launchers import launchers
    from tests.runtime.machine.cuda.fake_cupy import Cards, install

    with pytest.MonkeyPatch.context() as patch:
        cards = install(patch, Cards(execute=launchers, seed=0))
        for name, size in SIZES:
            patch.setattr(yardstick, name, size)
        patch.setattr(nets, "CARD", SMALL)
        yield
        cards.check()


def small(task: Task) -> Task:
    """The same step on a small net."""
    return replace(task, net="lenet", batch=4, rounds=2, few=True, warm_up=0.0, math="fp32" if task.math == "3xtf32" else task.math)
