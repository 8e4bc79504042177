"""caffe.coord_map: which coordinates of one top of a NetSpec are those of another, and the Crop layer that follows from it.

With scale a and shift b, coordinate i of the one is a * i + b of the other.  Long, Shelhamer & Darrell 2015 crop scores so to the
size of the image.  The rules for each type are those of BVLC's python/caffe/coord_map.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.pycaffe.net_spec import layers

PASS_THROUGH_LAYERS = [
    "AbsVal", "BatchNorm", "Bias", "BNLL", "Dropout", "Eltwise", "ELU", "Log", "LRN", "Exp", "MVN", "Power", "ReLU", "PReLU",
    "Scale", "Sigmoid", "Split", "TanH", "Threshold",
]  # fmt: skip
Map = tuple[Any, Any, Any]  # axis (None: any), scale, shift
SAME: Map = (None, 1, 0)


class UndefinedMapException(Exception):  # noqa: N818 - Caffe's name, which scripts catch
    """A layer's coordinates are not those of its bottom, scaled and shifted."""


class AxisMismatchException(Exception):  # noqa: N818 - Caffe's name
    """Two maps are along other axes."""


def conv_params(fn: Any) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Axis, stride, extent of the kernel and padding of a layer with windows.

    Raises
    ------
    AssertionError: it uses kernel_h, pad_w and the like.
    """
    given = fn.params.get("convolution_param", fn.params)
    pairs = {f"{name}_{side}" for name in ("pad", "kernel", "stride") for side in "hw"} & {*fn.params, *given}
    assert not pairs, f"a crop needs kernel_size, stride and pad, not {', '.join(sorted(pairs))}"
    size, dilation = np.array(given["kernel_size"], ndmin=1), np.array(given.get("dilation", 1), ndmin=1)
    stride, pad = np.array(given.get("stride", 1), ndmin=1), np.array(given.get("pad", 0), ndmin=1)
    return given.get("axis", 1), stride, (size - 1) * dilation + 1, pad


def crop_params(fn: Any) -> tuple[int, np.ndarray]:
    """Axis and offset of a Crop layer."""
    given = fn.params.get("crop_param", fn.params)
    return given.get("axis", 2), np.array(given.get("offset", 0), ndmin=1)


def coord_map(fn: Any) -> Map:
    """The map of a layer's top to its bottom.

    Raises
    ------
    UndefinedMapException: it has none.
    """
    if fn.type_name in ("Convolution", "Pooling", "Im2col"):
        axis, stride, extent, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (extent - 1) / 2) / stride
    if fn.type_name == "Deconvolution":
        axis, stride, extent, pad = conv_params(fn)
        return axis, stride, (extent - 1) / 2 - pad
    if fn.type_name in PASS_THROUGH_LAYERS:
        return SAME
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset
    raise UndefinedMapException(fn.type_name)


def compose(base_map: Map, next_map: Map) -> Map:
    """One map after the other.

    Raises
    ------
    AxisMismatchException: they are along other axes.
    """
    (axis, scale, shift), (other, more, further) = base_map, next_map
    if axis is not None and other is not None and axis != other:
        raise AxisMismatchException(f"axis {axis} and axis {other}")
    return (other if axis is None else axis), scale * more, scale * further + shift


def inverse(coord_map: Map) -> Map:
    """The map back."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


def coord_map_from_to(top_from: Any, top_to: Any) -> Map:
    """The map of one top's coordinates to another's, by a top that both come from.

    Raises
    ------
    RuntimeError: no layers with maps lead from one to the other.
    """
    begins = dict(_maps(top_from))
    for top, found in _maps(top_to):
        if top in begins:
            return compose(found, inverse(begins[top]))
    raise RuntimeError("no layers with coordinates connect the two tops")


def _maps(top: Any) -> Any:
    """A top and all that it comes from, each with its map, nearest first."""
    maps: dict[Any, Map] = {top: SAME}
    waiting = [top]
    while waiting:
        one = waiting.pop(0)
        yield one, maps[one]
        bottoms = one.fn.inputs[:1] if one.fn.type_name == "Crop" else one.fn.inputs
        if bottoms:
            try:
                step = coord_map(one.fn)
            except UndefinedMapException:
                continue
            for bottom in bottoms:
                if bottom not in maps:
                    waiting.append(bottom)
                maps[bottom] = compose(maps[one], step)


def crop(top_from: Any, top_to: Any) -> Any:
    """A Crop layer that cuts one top to the part that another one covers.

    Raises
    ------
    AssertionError: they have other scales, or the offset is negative or no whole number.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    assert np.all(scale == 1), f"scale mismatch on crop: {scale}"
    assert np.all(shift <= 0), f"a crop has no negative offset: {-shift}"
    assert np.all(np.round(shift) == shift), f"a crop has no offset between pixels: {-shift}"
    offset = [int(one) for one in np.atleast_1d(-np.round(shift))]
    return layers.Crop(top_from, top_to, crop_param={"axis": axis + 1, "offset": offset})
