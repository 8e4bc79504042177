"""The values of the options of `netdef show`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netdef.cli.image_options import ImageOptions
from netdef.language.units import plural

if TYPE_CHECKING:
    from runtime.pictures.filters import Filters

POSITIONS = 14  # of the square that covers an image, along each side, as --occlusion has it
SLIDE = 1600  # pixels: how wide a .png is, about


@dataclass(frozen=True, kw_only=True)
class Options(ImageOptions):
    """What --NAME gives."""

    layers: tuple[str, ...] = ()
    among: tuple[str, ...] = ()
    occlusion: int = POSITIONS
    out: str = "show.html"

    def about_images(self) -> dict[str, Any]:
        """The options that are about images alone, those of running among them."""
        pixels = {"--mean": self.mean, "--scale": self.scale}
        running = {"--devices": self.devices, "--split": self.split, "--threads": self.threads, "--math": self.math}
        cards = {"--conv": self.conv, "--workspace": self.workspace, "--no-graph": self.no_graph}
        return {**self.about_pages(), **pixels, **running, **cards}

    def about_pages(self) -> dict[str, Any]:
        """The options that are about the pages of images alone."""
        occlusion = None if self.occlusion == POSITIONS else str(self.occlusion)
        return {"--labels": self.labels, "--among": " ".join(self.among) or None, "--occlusion": occlusion}


def listed(filters: Sequence[Filters]) -> str:
    """conv1; conv1 and 12 others."""
    names = [one.layer.name for one in filters]
    return names[0] if len(names) == 1 else f"{names[0]} and {plural(len(names) - 1, 'other')}"
