"""Softmax, its loss, accuracies."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.ops.loss.normalization import NO_LABEL
from tests.runtime.kernels.cuda.cases.case import Case, Spec, normal, out, positive, ties, value, whole


def class_cases() -> Iterator[Case]:
    """(outer, C, inner)."""
    short = (1, 5, 1), (1, 10, 128), (4, 3, 2), (2, 21, 130), (3, 1, 5), (1, 96, 32), (1, 7, 3)
    for shape in (*short, (1, 300, 4), (1, 600, 20), (2, 520, 9)):
        outer, C, inner = shape
        count = outer * inner
        label, scores, chances = whole(C, count), ties(*shape), positive(*shape)
        yield Case("softmax_forward", (normal(*shape), out(*shape)), close=1e-6)
        yield Case("softmax_backward", (normal(*shape), chances, out(*shape)), close=1e-5 * C)
        for ignore in (NO_LABEL, 0):
            for divisor in (0.0, 7.0):
                constants = {"divisor": divisor, "ignore": ignore}
                yield Case("softmax_loss", (chances, label, out(1), out(1)), constants)
            for aliases in ((), ((4, 0),)):
                arrays = (chances, label, value(3), value(0.7), out(*shape))
                yield Case("softmax_loss_backward", arrays, {"ignore": ignore}, aliases=aliases, close=1e-6)
            for top_k in (1, 5):
                constants = {"top_k": top_k, "ignore": ignore}
                yield Case("accuracy_hits", (scores, label, out(count)), constants, close=0)
        hits = Spec((count,), lambda random, shape: random.integers(-1, 2, shape))
        yield Case("accuracy_mean", (hits, out(1)), close=1e-6)
        yield Case("accuracy_per_class", (hits, label, out(min(C, 96))), close=1e-6)
