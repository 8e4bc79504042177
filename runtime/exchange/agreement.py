"""Whether another program computes what netdef does: inputs by a seed, and how far two results are apart."""

from __future__ import annotations

from math import prod

import numpy as np

from netdef.graph.layer import Blob, Layer
from netdef.graph.net import Net
from netdef.layers.boxes import Proposal
from netdef.layers.recurrent import LSTMUnit, Recurrent
from netdef.layers.regions import Regional
from netdef.layers.select import Filter

LIMIT = 1e-4  # the largest difference, as a share of the largest number, that passes
SEED = 1
Draws = np.random.Generator


def inputs_by_seed(net: Net, seed: int = SEED, scale: float = 1.0, shift: float = 0.0) -> dict[str, np.ndarray]:
    """Values for each input of a net that the layers that read it can use: normal noise, indices, regions, the sizes of images.

    Parameters
    ----------
    scale, shift: of the noise for images.
    """
    draws = np.random.default_rng(seed)
    made: dict[str, np.ndarray] = {}
    for blob in net.inputs:
        special = next((values for layer in blob.consumers if (values := _for_reader(layer, blob, draws)) is not None), None)
        if special is None:
            noise = draws.standard_normal(blob.shape)
            special = noise * scale + shift if len(blob.shape) == 4 else noise
        made[blob.name] = special.astype(np.float32)
    return made


def _for_reader(layer: Layer, blob: Blob, draws: Draws) -> np.ndarray | None:
    """What a layer takes where that is more than numbers; None where it takes any."""
    index = layer.bottoms.index(blob)
    if layer.picks_rows and index == layer.label_bottom:
        return draws.integers(0, layer.label_classes or 1, blob.shape)
    if index == layer.index_bottom:
        return draws.integers(0, layer.bottoms[0].shape[0], blob.shape)
    if isinstance(layer, Regional) and index == 1:
        return _regions(layer, blob, draws)
    if (isinstance(layer, Recurrent) and index == 1) or (isinstance(layer, LSTMUnit) and index == 2):
        going_on = draws.integers(0, 4, blob.shape) > 0
        return going_on.astype(np.float32)
    if isinstance(layer, Filter) and index == len(layer.bottoms) - 1:
        chosen = draws.integers(0, 2, blob.shape)
        chosen.reshape(-1)[0] = 1
        return chosen
    if isinstance(layer, Proposal) and index == 2:
        sides = [side * layer.p.feat_stride for side in layer.bottoms[0].shape[2:]]
        return np.tile(np.array([*sides, *[1.0] * (prod(blob.shape[1:]) - 2)]), (blob.shape[0], 1)).reshape(blob.shape)
    return None


def _regions(layer: Regional, blob: Blob, draws: Draws) -> np.ndarray:
    """Regions inside the images."""
    images, _, height, width = layer.bottoms[0].shape
    count, sides = blob.shape[0], np.array([width, height]) / layer.spatial_scale
    low = draws.uniform(0, 0.5, (count, 2)) * sides
    high = low + draws.uniform(0.2, 0.5, (count, 2)) * sides - 1
    whole = np.concatenate([draws.integers(0, images, (count, 1)), np.floor(low), np.maximum(np.floor(high), low + 1)], axis=1)
    return whole.reshape(blob.shape)


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference as a share of the largest expected number; infinite where shapes differ or a number is not finite."""
    if found.shape != expected.shape or not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return float("inf")
    if not expected.size:
        return 0.0
    largest, apart = float(np.abs(expected).max()), float(np.abs(found.astype(np.float64) - expected).max())
    return apart / largest if largest else apart
