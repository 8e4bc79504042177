"""Divide a listing into images for training and for testing, class by class, by chance."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from netdef.language.diagnostics import NetdefError
from runtime.data.draws import Draws
from runtime.data.listing import Listing


def split(listing: Listing, share: float, seed: int) -> tuple[Listing, Listing]:
    """The images for training and those for testing, in their order.

    Parameters
    ----------
    share: of each class for testing, rounded; a class of two images or more has one at least in both, one image is for training.

    Raises
    ------
    NetdefError: that leaves none for testing.
    """
    of_class: defaultdict[int, list[int]] = defaultdict(list)
    for index, label in enumerate(listing.labels):
        of_class[label].append(index)
    tested: set[int] = set()
    for label, indices in of_class.items():
        count = min(max(1, round(share * len(indices))), len(indices) - 1)
        order = Draws(seed, f"split {label}").permutation(0, len(indices))
        tested.update(indices[int(place)] for place in order[:count])
    if not tested:
        raise NetdefError(f"{listing.name} has no class of two images or more: none is left for testing")
    chosen = ([i for i in range(len(listing.paths)) if (i in tested) == test] for test in (False, True))
    train, test = (
        replace(listing, paths=[listing.paths[i] for i in kept], labels=[listing.labels[i] for i in kept]) for kept in chosen
    )
    return train, test
