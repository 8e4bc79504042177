"""What commands need that go over a net's test data: its net, and the images that are for testing."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netdef.cli.running import RunOptions
from netdef.language.diagnostics import NetdefError
from netdef.layers.data import ImageData

if TYPE_CHECKING:
    from netdef.graph.net import Net


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """What --NAME gives; None for what was not given."""

    weights: str | None = None
    allow_missing: bool = False
    data: str | None = None
    iterations: int | None = None
    batch: int | None = None
    out: tuple[str, ...] = ()


def tested_net(path: str, overrides: Mapping[str, Any] | None, batch: int | None, data: str | None) -> Net:
    """A net in phase test, which brings its own data.

    Raises
    ------
    NetdefError: it takes data from outside.
    """
    from runtime.solver.nets import load_net

    net = load_net(path, "test", overrides, batch, data)
    if net.inputs or all(layer.bottoms for layer in net.layers):
        raise NetdefError(
            f"{net.filename} takes its data from outside (Input layers) in phase test: there is nothing to test it on",
            hint="a layer such as `test layer data: ImageData -> data, label { ... }` gives it data; netdef predict takes images",
        )
    return net


def say_skip(path: str, reason: str) -> None:
    print(f"skipping {path}: {reason}", file=sys.stderr)


def held_out(side: dict[str, Any], net: Net) -> int:
    """How the run that made the weights divided the data that the net reads: what it trained on is no test."""
    sources = [layer.source for layer in net.layers if isinstance(layer, ImageData)]
    same = side.get("data") and os.path.realpath(side["data"]) in map(os.path.realpath, sources)
    return side.get("hold_out", 0) if same else 0
