"""The picture as a page of HTML: one file that needs no network; the mouse over a layer shows all that is known of it.

A click docks what is known at the side; layers are found by their names, and a small map shows where in a large picture one is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from netdef.draw.stages import Drawing
from netdef.draw.words import facts, headline
from netdef.language.printable import in_page

_FOLDER = Path(__file__).parent
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


Trained = Mapping[str, Mapping[str, Any]]  # by layer: see `netdef.draw.draw`


def page(drawing: Drawing, picture: str, trained: Trained | None = None) -> str:
    """The HTML around the SVG `picture` of a drawing; `trained` as in `netdef.draw.draw`."""
    name, _ = headline(drawing.whole)
    sections = facts(drawing.net, drawing.stages)
    for section in (one for stage in sections for one in stage):
        section |= (trained or {}).get(section["name"], {})
    known = json.dumps(sections, ensure_ascii=False).replace("<", "\\u003c")
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    return in_page(f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(name)}</title>
<style>
{style}</style>
</head>
<body>
<main>{picture}</main>
<aside hidden aria-live="polite"></aside>
<nav aria-label="View">
<label><input type="search" placeholder="find a layer (/)" aria-label="Find a layer" spellcheck="false"><output></output></label>
<button data-zoom="out" title="Smaller (-)" aria-label="Smaller">−</button>
<button data-zoom="width" title="The whole width (9)">width</button>
<button data-zoom="fit" title="All of it (0)">fit</button>
<button data-zoom="in" title="Larger (+)" aria-label="Larger">+</button>
<button data-zoom="groups" title="Fold or unfold all groups (g)" hidden>fold</button>
</nav>
<svg id="map" hidden aria-hidden="true"></svg>
<script type="application/json" id="facts">{known}</script>
<script>
{script()}</script>
</body>
</html>
""")


def script() -> str:
    """What the page runs."""
    return "".join((_FOLDER / name).read_text(encoding="utf-8") for name in ("groups.js", "page.js"))
