"""caffe.draw: a picture of a NetParameter.  netdef draws it: `netdef draw` shows how it looks."""

from __future__ import annotations

import os
from typing import Any

from netdef.draw import FORMATS, render
from netdef.graph.phases import phase_name
from netdef.language import read_message
from netdef.language.diagnostics import NetdefError
from netdef.language.writing import write_over
from netdef.loading import Opened

DIRECTIONS = ("LR", "RL", "TB", "BT")
AS_TEXT = ("raw", "dot", "gv")  # Graphviz's language


def draw_net(caffe_net: Any, rankdir: str = "LR", ext: str = "png", phase: int | None = None, display_lrm: bool = False) -> bytes:
    """The picture of a net, as the bytes of a file.

    Parameters
    ----------
    caffe_net: a NetParameter.
    rankdir: where the text for Graphviz leads, LR or TB; netdef's own pictures go from top to bottom, or into columns.
    ext: svg, html, png, or dot and raw for the text that Graphviz reads.
    phase: caffe.TRAIN or caffe.TEST; default: the net's state, or the phase that has data.
    display_lrm: whether it shows what the learning rates of parameters are multiplied by.

    Raises
    ------
    NetdefError: there is no such format or direction; the net is wrong.
    """
    if rankdir not in DIRECTIONS:
        raise NetdefError(f"rankdir {rankdir!r} is no direction", hint=f"it is one of {', '.join(DIRECTIONS)}")
    form = "dot" if ext in AS_TEXT else ext
    if form not in FORMATS:
        raise NetdefError(f"caffe.draw makes no {ext} files", hint=f"it makes {', '.join((*FORMATS, 'raw'))}")
    opened = Opened(lambda: read_message(caffe_net, caffe_net.name or "net"), caffe_net.name or "net")
    graph = opened.net(opened.phase_with_data() if phase is None else phase_name(phase), partial=True)
    picture = render(graph, form, with_rates=display_lrm)
    return picture.replace(b"rankdir=TB", f"rankdir={rankdir}".encode()) if form == "dot" else picture


def draw_net_to_file(
    caffe_net: Any, filename: Any, rankdir: str = "LR", phase: int | None = None, display_lrm: bool = False
) -> None:
    """`draw_net` to a file, in the format that its ending names."""
    ending = os.path.splitext(os.fspath(filename))[1].lstrip(".")
    write_over(filename, draw_net(caffe_net, rankdir, ending, phase, display_lrm))


def get_pydot_graph(*_: Any, **__: Any) -> Any:
    """Raises NotImplementedError: netdef does not use pydot."""
    raise NotImplementedError(
        "caffe.draw.get_pydot_graph: netdef draws without pydot; draw_net(net, 'TB', 'dot') gives Graphviz's text"
    )
