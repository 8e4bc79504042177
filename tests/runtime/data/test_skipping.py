"""Counting what cannot be read: too many are an error."""

from __future__ import annotations

import pytest

from netdef import NetdefError
from runtime.data.skipping import FEW, Skipped, too_many
from runtime.data.source import UnreadableError


def bad(entry):
    return UnreadableError(f"{entry}.jpg", "damaged")


def test_an_entry_is_tried_once():
    skipped = Skipped("the list", 10)
    skipped.check(3)
    skipped.add(3, bad(3))
    skipped.check(4)
    with pytest.raises(UnreadableError) as caught:
        skipped.check(3)
    assert caught.value.path == "3.jpg"


def test_a_wrong_folder_ends_soon():
    skipped = Skipped("the list", 1_000_000)
    for entry in range(FEW):
        skipped.check(entry)
        skipped.add(entry, bad(entry))
    skipped.check(FEW)
    with pytest.raises(NetdefError, match="101 of the first 101 images of the list cannot be read: too many") as caught:
        skipped.add(FEW, bad(FEW))
    assert caught.value.diagnostics[0].hint == "the last one tried: 100.jpg: damaged"


def test_one_in_ten_may_be_missing():
    skipped = Skipped("the list", 1_000_000)
    for entry in range(5000):
        skipped.check(entry)
        if entry % 11 == 10:
            skipped.add(entry, bad(entry))


@pytest.mark.parametrize("size", [3, 12, 30])
def test_more_than_half_of_a_short_list_is_too_many(size):
    skipped = Skipped("the list", size)
    half = size // 2
    for entry in range(half):
        skipped.check(entry)
        skipped.add(entry, bad(entry))
    skipped.check(half)
    with pytest.raises(NetdefError, match=f"{half + 1} of the first {half + 1} images of the list cannot be read: too many"):
        skipped.add(half, bad(half))


def test_one_bad_image_is_left_out():
    assert [too_many(1, 1, size) for size in (1, 2, 3)] == [False] * 3
