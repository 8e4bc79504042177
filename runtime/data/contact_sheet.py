"""A contact sheet: small pictures of records with their classes, as a PNG or an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from netdef.language.diagnostics import NetdefError
from netdef.language.html_page import figure
from netdef.language.html_page import page as html_page
from netdef.language.writing import write_over
from runtime.data.thumbnails import SIDE, data_uri, thumbnail
from runtime.data.thumbnails import png as png_file

LABEL, GAP = 14, 6  # pixels: of the line below a picture, between pictures
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
        write_over(path, png_file(png(pictures)))
    elif kind in (".html", ".htm"):
        write_over(path, page(title, pictures))
    else:
        raise NetdefError(f"{path}: a contact sheet is a .png or a .html")


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
    style = f"figure {{ width: {SIDE + LABEL}px; }}\n"
    cells = [figure(data_uri(thumbnail(image)), text, class_="pixels") for image, text in pictures]
    return html_page(title, ['<main class="row">', *cells, "</main>"], style=style)
