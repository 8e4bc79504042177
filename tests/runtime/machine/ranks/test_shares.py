"""Which instructions and which data are a rank's own."""

from __future__ import annotations

import pytest

import netdef
from netdef.graph.net import Net
from runtime.compiler.pipeline import compile_program
from runtime.data.source import Rows
from runtime.machine.ranks.ranks import Ranks
from runtime.machine.ranks.remote import RemoteDevice
from runtime.machine.ranks.shares import rows_read
from tests.runtime.machine.ranks.loopback import on_ranks

NET = """
name: "small"
layer data: ImageData -> data, label { source: "builtin:digits" batch_size: 6 }
layer fc: InnerProduct(data) { num_output: 4 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""


def rows_of(net: Net, split: str, count: int) -> list[Rows | None]:
    """What each rank reads of a batch."""
    program = compile_program(net, devices=count, split=split, losses_only=True)

    def start(ranks: Ranks) -> Rows | None:
        devices = [RemoteDevice(ranks, rank, "cpu:0", None) for rank in range(count)]  # type: ignore[arg-type]
        return rows_read(program, devices, ranks, "data")

    return on_ranks(count, start)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("batch", [Rows(range(2), all_labels=True), Rows(range(2, 4)), Rows(range(4, 6))]),  # the first computes the loss
        ("groups", [None] * 3),  # each takes all images
    ],
)
def test_a_rank_reads_the_images_that_its_shares_take(split: str, expected: list[Rows | None]) -> None:
    assert rows_of(netdef.parse(NET, phase="train"), split, 3) == expected
