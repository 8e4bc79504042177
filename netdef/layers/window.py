"""Sizes of sliding windows, read and rounded as in Caffe's convolution and pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdef.graph.layer import Layer


def convolved(size: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> int:
    """Output positions of a convolution along one axis: floor((size + 2 pad - extent) / stride) + 1."""
    extent = dilation * (kernel - 1) + 1
    return (size + 2 * pad - extent) // stride + 1


def deconvolved(size: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> int:
    """Output positions of a transposed convolution along one axis."""
    extent = dilation * (kernel - 1) + 1
    return stride * (size - 1) + extent - 2 * pad


def pooled(size: int, kernel: int, stride: int, pad: int, floor: bool = False, clip: bool = True) -> int:
    """Output positions of a pooling along one axis.

    Caffe rounds up, so that the last window may extend beyond the edge; with padding (`clip`) it drops that window
    if it would start beyond the image and its leading padding.
    """
    room = size + 2 * pad - kernel
    count = (room // stride if floor else -(-room // stride)) + 1
    if clip and (count - 1) * stride >= size + pad:
        count -= 1
    return count


def spatial(layer: Layer, field: str, axes: int, default: int | None) -> tuple[int, ...]:
    """A window's kernel, stride, pad or dilation over `axes` axes: FIELD_h and FIELD_w, or FIELD once or per axis.

    Raises
    ------
    NetdefError: both forms are used, one of FIELD_h and FIELD_w is missing (of a Convolution's pad it is 0), or the count
        does not fit.
    """
    p = layer.p
    whole = "kernel_size" if field == "kernel" else field
    named = p.DESCRIPTOR.fields_by_name
    high, wide = f"{field}_h", f"{field}_w"
    given = getattr(p, whole)
    if isinstance(given, int):  # Pooling has one value, Convolution one for each axis
        values: tuple[int, ...] = (given,) if p.HasField(whole) else ()
    else:
        values = tuple(given)
    if high in named and (p.HasField(high) or p.HasField(wide)):
        if values:
            raise layer.error(f"{whole} and {high}/{wide} exclude each other", whole, hint=f"keep {whole}, or the two")
        if axes != 2:
            raise layer.error(f"{high} and {wide} are for two spatial axes, not {axes}", high, hint=f"use {whole}")
        one_may_do = field == "pad" and not isinstance(given, int)  # the other is 0 in Convolution, and an error in Pooling
        if not (one_may_do or (p.HasField(high) and p.HasField(wide))):
            there, missing = (high, wide) if p.HasField(high) else (wide, high)
            raise layer.error(f"{there} is given without {missing}", there, hint=f"add {missing}")
        return getattr(p, high), getattr(p, wide)
    if not values:
        if default is None and axes:
            raise layer.error(f"the size of the window is missing: set {whole}, or {high} and {wide}")
        return (default or 0,) * axes
    if len(values) == 1:
        return values * axes
    if len(values) != axes:
        raise layer.error(f"{whole} has {len(values)} values for {axes} spatial axes", whole, hint="give one, or one an axis")
    return values


def check_positive(layer: Layer, field: str, values: tuple[int, ...]) -> None:
    """Raises NetdefError if a size is less than 1."""
    if min(values, default=1) < 1:
        whole = "kernel_size" if field == "kernel" else field
        raise layer.error(f"{whole} must be at least 1, not {min(values)}", whole)


def steps_text(stride: tuple[int, ...], pad: tuple[int, ...] = (), dilation: tuple[int, ...] = ()) -> str:
    """Stride, pad and dilation, as far as they are not the usual ones: "stride 2, pad 1"."""
    moves = []
    for word, values, usual in (("stride", stride, 1), ("pad", pad, 0), ("dilation", dilation, 1)):
        if any(value != usual for value in values):
            moves.append(f"{word} {sizes(values if len(set(values)) > 1 else values[:1])}")
    return ", ".join(moves)


def sizes(values: tuple[int, ...]) -> str:
    """11 x 11, as messages print it."""
    return " x ".join(map(str, values))
