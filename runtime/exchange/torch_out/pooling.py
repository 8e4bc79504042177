"""Lines of pooling, of its opposite, and of other sizes.  Caffe rounds the number of windows up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runtime.exchange.onnx_out.pooling import Windows
from runtime.exchange.torch_out.lines import Scope, refused, writes
from runtime.exchange.torch_out.rules import pair

KINDS = {"MAX": "max", "AVE": "avg"}


@writes("Pooling")
def pooling(layer: Any, on: Scope) -> None:
    if layer.method == "STOCHASTIC":
        _stochastic(layer, on)
    elif layer.global_pooling and len(layer.tops) == 1:
        on.let(f"F.adaptive_{KINDS[layer.method]}_pool2d({on.x}, 1)")
    elif len(layer.tops) == 1:
        on.let(pool(layer.method, on.x, _windows(layer)))
    else:
        windows = _windows(layer)
        if windows.pads_more_than_half:
            raise refused(layer, "its padding is more than half of its window, and it has indices of maxima", "pad")
        on.let_all(pool(layer.method, on.x, windows, more=["return_indices=True"]))
        on.let(f"{on.outputs[1]}.float()", 1)


def _windows(layer: Any) -> Windows:
    """Raises NetdefError: the last window has no number."""
    windows = Windows(layer.bottoms[0].shape[2:], layer.kernel, layer.stride, layer.pad, layer.tops[0].shape[2:])
    if windows.has_empty:
        raise refused(layer, "its last window lies beyond the image, which Caffe pools to a number without a meaning", "stride")
    return windows


def pool(method: str, x: str, windows: Windows, more: Sequence[str] = ()) -> str:
    """The expression that pools x by MAX or AVE; PyTorch pads at most half of a window by itself."""
    kind, pads = KINDS[method], windows.pad
    if windows.pads_more_than_half:
        beyond = ", value=-torch.inf" if method == "MAX" else ""
        x, pads = f"F.pad({x}, ({pads[1]}, {pads[1]}, {pads[0]}, {pads[0]}){beyond})", (0, 0)
    shown = [x, pair(windows.kernel), pair(windows.stride), *([pair(pads)] if any(pads) else [])]
    shown += ["ceil_mode=True"] if max(windows.beyond) > 0 else []
    return f"F.{kind}_pool2d({', '.join([*shown, *more])})"


def _stochastic(layer: Any, on: Scope) -> None:
    if layer.phase == "train":
        raise refused(layer, "it draws random numbers in phase train", "pool")
    windows = _windows(layer)
    squares, sums = (pool("AVE", x, windows) for x in (f"{on.x}.square()", on.x))
    on.let(f"{on.call('pooled_by_chance')}({squares}, {sums})")


@writes("SPP")
def pyramid(layer: Any, on: Scope) -> None:
    levels = []
    for index in range(layer.pyramid_height):
        kernel, pads = layer.level(index)
        windows = Windows(layer.bottoms[0].shape[2:], kernel, kernel, pads, layer.cells(index))
        if windows.has_empty or layer.method == "STOCHASTIC":
            raise refused(layer, f"its level {index + 1} pools by chance, or has cells beyond the image", "pyramid_height")
        levels.append(pool(layer.method, on.x, windows))
    on.let(levels[0] if len(levels) == 1 else f"torch.cat(({', '.join(f'{level}.flatten(1)' for level in levels)}), 1)")


@writes("Upsample")
def upsample(layer: Any, on: Scope) -> None:
    rows, columns = layer.size
    if layer.repeats:
        on.let(f'F.interpolate({on.x}, {layer.size}, mode="nearest")')
    else:
        on.let(f"{on.call('unpooled')}({on.x}, {on.inputs[1]}, {rows}, {columns})")


@writes("Interp")
def interp(layer: Any, on: Scope) -> None:
    (height, width), first = layer.inside, -layer.p.pad_beg
    whole = (height, width) == layer.bottoms[0].shape[2:]
    x = on.x if whole else f"{on.x}[:, :, {first}:{first + height}, {first}:{first + width}]"
    on.let(f'F.interpolate({x}, {layer.size}, mode="bilinear", align_corners=True)')
