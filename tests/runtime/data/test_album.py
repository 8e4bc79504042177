"""Images one by one: titles and pictures of all kinds of sources."""

import numpy as np
import pytest

import netdef
from runtime.data.album import open_album


def layer(source, more=""):
    text = f'layer data: ImageData -> data, label {{ source: "{source}" batch_size: 2 new_height: 12 new_width: 12 {more} }}'
    return netdef.parse(text, phase="test").layer("data")


@pytest.mark.parametrize(
    ("source", "title"),
    [("builtin:digits", "digit 3 of builtin:digits"), ("builtin:photos", "rocket.jpg, ")],
)
def test_images_of_the_package(source, title):
    with open_album(layer(source, "is_color: false"), 0) as album:
        assert album.title(3).startswith(title)
        picture = album.picture(3)
        assert picture.size == (12, 12) and np.asarray(picture).std() > 1


def test_files_that_are_gone_have_no_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("gone.png 1\nalso.png 0\nthere.png 0\n")
    from PIL import Image

    Image.new("RGB", (30, 20), (200, 10, 10)).save("there.png")
    with open_album(layer("list.txt"), 0) as album:
        assert [album.title(index) for index in range(3)] == ["gone.png", "also.png", "there.png"]
        assert album.picture(0) is None
        assert album.picture(2).getpixel((5, 5)) == (200, 10, 10)
