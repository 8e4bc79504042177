"""WindowData: which windows come, and how they are padded and warped."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import netdef
import runtime
from netdef import NetdefError
from runtime.data import open_source
from runtime.data.source import Rows
from runtime.data.window_file import read_windows

SIDE = 8


@pytest.fixture
def window_file(tmp_path):
    """Two images, 20 x 30 and 24 x 24, whose pixels show where they are; an object in each, and background."""
    blocks = []
    for index, (height, width) in enumerate(((20, 30), (24, 24))):
        y, x = np.mgrid[:height, :width]
        pixels = np.stack([np.full_like(x, 100 * index), y * 8, x * 8], -1).astype(np.uint8)  # red, green, blue
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        windows = [f"{index + 3} 0.9 4 6 11 13", "0 0 0 0 7 7", "2 0.4 16 8 23 15", "1 0.1 0 0 1 1"]
        blocks.append("\n".join([f"# {index}", f"{tmp_path}/{index}.png", "3", str(height), str(width), "4", *windows]))
    (tmp_path / "windows.txt").write_text("\n".join(blocks) + "\n")
    return tmp_path / "windows.txt"


def text(path, body="", transform="", batch=8):
    given = f'source: "{path}" batch_size: {batch} bg_threshold: 0.3 {body}'
    return f"layer data: WindowData -> data, label {{ {given} transform_param {{ crop_size: {SIDE} {transform} }} }}"


def layer_of(path, *args, **options):
    return netdef.parse(text(path, *args, **options), phase="train").layer("data")


def run(path, *args, **options):
    with runtime.compile(netdef.parse(text(path, *args, **options), phase="train"), seed=3) as exe:
        return exe.forward()


def test_the_file(window_file):
    found = read_windows(str(window_file), "", 0.5, 0.3)
    assert found.objects.labels.tolist() == [3, 4] and found.objects.boxes.tolist() == [[4, 6, 11, 13]] * 2
    assert found.background.labels.tolist() == [0] * 4 and found.background.images.tolist() == [0, 0, 1, 1]
    assert read_windows(str(window_file), "/r/", 0.4, 0.3).paths[0].startswith("/r//")


def test_a_batch_is_background_first_then_objects(window_file):
    outputs = run(window_file, "fg_fraction: 0.3")
    assert outputs["label"].tolist()[:6] == [0] * 6 and set(outputs["label"].tolist()[6:]) <= {3, 4}
    blue = outputs["data"][7, 0]
    np.testing.assert_array_equal(blue, np.broadcast_to(np.arange(4, 12) * 8, (8, 8)))


def test_windows_are_mirrored_at_random_and_scaled(window_file):
    outputs = run(window_file, "fg_fraction: 1", "mirror: true scale: 0.5 mean_value: 2", batch=32)
    rows = {tuple(image[0, 0]) for image in outputs["data"]}
    straight = (np.arange(4, 12) * 8 - 2) * 0.5
    assert rows == {tuple(straight), tuple(straight[::-1])}


def test_context_beyond_the_image_is_zero(window_file):
    """A window of 8 x 8 at the corner, and 2 pixels of context in a result of 8: its scale is 2, so it grows to 17 x 17 from -4."""
    source = open_source(layer_of(window_file, "fg_fraction: 0 context_pad: 2", "mean_value: [7.5, 3, 1.25]", batch=16), 1)
    batch = source.next()
    corner = [image for image in batch.images if image[-1, -1, 1] > 60]
    source.close()
    assert batch.images.dtype == np.float32 and corner
    for image in corner:
        np.testing.assert_array_equal(image[:2], np.broadcast_to(np.float32([7.5, 3, 1.25]), (2, 8, 3)))
        np.testing.assert_array_equal(image[:, :2], np.broadcast_to(np.float32([7.5, 3, 1.25]), (8, 2, 3)))
        assert (np.diff(image[2, 2:, 0]) > 0).all() and (np.diff(image[2:, 2, 1]) > 0).all()
    outputs = run(window_file, "fg_fraction: 0 context_pad: 2", "mean_value: [7.5, 3, 1.25]", batch=16)
    assert any(not image[:, :2].any() and not image[:, :, :2].any() for image in outputs["data"])


def test_a_square_around_a_window(window_file):
    wide = window_file.read_text().replace("0.9 4 6 11 13", "0.9 4 6 11 9")  # 4 rows and 8 columns
    window_file.write_text(wide)
    image = run(window_file, 'fg_fraction: 1 crop_mode: "square"')["data"][0]
    green = image[1, :, 0]
    assert green[0] == pytest.approx(4 * 8, abs=8) and green[-1] == pytest.approx(12 * 8, abs=8)  # rows 4 to 12, about 8


def test_the_centre_of_a_mean_image(window_file, tmp_path):
    mean = np.random.default_rng(0).random((3, 12, 12)).astype(np.float32)
    np.save(tmp_path / "mean.npy", mean)
    plain = run(window_file)["data"]
    np.testing.assert_allclose(run(window_file, "", f'mean_file: "{tmp_path}/mean.npy"')["data"], plain - mean[:, 2:10, 2:10])


def test_labels_without_their_images(window_file, tmp_path):
    """Those of images that other ranks take, and that need not be there."""
    layer = layer_of(window_file, "fg_fraction: 0.5")
    with open_source(layer, 2) as source:
        expected = [source.next().labels.tolist() for _ in range(3)]
    for path in tmp_path.glob("*.png"):
        path.unlink()
    with open_source(layer, 2, rows=Rows(range(0), all_labels=True)) as source:
        assert [source.next().labels.tolist() for _ in range(3)] == expected


def test_files_kept_in_memory_and_resuming(window_file):
    layer = layer_of(window_file, "fg_fraction: 0.5 cache_images: true", "mirror: true")
    with open_source(layer, 2, workers=1) as first:
        batches = [np.copy(first.next().images) for _ in range(3)]
    for path in window_file.parent.glob("*.png"):
        assert path.exists()
    with open_source(layer_of(window_file, "fg_fraction: 0.5", "mirror: true"), 2, workers=3) as second:
        second.seek({"sample": 16})
        np.testing.assert_array_equal(second.next().images, batches[2])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("# 1", "# 2"), r"windows\.txt:11:1: .*expected '# 1'"),
        (("\n3\n20", "\nthree\n20"), r"windows\.txt:3:1: .*'three' is not channels"),
        (("3 0.9 4 6 11 13", "3 0.9 4 6 11"), r"windows\.txt:7:1: .*not a window: class overlap x1 y1 x2 y2"),
        (("3 0.9 4 6 11 13", "3 0.9 4 6 30 13"), r"windows\.txt:7:1: .*not within its image, 20 x 30"),
        (("3 0.9", "0 0.9"), r"windows\.txt:7:1: .*an object of class 0"),
        (("\n30\n4\n", "\n30\n4000000000\n"), r"windows\.txt:6:1: .*'4000000000' is not a number of windows"),
        (("\n30\n4\n", "\n30\n999999999\n"), r"windows\.txt:11:1: .*not a window"),
        (("0.9", "0.45"), "has no windows that are objects: none overlaps one by 0.5 or more"),
    ],
)
def test_files_that_do_not_fit(window_file, change, said):
    window_file.write_text(window_file.read_text().replace(*change))
    with pytest.raises(NetdefError, match=said):
        open_source(layer_of(window_file), 1)


def test_a_file_that_ends_too_soon(window_file):
    window_file.write_text(window_file.read_text().rsplit("\n", 2)[0])
    with pytest.raises(NetdefError, match="the file ends where a window is expected"):
        open_source(layer_of(window_file), 1)


def test_an_image_that_is_missing_or_smaller(window_file, tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "0.png")
    (tmp_path / "1.png").unlink()
    with (
        open_source(layer_of(window_file, "fg_fraction: 1"), 1) as source,
        pytest.raises(NetdefError, match=r"0.png is 9 x 9|1\.png"),
    ):
        source.next()


@pytest.mark.parametrize(
    ("body", "transform", "said"),
    [
        ('crop_mode: "round"', "", "crop_mode is warp or square, not round"),
        ("context_pad: 4", "", "context_pad 4 leaves nothing of 8 pixels"),
        ("fg_fraction: 2", "", "fg_fraction is a share"),
        ("", "color_shift: 0.1", "windows are not changed by color_shift"),
    ],
)
def test_settings_that_cannot_be(body, transform, said):
    with pytest.raises(NetdefError, match=said):
        netdef.parse(text("w.txt", body, transform))
