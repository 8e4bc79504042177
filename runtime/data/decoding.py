"""From the bytes of an image file to pixels: the one way for files, databases and predictions.

JPEG files are decoded by simplejpeg, where it is installed, and all others by Pillow. Both use libjpeg-turbo, and give equal bits.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from runtime.data.source import Picture, UnreadableError
from runtime.data.texts import printable

MODES = {3: "RGB", 1: "L"}
JPEG = b"\xff\xd8\xff"
EXIF, EXIF_WITHIN, ORIENTATION, UPRIGHT = b"Exif\0\0", 1 << 16, 0x0112, 1
MOST_PIXELS = 1 << 27  # that simplejpeg decodes; Pillow refuses images of more than about 179 million
HALF = 2  # how many times as large as needed an image must be to be decoded to less
DIRECT = {
    ("YCbCr", "RGB"): "BGR",
    ("Gray", "RGB"): "BGR",
    ("Gray", "L"): "GRAY",
}  # (of the file, wanted): what to ask for


def read_image(path: str, mode: str, at_least: tuple[int, int] | None = None) -> Picture:
    """A decoded image file, upright: a Pillow image in RGB or L, or an array (H, W, C) with blue first.

    Parameters
    ----------
    at_least: height and width; a JPEG file that is larger is decoded to the half, a quarter or an eighth of its size, never below
        this.  That is fast, and the pixels are others than those of the whole image resized.

    Raises
    ------
    UnreadableError: it is missing, damaged or no image.
    """
    return decode(read_bytes(path), mode, printable(path), at_least)


def read_bytes(path: str) -> bytes:
    """An image's file as it is; raises UnreadableError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise UnreadableError(printable(path), "there is no such file") from None
    except OSError as error:
        raise UnreadableError(printable(path), f"it cannot be read ({error.strerror})") from None


def decode(data: bytes | memoryview, mode: str | None, name: str, at_least: tuple[int, int] | None = None) -> Picture:
    """The image in a file's bytes; as `read_image`.

    Parameters
    ----------
    mode: RGB or L; None: L of a gray image, else RGB.  name: of the image, for the error.
    """
    fast = _decoded_by_simplejpeg(data, mode, at_least) if data[:3] == JPEG else None
    if fast is not None:
        return fast
    try:
        with Image.open(BytesIO(data)) as image:
            if at_least:
                image.draft(None, at_least[::-1])
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            mode = mode or ("L" if image.mode in ("1", "L", "LA") or image.mode.startswith("I") else "RGB")
            return image if image.mode == mode else eight_bit(image).convert(mode)
    except UnidentifiedImageError:
        reason = "its format is not known here" if len(data) else "it is empty"
        raise UnreadableError(name, f"not a readable image ({reason})") from None
    except Image.DecompressionBombError as error:  # by its header, before memory is taken
        raise UnreadableError(name, f"too large: {str(error).split(',', maxsplit=1)[0]}") from None
    except Exception as error:  # Pillow's plugins raise all kinds of errors on damaged files
        raise UnreadableError(name, f"not a readable image ({str(error) or type(error).__name__})") from None


def as_image(picture: Picture) -> Image.Image:
    """A picture of bytes as a Pillow image, RGB or L."""
    if not isinstance(picture, np.ndarray):
        return picture
    return Image.fromarray(np.ascontiguousarray(picture[:, :, ::-1]) if picture.shape[2] > 1 else picture[:, :, 0])


def eight_bit(image: Image.Image) -> Image.Image:
    """A gray image of 16 bits by its upper 8, as OpenCV reads it; Pillow itself makes all of them above 255 white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))


def _decoded_by_simplejpeg(
    data: bytes | memoryview, mode: str | None, at_least: tuple[int, int] | None
) -> NDArray[np.uint8] | None:
    """A JPEG file's pixels; None of one that Pillow has to decode, to a fraction of its size or at all, or to refuse."""
    package = simplejpeg()
    if package is None or _is_turned(data):
        return None
    try:
        height, width, space, _ = package.decode_jpeg_header(data)
        if height * width > MOST_PIXELS:
            return None
        if at_least and min(height // at_least[0], width // at_least[1]) >= HALF:
            return None
        wanted = DIRECT.get((space, mode or ("L" if space == "Gray" else "RGB")))
        return package.decode_jpeg(data, wanted) if wanted else None
    except ValueError:
        return None


def _is_turned(data: bytes | memoryview) -> bool:
    """Whether the file says that it is to be turned or mirrored to be seen upright."""
    if EXIF not in bytes(data[:EXIF_WITHIN]):
        return False
    try:
        with Image.open(BytesIO(data)) as image:
            return image.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT
    except Exception:  # damaged: Pillow decides
        return True


@cache
def simplejpeg() -> Any:
    """The package; None where it is not installed."""
    try:
        import simplejpeg as package
    except ImportError:
        return None
    return package
