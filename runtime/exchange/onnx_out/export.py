"""Export a net with its weights to an ONNX file that has been compared with netdef."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netdef.graph.layer import Blob
from netdef.graph.net import Net
from netdef.language.diagnostics import NetdefError
from netdef.loading import with_batch_size
from runtime.exchange.agreement import LIMIT, difference, inputs_by_seed
from runtime.exchange.onnx_out.check import Agreement, check_agreement, run, runtime_module
from runtime.exchange.onnx_out.file import MOST_INSIDE, model_of, onnx_module, weight_bytes, write_model
from runtime.exchange.onnx_out.model import Pixels, Written, blank, check_dynamic, default_opset, written
from runtime.machine.compile import compile

if TYPE_CHECKING:
    from runtime.machine.executable import Executable

NOISE = (1.0, 64.0)  # of the inputs that are compared: as wide as normalised images, and as raw pixels
AS_THEY_ARE = Pixels()
SIZES = (1, 3)  # numbers of images that a file for any number is compared with


@dataclass(frozen=True)
class Wanted:
    """What an ONNX file is to be.

    Parameters
    ----------
    opset: None for the latest that runs. dynamic: whether it takes any number of images.
    pixels: what it does to pixels first. facts: its metadata. checked: whether it is compared with netdef.
    """

    opset: int | None = None
    dynamic: bool = False
    pixels: Pixels = AS_THEY_ARE
    facts: Mapping[str, str] = field(default_factory=dict)
    checked: bool = True


@dataclass(frozen=True)
class Exported:
    """The files that were written, the opset, and how well they agree; None where that was not checked."""

    files: tuple[str, ...]
    opset: int
    agreement: Agreement | None


def prepare(net: Net, wanted: Wanted) -> Wanted:
    """The same with its opset, once all that could be refused without weights has been asked.

    Raises
    ------
    NetdefError: layers of the net cannot be exported, all of which it names; or a package is missing.
    """
    onnx_module("an ONNX file")
    opset = wanted.opset or default_opset(net)
    written(net, opset, blank, wanted.pixels)
    if wanted.dynamic:
        check_dynamic(with_batch_size(net, 2), with_batch_size(net, 3), opset)
    if wanted.checked:
        runtime_module()
    return replace(wanted, opset=opset)


def export_onnx(path: str, executable: Executable, wanted: Wanted) -> Exported:
    """Write an ONNX file of an executable's net and weights.

    Parameters
    ----------
    executable: of a deployed net, with its weights loaded.
    wanted: what `prepare` returned.

    Raises
    ------
    NetdefError: the file differs from netdef, or cannot be written. Nothing is written then.
    """
    net = executable.net
    assert wanted.opset is not None
    made = written(net, wanted.opset, lambda one: executable.param(one.owner.layer.name, one.owner.index), wanted.pixels)
    made = replace(made, dynamic=wanted.dynamic, facts=wanted.facts)
    agreed: list[Agreement] = []

    def check(file: Path) -> None:
        for count in (SIZES if wanted.dynamic else (net.batch,)) if wanted.checked else ():
            agreed.append(_agreement(file, made, executable, count, wanted.pixels))

    files = write_model(path, made, check)
    return Exported(tuple(files), wanted.opset, max(agreed, key=lambda one: one.error, default=None))


def _agreement(file: Path, made: Written, executable: Executable, count: int | None, pixels: Pixels) -> Agreement:
    """How well a file agrees with netdef for a number of images; raises NetdefError if it does not."""
    net = executable.net if count in (None, executable.net.batch) else with_batch_size(executable.net, count or 1)
    outputs = {made.graph.names[blob]: blob.name for blob in made.outputs}
    scores = {made.graph.names[blob]: blob.name for blob in _scores(made)}
    agreed: list[Agreement] = []
    for noise in NOISE:
        inputs = inputs_by_seed(net, scale=noise)
        given = {name: raw(values, made, name, pixels) for name, values in inputs.items()}
        with compile(net, backward=False, keep="activations", share=executable) as one:  # anew, as sequences go on from run to run
            results = one.forward(0, **inputs)
            expected = {name: results[blob] for name, blob in outputs.items()}
            try:
                agreed.append(check_agreement(run(file, given), expected))
                if scores and count == executable.net.batch and weight_bytes(made) <= MOST_INSIDE:
                    model = model_of(made, also=_scores(made)).SerializeToString()
                    check_agreement(run(model, given), {name: one.blob(blob) for name, blob in scores.items()})
            except NetdefError as error:
                first = _first_difference(made, one, given) if count == executable.net.batch else ""
                hint = f"the first layer that differs is {first}" if first else ""
                raise NetdefError(error.diagnostics[0].message, hint=hint) from None
    return max(agreed, key=lambda found: found.error)


def _scores(made: Written) -> list[Blob]:
    """What outputs are probabilities of, which large scores make 0 and 1 whatever they are."""
    found = [blob.producer.bottoms[0] for blob in made.outputs if blob.producer.gives_probabilities]
    return [blob for blob in found if made.graph.net.blobs[blob.name] is blob and not blob.producer.is_input]


def raw(values: np.ndarray, made: Written, name: str, pixels: Pixels) -> np.ndarray:
    """Pixels that the graph's preprocessing turns into these values."""
    from runtime.exchange.onnx_out.model import image_input

    if pixels.is_idle or image_input(made.graph.net).name != name:
        return values
    values = values / np.float32(pixels.scale)
    if pixels.mean is not None:
        values = values + pixels.mean
    return np.ascontiguousarray(values[:, ::-1] if pixels.rgb else values, np.float32)


def _first_difference(made: Written, one: Executable, given: Mapping[str, np.ndarray]) -> str:
    """The first layer of which a top differs, with its type; "" where none does, or it cannot be found.

    Parameters
    ----------
    one: which has run on the same inputs.
    """
    net = one.net
    blobs = [top for layer in net.layers for top in layer.tops if net.blobs[top.name] is top and not layer.is_source]
    with suppress(NetdefError, ValueError):
        found = run(model_of(made, also=blobs).SerializeToString(), given)
        for top in blobs:
            with suppress(NetdefError):  # a blob that was made part of another
                if not difference(found[made.graph.names[top]], one.blob(top.name)) <= LIMIT:
                    return f"{top.producer.name} ({top.producer.type})"
    return ""
