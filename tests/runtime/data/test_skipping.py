"""Counting what cannot be read: too many are an error."""

from __future__ import annotations

import pytest

from netdef import NetdefError
from runtime.data.skipping import FEW, Skipped
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


def test_half_of_a_short_list_is_too_many():
    skipped = Skipped("the list", 30)
    for entry in range(15):
        skipped.check(entry)
        skipped.add(entry, bad(entry))
    skipped.check(15)
    with pytest.raises(NetdefError, match="16 of the first 16 images of the list cannot be read: too many"):
        skipped.add(15, bad(15))
