"""The page of `netdef show`: filters, and for each image its classes, what they depend on, its neighbours and all feature maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PIL import Image

from netdef.graph.shape import shape_text
from netdef.language.html_page import figure, page
from netdef.language.units import plural
from runtime.data.thumbnails import data_uri
from runtime.pictures.filters import Filters
from runtime.pictures.maps import Maps
from runtime.pictures.mosaic import Mosaic
from runtime.pictures.occlusion import Occlusion

if TYPE_CHECKING:
    from netdef.graph.layer import Blob
    from netdef.graph.net import Net

FOLDER = Path(__file__).parent
WIDE, SEEN = 900, 227  # pixels on the page: about how wide a mosaic is shown, and the image that the net sees
LARGEST_ZOOM = 12


class Guess(Protocol):
    """A class of an image: its name, and its probability."""

    @property
    def name(self) -> str: ...

    @property
    def probability(self) -> float: ...


@dataclass(frozen=True)
class Near:
    """A neighbour of an image."""

    name: str
    picture: Image.Image
    distance: float


@dataclass(frozen=True)
class ShownBlob:
    """A blob of one image."""

    blob: Blob
    maps: Maps


@dataclass(frozen=True)
class ShownImage:
    """What a net makes of an image.

    Attributes
    ----------
    picture: the image as the net sees it.  guesses: the most probable classes; none for a net without classes.
    heat: the picture with what the first class depends on.  near_by: the blob whose values the distances are of.
    """

    name: str
    picture: Image.Image
    guesses: Sequence[Guess]
    blobs: Sequence[ShownBlob]
    occlusion: Occlusion | None = None
    heat: Image.Image | None = None
    near: Sequence[Near] = field(default=())
    near_by: str = ""


def render(net: Net, weights: Sequence[str], filters: Sequence[Filters], images: Sequence[ShownImage]) -> str:
    """The HTML of the page."""
    body = ["<main>", *(_filters(one) for one in filters), *(_image(net, one) for one in images), "</main>", _LENS]
    style, script = ((FOLDER / f"show.{ending}").read_text(encoding="utf-8") for ending in ("css", "js"))
    subtitle = f"{net.filename}, weights of {' and '.join(map(str, weights))}"
    return page(net.name or net.filename, body, subtitle=subtitle, style=style, script=script)


_LENS = '<aside id="lens" hidden aria-live="polite"><canvas width="176" height="176"></canvas><p></p></aside>'


def _filters(filters: Filters) -> str:
    note = f"{filters.text}. Gray is 0; white and black, or full colours, are {filters.largest:.3g} and {-filters.largest:.3g}."
    towers = filters.mosaic.towers
    if towers > 1:
        note += f" {towers} towers, one below the other: nothing between them mixes their channels."
    tiles = _mosaic(filters.mosaic, f"filters of {filters.layer.name}", "filter")
    return f'<section><h2>{escape(filters.layer.name)}</h2><p class="note">{escape(note)}</p>{tiles}</section>'


def _image(net: Net, image: ShownImage) -> str:
    height, width = image.picture.height, image.picture.width
    zoom = max(1, SEEN // max(height, width))
    seen = figure(data_uri(image.picture), f"as the net sees it, {height} x {width}", class_="pixels", width=zoom * width)
    pieces = [f'<section class="image"><h2>{escape(image.name)}</h2><div class="row">', seen]
    if image.heat is not None and image.occlusion is not None:
        pieces.append(figure(data_uri(image.heat), _occlusion_text(image, image.occlusion), class_="heat", width=zoom * width))
    if image.guesses:
        pieces.append(f'<div class="bars" role="list">{"".join(_bars(image.guesses))}</div>')
    pieces.append("</div>")
    if image.near:
        pieces += [f"<h3>Nearest by {escape(image.near_by)}</h3>", '<div class="row near">']
        pieces += [figure(data_uri(one.picture), f"{one.name}, distance {one.distance:.3g}") for one in image.near]
        pieces.append("</div>")
    if image.blobs:
        pieces.append("<h3>Feature maps</h3>")
        pieces += [_blob(net, one) for one in image.blobs]
    return "".join([*pieces, "</section>"])


def _occlusion_text(image: ShownImage, found: Occlusion) -> str:
    name = image.guesses[0].name
    return (
        f"what “{name}” depends on: with a square of {found.side} x {found.side} over the image, its probability of "
        f"{found.whole:.2%} is {found.least:.2%} to {found.most:.2%}; red where covering lowers it, blue where it raises it"
    )


def _bars(guesses: Sequence[Guess]) -> Iterator[str]:
    for guess in guesses:
        share = f'<i style="--share:{100 * guess.probability:.1f}%"></i>'
        yield f'<b role="listitem">{escape(guess.name)}</b>{share}<span>{guess.probability:.2%}</span>'


def _blob(net: Net, shown: ShownBlob) -> str:
    blob, maps = shown.blob, shown.maps
    makers = [layer for layer in net.layers if any(top.name == blob.name for top in layer.tops)]
    names = " → ".join(layer.name for layer in makers)
    facts = f"{shape_text(blob.shape[1:])}; {maps.least:.3g} to {maps.most:.3g}; {maps.zeros:.0%} are zero"
    what = "map" if len(blob.shape) > 2 else "value"
    tiles = _mosaic(maps.mosaic, f"{plural(maps.mosaic.count, what)} of {blob.name}", what)
    return f"<details open><summary>{escape(names)}<span>{escape(facts)}</span></summary>{tiles}</details>"


def _mosaic(mosaic: Mosaic, alt: str, what: str) -> str:
    """The picture of tiles, with what the script needs to find one of them."""
    zoom = min(LARGEST_ZOOM, mosaic.factor_for(WIDE))
    facts = {
        "count": mosaic.count,
        "towers": mosaic.towers,
        "columns": mosaic.columns,
        "width": mosaic.size[0],
        "height": mosaic.size[1],
        "gap": mosaic.gap,
        "between": mosaic.between,
    }
    data = "".join(f' data-{name}="{value}"' for name, value in facts.items())
    return (
        f'<img class="tiles pixels" tabindex="0" src="{data_uri(mosaic.image)}" alt="{escape(alt, quote=True)}" data-what="{what}"'
        f'{data} style="width:{zoom * mosaic.image.width}px">'
    )
