"""Small pictures of images, and pictures as a page holds them."""

from __future__ import annotations

import base64
from io import BytesIO

from PIL import Image

SIDE = 96  # pixels
QUALITY = 85  # of a JPEG


def thumbnail(image: Image.Image, side: int = SIDE) -> Image.Image:
    """An image brought to fit side x side; small ones by whole factors, so that their pixels show."""
    factor = side / max(image.size)
    if factor >= 2:
        return image.resize((image.width * int(factor), image.height * int(factor)), Image.Resampling.NEAREST)
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return image.resize(size, Image.Resampling.BILINEAR)


def png(image: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def data_uri(image: Image.Image, photograph: bool = False) -> str:
    """An image as the address that a page holds it by: a PNG, or where it is a photograph a JPEG."""
    if not photograph:
        return f"data:image/png;base64,{base64.b64encode(png(image)).decode()}"
    file = BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
