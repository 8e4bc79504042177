"""One time of a recurrent layer."""

from __future__ import annotations

from collections.abc import Iterator

from tests.runtime.kernels.cuda.cases.case import Case, Spec, normal, out, whole


def recurrent_cases() -> Iterator[Case]:
    """D states of N streams."""
    for D, N in ((1, 1), (5, 3), (7, 32), (96, 4), (3, 1028)):
        x, cont, gates = normal(D, N), whole(2, N), Spec((4 * D, N), lambda random, shape: 3 * random.standard_normal(shape))
        yield Case("lstm_unit", (x, gates, cont, out(D, N), out(D, N)), close=2e-6)
        for aliases in ((), ((6, 4),)):
            arrays = (x, gates, cont, x, x, x, out(D, N), out(4 * D, N))
            yield Case("lstm_unit_backward", arrays, aliases=aliases, close=2e-6)
