"""The images nearest to others by what the last hidden layer makes of them (Krizhevsky et al. 2012, figure 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from netdef.graph.layer import Blob

COUNT = 6  # neighbours of an image
Neighbour = tuple[int, float]  # its index, its distance


def hidden_blob(scores: Blob) -> Blob | None:
    """What the layer of the classes reads: fc7 of AlexNet; None where it reads the data, or several blobs.

    Parameters
    ----------
    scores: the scores of the classes, or their probabilities.
    """
    blob = scores
    while not blob.producer.parameters or blob.producer.kind not in ("connected", "convolution"):
        if len(blob.producer.bottoms) != 1:
            return None
        blob = blob.producer.bottoms[0]
    hidden = blob.producer.bottoms[0]
    return None if hidden.producer.is_source else hidden


def nearest(features: NDArray[np.float32], query: int, count: int = COUNT) -> list[Neighbour]:
    """The rows of the smallest Euclidean distance to one of them, itself left out, nearest first."""
    distances = np.sqrt(((features.astype(np.float64) - features[query]) ** 2).sum(axis=1))
    order = [int(index) for index in np.argsort(distances, kind="stable") if index != query]
    return [(index, float(distances[index])) for index in order[:count]]
