"""Weights of other programs for a net: arrays by name, and a table of which is which, which is proposed by names, shapes and order.

A line of the table is `layer/index name`.  A BatchNorm's divisor needs none: it is 1 then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from netdef.graph.layer import Layer, Parameter
from netdef.graph.net import Net
from netdef.graph.shape import Shape, shape_text
from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.language.spelling import did_you_mean
from netdef.layers.normalize import DIVISOR
from netdef.weights.reading import count_of_wrong, is_finite
from runtime.exchange.arrays import read_safetensors
from runtime.exchange.torch_out.lines import identifier

Arrays = Mapping[str, np.ndarray]
Table = dict[str, str]  # from layer/index to the name of an array
READ = (".safetensors", ".npz", ".pth", ".pt")
MEAN, VARIANCE = "running_mean", "running_var"
ENDS = ("weight", "bias")  # of names, by the index of the parameter


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """The arrays in a .safetensors or .npz file, or in a .pth that PyTorch reads without running code of the file.

    Raises
    ------
    NetdefError: it cannot be read, or holds no arrays.
    """
    ending = Path(path).suffix
    if not Path(path).is_file():
        raise NetdefError(f"cannot read {path}: there is no such file")
    found = {".npz": _read_npz, ".safetensors": read_safetensors}.get(ending, _read_torch)(path)
    if not found:
        raise NetdefError(f"{path} holds no arrays")
    return found


def _read_npz(path: str) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file}
    except Exception as error:  # numpy raises all kinds of errors on damaged files
        raise NetdefError(f"{path} is not a whole .npz file: {' '.join(str(error).split())}") from None


def _read_torch(path: str) -> dict[str, np.ndarray]:
    """A state_dict that torch.save wrote; `weights_only` runs no code of the file."""
    try:
        import torch
    except ImportError:
        hint = "pip install torch, or let PyTorch save it: safetensors.torch.save_file(module.state_dict(), 'x.safetensors')"
        raise NetdefError(f"{path} needs torch, which is not installed", hint=hint) from None
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of torch's and pickle's own kinds
        reason = " ".join(str(error).split()).partition(". ")[0][:200]
        raise NetdefError(f"{path} is not a state_dict that torch reads without running its code: {reason}") from None
    held = held.get("state_dict", held) if isinstance(held, dict) else {}
    return {str(name): one.detach().float().numpy() for name, one in held.items() if hasattr(one, "detach")}


@dataclass(frozen=True)
class Proposal:
    """A table, and which of its parameters had more than one array to choose from."""

    table: Table
    unsure: tuple[str, ...]


def wanted(net: Net) -> list[Parameter]:
    """The parameters that need an array."""
    return [one for one in net.parameters if not one.shared and not (one.layer.type == "BatchNorm" and one.index == DIVISOR)]


def propose(net: Net, arrays: Arrays) -> Proposal:
    """Which array is which parameter: by the layer's name, else the first in the file's order that fits and is left.

    Parameters of a layer take arrays of one prefix; a BatchNorm and the Scale behind it share theirs.  What reads a layer with
    weights takes a prefix that goes with that layer's, where there is one: bn1 with conv1, downsample.1 with downsample.0.
    """
    own = {str(one): str(one) for one in net.parameters if not one.shared and str(one) in arrays}
    if all(str(one) in own for one in wanted(net)):  # what `netdef export` wrote, divisors included
        return Proposal(own, ())
    groups = _groups(arrays)
    table: Table = {}
    unsure: list[str] = []
    taken: dict[Layer, str] = {}
    for layers in _units(net):
        candidates = [name for name, group in groups.items() if name not in taken.values() and _fits(layers, group, arrays)]
        if not candidates:
            continue
        named = [name for name in candidates if name in _names(layers)]
        before = taken.get(layers[0].bottoms[0].producer, "") if layers[0].bottoms else ""
        kin = [name for name in candidates if name in _kin(before)]
        chosen = (named or kin or candidates)[0]
        taken |= dict.fromkeys(layers, chosen)
        sure = bool(named or kin) or len(candidates) == 1
        for parameter, key in _pairs(layers, groups[chosen]).items():
            table[str(parameter)] = key
            unsure += [] if sure else [str(parameter)]
    return Proposal(table, tuple(unsure))


def _kin(name: str) -> set[str]:
    """What the normalisation or activation behind a layer may be called."""
    parent, dot, last = name.rpartition(".")
    found = {name.replace("conv", "bn"), name.replace("conv", "norm"), f"{parent}{dot}bn", f"{parent}{dot}norm"} if name else set()
    return (found | ({f"{parent}{dot}{int(last) + 1}"} if last.isdecimal() else set())) - {name}


def _groups(arrays: Arrays) -> dict[str, dict[str, str]]:
    """Arrays by what stands before the last dot or slash of their names, then by what stands behind it."""
    groups: dict[str, dict[str, str]] = {}
    keys = list(arrays)
    if keys == sorted(keys):  # as safetensors writes them: layer3.10 comes after layer3.9 in the module
        keys.sort(key=lambda key: [(int(word), "") if word.isdecimal() else (-1, word) for word in re.split(r"(\d+)", key)])
    for key in keys:
        at = max(key.rfind("."), key.rfind("/"))
        groups.setdefault(key[: max(at, 0)], {})[key[at + 1 :]] = key
    return groups


def _units(net: Net) -> list[tuple[Layer, ...]]:
    """Layers with parameters of their own; a BatchNorm with the Scale that alone reads it."""
    found: list[tuple[Layer, ...]] = []
    for layer in net.layers:
        if not any(not one.shared for one in layer.parameters):
            continue
        before = layer.bottoms[0].producer if layer.bottoms else None
        if layer.type == "Scale" and found and before is found[-1][0] and before.type == "BatchNorm":
            found[-1] = (before, layer)
        else:
            found.append((layer,))
    return found


def _names(layers: Sequence[Layer]) -> set[str]:
    return {name for layer in layers for name in (layer.name, identifier(layer.name, set()))}


def _pairs(layers: Sequence[Layer], group: Mapping[str, str]) -> dict[Parameter, str]:
    """The array of each parameter of a unit, as far as the group has them."""
    found: dict[Parameter, str] = {}
    for layer in layers:
        for parameter in layer.parameters:
            ends = (MEAN, VARIANCE)[parameter.index :][:1] if layer.type == "BatchNorm" else ENDS[parameter.index :][:1]
            for end in (str(parameter.index), *ends):
                if end in group and not (len(layers) > 1 and end.isdecimal()):
                    found.setdefault(parameter, group[end])
    return found


def _fits(layers: Sequence[Layer], group: Mapping[str, str], arrays: Arrays) -> bool:
    """Whether a group has an array of the right shape for each parameter that needs one."""
    pairs = _pairs(layers, group)
    needed = [one for layer in layers for one in layer.parameters if not (layer.type == "BatchNorm" and one.index == DIVISOR)]
    whole = all(one in pairs and fitted(one, arrays[pairs[one]], own=pairs[one] == str(one)) is not None for one in needed)
    left = {"weight", "bias", MEAN, VARIANCE} & group.keys() - {key.rpartition(".")[2] for key in pairs.values()}
    return whole and not left


def fitted(parameter: Parameter, array: np.ndarray, own: bool) -> np.ndarray | None:
    """An array in a parameter's shape: as it is but for axes of one element, or turned as an InnerProduct is; None if none fits.

    Parameters
    ----------
    own: whether the array has netdef's name for the parameter, and so netdef's order of axes.
    """
    shape = parameter.shape
    turned = parameter.layer.type == "InnerProduct" and getattr(parameter.layer, "transpose", False) and not own
    if turned and array.ndim == 2 and array.T.shape == shape:  # before all else: a square matrix fits both ways
        return np.ascontiguousarray(array.T)
    short = _shortened if parameter.layer.kind == "convolution" and parameter.index == 0 else _squeezed
    if short(array.shape) == short(shape):
        return array.reshape(shape)
    if parameter.layer.type == "InnerProduct" and array.ndim > 2 and (array.shape[0], prod(array.shape[1:])) == shape:
        return array.reshape(shape)
    return None


def _squeezed(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def _shortened(shape: Shape) -> Shape:
    """Without the ones at its end: a window of 3 rows is none of 3 columns."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def read_table(path: str) -> Table:
    """The table in a text: a line `layer/index name` for each parameter; # begins a comment.

    Raises
    ------
    NetdefError: it cannot be read, or a line is none.
    """
    from runtime.data.texts import read_text_file

    table: Table = {}
    text = read_text_file(path, "a table of names", "expected a line `layer/index name` for each parameter").text
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words and len(words) != 2:
            raise NetdefError(f"{path}:{number}: expected `layer/index name`, not {line.strip()!r}")
        if words and words[0] in table:
            raise NetdefError(f"{path}:{number}: {words[0]} is given twice")
        table |= {words[0]: words[1]} if words else {}
    return table


def weights_of(net: Net, arrays: Arrays, table: Table, file: str) -> dict[str, np.ndarray]:
    """The array of each parameter, by layer/index, in its shape.

    Raises
    ------
    NetdefError: with all parameters without an array, and all lines of the table that name none, or one of another shape.
    """
    errors, found = list[Diagnostic](), {}
    known = {str(one): one for one in net.parameters if not one.shared}
    needed = {str(one) for one in wanted(net)}
    for name in table.keys() - known.keys():
        errors.append(Diagnostic(f"the net has no parameter {name}", hint=did_you_mean(name, known)))
    for name, parameter in known.items():
        if name not in table and name not in needed:
            continue
        key = table.get(name)
        if key is None or key not in arrays:
            what = f"has no array {key}" if key else "has no array that fits"
            hint = did_you_mean(key, arrays) if key else "--names FILE says which it is"
            errors.append(Diagnostic(f"{file} {what} for {name} ({shape_text(parameter.shape)})", hint=hint))
            continue
        if arrays[key].dtype.kind not in "fiubV":  # V: bfloat16
            errors.append(Diagnostic(f"{key} of {file} holds {arrays[key].dtype}, which are no real numbers"))
            continue
        with np.errstate(over="ignore"):  # a double that is too large becomes infinite, and is reported as that
            array = fitted(parameter, arrays[key].astype(np.float32, copy=False), own=key == name)
        if array is None:
            text = f"{key} of {file} is {shape_text(arrays[key].shape)}, where {name} is {shape_text(parameter.shape)}"
            errors.append(Diagnostic(text))
        elif not is_finite(array):
            errors.append(Diagnostic(f"{key} of {file} holds numbers that are not finite: {count_of_wrong(array)}"))
        else:
            found[name] = array
    if errors:
        raise NetdefError(errors)
    return found
