"""A program that is too large for a card: what it needs, what there is, and what would fit."""

from __future__ import annotations

import re

import pytest

import netdef
import runtime
from netdef import NetdefError

NET = """
name: "wide"
layer data: Input { shape { dim: 64 dim: 3 dim: 32 dim: 32 } }
layer conv: Convolution(data) { num_output: 64 kernel_size: 3 pad: 1 }
layer pool: Pooling(conv) { pool: MAX kernel_size: 2 stride: 2 }
layer fc: InnerProduct(pool) { num_output: 10 }
"""
MIB = 1 << 20


def compiled(batch: int):
    return runtime.compile(netdef.parse(NET, batch_size=batch), "gpu:0", backward=False, keep="activations")


def test_the_largest_batch_that_fits_is_told_and_fits(machine) -> None:
    machine(memory=24 * MIB)
    with pytest.raises(NetdefError) as raised:
        compiled(64)
    told = re.fullmatch(
        r"error: wide in batches of 64 needs [\d.]+ MiB on gpu:0, where [\d.]+ MiB are free\n"
        r"    the largest batch that fits is (\d+) \(--batch, or batch_size in the net\)",
        str(raised.value).strip(),
    )
    assert told, str(raised.value)
    best = int(told[1])
    assert 1 < best < 64
    compiled(best).close()
    with pytest.raises(NetdefError, match=f"largest batch that fits is {best}"):
        compiled(best + 1)


def test_not_even_one(machine) -> None:
    machine(memory=5 * MIB)
    with pytest.raises(NetdefError, match="not even one image at a time fits"):
        compiled(2)


def test_weights_that_others_hold_are_not_needed_again(machine) -> None:
    machine(memory=40 * MIB)
    train = runtime.compile(netdef.parse(NET.replace("num_output: 10", "num_output: 400"), batch_size=1), "gpu:0", backward=False)
    test = netdef.parse(NET.replace("num_output: 10", "num_output: 400"), batch_size=1)
    runtime.compile(test, backward=False, share=train).close()
    train.close()
