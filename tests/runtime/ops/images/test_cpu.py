"""Bytes of images to a net's input."""

import numpy as np
import pytest

from runtime.ops.images.cpu import GROUP
from tests.runtime.harness import run_kernel


def reference(images, offsets, mirrors, mean, scale, height, width):
    """(N, C, H, W), an image at a time."""
    result = []
    for image, (top, left), mirror in zip(images, offsets, mirrors, strict=True):
        where = slice(top, top + height), slice(left, left + width)
        pixels = (image[where].transpose(2, 0, 1).astype(np.float32) - mean[:, *where]) * np.float32(scale)
        result.append(pixels[:, :, ::-1] if mirror else pixels)
    return np.stack(result)


@pytest.mark.parametrize("count", [1, 3, GROUP, GROUP + 1, 2 * GROUP + 5])
@pytest.mark.parametrize(("channels", "height", "width"), [(3, 5, 7), (1, 8, 9), (3, 1, 1)])
def test_crop_mirror_mean_scale(count, channels, height, width):
    random = np.random.default_rng([count, channels, height])
    images = random.integers(0, 256, (count, 8, 9, channels), np.uint8)
    offsets = np.stack([random.integers(0, 9 - height, count), random.integers(0, 10 - width, count)], 1).astype(np.int32)
    mirrors = random.integers(0, 2, count).astype(np.uint8)
    mean = random.uniform(0, 255, (channels, 8, 9)).astype(np.float32)
    (top,) = run_kernel(
        "image_transform",
        [images, offsets, mirrors],
        [(channels, height, width, count)],
        mean=mean,
        scale=np.float32(0.017),
    )
    expected = reference(images, offsets, mirrors, mean, 0.017, height, width)
    np.testing.assert_allclose(top, np.moveaxis(expected, 0, -1), rtol=1e-6, atol=1e-6)
