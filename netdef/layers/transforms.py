"""What transform_param says of crops, sizes, regions and colours of images, checked."""

from __future__ import annotations

from math import isfinite
from typing import Any

MORE_THAN_0 = 1e-6
RANDOM_SIZES = (  # NVIDIA's ranges of sizes, the lower end of each and then the upper one
    *("img_rand_resize_lower", "img_rand_resize_upper", "rand_resize_ratio_lower", "rand_resize_ratio_upper"),
    *("vertical_stretch_lower", "vertical_stretch_upper", "horizontal_stretch_lower", "horizontal_stretch_upper"),
)
LEAST = (1, 1, MORE_THAN_0, MORE_THAN_0)  # of each range
SIZES = ("random_resize_param", *RANDOM_SIZES)


def crop_of(transform: Any, crop_size: int) -> tuple[int, int] | None:
    """(height, width) of the crop that a TransformationParameter asks for, whose square ones have crop_size."""
    if transform.crop_h and transform.crop_w:
        return transform.crop_h, transform.crop_w
    return (crop_size, crop_size) if crop_size else None


def check_crop(layer: Any) -> None:
    """Raises NetdefError for a crop that is given twice, or by half."""
    transform = layer.message.transform_param
    if bool(transform.crop_h) != bool(transform.crop_w):
        field, other = ("crop_h", "crop_w") if transform.crop_h else ("crop_w", "crop_h")
        raise layer.error(f"{field} is given without {other}", "transform_param", field, hint="crop_size cuts out squares")
    if transform.crop_h and layer.crop_size and (transform.crop_h, transform.crop_w) != (layer.crop_size,) * 2:
        hint = "SSD takes crop_size of the two, NVIDIA's Caffe crop_h and crop_w"
        raise layer.error("crop_size and crop_h exclude each other", "transform_param", "crop_h", hint=hint)


def check_crop_within(layer: Any, size: tuple[int, int]) -> None:
    """Raises NetdefError: the crop is larger than images of (height, width)."""
    if layer.crop is None or (layer.crop[0] <= size[0] and layer.crop[1] <= size[1]):
        return
    if layer.crop_size:
        path = ("transform_param", "crop_size") if layer.message.transform_param.HasField("crop_size") else ("crop_size",)
        raise layer.error(f"crop_size {layer.crop_size} is larger than the images, {size[0]} x {size[1]}", *path)
    field = "crop_h" if layer.crop[0] > size[0] else "crop_w"
    text = f"a crop of {layer.crop[0]} x {layer.crop[1]} is larger than the images, {size[0]} x {size[1]}"
    raise layer.error(text, "transform_param", field)


def check_sizes(layer: Any) -> None:
    """Raises NetdefError: random sizes lack a crop, which makes all images of one size, or have ranges that are none."""
    transform = layer.message.transform_param
    intel = transform.HasField("random_resize_param")
    first = next((field for field in RANDOM_SIZES if transform.HasField(field)), "")
    if intel and (first or layer.cuts_regions):
        other = first or "random_aspect_ratio_param"
        raise layer.error(f"random_resize_param and {other} exclude each other", "transform_param", "random_resize_param")
    if layer.cuts_regions:
        raise layer.error(f"{first} and random_aspect_ratio_param exclude each other", "transform_param", first)
    if layer.crop is None:
        field = "random_resize_param" if intel else first
        raise layer.error(f"{field} needs crop_size: images of a batch have one size", "transform_param", field)
    least, largest = transform.random_resize_param.min_size, transform.random_resize_param.max_size
    if largest and least > largest:
        path = ("transform_param", "random_resize_param", "min_size")
        raise layer.error(f"min_size {least} is larger than max_size {largest}", *path)
    for lower, upper, at_least in zip(RANDOM_SIZES[::2], RANDOM_SIZES[1::2], LEAST, strict=True):
        check_range(layer, lower, upper, at_least)


def check_range(layer: Any, lower: str, upper: str, at_least: float) -> None:
    """Raises NetdefError: two fields are no range, or one that NVIDIA's Caffe takes no account of."""
    transform = layer.message.transform_param
    low, high = getattr(transform, lower), getattr(transform, upper)
    if not (transform.HasField(lower) or transform.HasField(upper)):
        return
    if not (isfinite(low) and isfinite(high) and at_least <= low <= high):
        field = lower if transform.HasField(lower) else upper
        hint = f"{'0 <' if at_least < 1 else '1 <='} {lower} <= {upper}"
        raise layer.error(f"{lower} {low:g} and {upper} {high:g} are no range", "transform_param", field, hint=hint)


def check_regions(layer: Any) -> None:
    """Raises NetdefError: random_aspect_ratio_param lacks crop_size, or has what is no share of an image."""
    regions = layer.message.transform_param.random_aspect_ratio_param
    path = ("transform_param", "random_aspect_ratio_param")
    if layer.crop is None:
        raise layer.error("random_aspect_ratio_param needs crop_size, to which it brings each region", *path)
    if not 0 < regions.min_area_ratio <= regions.max_area_ratio <= 1:
        raise layer.error("shares of an image's area: 0 < min_area_ratio <= max_area_ratio <= 1", *path)
    if not 0 < regions.aspect_ratio_change <= 1:
        raise layer.error("aspect_ratio_change is more than 0, and at most 1", *path, "aspect_ratio_change")


def check_colors(layer: Any) -> None:
    """Raises NetdefError for settings of colours that exclude each other, are out of range or incomplete."""
    transform = layer.message.transform_param
    if transform.force_color and transform.force_gray:
        raise layer.error("force_color and force_gray exclude each other", "transform_param", "force_gray")
    if not (isfinite(transform.color_shift) and transform.color_shift >= 0):
        raise layer.error("color_shift is a standard deviation: 0 or more", "transform_param", "color_shift")
    if transform.color_shift and layer.channels != 3:
        raise layer.error(f"color_shift is for images of 3 channels, not {layer.channels}", "transform_param", "color_shift")
    for field, count in (("color_eigenvalue", 3), ("color_eigenvector", 9)):
        given = len(getattr(transform, field))
        if given not in (0, count):
            raise layer.error(f"{field} has {given} values, not {count}", "transform_param", field)
    if bool(transform.color_eigenvalue) != bool(transform.color_eigenvector):
        field = "color_eigenvalue" if transform.color_eigenvalue else "color_eigenvector"
        hint = "give both color_eigenvalue and color_eigenvector"
        raise layer.error(f"{field} is given without the other", "transform_param", field, hint=hint)
