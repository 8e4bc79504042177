"""What the metadata of an exported file say about pixels and classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netdef.cli.labels import classes_of
from netdef.language.diagnostics import NetdefError
from netdef.language.printer import print_float
from runtime.images.pixels import mean_of_option
from runtime.images.trained_pixels import trained_pixels

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.exchange.onnx_out.model import Pixels

TAKEN = ("new_height", "new_width", "crop_size", "crop_h", "crop_w")  # of what a run says, beside mean and scale


def pixels_of(net: Net, mean: str | None, scale: float | None, rgb: bool) -> Pixels:
    """What --mean, --scale and --rgb put into the graph.

    Raises
    ------
    NetdefError: a mean cannot be read or does not fit the net's images, or the net takes none.
    """
    from runtime.exchange.onnx_out.model import Pixels, image_input

    if mean is None and scale is None and not rgb:
        return Pixels()
    if scale == 0:
        raise NetdefError("--scale 0 leaves nothing of the pixels")
    _, channels, height, width = image_input(net).shape
    return Pixels(mean_of(mean, channels, (height, width)) if mean is not None else None, 1.0 if scale is None else scale, rgb)


def mean_of(text: str, channels: int, sides: tuple[int, int]) -> Any:
    """(C, 1, 1), or (C, H, W) of a file with an image of the net's size; of another size its channels' means."""
    mean = mean_of_option(text, channels)
    return mean if mean.shape[1:] in ((1, 1), sides) else mean.mean(axis=(1, 2), keepdims=True)


def facts_of(
    own: Net, net: Net, files: Sequence[str], labels: str | None, mean: str | None, scale: float | None, rgb: bool
) -> dict[str, str]:
    """The metadata by key: order, mean, scale, size and labels, as far as they are known; or that the graph does it.

    Parameters
    ----------
    mean, scale, rgb: as in `pixels_of`; mean and scale each None where the graph leaves it to who runs it.

    Raises
    ------
    NetdefError: the labels, or what the run says, cannot be read.
    """
    found: dict[str, str] = {"net": net.name, "phase": net.phase}
    images = [blob for blob in net.inputs if len(blob.shape) == 4 and blob.shape[1] in (1, 3)]
    if len(images) == 1:
        known, origin = _of_source(own) or trained_pixels(files[-1])
        found["order"] = ("RGB" if rgb else "BGR") if images[0].shape[1] == 3 else "gray"
        found["mean"] = _mean_text(known) if known else "not known"
        found["scale"] = print_float(known["scale"]) if known else "not known"
        if mean is not None:
            found["mean"] = f"{mean}, in the graph"
        if scale is not None:
            found["scale"] = f"{print_float(scale)}, in the graph"
        if known and (mean is None or scale is None):
            found["origin"] = origin
        size = {name: known.get(name) for name in TAKEN} if known else {}
        found |= {name: str(value) for name, value in size.items() if value}
    names = classes_of(labels, files, own).names
    return found | ({"labels": "\n".join(names)} if names else {})


def _mean_text(known: Any) -> str:
    values = list(known.get("mean_value") or ())
    return ",".join(map(print_float, values)) if values else known.get("mean_file") or "none"


def _of_source(net: Net) -> tuple[Any, str] | None:
    """What the net's own source of images does to pixels, and the net's file; None where it has no such source."""
    sources = [layer for layer in net.layers if layer.is_source and layer.message.HasField("transform_param")]
    if len(sources) != 1:
        return None
    transform = sources[0].message.transform_param
    known = {"mean_value": list(transform.mean_value), "mean_file": transform.mean_file, "scale": transform.scale}
    crop = {name: getattr(transform, name) for name in ("crop_size", "crop_h", "crop_w")}
    return {**known, **crop}, net.filename
