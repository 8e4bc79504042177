"""The text of `netdef init`: a net with its last layer sized to some classes, and a solver sized to some images."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdef.fmt import formatted
from netdef.language.diagnostics import NetdefError
from netdef.language.find import find_net, models_folder
from netdef.language.inherit import locate
from netdef.language.printer import print_message, print_text
from netdef.language.units import shortened

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.graph.net import Net
    from netdef.loading import Opened

FASTER = 10  # the new layer's rate, as a multiple of the others'
BATCH = 128  # images in a batch of the paper, whose rate is RATE
RATE, RATE_OF_WEIGHTS = 0.01, 0.001  # from the first, and from given weights
EPOCHS, EPOCHS_OF_WEIGHTS, LEAST_ITERATIONS = 30, 10, 100
LEAST_BETWEEN = 20  # iterations between tests
STD = 0.01  # of a new layer's weights, where the old one has no filler


@dataclass(frozen=True)
class Images:
    """The images of a folder: its name for layers and files, its classes, how many are for training, and for testing."""

    folder: str
    name: str
    classes: tuple[str, ...]
    training: int
    testing: int


def classifiers(nets: Iterable[Net]) -> list[Layer]:
    """The layers whose outputs are the scores of a loss or an accuracy, each once.

    Raises
    ------
    NetdefError: there are none.
    """
    found: dict[str, Layer] = {}
    nets = list(nets)
    for net in nets:
        for layer in net.layers:
            if layer.reads_labels:
                last = _scorer(layer)
                if last is not None:
                    found.setdefault(last.name, last)
    if not found:
        text = f"{nets[0].filename} has no layer whose outputs are classes"
        raise NetdefError(text, hint="--from takes a net for training with a loss over classes, such as alexnet")
    return list(found.values())


def _scorer(layer: Layer) -> Layer | None:
    """The layer with weights that makes the scores which another reads, through layers without weights."""
    one: Layer | None = layer.bottoms[0].producer
    while one is not None and not one.parameters:
        one = one.bottoms[0].producer if len(one.bottoms) == 1 else None
    return one if one is not None and one.type in ("InnerProduct", "Convolution") else None


def beyond(nets: Iterable[Net], classes: int) -> list[str]:
    """The accuracies that count more classes as right than there are."""
    return list(
        dict.fromkeys(layer.name for net in nets for layer in net.layers if layer.is_accuracy and layer.p.top_k >= classes > 1)
    )


def net_text(
    opened: Opened, source: str, out: Path, last: Sequence[Layer], left_out: Sequence[str], images: Images, new: bool
) -> str:
    """The net: another one's layers, its last ones with as many outputs as there are classes.

    Parameters
    ----------
    source: the other net's name or file.  out: the folder that the text will be in.
    new: whether the last layers have new names and learn faster, so that weights of the other net fill the rest.
    """
    changed = {layer.message.name: _sized(layer.message, images, new) for layer in last}
    names = ", ".join(changed)
    listed = shortened(images.classes)
    about = [_comment(f"{source} for the {len(images.classes)} classes in {images.folder}: {listed}.")]
    if new:
        why = f"so that no weights of {source} fill it; it learns {FASTER} times as fast."
        about.append(_comment(f"{names}: new under another name, {why}"))
    if opened.bound.notes or opened.bound.source is None:  # of another format, which cannot be included
        whole = type(opened.message)()
        whole.CopyFrom(opened.message)
        del whole.layer[:]
        whole.layer.extend(changed.get(one.name, one) for one in opened.message.layer if one.name not in left_out)
        return "\n".join([*about, formatted(print_message(whole), "x.net", "net")])
    lines = [*about, f"include {print_text(_included(source, out))}", ""]
    lines += [f"remove layer {name}" for name in [*(changed if new else ()), *left_out]]
    only = type(opened.message)()
    only.layer.extend(changed.values())
    return "\n".join([*lines, formatted(print_message(only), "x.net", "net")])


def _included(source: str, out: Path) -> str:
    """The name by which a file in a folder includes a net.

    Raises
    ------
    NetdefError: another file has the name of the model that is to be included.
    """
    found, name = find_net(source), f"{source}.net"
    if os.path.realpath(found) != os.path.realpath(models_folder() / name):
        return os.path.relpath(found, out)
    first = locate(name, out)
    if first is not None and os.path.realpath(first) != os.path.realpath(found):
        raise NetdefError(f"{first} has the name of the model {source}, and would be included in its stead", hint="rename it")
    return name


def _sized(message: Any, images: Images, new: bool) -> Any:
    """A layer's message with as many outputs as there are classes."""
    own = type(message)()
    own.CopyFrom(message)
    own.ClearField("blobs")
    settings = own.inner_product_param if own.type == "InnerProduct" else own.convolution_param
    settings.num_output = len(images.classes)
    if not settings.HasField("weight_filler"):
        settings.weight_filler.type, settings.weight_filler.std = "gaussian", STD
    if new:
        own.name = f"{message.name}_{images.name}"
        while len(own.param) < 1 + settings.bias_term:
            own.param.add()
        for param in own.param:
            param.ClearField("name")
            param.lr_mult *= FASTER
    return own


def solver_text(net: str, images: Images, batch: int, fine_tuned: bool, command: str) -> tuple[str, str]:
    """The solver, and a line about it."""
    epoch = max(1, math.ceil(images.training / batch))
    epochs = EPOCHS_OF_WEIGHTS if fine_tuned else EPOCHS
    most = max(LEAST_ITERATIONS, epochs * epoch)
    rate = RATE_OF_WEIGHTS if fine_tuned else _round(RATE * min(1, batch / BATCH))
    tested = epoch * math.ceil(LEAST_BETWEEN / epoch)
    shown = max(1, most // 50)
    text = f"""{_comment(f"Trains {net} on the {images.training:,} images for training in {images.folder}:")}
{_comment(f"  {command}")}
net: "{net}"  # beside this file

type: "SGD"
base_lr: {rate:g}  # netdef rates looks for a better one
momentum: 0.9
weight_decay: 0.0005
lr_policy: "step"  # the rate times gamma every stepsize iterations
gamma: 0.1
stepsize: {math.ceil(most * 2 / 3)}
max_iter: {most}  # {most / epoch:.3g} passes over the images, in batches of {batch}

test_interval: {tested}  # after {_passes(tested // epoch)}, on all images for testing
test_initialization: false
display: {shown}
average_loss: {shown}
snapshot: {most}  # and at the end
"""
    return text, f"rate {rate:g}, {most:,} iterations of {batch} images ({most / epoch:.3g} passes)"


def _comment(text: str) -> str:
    """A comment of one line, whatever the names in it hold."""
    return "# " + "".join(letter if letter.isprintable() else "?" for letter in text)


def _passes(count: int) -> str:
    return "each pass" if count == 1 else f"each {count} passes"


def _round(rate: float) -> float:
    """A rate with one figure."""
    return float(f"{rate:.0e}")


def name_of(folder: str) -> str:
    """A folder's name as part of the names of layers and files."""
    return re.sub(r"\W+", "_", Path(folder).resolve().name).strip("_") or "images"
