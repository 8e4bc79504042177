"""A file of regions of images, one a line: image left top right bottom, in pixels of the image, the first of which is 0."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netdef.language.diagnostics import Diagnostic, NetdefError, Source
from runtime.data.texts import read_text_file

EXPECTED = "expected a line for each region: image left top right bottom, in pixels"
ORDER = "a box whose sides are not in order: 0 <= left <= right, 0 <= top <= bottom"


def read_boxes(path: str, images: Sequence[str]) -> list[NDArray[np.float32]]:
    """The regions (R, 4) of each of the images, which the file may name as seen from its own folder too.

    Lines of other images are left out.

    Raises
    ------
    NetdefError: lines are wrong, of which all are named; or an image has no regions.
    """
    found = _boxes_by_image(read_text_file(path, "a file of boxes", EXPECTED))
    folder = os.path.dirname(path)
    names = [next((name for name in found if _is_same(image, name, folder)), None) for image in images]
    missing = [image for image, name in zip(images, names, strict=True) if name is None]
    if missing:
        hint = "it names images as the command does, or as seen from its folder"
        raise NetdefError(f"{path} has no regions of {', '.join(missing)}", hint=hint)
    return [np.array(found[name], np.float32) for name in names if name is not None]


def _is_same(image: str, name: str, folder: str) -> bool:
    """Whether a name in a file of this folder means the image."""
    return os.path.normpath(image) in (os.path.normpath(name), os.path.normpath(os.path.join(folder, name)))


def _boxes_by_image(source: Source) -> dict[str, list[list[float]]]:
    """All lines.  Raises NetdefError that names those that are wrong."""
    wrong: list[Diagnostic] = []
    found: dict[str, list[list[float]]] = {}
    for start, line in zip(source.starts, source.text.split("\n"), strict=True):
        if line.strip():
            image, *words = line.strip().rsplit(maxsplit=4)
            try:
                left, top, right, bottom = box = [float(word) for word in words]
                text = "" if 0 <= left <= right < np.inf and 0 <= top <= bottom < np.inf else ORDER
            except ValueError:
                text = "not a region"
            if text:
                wrong.append(Diagnostic(text, source.position(start, start + len(line)), hint=EXPECTED))
            else:
                found.setdefault(image, []).append(box)
    if wrong:
        raise NetdefError(wrong)
    return found
