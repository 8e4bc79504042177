"""A contact sheet: small pictures of records with their classes, as a PNG or an HTML page."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw

from netdef.language.diagnostics import NetdefError
from netdef.language.writing import write_over

SIDE, LABEL, GAP = 96, 14, 6  # pixels: of a picture, of the line below it, between them
COLUMNS = 10
LETTERS = 15  # of a class's name that fit below a picture

Picture = tuple[Image.Image, str]


def write_sheet(path: str, title: str, pictures: Sequence[Picture]) -> None:
    """Write a sheet of pictures and the texts below them, in the form of the path's ending.

    Raises
    ------
    NetdefError: another ending, or it cannot be written.
    """
    kind = Path(path).suffix.lower()
    if kind == ".png":
        file = BytesIO()
        png(pictures).save(file, "PNG")
        write_over(path, file.getvalue())
    elif kind in (".html", ".htm"):
        write_over(path, page(title, pictures))
    else:
        raise NetdefError(f"{path}: a contact sheet is a .png or a .html")


def thumbnail(image: Image.Image) -> Image.Image:
    """An image brought to fit SIDE x SIDE; small ones by whole factors, so that their pixels show."""
    factor = SIDE / max(image.size)
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    if factor >= 2:
        return image.resize((image.width * int(factor), image.height * int(factor)), Image.Resampling.NEAREST)
    return image.resize(size, Image.Resampling.BILINEAR)


def png(pictures: Sequence[Picture]) -> Image.Image:
    """The sheet as an image."""
    columns = min(COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    cell = SIDE + GAP
    sheet = Image.new("RGB", (columns * cell + GAP, rows * (cell + LABEL) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (image, text) in enumerate(pictures):
        row, column = divmod(index, columns)
        left, top = GAP + column * cell, GAP + row * (cell + LABEL)
        small = thumbnail(image)
        sheet.paste(small, (left + (SIDE - small.width) // 2, top + (SIDE - small.height) // 2))
        draw.text((left, top + SIDE + 1), text[:LETTERS].encode("latin-1", "replace").decode("latin-1"), fill="black")
    return sheet


def page(title: str, pictures: Sequence[Picture]) -> str:
    """The sheet as a page that needs no other file."""
    cells = []
    for image, text in pictures:
        file = BytesIO()
        thumbnail(image).save(file, "PNG")
        source = base64.b64encode(file.getvalue()).decode()
        cells.append(
            f'<figure><img src="data:image/png;base64,{source}" alt=""><figcaption>{html.escape(text)}</figcaption></figure>'
        )
    style = "body{font:13px sans-serif} main{display:flex;flex-wrap:wrap;gap:8px} "
    style += "figure{margin:0;width:110px} img{image-rendering:pixelated}"
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title><style>{style}</style>'
    return f"{head}<h1>{html.escape(title)}</h1><main>\n" + "\n".join(cells) + "\n</main></html>\n"
