"""MNIST and CIFAR-10 from the files as they are published: IDX (Fashion-MNIST has it too), and CIFAR's binary batches.

IDX: two zero bytes, the type of the numbers (8: uint8), how many axes, each extent as a big-endian uint32, then the numbers
(http://yann.lecun.com/exdb/mnist).  CIFAR-10: records of 3073 bytes, a label, then 32 x 32 of red, of green, of blue
(https://www.cs.toronto.edu/~kriz/cifar.html).
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural
from runtime.data.records import ArrayRecords

MNIST_FILES = {"train": "train", "test": "t10k"}  # how the names of a phase's files begin
CIFAR_SIDE, CIFAR_CHANNELS = 32, 3
CIFAR_RECORD = 1 + CIFAR_CHANNELS * CIFAR_SIDE * CIFAR_SIDE
CIFAR_FILES = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}
CIFAR_NAMES = "batches.meta.txt"
CIFAR_CLASSES = 10
UINT8 = 8  # IDX's type of numbers
READ_ERRORS = (OSError, EOFError, zlib.error, tarfile.TarError)


def read_mnist(folder: str, phase: str, pad: int = 0) -> ArrayRecords:
    """The images of a phase, from a folder with the four files of MNIST or of one like it, packed or not.

    Parameters
    ----------
    pad: zeros around each image.

    Raises
    ------
    NetdefError: a file is missing, damaged or something else, or there are more images than labels.
    """
    paths = [_mnist_file(folder, phase, name, axes) for name, axes in (("images", 3), ("labels", 1))]
    images, labels = read_idx(paths[0], 3), read_idx(paths[1], 1)
    if len(images) != len(labels):
        raise NetdefError(f"{paths[0]} has {plural(len(images), 'image')}, {paths[1]} {plural(len(labels), 'label')}")
    return ArrayRecords(str(paths[0]), images[:, None], labels, pad=pad)


def _mnist_file(folder: str, phase: str, name: str, axes: int) -> Path:
    """train-images-idx3-ubyte or train-images.idx3-ubyte, with .gz or without."""
    names = [f"{MNIST_FILES[phase]}-{name}{point}idx{axes}-ubyte{end}" for point in "-." for end in ("", ".gz")]
    for one in names:
        if (Path(folder) / one).is_file():
            return Path(folder) / one
    hint = "MNIST and Fashion-MNIST come as four files, train-images-idx3-ubyte.gz and so on"
    raise NetdefError(f"{folder} has no {names[0]}", hint=hint)


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """The numbers in an IDX file of uint8, which gzip may have packed.

    Raises
    ------
    NetdefError: it cannot be read, is something else, or is cut short.
    """
    data = _contents(path, path.read_bytes)
    if path.suffix == ".gz":
        data = _contents(path, partial(gzip.decompress, data))
    start = 4 + 4 * axes
    if len(data) < start or data[:4] != bytes([0, 0, UINT8, axes]):
        raise NetdefError(f"{path} is not an IDX file of uint8 with {plural(axes, 'axis', 'axes')}")
    shape = tuple(int(extent) for extent in np.frombuffer(data, ">u4", axes, 4))
    count = int(np.prod(shape, dtype=object))
    if len(data) - start != count:
        raise NetdefError(f"{path} is damaged: it says {shape_text(shape)}, and holds {len(data) - start:,} numbers of {count:,}")
    if not count:
        raise NetdefError(f"{path} is empty")
    return np.frombuffer(data, np.uint8, count, start).reshape(shape)


def read_cifar10(source: str, phase: str, rgb: bool = False, pad: int = 0) -> ArrayRecords:
    """The images of a phase, from the folder cifar-10-batches-bin or the archive that it comes in.

    Parameters
    ----------
    rgb: red first, as the files and Caffe's convert_cifar_data have it; else blue first, as Caffe's other tools do.
    pad: zeros around each image.

    Raises
    ------
    NetdefError: a file is missing, damaged or something else.
    """
    read = _reader(source)
    batches = [_cifar_batch(f"{source}: {name}", read(name)) for name in CIFAR_FILES[phase]]
    images = np.concatenate([batch[:, 1:] for batch in batches]).reshape(-1, CIFAR_CHANNELS, CIFAR_SIDE, CIFAR_SIDE)
    labels = np.concatenate([batch[:, 0] for batch in batches])
    if labels.max() >= CIFAR_CLASSES:
        raise NetdefError(f"{source} has a label {labels.max()}: it is not CIFAR-10")
    try:
        names = tuple(read(CIFAR_NAMES).decode().split())
    except (NetdefError, UnicodeDecodeError):
        names = ()
    classes = names if len(names) == CIFAR_CLASSES else None
    return ArrayRecords(source, images if rgb else images[:, ::-1], labels, classes, digits=5, pad=pad)


def _reader(source: str) -> Callable[[str], bytes]:
    """Reads a file by its name, from a folder or an archive."""
    path = Path(source)
    if path.is_dir():
        return lambda name: _contents(path / name, (path / name).read_bytes)
    if not path.is_file():
        raise NetdefError(f"there is no {source}", hint="expected the folder cifar-10-batches-bin, or cifar-10-binary.tar.gz")

    def unpack() -> bytes:
        with tarfile.open(path) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None:
                    found[Path(member.name).name] = content.read()
        return b""

    found: dict[str, bytes] = {}
    _contents(path, unpack)

    def read(name: str) -> bytes:
        if name not in found:
            raise NetdefError(f"{source} has no {name}", hint="expected cifar-10-binary.tar.gz: the binary version of CIFAR-10")
        return found[name]

    return read


def _cifar_batch(name: str, data: bytes) -> NDArray[np.uint8]:
    if not data or len(data) % CIFAR_RECORD:
        raise NetdefError(f"{name} is no batch of CIFAR-10: {len(data):,} bytes are not records of {CIFAR_RECORD:,}")
    return np.frombuffer(data, np.uint8).reshape(-1, CIFAR_RECORD)


def _contents(path: Path, read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except READ_ERRORS as error:
        raise NetdefError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
