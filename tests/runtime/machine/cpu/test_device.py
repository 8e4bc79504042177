"""What the CPU keeps between runs."""

import numpy as np
import pytest

import netdef
import runtime
from runtime.machine.cpu.needs import planned, workspace_bytes
from runtime.machine.cpu.workers import SMALLEST_CHUNKS, Workers, chunks_of
from runtime.machine.device import Keeping

TEXT = """
layer x: Input { input_param { shape { dim: 1 dim: 16 dim: 14 dim: 14 } } }
layer y: Convolution(x) { num_output: 16 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } }
"""


def test_transformed_weights_are_kept_until_the_weights_change(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    run = Workers.run
    monkeypatch.setattr(Workers, "run", lambda self, work, items: runs.append(items) or run(self, work, items))
    net, random = netdef.parse(TEXT), np.random.default_rng(0)
    x = random.standard_normal((1, 16, 14, 14))
    with runtime.compile(net, backward=False) as exe, runtime.compile(net) as fresh:
        assert [isinstance(bound, Keeping) for _, bound in exe.bound("forward")] == [True]
        assert not any(isinstance(bound, Keeping) for _, bound in fresh.bound("forward"))
        for _ in range(2):
            weights = random.standard_normal((16, 16, 3, 3))
            for one in (exe, fresh):
                one.set_param("y", 0, weights)
            expected = fresh.forward(x=x)["y"]
            runs.clear()
            np.testing.assert_array_equal(exe.forward(x=x)["y"], expected)
            assert len(runs) == 2
            np.testing.assert_array_equal(exe.forward(x=x)["y"], expected)
            assert len(runs) == 3


def test_what_is_kept_counts_as_memory() -> None:
    with runtime.compile(netdef.parse(TEXT), backward=False, threads=1) as exe:
        (instruction,) = exe.program.forward
        made = planned(instruction)
        assert made.kept == 4 * 36 * 16 * 16
        assert [launch.once for launch in made.launches] == [True, False]
        assert workspace_bytes([exe.program], [0], 1) == made.kept + 4 * max(launch.scratch for launch in made.launches)
        assert str(made.launches[0]).endswith(", once")


def test_an_instruction_that_fails_with_what_was_kept_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with runtime.compile(netdef.parse(TEXT), backward=False) as exe:
        exe.forward(x=np.zeros((1, 16, 14, 14)))

        def fail(*_: object) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr(Workers, "run", fail)
        with pytest.raises(netdef.NetdefError, match="conv2d of layer y failed"):
            exe.forward(x=np.zeros((1, 16, 14, 14)))


@pytest.mark.parametrize("threads", [2, 3, 16])
def test_workers_end_together(threads: int) -> None:
    """Within a tenth, where the items are alike and enough."""
    for items in (1, 7, threads, 4 * threads + 1, 20 * threads + 3, 52 * threads, 1568, 100003):
        chunks = chunks_of(items, threads)
        assert [begin for begin, _ in chunks] == [0, *(end for _, end in chunks[:-1])]
        assert chunks[-1][1] == items
        busy = [0] * threads
        for begin, end in chunks:  # each to the worker that is free first
            assert begin < end
            busy[busy.index(min(busy))] += end - begin
        if items >= 20 * threads:
            assert max(busy) < 1.1 * items / threads
        assert len(chunks) <= 2 * threads * SMALLEST_CHUNKS
