"""Networks by their names."""

from __future__ import annotations

import pytest

from netdef import NetdefError
from runtime.machine.limits import CARDS
from runtime.machine.links import INSIDE, NETWORKS, find_network


def test_adapters_are_counted() -> None:
    assert find_network("400gbit") is NETWORKS["400gbit"]
    eight = find_network("8x400Gbit")
    assert eight.bandwidth == 8 * 50e9
    assert eight.latency == NETWORKS["400gbit"].latency


@pytest.mark.parametrize(("text", "hint"), [("410gbit", "did you mean 400gbit?"), ("wire", "networks: 1gbit"), ("", "networks: ")])
def test_an_unknown_network_names_what_there_is(text: str, hint: str) -> None:
    with pytest.raises(NetdefError, match=f"there are no numbers for a network {text}") as caught:
        find_network(text)
    assert hint in str(caught.value)


def test_every_card_has_a_link_inside_its_host() -> None:
    assert INSIDE.keys() == CARDS.keys()
