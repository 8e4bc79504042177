"""Losses."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.ir.runs import LABELS, element_runs, label_runs
from runtime.ops.loss.normalization import NO_LABEL
from tests.runtime.kernels.cuda.cases.case import Case, Spec, normal, out, positive, value, whole
from tests.runtime.kernels.cuda.cases.shapes import FLAT


def loss_cases() -> Iterator[Case]:
    """Sums of terms and their gradients; more than one run of elements, and of labels."""
    outs, scale = {"close": 1e-5}, (value(0.7), value(3))
    for n in FLAT:
        a, b = normal(n), normal(n)
        sums = out(element_runs(n), 2, dtype="float64")
        yield Case("euclidean_terms", (a, b, sums), close=1e-6)
        for weights in ((False, False), (True, True), (True, False)) if n == FLAT[3] else ((True, True),):
            form = {"square": 2.25, "has_inside": weights[0], "has_outside": weights[1]}
            pairs = (a, b, positive(n) if weights[0] else a, positive(n) if weights[1] else a)
            yield Case("smooth_l1_terms", (*pairs, sums), form, close=1e-6)
            yield Case("smooth_l1_backward", (*pairs, *scale, out(n)), {**form, "sign": -1.0}, close=1e-6)
        targets = whole(3, n)
        yield Case("euclidean_backward", (a, b, *scale, out(n)), {"sign": -1.0}, close=1e-6)
        for ignore in (NO_LABEL, 2):
            yield Case("sigmoid_cross_entropy_terms", (a, targets, sums), {"ignore": ignore}, **outs)
            yield Case("sigmoid_cross_entropy_backward", (a, targets, *scale, out(n)), {"ignore": ignore}, close=1e-6)
    for runs in (1, 2, 700):
        partials = Spec((runs, 2), positive(runs, 2).draw, "float64")
        for divisor in (0.0, 7.0):
            yield Case("loss_of_terms", (partials, out(1), out(1)), {"divisor": divisor, "factor": 0.5}, close=1e-6)
    for C, N in ((5, 7), (1, 1), (10, 128), (3, 2 * LABELS + 4), (4, LABELS + 1)):
        labels, scores, chances, runs = whole(C, N), normal(C, N), positive(C, N), out(label_runs(N), 2, dtype="float64")
        for square in (False, True):
            sums = out(element_runs(C * N), 2, dtype="float64")
            yield Case("hinge_terms", (scores, labels, sums), {"square": square}, **outs)
            yield Case("hinge_backward", (scores, labels, *scale, out(C, N)), {"square": square}, close=1e-6)
        yield Case("likelihood_terms", (chances, labels, runs), **outs)
        yield Case("likelihood_backward", (chances, labels, *scale, out(C, N)), close=1e-5)
        for legacy in (False, True):
            form, alike = {"margin": 3.0, "legacy": legacy}, whole(2, N)
            yield Case("contrastive_terms", (scores, normal(C, N), alike, runs, out(N)), form, **outs)
            arrays = (scores, normal(C, N), alike, Spec((N,), lambda r, s: 9 * r.random(s)), *scale, out(C, N))
            yield Case("contrastive_backward", arrays, {**form, "sign": -1.0}, close=1e-5)
    for outer, C, inner in ((1, 5, 7), (2, 4, 128), (3, 3, 1)):
        arrays = positive(outer, C, inner), whole(C, outer * inner), normal(C, C)
        for ignore in (NO_LABEL, 1):
            sums = out(label_runs(outer * inner), 2, dtype="float64")
            yield Case("infogain_terms", (*arrays, sums), {"ignore": ignore}, close=1e-4)
            yield Case("infogain_backward", (*arrays, *scale, out(outer, C, inner)), {"ignore": ignore}, close=1e-5)
