"""ONNX files of a few nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def node(kind, inputs, output, **attributes):
    """A node; its inputs and outputs as names with spaces between them."""
    return helper.make_node(kind, inputs.split(), output.split(), name=f"n_{output.split()[0]}", **attributes)


def write(nodes, inputs, constants=None, outputs=("y",), opset=22, path="x.onnx", producer=""):
    """Write a model. inputs: shapes by name. constants: arrays by name."""
    held = [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        held,
    )
    version = [helper.make_opsetid("", opset)]
    Path(path).write_bytes(
        helper.make_model(graph, opset_imports=version, ir_version=8, producer_name=producer).SerializeToString()
    )
    return path


def weights(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


__all__ = ["node", "onnx", "weights", "write"]
