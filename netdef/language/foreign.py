"""Recognise files of other formats by their first bytes."""

from __future__ import annotations

import re
from os import PathLike

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
BINARY_FORMS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    HDF5_SIGNATURE: "an HDF5 file",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"PK\x03\x04": "a zip archive",
    b"\x7fELF": "a program",
    b"%PDF": "a PDF",
    b"\x80\x02": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"\x93NUMPY": "a NumPy array",
    b"SQLite": "an SQLite database",
}
LFS_POINTER = "a pointer of Git LFS to a file that was not downloaded"
WEB_PAGE = "a web page"
LABEL_MAP = "a label map"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r")) + b"\x7f"


def is_binary(start: bytes) -> bool:
    """Whether a file with this start is not text: it has control characters."""
    return len(start.translate(None, _CONTROL)) != len(start) and start[:2] not in UTF16


def binary_form(data: bytes) -> str:
    """A binary file's format in words; "" if it is unknown."""
    return next((form for start, form in BINARY_FORMS.items() if data.startswith(start)), "")


def holds_hdf5(path: str | PathLike[str]) -> bool:
    """Whether a file exists and is HDF5, as .caffemodel.h5 files are."""
    try:
        with open(path, "rb") as file:
            return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except OSError:
        return False


def text_form(text: str) -> str:
    """What a text is, in words; "" if it is no pointer of Git LFS, no label map and no web page."""
    if text.startswith("version https://git-lfs."):
        return LFS_POINTER
    if re.match(r"(\s*#[^\n]*\n)*\s*item\s*\{", text):
        return LABEL_MAP
    return WEB_PAGE if re.match(r"\s*(<!doctype html|<html)\b", text, re.IGNORECASE) else ""


def how_to_get(form: str) -> str:
    """The hint for a file of that format."""
    return {
        LFS_POINTER: "`git lfs pull` in its repository downloads the file",
        WEB_PAGE: "the download failed: its server answered with a page",
        LABEL_MAP: "it names the labels of a data set; nets are .prototxt files too, their weights .caffemodel files",
    }.get(form, "")
