"""Options of the commands that bring images to a net with given weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from netdef.cli.options import allow_missing_option, weights_option
from netdef.cli.running import RunOptions


@dataclass(frozen=True, kw_only=True)
class ImageOptions(RunOptions):
    """What --NAME gives; None for what was not given."""

    weights: str | None = None
    allow_missing: bool = False
    labels: str | None = None
    mean: str | None = None
    scale: float | None = None


def image_options(labels: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare these options. labels: what --labels takes."""
    options = (
        weights_option,
        allow_missing_option,
        click.option("--labels", metavar="FILE", help=labels),
        click.option("--mean", metavar="B,G,R|FILE", help="What to subtract from the pixels, for a net with an Input layer."),
        click.option("--scale", type=float, help="What to multiply the pixels with then."),
    )

    def declare(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):  # the first is declared last, as decorators are
            command = option(command)
        return command

    return declare
