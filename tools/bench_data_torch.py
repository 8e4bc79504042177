"""PyTorch's side of tools/bench_data.py, for a Python that has torch, torchvision, lmdb and h5py.

    bench_data_torch.py KIND PATH BATCH CORES RUNS BATCHES

Prints images a second of a DataLoader with as many workers as cores, and torchvision's transforms as its ImageNet example has them.
KIND: files (a folder of JPEG files), lmdb_files or lmdb_pixels (Datums under eight digits, see runtime/data/datum.py), or hdf5
(rows of the datasets data and label, as they are).
"""

from __future__ import annotations

import os
import sys
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from PIL import Image
from torchvision import transforms

CROP, SHORT = 227, 256
PIXELS = 3 * 256 * 256


class Files(torch.utils.data.Dataset):
    """The JPEG files of a folder."""

    def __init__(self, path: str):
        self.paths = sorted(str(file) for file in Path(path).glob("*.jpg"))
        self.change = transforms.Compose(
            [
                transforms.Resize(SHORT),
                transforms.RandomCrop(CROP),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        with Image.open(self.paths[index]) as image:
            return self.change(image.convert("RGB")), 0


class Records(Files):
    """The records of an LMDB, of image files or of pixels."""

    def __init__(self, path: str, encoded: bool):
        super().__init__(path)
        self.path, self.encoded = path, encoded
        self.env: Any = None
        import lmdb

        with lmdb.open(path, readonly=True, lock=False) as env:
            self.count = env.stat()["entries"]
        self.tensors = transforms.Compose(
            [
                transforms.RandomCrop(CROP),
                transforms.RandomHorizontalFlip(),
                transforms.ConvertImageDtype(torch.float32),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import lmdb

        if self.env is None:
            self.env = lmdb.open(self.path, readonly=True, lock=False)
        with self.env.begin(buffers=True) as transaction:
            record = bytes(transaction.get(b"%08d" % index))
        if self.encoded:
            start = record.index(b"\xff\xd8\xff")
            with Image.open(BytesIO(record[start:])) as image:
                return self.change(image.convert("RGB")), 0
        start = record.index(b"\x22", 6) + 4  # the key of `data`, and three bytes of its length
        pixels = torch.frombuffer(bytearray(record[start : start + PIXELS]), dtype=torch.uint8).view(3, 256, 256)
        return self.tensors(pixels), 0


class Rows(torch.utils.data.Dataset):
    """The rows of an HDF5 file, which each worker opens."""

    def __init__(self, path: str):
        import h5py

        self.path = path
        self.file: Any = None
        with h5py.File(path) as file:
            self.count = len(file["data"])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        import h5py

        if self.file is None:
            self.file = h5py.File(self.path)
        return torch.from_numpy(self.file["data"][index]), self.file["label"][index]


def dataset_of(kind: str, path: str) -> Any:
    if kind == "hdf5":
        return Rows(path)
    return Files(path) if kind == "files" else Records(path, kind == "lmdb_files")


def main() -> None:
    kind, path, *numbers = sys.argv[1:]
    batch, cores, runs, batches = map(int, numbers)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    torch.set_num_threads(cores)
    dataset = dataset_of(kind, path)
    many = torch.utils.data.ConcatDataset([dataset] * ((runs + 2) * batches * batch // len(dataset) + 1))
    loader = torch.utils.data.DataLoader(many, batch, shuffle=True, num_workers=cores, drop_last=True)
    best, taken = 0.0, iter(loader)
    for _ in range(runs + 1):
        start = perf_counter()
        for _ in range(batches):
            next(taken)
        best = max(best, batches * batch / (perf_counter() - start))
    print(best)


if __name__ == "__main__":
    main()
