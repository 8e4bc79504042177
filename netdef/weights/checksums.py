"""Length and checksum of a snapshot's files, which its side file keeps: one that was cut or overwritten since is recognised."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

from netdef.language.diagnostics import Remark
from netdef.weights.snapshots import side_path

WEIGHTS, STATE = "weights", "state"  # the files whose checksums a side file has
CHUNK = 1 << 22  # bytes read at a time
FORM = {"bytes": int, "crc32": str}  # of one file's entry in the side file


def checksum(path: Path) -> dict[str, Any]:
    """A file's length and checksum, as JSON.

    Raises
    ------
    OSError: it cannot be read.
    """
    size = value = 0
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            size, value = size + len(chunk), crc32(chunk, value)
    return {"bytes": size, "crc32": f"{value:08x}"}


def damage(path: Path, written: Mapping[str, Any]) -> str:
    """How a file differs from the one of which `checksum` gave this; "" where it does not.

    Raises
    ------
    OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size != written["bytes"]:
        return f"it has {size:,} bytes, and {written['bytes']:,} were written"
    found = checksum(path)["crc32"]
    return "" if found == written["crc32"] else f"its checksum is {found}, and {written['crc32']} was written"


class ChangedRemark(Remark):
    """A file of weights is not as the run wrote it."""

    word = "warning"


def warn_of_change(path: Path) -> None:
    """Warn where weights are not those that the side file next to them knows."""
    try:
        wrong = damage(path, json.loads(side_path(path).read_text(encoding="utf-8"))["files"][WEIGHTS])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return  # no side file, of an older version, or damaged; which is an error where more is read from it
    if wrong:
        warnings.warn(f"{path} is not as the run wrote it: {wrong}", ChangedRemark, stacklevel=3)
