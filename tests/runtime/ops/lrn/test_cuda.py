"""How a card's LRN is cut."""

from __future__ import annotations

import pytest

from runtime.ops.lrn.cuda import FEW, SHORTEST, blocks, runs_of

BLOCKS = 4  # of FEW threads that a multiprocessor runs at once


@pytest.mark.parametrize("multiprocessors", [40, 80, 108, 132])
@pytest.mark.parametrize(("columns", "group", "channels"), [(55 * 55 * 32, 2, 48), (27 * 27 * 32, 2, 128), (27 * 27 * 8, 1, 96)])
def test_runs_of_channels_fill_waves(columns: int, group: int, channels: int, multiprocessors: int) -> None:
    """No other number of runs takes less time by waves of blocks, each as long as a run and the window around it."""
    runs = runs_of(columns, group, channels, 5, BLOCKS * multiprocessors)

    def duration(count: int) -> int:
        waves = -(-blocks(columns, FEW) * group * count // (BLOCKS * multiprocessors))
        return waves * (-(-channels // count) + 4)

    assert 1 <= runs <= channels // SHORTEST
    assert all(duration(runs) <= duration(other) for other in range(1, channels // SHORTEST + 1))


def test_norm2_of_alexnet_has_no_wave_of_few_blocks() -> None:
    """On an H200, batches of 128: with two runs, as once, the second wave had 40 % of the blocks."""
    runs = runs_of(27 * 27 * 32, 2, 128, 5, BLOCKS * 132)
    waves = blocks(27 * 27 * 32, FEW) * 2 * runs / (BLOCKS * 132)
    assert runs == 4 and waves % 1 > 0.7
