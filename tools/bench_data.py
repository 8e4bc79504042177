"""How fast data come: `python tools/bench_data.py [--batch 64]`.

Samples a second of one worker for the built-in photographs, for JPEG files of 256 x 256 and for JPEG files of 500 x 375 brought to
256 x 256; then the kernel that turns a batch into a net's input.  Each figure is the best of several runs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from PIL import Image

from netdef.layers.data import PHOTOS
from runtime.data.draws import Draws
from runtime.data.files import FileSamples
from runtime.data.listing import Listing
from runtime.data.photos import PhotoSamples
from runtime.data.prefetch import Prefetcher
from runtime.data.settings import Resize, Settings
from runtime.data.source import Samples
from runtime.ops.images.cpu import GROUP, image_transform

RUNS = 5
CROP = 227
SETTINGS = Settings("data", True, PHOTOS, (256, 256), shuffle=True, resize=Resize(256, 256, stretch=False), crop=CROP, mirror=True)


def photos() -> Samples:
    return PhotoSamples(SETTINGS, Draws(1, "data"))


def jpegs(folder: Path, size: tuple[int, int]) -> Samples:
    """Windows of the photographs as JPEG files of (width, height)."""
    source = PhotoSamples(replace(SETTINGS, image_size=(size[1], size[0])), Draws(1, "data"))
    paths = [str(folder / f"{size[0]}-{position}.jpg") for position in range(200)]
    for position, path in enumerate(paths):
        image = source.load(position).image
        assert isinstance(image, Image.Image)
        image.save(path, quality=90)
    return FileSamples(Listing("files", paths, [0] * len(paths)), SETTINGS, Draws(1, "data"))


def ring_rate(samples: Samples, batch: int, workers: int) -> tuple[float, float]:
    """Samples a second, and milliseconds of processor time a sample, through the ring."""
    best, cost = 0.0, np.inf
    with Prefetcher(samples, batch, workers) as source:
        for _ in range(RUNS + 1):  # the first fills the ring
            start, spent = perf_counter(), process_time()
            for _ in range(6):
                source.release(source.next())
            best = max(best, 6 * batch / (perf_counter() - start))
            cost = min(cost, (process_time() - spent) / (6 * batch) * 1e3)
    return best, cost


def best_of(action: Callable[[], None]) -> float:
    """Seconds of the fastest run, the first not counted."""
    times = []
    for _ in range(RUNS + 1):
        start = perf_counter()
        action()
        times.append(perf_counter() - start)
    return min(times[1:])


def transform_rate(batch: int) -> tuple[float, float]:
    """Milliseconds an image on one core, and GB/s of floats written."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (batch, 256, 256, 3), np.uint8)
    offsets = random.integers(0, 256 - CROP + 1, (batch, 2)).astype(np.int32)
    mirrors = random.integers(0, 2, batch).astype(np.uint8)
    top = np.empty((3, CROP, CROP, batch), np.float32)
    mean = np.full((3, 256, 256), 120, np.float32)
    scratch = np.empty(CROP * GROUP, np.float32)
    seconds = best_of(lambda: image_transform(0, CROP, images, offsets, mirrors, top, scratch, mean, np.float32(1)))
    return seconds / batch * 1e3, top.nbytes / seconds / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    batch = parser.parse_args().batch
    with tempfile.TemporaryDirectory() as folder:
        sources = {
            "builtin:photos": photos(),
            "JPEG 256 x 256": jpegs(Path(folder), (256, 256)),
            "JPEG 500 x 375": jpegs(Path(folder), (500, 375)),
        }
        for name, samples in sources.items():
            for workers in (1, 2):
                rate, cost = ring_rate(samples, batch, workers)
                print(f"{name:16} {workers} workers {rate:8.0f} images/s {cost:7.3f} ms of processor time an image")
    cost, rate = transform_rate(batch)
    print(f"image_transform  {batch} images, 1 core {cost:7.3f} ms an image {rate:7.2f} GB/s written")


if __name__ == "__main__":
    main()
