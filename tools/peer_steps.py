"""A net for the programs that netdef is compared with: its layers up to the scores, and weights and images by a seed."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np

import netdef
from netdef.graph.layer import Blob, Layer
from netdef.graph.net import Net
from netdef.language.printer import print_message

Weights = dict[str, list[np.ndarray]]  # by layer


@dataclass
class Step:
    """A layer of the net.

    Attributes
    ----------
    norm: the BatchNorm that is computed with a Scale, as other programs have both in one.
    inputs, output: blobs.
    """

    layer: Layer
    norm: Layer | None
    inputs: list[Blob]
    output: Blob


def fed_net(name: str, phase: str, batch: int) -> Net:
    """A net of the zoo or a file with Input in place of its data layers, which the runs fill themselves."""
    net = netdef.load(name, phase=phase, batch_size=batch)
    message = type(net.message)()
    message.CopyFrom(net.message)
    for one, layer in zip(message.layer, net.layers, strict=True):
        if layer.is_source and layer.type != "Input":
            tops, name_of = list(one.top), one.name
            one.Clear()
            one.name, one.type = name_of, "Input"
            one.top.extend(tops)
            for top in layer.tops:
                one.input_param.shape.add().dim.extend(top.shape)
    with tempfile.NamedTemporaryFile("w", suffix=".prototxt") as file:
        file.write(print_message(message))
        file.flush()
        return netdef.load(file.name, phase=phase)


def images_and_labels(net: Net, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise, and a class for each image.

    Raises
    ------
    SystemExit: the net takes anything else.
    """
    blobs = {top.name: top.shape for layer in net.layers if layer.is_source for top in layer.tops}
    if set(blobs) != {"data", "label"} or blobs["label"] != blobs["data"][:1]:
        sys.exit(f"{net.name} reads {', '.join(blobs)}: only nets that read data, and a label for each image, can be compared")
    draws = np.random.default_rng(seed)
    images = draws.standard_normal(blobs["data"], dtype=np.float32)
    return images, draws.integers(0, losses(net)[0].label_classes or 1, blobs["data"][0])


def losses(net: Net) -> list[Layer]:
    """The losses over classes, the auxiliary ones too.

    Raises
    ------
    SystemExit: the net has none.
    """
    found = [layer for layer in net.layers if layer.type == "SoftmaxWithLoss"]
    if not found:
        sys.exit(f"{net.name} has no SoftmaxWithLoss: only nets that classify can be compared")
    return found


def scores(net: Net) -> list[Blob]:
    """What the losses read, the one at the end of the net last."""
    return [layer.bottoms[0] for layer in losses(net)]


def steps(net: Net) -> list[Step]:
    """The layers that the scores depend on, in their order, without data layers."""
    needed = set(scores(net))
    for layer in reversed(net.layers):
        if needed & set(layer.tops):
            needed |= set(layer.bottoms)
    found: list[Step] = []
    norms: dict[Blob, Layer] = {}  # the outputs of those that a Scale takes with it
    for layer in net.layers:
        if layer.is_source or not needed & set(layer.tops):
            continue
        if layer.type == "BatchNorm" and [one.type for one in layer.tops[0].consumers] == ["Scale"]:
            norms[layer.tops[0]] = layer
            continue
        norm = norms.get(layer.bottoms[0]) if layer.type == "Scale" else None
        inputs = list(norm.bottoms if norm else layer.bottoms)
        found.append(Step(layer, norm, inputs, layer.tops[0]))
    return found


def unknown(step: Step, program: str) -> SystemExit:
    """The error: a layer has no translation."""
    return SystemExit(f"{step.layer.type} {step.layer.name} with these settings has no translation for {program}")


def seeded_weights(net: Net, seed: int = 0) -> Weights:
    """Weights under which values neither vanish nor overflow, with statistics as a trained net has them."""
    draws = np.random.default_rng(seed)
    made: Weights = {}
    for layer in net.layers:
        shapes = [parameter.shape for parameter in layer.parameters]
        if layer.type == "BatchNorm":
            mean, variance = draws.standard_normal(shapes[0]) * 0.1, draws.uniform(0.5, 1.5, shapes[1])
            arrays = [mean, variance, np.ones(1)]
        elif layer.type in ("Scale", "PReLU"):
            arrays = [draws.uniform(0.2, 0.8, shape) for shape in shapes]
        else:
            spread = sqrt(2 / prod(shapes[0][1:])) if shapes else 0
            arrays = [draws.standard_normal(shape) * (spread if len(shape) > 1 else 0.1) for shape in shapes]
        if arrays:
            made[layer.name] = [array.astype(np.float32) for array in arrays]
    return made


def overhang(layer: Layer) -> tuple[int, int]:
    """How many rows and columns the last window of a Pooling extends beyond the padded image; negative: stay unread."""
    sides = zip(layer.bottoms[0].shape[2:], layer.tops[0].shape[2:], layer.kernel, layer.stride, layer.pad, strict=True)  # type: ignore[attr-defined]
    rows, columns = ((out - 1) * stride + kernel - size - 2 * pad for size, out, kernel, stride, pad in sides)
    return rows, columns
