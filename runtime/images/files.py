"""The image files that paths name: themselves, or those in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence

from netdef.language.diagnostics import NetdefError
from runtime.data.decoding import read_image
from runtime.data.listing import images_below
from runtime.data.source import UnreadableError


def images_of(paths: Sequence[str]) -> list[str]:
    """The images given, and those below folders, in order.

    Raises
    ------
    NetdefError: a folder holds none.
    """
    found: list[str] = []
    for path in paths:
        inside = images_below(path) if os.path.isdir(path) else [path]
        if not inside:
            raise NetdefError(f"{path} holds no images")
        found += inside
    return found


def check_images(images: Sequence[str]) -> None:
    """Check that every image can be read.

    Raises
    ------
    NetdefError: with all that cannot.
    """
    bad = []
    for path in images:
        try:
            read_image(path, "RGB")
        except UnreadableError as unreadable:
            bad.append(f"{unreadable.path}: {unreadable.reason}")
    if bad:
        raise NetdefError("cannot read " + "\n  ".join(bad))
