"""`netdef draw`: a picture of a net, as SVG, HTML, PNG or DOT.

The modules:

    stages.py           what is drawn: layers, those in place with the one before them; towers; which reads which
    layout.py           where it is drawn: ranks, order and routes, by the library graphlay
    volumes.py          a net without branches, as the solids of its blobs, the way the AlexNet paper draws its own
    layer_cards.py      any other net, as boxes with their numbers
    device_columns.py   a net divided over devices: a column for each, and the bytes of each transfer between them
    svg.py page.py png.py dot.py    the same picture in each format
"""

from netdef.draw.picture import FORMATS, STYLES, draw, render

__all__ = ["FORMATS", "STYLES", "draw", "render"]
