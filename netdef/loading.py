"""The way in: a file, a model's name or a text, read into a Net."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from netdef.build import build
from netdef.find import find_net
from netdef.language import NetdefError, read_file, read_text

if TYPE_CHECKING:
    from netdef.build import Where
    from netdef.graph import Net
    from netdef.language import Bound, Diagnostic, Position
    from netdef.layers.base import Path


def load(
    path: str | os.PathLike[str],
    phase: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
) -> Net:
    """The network in a file, or the model of that name.

    Parameters
    ----------
    path: a .net, .prototxt or .caffemodel file, or a name such as "alexnet".
    phase: "train" or "test"; by default what the file's `state` says, else test.
    overrides: fields to change, {"conv1.num_output": 64}; see netdef/overrides.py.
    batch_size: images in a batch, for every source of the net.

    Raises
    ------
    NetdefError: with everything that is wrong in the file.
    """
    file = find_net(path)
    return _net(lambda: read_file(file, "NetParameter"), str(file), phase, overrides, batch_size)


def parse(
    text: str | bytes,
    filename: str = "<text>",
    phase: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
) -> Net:
    """The network that a text describes; parameters and errors as in `load`."""
    return _net(lambda: read_text(text, filename, "NetParameter"), filename, phase, overrides, batch_size)


def with_batch_size(net: Net, batch_size: int) -> Net:
    """The same net with another number of images in a batch, for every source of the net."""
    from netdef.overrides import set_batch_size

    message = type(net.message)()
    message.CopyFrom(net.message)
    set_batch_size(message, batch_size)

    def where(path: Path) -> Position | None:
        """The layers of the message are those of the net, in its order."""
        return net.layers[path[1]].within(path[2:]) if path[:1] == ("layer",) else None  # type: ignore[index]

    return build(message, where, net.filename, net.phase)


def _net(
    read: Callable[[], Bound],
    filename: str,
    phase: str | None,
    overrides: Mapping[str, Any] | None,
    batch_size: int | None,
) -> Net:
    try:
        bound = read()
    except NetdefError as error:
        raise NetdefError([*error.diagnostics, *_further(error.partial, filename, phase)]) from None
    message, where = bound.message, cast("Where", bound.position)
    for layer in message.layer:
        layer.ClearField("blobs")  # the weights of a .caffemodel: much memory, and no part of the graph
    if overrides:
        from netdef.overrides import Overrides

        changed = Overrides(where)
        changed.apply(message, overrides)
        where = changed.where
    if batch_size is not None:
        from netdef.overrides import set_batch_size

        set_batch_size(message, batch_size)
    return build(message, where, filename, phase)


def _further(partial: Bound | None, filename: str, phase: str | None) -> tuple[Diagnostic, ...]:
    """What is wrong with the graph of a file whose text has mistakes in some layers: all of it is told in one run."""
    if partial is None or partial.message.layers or partial.message.input:
        return ()
    try:
        build(partial.message, partial.position, filename, phase, partial.broken)
    except NetdefError as error:
        return error.diagnostics
    return ()
