"""A net as a notebook draws it, above its table."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from netdef.draw.picture import render
from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from netdef.graph.net import Net


def picture(net: Net) -> str:
    """The drawing of a net as an element of HTML; a line about it where it cannot be drawn.

    It is an image of its own, so that the styles of drawing and notebook do not mix.
    """
    try:
        drawn = render(net, "svg")
    except NetdefError as error:
        first = error.diagnostics[0]
        return f"<p>no drawing: {escape(first.message)}{f' ({escape(first.hint)})' if first.hint else ''}</p>"
    source = base64.b64encode(drawn).decode()
    return f'<img style="max-width:100%" alt="{escape(repr(net), quote=True)}" src="data:image/svg+xml;base64,{source}">'
