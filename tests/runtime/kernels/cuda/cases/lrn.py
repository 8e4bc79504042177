"""Local response normalisation."""

from __future__ import annotations

from collections.abc import Iterator

from tests.runtime.kernels.cuda.cases.case import Case, Spec, normal, out, positive
from tests.runtime.kernels.cuda.cases.shapes import some_shapes


def lrn_cases() -> Iterator[Case]:
    settings = (
        (5, 5e-4, 0.75, 2.0),
        (3, 0.9, 0.5, 1.0),
        (5, 1.5, 0.75, 1.0),
        (1, 1.0, 0.75, 1.0),
        (9, 1.0, 0.6, 2.0),
        (9, 2.0, 0.75, 1.0),
        (7, 2.0, 0.75, 1.0),
        (7, 1.0, 0.6, 2.0),
        (13, 2.0, 0.75, 1.0),
    )
    for seed, (size, alpha, beta, k) in enumerate(settings):
        for C, H, W, N in some_shapes(seed, 4):
            for group in (1, 3) if C % 3 == 0 else (1,):
                constants = {"size": size, "alpha": alpha, "beta": beta, "k": k, "group": group}
                rows = (C, H * W * N)
                yield Case("lrn_forward", (normal(*rows), out(*rows)), constants)
                yield Case("lrn_backward", (normal(*rows), normal(*rows), out(*rows)), constants)
                if N in (1, 32) and group == 1:
                    masked = {**constants, "slope": 0.1 * (seed % 4)}
                    yield Case("lrn_backward_relu", (normal(*rows), normal(*rows), out(*rows)), masked)
                    summed = (normal(*rows), normal(*rows), out(1, C, H, W * N), out(C))
                    yield Case("lrn_backward_relu_bias", summed, masked, close=1e-4)
    small = Spec((6, 64), lambda random, shape: 1e-19 * (1 + 0.08 * random.random(shape)))  # whose squares are flushed
    for size, beta in ((5, 0.75), (5, 0.5), (11, 0.75)):
        constants = {"size": size, "alpha": 100.0, "beta": beta, "k": 0.0, "group": 1}
        yield Case("lrn_forward", (small, out(6, 64)), constants)
        tiny = Spec((6, 64), lambda random, shape: 1e-29 * random.standard_normal(shape))
        yield Case("lrn_backward", (small, tiny, out(6, 64)), constants)
    for kernel, scale, alpha, more in (("lrn_forward", 1e11, 1e-17, 0), ("lrn_backward", 1e5, 2e-5, 1)):
        large = Spec((6, 64), lambda random, shape, by=scale: by * (1 + random.random(shape)))
        given = Spec((6, 64), lambda random, shape: 1e11 * random.standard_normal(shape))
        constants = {"size": 5, "alpha": alpha, "beta": 2.0, "k": 0.0, "group": 1}  # s ** -2 is flushed where x is multiplied
        yield Case(kernel, (large, *[given] * more, out(6, 64)), constants)
    for size, shape in ((3, (3, 7, 5, 32)), (5, (48, 5, 3, 3)), (7, (1, 2, 9, 1)), (1, (3, 3, 3, 128))):
        constants, x = {"size": size, "alpha": 0.9, "beta": 0.75}, normal(*shape)
        yield Case("lrn_within_forward", (x, out(*shape), out(*shape)), constants)
        yield Case("lrn_within_backward", (x, x, positive(*shape), x, out(*shape)), constants)
