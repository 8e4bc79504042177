"""Small image files, and ImageData layers from a line of text."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netdef
from netdef.layers.data import ImageData


@pytest.fixture
def image_layer() -> Callable[..., ImageData]:
    """image_layer("source: ...", phase="test") -> the layer."""

    def make(body: str, phase: str = "test") -> ImageData:
        layer = netdef.parse(f"layer data: ImageData -> data, label {{ {body} }}", phase=phase).layer("data")
        assert isinstance(layer, ImageData)
        return layer

    return make


@pytest.fixture
def write_image(tmp_path: Path) -> Callable[..., str]:
    """write_image("a.png", 20, 30, value) -> its path; every pixel has the value (blue, green, red) or is noise of that seed."""

    def write(name: str, height: int, width: int, value: tuple[int, int, int] | int = 0) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(value, tuple):
            pixels = np.full((height, width, 3), value[::-1], np.uint8)
        else:
            pixels = np.random.default_rng(value).integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(path)
        return str(path)

    return write


@pytest.fixture
def write_list(tmp_path: Path) -> Callable[..., str]:
    """write_list("one.png 3", ...) -> the path of a list of these lines."""

    def write(*lines: str, name: str = "list.txt") -> str:
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)

    return write
