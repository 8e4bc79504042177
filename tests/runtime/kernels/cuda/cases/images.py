"""Images made input of a net."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.runtime.kernels.cuda.cases.case import Case, Spec, out, whole


def image_cases() -> Iterator[Case]:
    tops = ((3, 13, 13, 32), (16, 17)), ((1, 7, 5, 3), (9, 5)), ((3, 5, 67, 1), (6, 70)), ((3, 3, 33, 128), (5, 36))
    numbers = ((2, 4, 9, 33), (5, 11)), ((12, 3, 35, 4), (4, 36))  # of a database that has floats, and of many channels
    for (C, H, W, N), (h, w) in (*tops, *numbers):
        mean = np.random.default_rng(N).random((C, h, w), np.float32) * 100
        crops = Spec((N, 2), lambda random, shape, room=(h - H + 1, w - W + 1): random.integers(0, room, shape), "int32")
        floats = Spec((N, h, w, C), lambda random, shape: random.standard_normal(shape))
        data = (floats if C in (2, 12) else whole(256, N, h, w, C, dtype="uint8"), crops, whole(2, N, dtype="uint8"))
        top, constants = out(C, H, W, N), {"mean": mean, "scale": np.float32(0.0078125)}
        yield Case("image_transform", (*data, top), constants, close=0)
        shifts = Spec((N, C), lambda random, shape: 5 * random.standard_normal(shape))
        yield Case("image_transform_shifted", (*data, shifts, top), constants, close=1e-6)
