"""Colours by kind of layer, and how wide text is."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

FONT = "Inter, 'Segoe UI', 'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Palette:
    """Colours of a picture. Text stands out from each ground by 4.5 to 1 at least, a wire from the paper by 3 to 1.

    Attributes
    ----------
    ink, muted: of text. line: of wires. crossing: of those that go from device to device. edge: what outlines lean to.
    """

    paper: str
    ink: str
    muted: str
    line: str
    crossing: str
    edge: str


LIGHT = Palette("#ffffff", "#1e293b", "#475569", "#7c8ba1", "#b7791f", "#000000")
DARK = Palette("#0f172a", "#e2e8f0", "#b6c2d3", "#7c8ba1", "#d99a2b", "#ffffff")

# a layer's `kind`: what the legend calls it, its colour
KINDS = {
    "source": ("data", "#8494a9"),
    "convolution": ("convolution", "#2f7ed8"),
    "pooling": ("pooling", "#e8743b"),
    "normalisation": ("normalisation", "#19a979"),
    "connected": ("fully connected", "#7a5bd0"),
    "activation": ("activation", "#d9a514"),
    "joining": ("joining, cutting, shaping", "#5f7d95"),
    "loss": ("loss", "#d6336c"),
    "result": ("result", "#a8326f"),
    "other": ("other", "#7c8794"),
}

# Widths of Helvetica's letters in thousandths of the size, by letter; digits and most of the rest are 556.
_WIDTHS = {
    **dict.fromkeys("ijl'|", 222), **dict.fromkeys(" .,:;!/\\It[]f()-·", 278), **dict.fromkeys("r\"", 340),
    **dict.fromkeys("ckszvxyJ", 500), **dict.fromkeys("+=×<>~", 584), **dict.fromkeys("FTZ", 611),
    **dict.fromkeys("ABEKPSVXY", 667), **dict.fromkeys("CDHNRUw", 722), **dict.fromkeys("GOQ", 778),
    **dict.fromkeys("Mm", 833), "W": 944, "@": 1015, "→": 1000, "…": 1000,
}  # fmt: skip
_ROOM = 1.2  # other fonts are wider than Helvetica: DejaVu Sans, the only one of many Linux machines, by this much


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide a line of text may get, in pixels."""
    return sum(_WIDTHS.get(letter, 556) for letter in text) * size / 1000 * _ROOM * (1.08 if bold else 1)


def shortened(text: str, size: float, width: float, bold: bool = False) -> str:
    """The text, without its middle if it would be wider."""
    if text_width(text, size, bold) <= width:
        return text

    def without_middle(kept: int) -> str:
        head = (kept + 1) // 2
        return f"{text[:head]}…{text[len(text) - (kept - head) :]}"

    fitting = bisect_right(range(2, len(text)), width, key=lambda kept: text_width(without_middle(kept), size, bold))
    return without_middle(fitting + 1) if fitting else "…"


def mix(colour: str, other: str, share: float) -> str:
    """A colour with a share of another in it: mix("#000000", "#ffffff", 0.5) is a grey."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[index : index + 2], 16) for index in (1, 3, 5))
