"""Cases of regions of interest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.runtime.kernels.cuda.cases.case import Case, Spec, normal, out, ties


def regions(R: int, N: int, reach: float) -> Spec:
    """Regions of all sizes, some turned about, some beyond the image; one row of padding."""

    def draw(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        made = random.uniform(-0.2 * reach, 1.2 * reach, shape)
        made[3:] = np.where(random.random((2, R)) < 0.8, np.maximum(made[3:], made[1:3]), made[3:])
        made[0] = random.integers(0, N, R)
        made[0, R // 2] = -1
        return made

    return Spec((5, R), draw)


def whole_images(N: int, H: int, W: int) -> Spec:
    """A region of each image that is all of it."""
    rois = np.array([(image, 0, 0, 16 * W - 1, 16 * H - 1) for image in range(N)]).T
    return Spec((5, N), lambda random, shape: rois)


def roi_cases() -> Iterator[Case]:
    shapes = ((3, 9, 7, 1), (2, 3), 5), ((1, 1, 1, 1), (1, 1), 2), ((8, 14, 15, 3), (7, 7), 9), ((5, 6, 20, 4), (3, 1), 33)
    for (C, H, W, N), bins, R in shapes:
        x, y, scale = (C, H, W, N), (C, *bins, R), {"scale": 0.0625}
        rois = regions(R, N, 16.0 * max(H, W))
        yield Case("roi_max_forward", (ties(*x), rois, out(*y), out(*y, dtype="int32")), scale, close=0)
        where = Spec(y, lambda random, shape, most=H * W: random.integers(-1, most, shape), "int32")
        yield Case("roi_max_backward", (normal(*y), rois, where, out(*x)), close=1e-6)
        for samples in (0, 2):
            constants = {**scale, "samples": samples}
            yield Case("roi_align_forward", (normal(*x), rois, out(*y)), constants)
            yield Case("roi_align_backward", (normal(*y), rois, out(*x)), constants)
    C, H, W, N = 2, 3, 4, 3
    x, rois, scale = (C, H, W, N), whole_images(N, H, W), {"scale": 0.0625}
    yield Case("roi_max_forward", (normal(*x), rois, out(*x), out(*x, dtype="int32")), scale, close=0)
    where = Spec(x, lambda random, shape, most=H * W: random.integers(0, most, shape), "int32")
    yield Case("roi_max_backward", (normal(*x), rois, where, out(*x)), close=1e-6)
    yield Case("roi_align_forward", (normal(*x), rois, out(*x)), {**scale, "samples": 1})
    yield Case("roi_align_backward", (normal(*x), rois, out(*x)), {**scale, "samples": 1})
    yield Case("psroi_forward", (normal(8, H, W, N), rois, out(2, 2, 2, N)), scale)
    yield Case("psroi_backward", (normal(2, 2, 2, N), rois, out(8, H, W, N)), scale)
    for D, G, (H, W, N), R in ((2, 3, (9, 7, 1), 5), (1, 1, (1, 1, 1), 2), (3, 2, (8, 13, 4), 16)):
        x, y, rois = (D * G * G, H, W, N), (D, G, G, R), regions(R, N, 16.0 * max(H, W))
        yield Case("psroi_forward", (normal(*x), rois, out(*y)), {"scale": 0.0625})
        yield Case("psroi_backward", (normal(*y), rois, out(*x)), {"scale": 0.0625})
