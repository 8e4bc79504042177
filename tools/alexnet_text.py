"""AlexNet's text with another layer in place of its data layers, for benchmarks."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA_LAYERS = re.compile(r"^(train|test) layer \w+: ImageData.*?^\}\n", re.M | re.S)


def alexnet_fed_by(kind: str, batch: int) -> str:
    """The path of a new file: models/alexnet.net with its data from a layer of type `kind` (Input, DummyData)."""
    shapes = f"shape {{ dim: {batch} dim: 3 dim: 227 dim: 227 }} shape {{ dim: {batch} }}"
    layers = DATA_LAYERS.sub("", (ROOT / "models" / "alexnet.net").read_text())
    with tempfile.NamedTemporaryFile("w", suffix=".net", delete=False) as file:
        file.write(f"layer data: {kind} -> data, label {{ {shapes} }}\n{layers}")
    return file.name
