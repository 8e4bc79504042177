"""Decoding of image files: simplejpeg and Pillow give equal bits."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from runtime.data import decoding
from runtime.data.decoding import DIRECT, as_image, decode, read_image
from runtime.data.source import UnreadableError
from runtime.data.transform import size_of


def photo(height=37, width=53):
    """Something smooth with some noise in it."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    base = np.stack([128 + 100 * np.sin(x / 9 + c) * np.cos(y / 7) for c in range(3)], -1)
    return Image.fromarray((base + random.normal(0, 8, base.shape)).clip(0, 255).astype(np.uint8))


def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


FILES = {
    "4:2:0": jpeg(photo(), quality=90),
    "4:4:4": jpeg(photo(), quality=75, subsampling=0),
    "4:2:2, odd": jpeg(photo(17, 31), subsampling=1),
    "progressive": jpeg(photo(), progressive=True, quality=60),
    "gray": jpeg(photo().convert("L")),
    "CMYK": jpeg(photo().convert("CMYK")),
    "upright": jpeg(photo(), exif=exif(1)),
    "on its side": jpeg(photo(), exif=exif(6)),
    "one pixel": jpeg(photo(1, 1)),
}


def array(picture, mode):
    """A picture's pixels with blue first."""
    if isinstance(picture, np.ndarray):
        return picture
    assert picture.mode == mode
    return np.asarray(picture).reshape(picture.height, picture.width, -1)[:, :, ::-1]


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("name", sorted(FILES))
def test_both_packages_give_equal_bits(name, mode, monkeypatch):
    fast = decode(FILES[name], mode, name)
    monkeypatch.setattr(decoding, "simplejpeg", lambda: None)
    plain = decode(memoryview(FILES[name]), mode, name)
    assert not isinstance(plain, np.ndarray)
    np.testing.assert_array_equal(array(fast, mode), array(plain, mode))


def test_simplejpeg_decodes_what_it_can():
    taken = {name for name in FILES if isinstance(decode(FILES[name], "RGB", name), np.ndarray)}
    assert taken == set(FILES) - {"CMYK", "on its side"}
    assert set(DIRECT.values()) == {"BGR", "GRAY"}


def test_what_a_file_is_without_a_mode():
    assert array(decode(FILES["gray"], None, ""), "L").shape == (37, 53, 1)
    assert array(decode(FILES["4:2:0"], None, ""), "RGB").shape == (37, 53, 3)


@pytest.mark.parametrize("damage", ["cut", "noise"])
def test_damaged_files_are_refused_by_both_alike(damage, monkeypatch):
    data = bytearray(FILES["4:4:4"])
    data = data[: len(data) * 2 // 3] if damage == "cut" else data[:2] + bytes(200) + data[202:]
    reasons = []
    for _ in range(2):
        with pytest.raises(UnreadableError) as caught:
            decode(bytes(data), "RGB", "a.jpg")
        reasons.append(caught.value.reason)
        monkeypatch.setattr(decoding, "simplejpeg", lambda: None)
    assert reasons[0] == reasons[1]


def test_decoding_to_a_fraction_never_falls_below_what_is_needed(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(photo(400, 600)))
    for at_least, size in (((256, 256), (400, 600)), ((200, 200), (200, 300)), ((60, 150), (100, 150)), ((9, 9), (50, 75))):
        scaled = read_image(str(tmp_path / "a.jpg"), "RGB", at_least)
        assert size_of(scaled) == size
        if size == (400, 600):  # what is not made smaller has its own pixels
            np.testing.assert_array_equal(as_image(scaled), as_image(read_image(str(tmp_path / "a.jpg"), "RGB")))


def claiming(form: str, height: int, width: int) -> bytes:
    """A small file whose header claims so many pixels."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, form)
    data = bytearray(out.getvalue())
    if form == "PNG":
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    else:
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_claim_of_too_many_pixels_takes_no_memory(form, monkeypatch):
    data = claiming(form, 20_000, 50_000)
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UnreadableError) as caught:
        decode(data, "RGB", "x")
    assert caught.value.reason.startswith("too large: Image size (1000000000 pixels) exceeds limit of ")
