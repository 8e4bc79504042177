"""Small databases of records, written for a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import lmdb
import numpy as np

from runtime.data.database import LEVELDB, package_for
from runtime.data.datum import Datum, encode_datum


def write_lmdb(path: Path, records: Mapping[bytes, bytes]) -> str:
    with lmdb.open(str(path), map_size=1 << 24) as opened, opened.begin(write=True) as transaction:
        for key, value in records.items():
            transaction.put(key, value)
    return str(path)


def write_leveldb(path: Path, records: Mapping[bytes, bytes]) -> str:
    opened = package_for(LEVELDB, str(path)).DB(str(path), create_if_missing=True)
    for key, value in records.items():
        opened.put(key, value)
    opened.close()
    return str(path)


WRITERS = {"LMDB": write_lmdb, "LEVELDB": write_leveldb}


def raw(label: int, channels: int = 3, height: int = 4, width: int = 5) -> bytes:
    """A record of bytes, which are its label and what comes after it."""
    pixels = (np.arange(channels * height * width) + label) % 256
    return encode_datum(Datum(channels, height, width, pixels.astype(np.uint8).tobytes(), label))


def numbered(values: list[bytes]) -> dict[bytes, bytes]:
    """Records under keys as Caffe's convert_imageset makes them."""
    return {b"%08d_image" % number: value for number, value in enumerate(values)}
