"""Export a net as a folder: model.py, model.safetensors, check.py, and the numbers that it compares with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netdef.graph.layer import Blob, Parameter
from netdef.graph.net import Net
from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.language.writing import partial_path, replacing_files
from runtime.exchange.agreement import LIMIT, inputs_by_seed
from runtime.exchange.arrays import put_safetensors
from runtime.exchange.torch_out import arranging, formulas, pooling, recurrent, regions, rules  # noqa: F401 - fill RULES
from runtime.exchange.torch_out.calls import text_of_functions
from runtime.exchange.torch_out.lines import RULES, Lines, Reader, Scope, identifier, refused

if TYPE_CHECKING:
    from runtime.machine.executable import Executable

FILES = ("model.py", "model.safetensors", "check.py", "check.npz")

MODEL = '''"""{title}, as a PyTorch module: a line for each layer of the net. Written by netdef export."""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

DTYPES = {{"F32": torch.float32, "I64": torch.int64}}
{functions}

class {name}(nn.Module):
    """Inputs: {inputs}. Outputs: {outputs}."""

    def __init__(self):
        super().__init__()
{made}

    def forward(self, {arguments}):
{run}
        return {{{results}}}


def read_weights(path):
    """The arrays of a .safetensors file by name."""
    data = bytearray(Path(path).read_bytes())
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    found = {{}}
    for name, one in header.items():
        begin, end = (8 + size + offset for offset in one["data_offsets"])
        found[name] = torch.frombuffer(data[begin:end], dtype=DTYPES[one["dtype"]]).reshape(one["shape"])
    return found


def load(path=Path(__file__).with_name("model.safetensors")):
    """The module with its weights, in evaluation."""
    module = {name}()
    module.load_state_dict(read_weights(path))
    return module.eval()
'''

CHECK = '''"""Compare the module with netdef: print the largest difference of each output; exit with 1 if one is large."""

import sys
from pathlib import Path

import numpy as np
import torch

import model

LIMIT = {limit:g}  # a share of the largest number of an output

numbers = np.load(Path(__file__).with_name("check.npz"))
inputs = {{key[3:]: torch.from_numpy(numbers[key]) for key in numbers if key.startswith("in/")}}
with torch.no_grad():
    outputs = model.load()(**inputs)
failed = False
for name, found in outputs.items():
    expected = numbers[f"out/{{name}}"]
    same = found.shape == expected.shape
    apart = np.abs(found.numpy() - expected).max() / max(np.abs(expected).max(), np.finfo(np.float32).tiny) if same else np.inf
    failed |= not apart <= LIMIT
    print(f"{{name}}: largest difference {{apart:.1e}}")
sys.exit(1 if failed else 0)
'''


TAKEN = {"nn", "torch", "F", "json", "Path", "DTYPES", "load", "read_weights"}  # names of model.py


def lines_of(net: Net, read: Reader) -> Lines:
    """The lines of a deployed net.

    Raises
    ------
    NetdefError: with all layers that have none.
    """
    lines, errors = Lines(net, read), list[Diagnostic]()
    for layer in net.layers:
        rule = RULES.get(layer.type)
        try:
            if rule is None or not layer.is_sized:
                raise refused(layer, f"no rule writes a {layer.type}", "type")
            if unread := layer.unread_fields:
                raise refused(layer, f"nothing here reads {', '.join(unread)}")
            rule(layer, Scope(lines, layer))
        except NetdefError as error:
            errors += error.diagnostics
    if errors:
        raise NetdefError(errors)
    return lines


def blank(parameter: Parameter) -> np.ndarray:
    """Zeros instead of weights, to see what the rules say before any are read."""
    return np.zeros(parameter.owner.shape, np.float32)


def check_folder(path: str) -> None:
    """That a folder for an export has nothing else in it.

    Raises
    ------
    NetdefError: it has, or is a file.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise NetdefError(f"{path} is a file; a PyTorch module is a folder of files")
    ours = {*FILES, *(partial_path(Path(name)).name for name in FILES), "__pycache__"}
    others = sorted(one.name for one in folder.iterdir() if one.name not in ours) if folder.exists() else []
    if others:
        raise NetdefError(f"{path} has other files: {', '.join(others[:3])}", hint="-o names a folder of its own")


def export_torch(path: str, executable: Executable) -> list[str]:
    """Write the folder; returns the names of its files.

    Parameters
    ----------
    executable: of a deployed net, with its weights loaded, that keeps activations.

    Raises
    ------
    NetdefError: a layer has no line, the net's numbers are not finite, or a file cannot be written.
    """
    net = executable.net
    lines = lines_of(net, lambda one: executable.param(one.owner.layer.name, one.owner.index))
    inputs = inputs_by_seed(net)
    executable.run_forward(0, **inputs)
    outputs = {blob.name: executable.blob(blob.name) for blob in results_of(net)}
    if not all(np.isfinite(array).all() for array in outputs.values()):
        raise NetdefError(f"the outputs of {net.filename} are not finite: there is nothing to compare a module with")
    check_folder(path)
    named = {f"in/{lines.variables[name]}": array for name, array in inputs.items()}
    named |= {f"out/{name}": array for name, array in outputs.items()}
    with replacing_files(path, FILES) as (model, weights, script, numbers):
        model.write_text(text_of(lines), encoding="utf-8")
        put_safetensors(weights, lines.arrays.items())
        script.write_text(CHECK.format(limit=LIMIT), encoding="utf-8")
        with numbers.open("wb") as file:
            np.savez(file, **named)  # type: ignore[arg-type]
    return list(FILES)


def results_of(net: Net) -> list[Blob]:
    """What forward returns: the outputs, and the scores that probabilities are made of, which losses take."""
    outputs = [blob for blob in net.outputs if not blob.producer.is_source]
    scores = [blob.producer.bottoms[0] for blob in outputs if blob.producer.gives_probabilities]
    return outputs + [blob for blob in scores if net.blobs[blob.name] is blob and not blob.producer.is_input]


def text_of(lines: Lines) -> str:
    """model.py."""
    net, indent = lines.net, " " * 8
    shapes = [f"{lines.variables[blob.name]} {tuple(blob.shape)}" for blob in net.inputs]
    results = results_of(net)
    return MODEL.format(
        title=(net.name or "a net").replace("\\", "/").replace('"', "'"),
        name=identifier(net.name or "Net", TAKEN),
        inputs=", ".join(shapes),
        outputs=", ".join(f"{lines.variables[blob.name]} {tuple(blob.shape)}" for blob in results),
        functions=text_of_functions(lines.calls),
        made="\n".join(indent + line for line in lines.made) or f"{indent}pass",
        arguments=", ".join(lines.variables[blob.name] for blob in net.inputs),
        run="\n".join(indent + line for line in lines.run),
        results=", ".join(f"{json.dumps(blob.name, ensure_ascii=False)}: {lines.variables[blob.name]}" for blob in results),
    )
