"""How the run that made some weights brought images to its net: what its side file says, else the net inside a .caffemodel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netdef.graph.layer import LAYERS, Layer
from netdef.language.diagnostics import NetdefError
from netdef.language.reach import outside, refuses_outside
from netdef.layers.data import Samples

# What is said where only one window of each image is looked at.
OF_WINDOWS = "the weights are of windows of photographs: of each image, the window of that size in its middle is taken"


def trained_pixels(weights: str) -> tuple[Mapping[str, Any] | None, str]:
    """The settings by the names of Caffe's fields, and what says so; None where nothing does.

    Raises
    ------
    NetdefError: the side file is damaged; inside `only_inside`, the mean lies outside of the folder of the weights.
    """
    found, origin = _pixels(weights)
    mean = (found or {}).get("mean_file") or ""
    other = outside(mean, Path(weights).parent) if refuses_outside() and mean else None
    if other is not None:
        hint = "move it there, or leave out --inside, if you trust the weights"
        raise NetdefError(f"mean_file of {origin} leads to {other}, outside of {Path(weights).parent}", hint=hint)
    return found, origin


def _pixels(weights: str) -> tuple[Mapping[str, Any] | None, str]:
    from netdef.weights.snapshots import side_path
    from netdef.weights.trained_net import trained_net
    from runtime.solver.snapshot import read_side

    if pixels := read_side(weights).get("pixels"):
        return pixels, str(side_path(weights))
    net = trained_net(weights)
    layers = [layer for layer in (net.layer if net is not None else ()) if issubclass(LAYERS.get(layer.type, Layer), Samples)]
    if len(layers) != 1 or not layers[0].HasField("transform_param"):
        return None, ""
    (layer,), origin = layers, f"the net inside {weights}"
    transform, image = layer.transform_param, layer.image_data_param
    found: dict[str, Any] = {"mean_value": list(transform.mean_value), "mean_file": transform.mean_file, "scale": transform.scale}
    if transform.mean_file and not Path(transform.mean_file).exists():
        found["mean_file"] = ""
        origin += f", but for its mean {transform.mean_file}, which is not there (--mean replaces it)"
    crop = {field: getattr(transform, field) for field in ("crop_size", "crop_h", "crop_w")}
    return {**found, **crop, "new_height": image.new_height, "new_width": image.new_width}, origin


def trained_on_photos(weights: str) -> bool:
    """Whether a run made weights on the windows of the photographs that come along."""
    from runtime.data.photos import photo_names
    from runtime.solver.snapshot import read_side

    side = read_side(weights)
    return side.get("data") is None and tuple(side.get("classes") or ()) == photo_names()
