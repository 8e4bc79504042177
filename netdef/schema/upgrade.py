"""Convert files of older releases of Caffe to the present schema.

The conversions are those that Caffe makes on reading, with the same results: layers of the two older formats, inputs of the
network that are not layers, transformations written into a data layer's own settings, BatchNorm with rates for its
statistics, and the numbered solver types. (Facts from Caffe's upgrade_proto.cpp; tests/goldens/files holds its results.)
"""

from __future__ import annotations

from typing import Any

from netdef import schema
from netdef.schema import legacy_layers
from netdef.schema.layer_types import LAYER_TYPES
from netdef.schema.origins import Entry, Origins
from netdef.schema.upgrade_log import Upgrade

_INLINE_NETS = ("net_param", "train_net_param", "test_net_param")
_SOLVER_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}
_TRANSFORMS = ("scale", "mean_file", "crop_size", "mirror")


def upgrade(message: Any, origins: Origins) -> Upgrade:
    """Convert a NetParameter or SolverParameter in place, and `origins` with it."""
    done = Upgrade()
    if message.DESCRIPTOR.name == "NetParameter":
        upgrade_net(message, origins, done)
    elif message.DESCRIPTOR.name == "SolverParameter":
        upgrade_solver(message, origins, done)
    return done


def upgrade_solver(solver: Any, origins: Origins, done: Upgrade) -> None:
    """Convert the numbered solver type to a name, and the networks inside the solver."""
    if solver.HasField("solver_type"):
        number = solver.solver_type
        named = {value.number: value.name for value in solver.DESCRIPTOR.enum_types_by_name["SolverType"].values}[number]
        if solver.HasField("type"):
            span = origins.find(("solver_type",))
            done.report("type and solver_type are both given", span, "drop solver_type, the older one")
        solver.type = _SOLVER_TYPES[named]
        solver.ClearField("solver_type")
        if "solver_type" in origins.fields:
            origins.fields["type"] = origins.fields.pop("solver_type")
        done.notes.append(f'solver_type: {named} was read as type: "{solver.type}"')
    for name in _INLINE_NETS:
        held = getattr(solver, name)
        entry = origins.fields.get(name)
        if name == "test_net_param":
            entries = entry if isinstance(entry, list) else [Origins(origins.at)] * len(held)
            for net, one in zip(held, entries, strict=True):
                upgrade_net(net, one if isinstance(one, Origins) else Origins(origins.at), done)
        elif solver.HasField(name):
            upgrade_net(held, entry if isinstance(entry, Origins) else Origins(origins.at), done)


def upgrade_net(net: Any, origins: Origins, done: Upgrade) -> None:
    """Convert a network."""
    was_old = bool(net.layers)
    if net.layers:
        legacy_layers.upgrade_layers(net, origins, done)
    if net.input:
        _inputs(net, origins, done)
    for index, layer in enumerate(net.layer):
        entry = _layer_origins(origins, index)
        _transforms(layer, entry, done, was_old)
        if layer.type == "BatchNorm" and len(layer.param) == 3:
            _batch_norm(layer, entry, done)
    for name in ("input", "input_shape", "input_dim"):
        net.ClearField(name)


def _batch_norm(layer: Any, origins: Origins, done: Upgrade) -> None:
    """Set the rates of statistics to 0, as Caffe does since its pull request 5184; names stay, by which layers share them."""
    if any(param.lr_mult for param in layer.param):
        done.notes.append(f"layer {layer.name}: rates of BatchNorm's statistics were set to 0; they are not trained")
    if not any(param.name for param in layer.param):
        del layer.param[:]  # which says the same
        origins.fields.pop("param", None)
    for param in layer.param:
        param.lr_mult = param.decay_mult = 0


def _layer_origins(origins: Origins, index: int) -> Origins:
    entries = origins.fields.get("layer")
    entry = entries[index] if isinstance(entries, list) and index < len(entries) else None
    return entry if isinstance(entry, Origins) else Origins(origins.at)


def _inputs(net: Any, origins: Origins, done: Upgrade) -> None:
    """Convert inputs of the network to one layer of type Input, before all others; without dimensions they are dropped."""
    count, shapes, dims = len(net.input), len(net.input_shape), len(net.input_dim)
    if not shapes and not dims:
        return
    span = origins.find(("input_shape" if shapes else "input_dim",))
    if shapes and shapes != count:
        hint = "each input needs one input_shape"
        done.report(f"{_counted(count, 'input')} and {_counted(shapes, 'input_shape')}", span, hint)
        return
    if not shapes and dims != 4 * count:
        hint = "each input needs four input_dim, or one input_shape"
        done.report(f"{_counted(count, 'input')} and {_counted(dims, 'input_dim')}", span, hint)
        return
    layers = [schema.LayerParameter(name="input", type="Input", top=net.input)]
    for index in range(count):
        extents = net.input_shape[index].dim if shapes else net.input_dim[4 * index : 4 * index + 4]
        layers[0].input_param.shape.add().dim.extend(extents)
    layers += net.layer
    net.ClearField("layer")
    net.layer.extend(layers)
    made = Origins(origins.find(("input", 0)), {"input_param": Origins(span, {"shape": _shape_origins(origins)})})
    if "input" in origins.fields:
        made.fields["top"] = origins.fields["input"]
    _put_first(origins, made)
    were = "input {} was" if len(net.input) == 1 else "inputs {} were"
    done.notes.append(f"the network's {were.format(', '.join(net.input))} read as a layer of type Input")


def _shape_origins(origins: Origins) -> list[Entry]:
    """The positions of the dimensions of each input."""
    shapes, dims = (origins.fields.get(name, []) for name in ("input_shape", "input_dim"))
    if isinstance(shapes, list) and shapes:
        return shapes
    assert isinstance(dims, list)
    fours = [dims[first : first + 4] for first in range(0, len(dims), 4)]
    return [Origins(four[0] if isinstance(four[0], tuple) else origins.at, {"dim": four}) for four in fours]


def _counted(count: int, word: str) -> str:
    return f"{count or 'no'} {word}{'' if count == 1 else 's'}"


def _put_first(origins: Origins, made: Origins) -> None:
    entries = origins.fields.get("layer")
    first: list[Entry] = [made]
    origins.fields["layer"] = first + (entries if isinstance(entries, list) else [])


def _transforms(layer: Any, origins: Origins, done: Upgrade, was_old: bool) -> None:
    """Move scale, mean, crop and mirror from a data layer's own settings to transform_param.

    Values that transform_param has are kept, except in layers of older formats, as in Caffe.
    """
    holder = (LAYER_TYPES.get(layer.type) or ("",))[0]
    if holder not in ("data_param", "image_data_param", "window_data_param") or not layer.HasField(holder):
        return
    own = getattr(layer, holder)
    moved = [name for name in _TRANSFORMS if own.HasField(name)]
    inner = origins.fields.get(holder)
    for name in moved:
        if was_old or not layer.transform_param.HasField(name):
            setattr(layer.transform_param, name, getattr(own, name))
            if isinstance(inner, Origins) and name in inner.fields:
                target = origins.fields.setdefault("transform_param", Origins(inner.at))
                if isinstance(target, Origins):
                    target.fields[name] = inner.fields[name]
        own.ClearField(name)
    if moved:
        done.notes.append(f"layer {layer.name}: {', '.join(moved)} moved from {holder} to transform_param")
