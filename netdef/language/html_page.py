"""A page of HTML that is one file and needs no network: what all pages of the package share."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from netdef.language.printable import in_page

FOLDER = Path(__file__).parent


def page(title: str, body: Sequence[str], *, subtitle: str = "", style: str = "", script: str = "", data: Any = None) -> str:
    """The HTML of a page.

    Parameters
    ----------
    title, subtitle: text.  body: pieces of HTML, in which everything that users name is escaped.
    style: rules behind those of page.css.
    script: the one script that the page may run: a browser refuses any other, whatever stands in the body.
    data: what the script reads, as JSON, from the element `data`.
    """
    shared = (FOLDER / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode()
    runs = f"'sha256-{digest}'" if script else "'none'"
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {runs}"
    known = "" if data is None else f'<script type="application/json" id="data">{embedded(data)}</script>\n'
    below = f"<p>{escape(subtitle)}</p>" if subtitle else ""
    text = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{shared}{style}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1>{below}</header>\n"
        + "\n".join(body)
        + f"\n{known}"
        + (f"<script>\n{script}</script>\n" if script else "")
        + "</body>\n</html>\n"
    )
    text = in_page(text)
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text  # names of files may hold other bytes


def embedded(data: Any) -> str:
    """JSON that may stand in a script element, whatever the texts in it."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def figure(source: str, caption: str, *, alt: str = "", class_: str = "", width: int | None = None) -> str:
    """A picture with a text below it.

    Parameters
    ----------
    source: a data URI.  caption, alt: text.  width: in pixels, where the picture is not shown as large as it is.
    """
    size = "" if width is None else f' style="width:{width}px"'
    of_class = f' class="{class_}"' if class_ else ""
    return (
        f'<figure{of_class}><img src="{source}" alt="{escape(alt or caption, quote=True)}"{size}>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
