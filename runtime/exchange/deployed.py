"""The net as it is deployed: without data, labels, losses and accuracies; what sources brought comes from the caller."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from netdef.graph.build import build
from netdef.graph.layer import Blob, Layer, Path
from netdef.graph.net import Net
from netdef.language.diagnostics import NetdefError
from netdef.language.source import Position
from netdef.layers.boxes import DetectionEvaluate
from netdef.layers.input import DummyData
from netdef.layers.loss import Loss, SoftmaxWithLoss

PROBABILITIES = 1  # the top of a SoftmaxWithLoss that has them


@dataclass(frozen=True)
class Deployed:
    """A net whose sources are Input layers.

    Attributes
    ----------
    left_out: layers of the original that have no use without labels.
    """

    net: Net
    left_out: tuple[Layer, ...]


def deployed(net: Net) -> Deployed:
    """The net that computes, of what a caller gives, what the losses and accuracies of a net read, and its other outputs.

    Errors keep their positions in the net's text.

    Raises
    ------
    NetdefError: nothing is left.
    """
    dropped = _reports(net)
    kept = _needed(net, dropped)
    result = type(net.message)(name=net.name)
    origins: list[Layer] = []
    for layer in net.layers:
        message = _message(layer, kept)
        if message is not None:
            result.layer.append(message)
            origins.append(layer)
    if all(layer.is_source for layer in origins):
        raise NetdefError(
            f"{net.filename} computes nothing in phase {net.phase} but losses and accuracies: there is nothing to export"
        )

    def where(path: Path) -> Position | None:
        return origins[path[1]].within(path[2:]) if path[:1] == ("layer",) else None  # type: ignore[index]

    made = build(result, where, net.filename, net.phase)
    return Deployed(made, tuple(layer for layer in net.layers if layer in dropped))


def is_report(layer: Layer) -> bool:
    """Whether it is of use only to those who train or test."""
    return isinstance(layer, (Loss, DetectionEvaluate)) or layer.is_accuracy or not layer.message.top


def _reports(net: Net) -> dict[Layer, None]:
    """The layers that report about labels, and those that read what they make."""
    dropped: dict[Layer, None] = {}
    gone: set[Blob] = set()
    for layer in net.layers:
        if is_report(layer) or gone & set(layer.bottoms):
            dropped[layer] = None
            gone |= {top for top in layer.tops if not _is_probability(top)}
    return dropped


def _is_probability(top: Blob) -> bool:
    """Whether it is the top of a loss that needs no labels."""
    return isinstance(top.producer, SoftmaxWithLoss) and top.index == PROBABILITIES


def _needed(net: Net, dropped: Iterable[Layer]) -> set[Blob]:
    """The blobs that are outputs once the reports are gone, and all that they are made of."""
    dropped = set(dropped)
    blobs = [top for layer in net.layers for top in layer.tops if layer not in dropped or _is_probability(top)]
    needed = {blob for blob in blobs if not blob.producer.is_source and _is_output(blob, dropped)}
    for layer in reversed(net.layers):
        if needed & set(layer.tops):
            needed |= set(layer.bottoms[:1] if layer in dropped else layer.bottoms)
    return needed


def _is_output(blob: Blob, dropped: set[Layer]) -> bool:
    """Whether nothing that stays reads it, and it is more than a target or a blob that the net silences."""
    if not blob.consumers:
        return True
    if any(layer not in dropped for layer in blob.consumers):
        return False
    return any(_predicts(layer, index) for layer in blob.consumers for index, one in enumerate(layer.bottoms) if one is blob)


def _predicts(layer: Layer, index: int) -> bool:
    """Whether a report compares this bottom with labels."""
    return index == 0 if layer.is_accuracy else isinstance(layer, Loss) and index in layer.gradient_bottoms


def _message(layer: Layer, kept: set[Blob]) -> Any:
    """The LayerParameter of a layer in the deployed net; None where it has none."""
    tops = [top for top in layer.tops if top in kept]
    if not tops:
        return None
    message = type(layer.message)()
    if layer.is_source and not _is_constant(layer):
        message.name, message.type = layer.name, "Input"
        for top in tops:
            message.top.append(top.name)
            message.input_param.shape.add().dim.extend(top.shape)
        return message
    message.CopyFrom(layer.message)
    for field in ("include", "exclude", "blobs"):
        message.ClearField(field)
    message.name = layer.name
    if isinstance(layer, Loss):
        message.type = "Softmax"
        del message.bottom[1:]
        message.ClearField("top")
        message.ClearField("loss_weight")
        message.top.append(tops[0].name)
    return message


def _is_constant(layer: Layer) -> bool:
    """Whether a source makes the same numbers in every run."""
    return isinstance(layer, DummyData) and all(filler.type == "constant" for filler in layer.fillers)
