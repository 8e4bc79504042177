"""Convert layers of Caffe's two older formats to the present one."""

from __future__ import annotations

from typing import Any

from netdef.schema.fork_numbers import move_unknown_fields
from netdef.schema.layer_types import LAYER_TYPES
from netdef.schema.origins import Entry, Origins
from netdef.schema.upgrade_log import Upgrade

# The first format's types.
_V0_TYPES = {
    "accuracy": "Accuracy",
    "bnll": "BNLL",
    "concat": "Concat",
    "conv": "Convolution",
    "data": "Data",
    "dropout": "Dropout",
    "euclidean_loss": "EuclideanLoss",
    "flatten": "Flatten",
    "hdf5_data": "HDF5Data",
    "hdf5_output": "HDF5Output",
    "im2col": "Im2col",
    "images": "ImageData",
    "infogain_loss": "InfogainLoss",
    "innerproduct": "InnerProduct",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MultinomialLogisticLoss",
    "pool": "Pooling",
    "relu": "ReLU",
    "sigmoid": "Sigmoid",
    "softmax": "Softmax",
    "softmax_loss": "SoftmaxWithLoss",
    "split": "Split",
    "tanh": "TanH",
    "window_data": "WindowData",
}
# Settings of the first format with other names today; the rest kept their names.
_V0_RENAMED = {
    "biasterm": "bias_term",
    "kernelsize": "kernel_size",
    "batchsize": "batch_size",
    "shuffle_images": "shuffle",
    "det_fg_threshold": "fg_threshold",
    "det_bg_threshold": "bg_threshold",
    "det_fg_fraction": "fg_fraction",
    "det_context_pad": "context_pad",
    "det_crop_mode": "crop_mode",
}
_V0_TRANSFORMS = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
_V0_COMMON = ("name", "type", "blobs", "blobs_lr", "weight_decay", "hdf5_output_param")
# Types of the second format are the present ones in capitals, except this one.
_V1_RENAMED = {"SOFTMAX_LOSS": "SoftmaxWithLoss"}
# The second format's settings of weight arrays, and the fields of param that they became.
_V1_PARAM = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}


def v1_type(name: str) -> str | None:
    """The present name of the second format's type `name`; None if there is no such type."""
    if name in _V1_RENAMED:
        return _V1_RENAMED[name]
    plain = name.replace("_", "").lower()
    return next((kind for kind in LAYER_TYPES if kind.lower() == plain), None)


def upgrade_layers(net: Any, origins: Origins, done: Upgrade) -> None:
    """Convert `layers` to `layer`."""
    if net.layer:
        span = origins.find(("layers", 0))
        done.report("a network has both layer and layers, of two formats", span, "write all of them as layer")
        return
    first = sum(old.HasField("layer") for old in net.layers)
    entries: list[Entry] = []
    padding = _padding(net, origins, done)
    for index, old in enumerate(net.layers):
        entry = _entry(origins, index)
        if old.layer.type == "padding":
            continue
        new = net.layer.add()
        if old.HasField("layer"):
            _from_v0(old, new, entry, done, padding)
        else:
            _from_v1(old, new, entry, done)
        for message in (old, old.layer):
            for number in move_unknown_fields(message, new):
                done.lost.append(f"layer {new.name}: field {number} of a fork has another meaning today, and was left out")
        entries.append(entry)
    origins.fields.pop("layers", None)
    origins.fields["layer"] = entries
    formats = "Caffe's oldest format" if first else "an older format of Caffe's"
    done.notes.append(f"{len(net.layers)} layers of {formats} were read as {len(net.layer)} of the present one")
    net.ClearField("layers")


def _entry(origins: Origins, index: int) -> Origins:
    entries = origins.fields.get("layers")
    entry = entries[index] if isinstance(entries, list) and index < len(entries) else None
    return entry if isinstance(entry, Origins) else Origins(origins.at)


def _padding(net: Any, origins: Origins, done: Upgrade) -> dict[str, tuple[str, int]]:
    """For each blob that a padding layer makes: the blob that it pads, and by how much. Its reader takes the padding over."""
    made: dict[str, tuple[str, int]] = {}
    for index, old in enumerate(net.layers):
        span = _entry(origins, index).at
        if old.layer.type == "padding":
            if len(old.bottom) == 1 and len(old.top) == 1:
                made[old.top[0]] = (old.bottom[0], old.layer.pad)
            else:
                done.report("a padding layer needs one bottom and one top", span)
        elif made.keys() & set(old.bottom) and (old.layer.type not in ("conv", "pool") or len(old.bottom) != 1):
            done.report("only a conv or pool layer can read what a padding layer makes", span)
    return made


def _from_v1(old: Any, new: Any, origins: Origins, done: Upgrade) -> None:
    """Convert a layer of the second format: most fields have the same name and message."""
    kind = old.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[old.type].name
    new.type = v1_type(kind) or type_of_a_fork(old)
    if not new.type:
        done.report(f"layer {old.name} has no type", origins.at, "write type: ...")
    for info, value in old.ListFields():
        if info.name in _V1_PARAM:
            _spread(new.param, _V1_PARAM[info.name], value)
        elif info.name in ("bottom", "top", "loss_weight", "include", "exclude", "blobs"):
            getattr(new, info.name).extend(value)
        elif info.name == "kept":
            new.kept.extend(one for one in value if one.name != "type")
        elif info.name == "name":
            new.name = value
        elif info.name != "type":
            getattr(new, info.name).CopyFrom(value)
    for name in ("blobs_lr", "weight_decay", "param", "blob_share_mode"):
        if name in origins.fields:
            origins.fields["param"] = origins.fields[name] if name == "param" else origins.fields.pop(name)


def type_of_a_fork(old: Any) -> str:
    """The type of a layer that the second format does not know: the present type of that name, or the word as it stands."""
    word = next((one.text.partition(":")[2].strip() for one in old.kept if one.name == "type"), "")
    alike = (kind for kind in LAYER_TYPES if kind.upper() == word.replace("_", ""))
    return next(alike, word)


def _spread(params: Any, name: str, values: Any) -> None:
    """Set a field of the first params, one for each value."""
    while len(params) < len(values):
        params.add()
    for param, value in zip(params, values, strict=False):
        setattr(param, name, value)


def _from_v0(old: Any, new: Any, origins: Origins, done: Upgrade, padding: dict[str, tuple[str, int]]) -> None:
    """Convert a layer of the first format: one message holds the settings of all types."""
    settings = old.layer
    inner = origins.fields.get("layer")
    where = inner if isinstance(inner, Origins) else Origins(origins.at)
    new.bottom.extend(padding[name][0] if name in padding else name for name in old.bottom)
    new.top.extend(old.top)
    new.name = settings.name
    kind = _V0_TYPES.get(settings.type)
    if kind is None:
        text = f"unknown layer type {settings.type!r} of the oldest format"
        done.report(text, where.find(("type",)), misspelt=(settings.type, _V0_TYPES))
        return
    new.type = kind
    new.blobs.extend(settings.blobs)
    _spread(new.param, "lr_mult", settings.blobs_lr)
    _spread(new.param, "decay_mult", settings.weight_decay)
    if settings.HasField("hdf5_output_param"):
        new.hdf5_output_param.CopyFrom(settings.hdf5_output_param)
    _own_settings(settings, new, where, origins, done)
    for name in old.bottom:
        if name in padding and kind in ("Convolution", "Pooling"):
            _set(getattr(new, LAYER_TYPES[kind][0]), "pad", padding[name][1])
    origins.fields.update({name: entry for name, entry in where.fields.items() if name in ("name", "type")})
    if rates := where.fields.get("blobs_lr") or where.fields.get("weight_decay"):
        origins.fields["param"] = rates
    origins.fields.pop("layer", None)


def _own_settings(settings: Any, new: Any, where: Origins, origins: Origins, done: Upgrade) -> None:
    """Convert the settings of a type and of its transformation. `where`: their positions; `origins`: those of the new layer."""
    own = (LAYER_TYPES[new.type] or ("",))[0]
    for info, value in settings.ListFields():
        if info.name in _V0_COMMON:
            continue
        holder, name = own, _V0_RENAMED.get(info.name, info.name)
        if info.name in _V0_TRANSFORMS:
            holder, name = "transform_param", _V0_TRANSFORMS[info.name]
        if not holder or name not in getattr(new, holder).DESCRIPTOR.fields_by_name:
            done.notes.append(f"layer {new.name}: {info.name} is no setting of a {settings.type} layer, and was left out")
            continue
        _set(getattr(new, holder), name, value)
        inner = origins.fields.setdefault(holder, Origins(where.at))
        if isinstance(inner, Origins) and info.name in where.fields:
            inner.fields[name] = where.fields[info.name]


def _set(message: Any, name: str, value: Any) -> None:
    """Set a field: a scalar, a list of one scalar, or a message."""
    if hasattr(value, "CopyFrom"):
        getattr(message, name).CopyFrom(value)
    elif hasattr(getattr(message, name), "append"):
        getattr(message, name)[:] = [value]
    else:
        setattr(message, name, value)
