"""Numbers that the host sets: copied when they change, whoever changed them."""

from __future__ import annotations

import numpy as np
import pytest

import runtime
from netdef.schema import message_class
from runtime.machine.memory import Memory
from runtime.solver.update import updates
from tests.runtime.machine.cuda.networks import LENET, inputs, parse


def test_what_the_host_sets_is_there_whoever_wrote_last(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[str] = []
    write = Memory.write
    monkeypatch.setattr(Memory, "write", lambda self, buffer, values: (writes.append(buffer.name), write(self, buffer, values)))
    solver = message_class("SolverParameter")(clip_gradients=1e-3)
    with runtime.compile(parse(LENET), "cpu", threads=1, losses_only=True, update=updates(solver)) as exe:
        for _ in range(3):
            exe.set_scalar("rate", 0.5)
        assert writes.count("rate") == 1
        exe.memory.write(exe.program.scalars["rate", 0], np.array([0.25], np.float32))
        exe.set_scalar("rate", 0.5)
        assert exe.scalar("rate") == 0.5
        exe.set_scalar("scale", 1.0)
        exe.run_training(update=True, **inputs(exe.net))
        assert exe.scalar("scale") < 1  # a kernel of the update has clipped
        exe.set_scalar("scale", 1.0)
        assert exe.scalar("scale") == 1.0
