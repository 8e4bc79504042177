"""How fast data come: `python tools/bench_data.py [--batch 64] [--only JPEG] [--torch PYTHON]`.

Images a second of each source, from its files to a net's input (decoded, resized, cropped to 227, mirrored, the mean
subtracted), on one core and on two: LMDBs of pixels and of JPEG files, lists of JPEG files of 256 x 256 and of 500 x 375
brought to 256 x 256, HDF5 (rows as they are, as a layer has no transformation of them), and the built-in photographs.  With
--torch, a Python that has PyTorch and torchvision, their DataLoader reads the same files, in turns with ours.  Each figure is the
best of several runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from time import perf_counter, process_time

import h5py
import lmdb
import numpy as np
from PIL import Image

import netdef
import runtime
from netdef.graph.data_shapes import data_looked_at
from netdef.layers.data import PHOTOS
from runtime.data.datum import Datum, encode_datum
from runtime.data.decoding import as_image
from runtime.data.draws import Draws
from runtime.data.photos import PhotoSamples
from runtime.data.settings import Resize, Settings
from runtime.machine.look import look_at_data

RUNS, BATCHES = 3, 4
COUNT = 256  # images of each source
CROP = 227
TRANSFORM = f"transform_param {{ crop_size: {CROP} mirror: true mean_value: [104, 117, 123] scale: 0.017 }}"
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Case:
    """A source: its name, its layer for a batch size, and its kind and path for PyTorch, where that reads it too."""

    name: str
    layer: Callable[[int], str]
    torch: tuple[str, str] | None = None


def photographs(size: tuple[int, int]) -> list[Image.Image]:
    """Windows of the photographs of (width, height)."""
    settings = Settings("data", True, PHOTOS, (size[1], size[0]), resize=Resize(size[1], size[0], stretch=False))
    source = PhotoSamples(settings, Draws(1, "data"))
    return [as_image(source.load(position).image) for position in range(COUNT)]


def jpeg(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def write_sources(folder: Path) -> list[Case]:
    """All files, and what reads them."""
    small, large = photographs((256, 256)), photographs((500, 375))
    cases = [
        database(
            folder / "pixels", [Datum(3, 256, 256, pixels(image).tobytes(), 0) for image in small], "LMDB, pixels", "lmdb_pixels"
        ),
        database(folder / "files", [Datum(data=jpeg(image), encoded=True) for image in small], "LMDB, JPEG files", "lmdb_files"),
        listing(folder / "256", small, "JPEG 256 x 256", ""),
        listing(folder / "500", large, "JPEG 500 x 375", "new_height: 256"),
        listing(folder / "500", large, "  the same, scaled_decoding", "new_height: 256 scaled_decoding: true", torch=False),
    ]
    with h5py.File(folder / "a.h5", "w") as file:
        file["data"] = np.stack([pixels(image) for image in small]).astype(np.float32)
        file["label"] = np.zeros(COUNT, np.float32)
    (folder / "h5.txt").write_text(f"{folder}/a.h5\n")
    rows = f'HDF5Data -> data, label {{ source: "{folder}/h5.txt" shuffle: true batch_size: '
    cases.append(Case("HDF5, float32 256 x 256", lambda batch: f"{rows}{batch} }}", ("hdf5", f"{folder}/a.h5")))
    cases.append(Case(PHOTOS, lambda batch: f'ImageData -> data, label {{ source: "{PHOTOS}" batch_size: {batch} {TRANSFORM} }}'))
    return cases


def pixels(image: Image.Image) -> np.ndarray:
    """(C, H, W), blue first."""
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1].transpose(2, 0, 1))


def database(path: Path, records: list[Datum], name: str, kind: str) -> Case:
    with lmdb.open(str(path), map_size=1 << 30) as env, env.begin(write=True) as transaction:
        for number, record in enumerate(records):
            transaction.put(b"%08d" % number, encode_datum(record))
    text = f'Data -> data, label {{ source: "{path}" backend: LMDB shuffle: true {TRANSFORM} batch_size: '
    return Case(name, lambda batch: f"{text}{batch} }}", (kind, str(path)))


def listing(folder: Path, images: list[Image.Image], name: str, settings: str, torch: bool = True) -> Case:
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(images):
        (folder / f"{number}.jpg").write_bytes(jpeg(image))
    (folder / "list.txt").write_text("".join(f"{folder}/{number}.jpg 0\n" for number in range(len(images))))
    text = f'ImageData -> data, label {{ source: "{folder}/list.txt" shuffle: true {settings} {TRANSFORM} batch_size: '
    return Case(name, lambda batch: f"{text}{batch} }}", ("files", str(folder)) if torch else None)


def ours(case: Case, batch: int, cores: int) -> tuple[float, float]:
    """Images a second, and milliseconds of processor time an image, of a net that has this layer only."""
    with data_looked_at(look_at_data):
        net = netdef.parse(f"layer data: {case.layer(batch)}\nlayer sink: Silence(data, label)", phase="train")
    best, cost = 0.0, np.inf
    with runtime.compile(net, backward=False, threads=cores) as exe:
        for _ in range(RUNS + 1):  # the first fills the ring, and compiles
            start, spent = perf_counter(), process_time()
            for _ in range(BATCHES):
                exe.run_forward()
            best = max(best, BATCHES * batch / (perf_counter() - start))
            cost = min(cost, (process_time() - spent) / (BATCHES * batch) * 1e3)
    return best, cost


def theirs(python: str, case: Case, batch: int, cores: int) -> float:
    """Images a second of PyTorch's DataLoader."""
    assert case.torch is not None
    command = [python, str(HERE / "bench_data_torch.py"), *case.torch, str(batch), str(cores), str(RUNS), str(BATCHES)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--torch", metavar="PYTHON", help="A Python with torch, torchvision, lmdb and h5py.")
    parser.add_argument("--only", default="", help="Measure only sources whose names have this in them.")
    options = parser.parse_args()
    all_cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        for case in (case for case in write_sources(Path(folder)) if options.only in case.name):
            for cores in (1, 2):
                os.sched_setaffinity(0, all_cores[:cores])
                rate, cost = ours(case, options.batch, cores)
                beside = ""
                if options.torch and case.torch:
                    other = theirs(options.torch, case, options.batch, cores)
                    rate = max(rate, ours(case, options.batch, cores)[0])
                    other = max(other, theirs(options.torch, case, options.batch, cores))
                    beside = f"   PyTorch {other:8.0f} images/s: {rate / other:.2f} times as fast"
                line = f"{case.name:28} {cores} cores {rate:8.0f} images/s {cost:7.3f} ms of processor time an image{beside}"
                print(line)
                sys.stdout.flush()


if __name__ == "__main__":
    main()
