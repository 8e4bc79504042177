"""Import an ONNX file: its net and weights, compared with what ONNX Runtime makes of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netdef.graph.net import Net
from netdef.language.printer import print_message
from netdef.loading import parse
from netdef.weights import check_finite
from runtime.exchange.agreement import inputs_by_seed
from runtime.exchange.onnx_in.layers import Weights, net_of
from runtime.exchange.onnx_in.reading import read_model
from runtime.exchange.onnx_in.rewritten import rewritten
from runtime.exchange.onnx_out.check import Agreement, check_agreement, run, runtime_module
from runtime.machine.compile import compile

NOISE = 1.0


@dataclass(frozen=True)
class Imported:
    """A net and its weights. agreement: None where it was not compared. notes: where they differ from the file."""

    message: Any
    net: Net
    weights: Weights
    agreement: Agreement | None
    notes: tuple[str, ...] = ()

    def read(self, layer: str, index: int) -> np.ndarray:
        """A parameter, in the net's shape."""
        with np.errstate(over="ignore"):  # a double that is too large becomes infinite, which check_finite reports
            values = self.weights[layer][index].astype(np.float32)
        return values.reshape(self.net.layer(layer).parameters[index].shape)


def import_onnx(
    path: str, batch: int | None = None, shapes: Mapping[str, Sequence[int]] | None = None, check: bool = True
) -> Imported:
    """The net and the weights of an ONNX file; parameters as in `read_model`.

    Parameters
    ----------
    check: whether to compare the net with the file, run in ONNX Runtime.

    Raises
    ------
    NetdefError: the file cannot be read, has nodes that no layer computes, which are all named, or weights that are not finite, or
        the net differs from it.
    """
    model = read_model(path, batch, shapes)
    if check:
        runtime_module()
    own = rewritten(model)
    notes: tuple[str, ...] = ()
    if own is None:
        layers = net_of(model)
        own, notes = (layers.message, layers.weights), tuple(layers.notes)
    net = parse(print_message(own[0]), path, phase="test")
    found = Imported(own[0], net, own[1], None, notes)
    own_arrays = ((str(one), found.read(one.layer.name, one.index)) for one in net.parameters if not one.shared)
    check_finite(path, own_arrays, "write it again from a model whose weights are finite")
    return replace(found, agreement=_agreement(path, found, model.outputs)) if check else found


def _agreement(path: str, found: Imported, outputs: Sequence[str]) -> Agreement:
    """How well a net agrees with its file; raises NetdefError if it does not."""
    with compile(found.net, backward=False, keep="outputs") as executable:
        for layer in found.net.layers:
            for parameter in layer.parameters:
                executable.set_param(layer.name, parameter.index, found.read(layer.name, parameter.index))
        inputs = inputs_by_seed(found.net, scale=NOISE)
        results = executable.forward(0, **inputs)
    made = {name: results[name] for name in outputs}
    what, hint = f"the net differs from that of {path}", "; ".join(found.notes)
    return check_agreement(made, run(path, inputs), what, hint)
