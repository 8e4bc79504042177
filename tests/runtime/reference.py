"""Every kernel's forward result in plain float64 NumPy, users' layout (N, C, H, W); gradients by central differences.

Written for being obviously right, from the definitions: loops over windows, no tricks shared with the kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Pair = tuple[int, int]


def numeric_gradient(function: Callable[[Array], Array], x: Array, dy: Array, step: float = 1e-5) -> Array:
    """d sum(dy * function(x)) / dx by central differences, in float64."""
    dx = np.empty(x.shape)
    for at in np.ndindex(*x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[at] += sign * step
            ends.append(np.sum(dy * function(moved)))
        dx[at] = (ends[0] - ends[1]) / (2 * step)
    return dx


def relu(x: Array, slope: float = 0.0) -> Array:
    return np.where(x > 0, x, slope * x)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array, axis: int = 1) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def softmax_loss(x: Array, labels: Array, axis: int = 1, ignore: int | None = None, normalization: str = "VALID") -> Array:
    """labels: x's shape without `axis`."""
    p = np.moveaxis(softmax(x, axis), axis, -1).reshape(-1, x.shape[axis])
    flat = labels.reshape(-1).astype(int)
    counted = np.ones(flat.shape, bool) if ignore is None else flat != ignore
    picked = p[np.arange(flat.size)[counted], flat[counted]]
    divisors = {"FULL": flat.size, "VALID": counted.sum(), "BATCH_SIZE": np.prod(x.shape[:axis]), "NONE": 1}
    return -np.log(np.maximum(picked, np.finfo(np.float32).tiny)).sum() / max(1, divisors[normalization])


def accuracy(x: Array, labels: Array, top_k: int = 1, axis: int = 1, ignore: int | None = None) -> tuple[float, Array]:
    """(share, share of each class); a label is right if fewer than top_k other scores are at least as large as its own."""
    classes = x.shape[axis]
    scores = np.moveaxis(x, axis, -1).reshape(-1, classes)
    right, count = np.zeros(classes), np.zeros(classes)
    for row, label in zip(scores, labels.reshape(-1).astype(int), strict=True):
        if label != ignore:
            others = np.delete(row, label)
            right[label] += np.sum(others >= row[label]) < top_k
            count[label] += 1
    return right.sum() / max(1, count.sum()), right / np.maximum(1, count)


def convolution(x: Array, w: Array, b: Array, stride: Pair, pad: Pair, dilation: Pair, group: int) -> Array:
    """y[n, o, i, j] = b[o] + the sum over a group's channels and the window."""
    N, C, H, W = x.shape
    O, per_group, kh, kw = w.shape
    padded = np.zeros((N, C, H + 2 * pad[0], W + 2 * pad[1]))
    padded[:, :, pad[0] : pad[0] + H, pad[1] : pad[1] + W] = x
    OH = (H + 2 * pad[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    OW = (W + 2 * pad[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((N, O, OH, OW)) + b[None, :, None, None]
    for o in range(O):
        first = o // (O // group) * per_group
        for i, j in product(range(kh), range(kw)):
            rows = slice(i * dilation[0], i * dilation[0] + (OH - 1) * stride[0] + 1, stride[0])
            columns = slice(j * dilation[1], j * dilation[1] + (OW - 1) * stride[1] + 1, stride[1])
            y[:, o] += np.einsum("nchw,c->nhw", padded[:, first : first + per_group, rows, columns], w[o, :, i, j])
    return y


def windows(size: Pair, out: Pair, kernel: Pair, stride: Pair, pad: Pair) -> Iterator[tuple[Pair, slice, slice, int]]:
    """((oh, ow), rows, columns, divisor) of every pooling window, cut to the image; divisor: its area in the padded image."""
    for place in product(range(out[0]), range(out[1])):
        start = [o * s - p for o, s, p in zip(place, stride, pad, strict=True)]
        stop = [min(b + k, n + p) for b, k, n, p in zip(start, kernel, size, pad, strict=True)]
        area = (stop[0] - start[0]) * (stop[1] - start[1])
        rows, columns = (slice(max(b, 0), min(e, n)) for b, e, n in zip(start, stop, size, strict=True))
        yield place, rows, columns, area


def pool_max(x: Array, out: Pair, kernel: Pair, stride: Pair, pad: Pair) -> tuple[Array, Array]:
    """(maxima, their row * W + column in the channel, the first of equals)."""
    y, at = np.empty((*x.shape[:2], *out)), np.empty((*x.shape[:2], *out))
    for (oh, ow), rows, columns, _ in windows(x.shape[2:], out, kernel, stride, pad):
        window = x[:, :, rows, columns].reshape(*x.shape[:2], -1)
        y[:, :, oh, ow] = window.max(-1)
        first = window.argmax(-1)
        width = columns.stop - columns.start
        at[:, :, oh, ow] = (rows.start + first // width) * x.shape[3] + columns.start + first % width
    return y, at


def pool_ave(x: Array, out: Pair, kernel: Pair, stride: Pair, pad: Pair) -> Array:
    y = np.empty((*x.shape[:2], *out))
    for (oh, ow), rows, columns, area in windows(x.shape[2:], out, kernel, stride, pad):
        y[:, :, oh, ow] = x[:, :, rows, columns].sum((2, 3)) / area
    return y


def lrn(x: Array, size: int, alpha: float, beta: float, k: float, group: int = 1) -> Array:
    y = np.empty(x.shape)
    per_group = x.shape[1] // group
    for c in range(x.shape[1]):
        first = c // per_group * per_group
        near = x[:, max(c - size // 2, first) : min(c + size // 2 + 1, first + per_group)]
        y[:, c] = x[:, c] * (k + alpha / size * np.sum(near**2, 1)) ** -beta
    return y


def lrn_within(x: Array, size: int, alpha: float, beta: float) -> Array:
    y = np.empty(x.shape)
    half = size // 2
    for h, w in product(range(x.shape[2]), range(x.shape[3])):
        near = x[:, :, max(h - half, 0) : h + half + 1, max(w - half, 0) : w + half + 1]
        y[:, :, h, w] = x[:, :, h, w] * (1 + alpha / size**2 * np.sum(near**2, (2, 3))) ** -beta
    return y


def philox(counter: Array, key: Array) -> Array:
    """Philox4x32-10: counter (..., 4), key (..., 2) -> (..., 4), all of 32 bits in uint64."""
    c, k, mask = counter.astype(np.uint64), key.astype(np.uint64), np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[..., 0], np.uint64(0xCD9E8D57) * c[..., 2]
        high0, high1 = p0 >> np.uint64(32), p1 >> np.uint64(32)
        c = np.stack([high1 ^ c[..., 1] ^ k[..., 0], p1 & mask, high0 ^ c[..., 3] ^ k[..., 1], p0 & mask], -1)
        k = (k + np.array([0x9E3779B9, 0xBB67AE85], np.uint64)) & mask
    return c


def uniform(elements: int, key: Pair, iteration: int, stream: int) -> Array:
    """The float in [0, 1) of each element of a layer, flat in internal layout."""
    groups = -(-elements // 4)
    counter = np.zeros((groups, 4), np.uint64)
    counter[:, 0], counter[:, 2], counter[:, 3] = np.arange(groups), iteration, stream
    words = philox(counter, np.array(key)).reshape(-1)[:elements]
    return (words >> np.uint64(8)).astype(np.float64) * 2.0**-24


def solver_step(
    kind: str, w: Array, g: Array, histories: list[Array], rate: float, decay: float = 0, l1: bool = False, **fields: float
) -> tuple[Array, list[Array]]:
    """(weights, histories) after one update by a type of solver; g: clipped and divided by iter_size, without weight decay."""
    pull, m, d = decay * (np.sign(w) if l1 else w), fields.get("momentum", 0), fields.get("delta", 1e-8)
    m2, decoupled = fields.get("momentum2", 0.999), kind == "AdamW"
    g = g if decoupled else g + pull
    if kind in ("SGD", "Nesterov"):
        velocity = m * histories[0] + rate * g
        ahead = velocity if kind == "SGD" else velocity + m * (velocity - histories[0])
        return w - ahead, [velocity]
    if kind in ("AdaGrad", "RMSProp"):
        kept = fields.get("rms_decay", 0.99)
        squares = histories[0] + g**2 if kind == "AdaGrad" else kept * histories[0] + (1 - kept) * g**2
        return w - rate * g / (np.sqrt(squares) + d), [squares]
    if kind == "AdaDelta":
        squares = m * histories[0] + (1 - m) * g**2
        change = np.sqrt(histories[1] + d) / np.sqrt(squares + d) * g
        return w - rate * change, [squares, m * histories[1] + (1 - m) * change**2]
    means, squares = m * histories[0] + (1 - m) * g, m2 * histories[1] + (1 - m2) * g**2
    change = fields["correction"] * means / (np.sqrt(squares) + d)
    return w - rate * (change + (pull if decoupled else 0)), [means, squares]


def larc_rate(w: Array, g: Array, eta: float, decay: float) -> float:
    """A weight array's own rate."""
    norms = np.linalg.norm(w), np.linalg.norm(g)
    return eta * norms[0] / (norms[1] + decay * norms[0]) if all(norms) else 1
