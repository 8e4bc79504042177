"""A net compared with the one that its weights were trained in: settings that change what the weights mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from netdef.diff.settings import Change, compared
from netdef.graph.layer import LAYERS, Layer
from netdef.graph.net import Net
from netdef.language.diagnostics import NetdefError
from netdef.language.units import shortened

KINDS = ("setting", "constant")  # of changes; initialisers and rates are a run's own
OF_PIXELS = {"transform_param.scale", "transform_param.mean_value"}  # what is compared of data
# Settings in which a net that is trained and one that is run may well differ.
BY_PURPOSE = {"use_global_stats", "moving_average_fraction", "propagate_down", "device", "loss_weight"}
SHOWN = 8  # layers named in a line, and lines


def other_settings(net: Net, trained: Any) -> list[str]:
    """What a net's layers are set to and those of the same names that their weights were trained in are not, a line for each.

    Parameters
    ----------
    trained: the NetParameter of a .caffemodel, or None, of which nothing is said.
    """
    changes: dict[tuple[str, str, str], list[str]] = {}
    for layer, change in _changes(net, trained):
        changes.setdefault((change.what, change.before, change.after), []).append(layer.name)
    lines = [_line(names, *change) for change, names in changes.items()]
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"and {len(lines) - SHOWN} more settings differ"]


def _line(names: list[str], what: str, before: str, after: str) -> str:
    """trained with pool1.kernel_size 2, this net has 3."""
    what = "kernel_size" if what == "kernel" else what  # as files have it
    where = f"{names[0]}.{what} {before}" if len(names) == 1 else f"{what} {before} in {shortened(names, SHOWN)}"
    return f"trained with {where}, this net has {after}"


def _changes(net: Net, trained: Any) -> Iterator[tuple[Layer, Change]]:
    before = {message.name: message for message in trained.layer} if trained is not None else {}
    for layer in net.layers:
        message = before.get(layer.message.name)
        if message is None or layer.is_loss or layer.is_report or layer.idle_unless:
            continue
        if message.type != layer.type and not layer.is_source:
            if message.type in LAYERS and not layer.parameters:  # several types, those of forks too, have one kind of weights
                yield layer, Change("type", message.type, layer.type)
            continue
        with suppress(NetdefError):  # the file's layer has settings that do not fit this net's shapes
            for change in compared(_like(layer, message), layer):
                if _changes_pixels(change, layer, message) if layer.is_source else _changes_results(change, layer):
                    yield layer, change


def _changes_results(change: Change, layer: Layer) -> bool:
    """Whether other results follow from a change; a window over all of an image is as large as the image."""
    takes_all = getattr(layer, "global_pooling", False) and change.what == "kernel"
    return change.kind in KINDS and change.what not in BY_PURPOSE and not takes_all


def _changes_pixels(change: Change, layer: Layer, trained: Any) -> bool:
    """Whether other numbers come from the same images; the numbers in files of means are not known here."""
    if not change.what.endswith("mean_value"):
        return change.what in OF_PIXELS
    of_both = [message.transform_param for message in (layer.message, trained)]
    # One value is that of every channel, and no value is 0.
    same = len({value for one in of_both for value in one.mean_value or (0.0,)}) == 1
    return change.what in OF_PIXELS and not same and not any(one.mean_file for one in of_both)


def _like(layer: Layer, message: Any) -> Layer:
    """A layer of another message in the place of one of the net."""
    other = LAYERS[layer.type](layer.name, message, layer.phase, lambda path: None)
    other.bottoms, other.tops, other.loss_weights = layer.bottoms, layer.tops, layer.loss_weights
    return other
