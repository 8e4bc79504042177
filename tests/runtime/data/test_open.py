"""Opening what an ImageData layer names, end to end."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import netdef
import runtime
from netdef import NetdefError
from runtime.data import open_images, open_source
from runtime.data.settings import image_size, mean_of, settings_of


def quiet(*_):
    pass


def drain(source, batches):
    """Copies of the next batches' fields, one array each, and the source closed."""
    taken = []
    with source:
        for _ in range(batches):
            batch = source.next()
            fields = batch.images, batch.labels, batch.offsets, batch.mirrors, batch.positions, batch.shifts
            taken.append([np.copy(field) for field in fields])
            source.release(batch)
    return [np.concatenate(fields) for fields in zip(*taken, strict=True)]


def equal(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_photographs(image_layer):
    layer = image_layer('source: "builtin:photos" batch_size: 20 transform_param { crop_size: 227 mirror: true }', phase="train")
    source = open_source(layer, seed=5)
    assert source.image_shape == (256, 256, 3) and source.classes[1] == "cat" and source.size == 1000
    images, labels, offsets, mirrors, positions, shifts = drain(source, 3)
    assert images.shape == (60, 256, 256, 3) and labels.dtype == np.float32
    assert len(set(labels)) == 10 and set(mirrors) == {0, 1} and offsets.max() > 20
    assert positions.tolist() == list(range(60)) and not shifts.any()
    coffee = images[labels == 2].mean((0, 1, 2))
    assert coffee[2] > 1.5 * coffee[0]  # red is last


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["train", "test"])
def test_workers_and_restarts_change_nothing(image_layer, phase):
    transform = "transform_param { crop_size: 200 mirror: true color_shift: 0.1 }"
    layer = image_layer(f'source: "builtin:photos" batch_size: 16 {transform}', phase=phase)
    whole = drain(open_source(layer, seed=5, workers=1), 4)
    assert equal(whole, drain(open_source(layer, seed=5, workers=3), 4))
    assert not equal(whole, drain(open_source(layer, seed=6, workers=3), 4))
    with open_source(layer, seed=5) as first:
        first.release(first.next())
        state = first.position()
    resumed = open_source(layer, seed=5)
    resumed.seek(state)
    assert equal([field[16:] for field in whole], drain(resumed, 3))


def test_a_list_with_images_that_cannot_be_read(image_layer, write_image, write_list, tmp_path):
    for n in range(6):
        write_image(f"{n}.png", 8, 8, (n, n, n))
    (tmp_path / "3.png").write_bytes(b"not an image")
    (tmp_path / "5.png").unlink()
    path = write_list(*(f"{n}.png {n}" for n in range(6)))
    layer = image_layer(f'source: "{path}" batch_size: 4 new_height: 8 new_width: 8 root_folder: "{tmp_path}/"')
    skipped = []
    source = open_source(layer, 1, on_skip=lambda path, reason: skipped.append(path))
    images, labels, *_ = drain(source, 4)
    assert labels.tolist() == [0, 1, 2, 4] * 4
    assert images[:, 0, 0, 0].tolist() == labels.tolist()
    assert sorted(skipped) == [str(tmp_path / "3.png"), str(tmp_path / "5.png")]
    assert len(source.skipped) == 2


def test_no_image_at_all(image_layer, write_list):
    layer = image_layer(f'source: "{write_list("gone.png 1", "lost.png 2")}" new_height: 8 new_width: 8')
    with open_source(layer, 1, on_skip=quiet) as source, pytest.raises(NetdefError, match="none of the 2 images"):
        source.next()


def test_a_shuffled_list_takes_each_image_once_an_epoch(image_layer, write_image, write_list, tmp_path):
    names = [write_image(f"{n}.png", 4, 4, (n, 0, 0)) for n in range(10)]
    path = write_list(*(f"{name} {n}" for n, name in enumerate(names)))
    layer = image_layer(f'source: "{path}" batch_size: 5 shuffle: true new_height: 4 new_width: 4')
    _, labels, *_ = drain(open_source(layer, 1), 4)
    assert sorted(labels[:10]) == sorted(labels[10:]) == list(range(10))
    assert labels[:10].tolist() != labels[10:].tolist()


def test_a_folder(image_layer, write_image, tmp_path):
    for n in range(4):
        write_image(f"photos/cat/{n}.png", 20, 30, (9, 9, 9))
        write_image(f"photos/dog/{n}.png", 500, 300, (99, 99, 99))
    layer = image_layer(f'source: "{tmp_path}/photos" batch_size: 8 transform_param {{ crop_size: 227 }}')
    source = open_source(layer, 1)
    assert source.classes == ("cat", "dog") and source.image_shape == (256, 256, 3)
    images, labels, *_ = drain(source, 1)
    assert labels.tolist() == [0] * 4 + [1] * 4
    assert (images == 9 + 90 * labels[:, None, None, None]).all()


def test_images_held_out_for_testing(image_layer, write_image, tmp_path):
    for n in range(5):
        for name in ("cat", "dog"):
            write_image(f"photos/{name}/{n}.png", 8, 8, (n, n, n))
    seen = {}
    for phase in ("train", "test"):
        layer = image_layer(f'source: "{tmp_path}/photos" new_height: 8 batch_size: 2', phase=phase)
        source = open_source(layer, 1, hold_out=3)
        images, labels, *_ = drain(source, source.size // 2)
        seen[phase] = sorted(zip(labels, images[:, 0, 0, 0], strict=True))
    assert seen == {"train": [(c, n) for c in (0, 1) for n in (1, 2, 4)], "test": [(c, n) for c in (0, 1) for n in (0, 3)]}


def test_folders_that_keep_the_phases_apart_are_not_divided(image_layer, write_image, tmp_path):
    for name in ("train/cat/1.png", "train/dog/2.png", "val/dog/3.png"):
        write_image(f"photos/{name}", 8, 8)
    layers = [image_layer(f'source: "{tmp_path}/photos" new_height: 8', phase) for phase in ("train", "test")]
    assert [open_source(layer, 1, hold_out=2).size for layer in layers] == [2, 1]


def test_gray(image_layer, write_image, write_list):
    path = write_list(f"{write_image('a.png', 8, 8, 1)} 0")
    for body in ("is_color: false", "transform_param { force_gray: true }"):
        images, *_ = drain(open_source(image_layer(f'source: "{path}" new_height: 8 {body}'), 1), 1)
        expected = Image.open(path.replace("list.txt", "a.png")).convert("L")
        np.testing.assert_array_equal(images[0, :, :, 0], np.asarray(expected))
    forced = image_layer(f'source: "{path}" new_height: 8 is_color: false transform_param {{ force_color: true }}')
    images, *_ = drain(open_source(forced, 1), 1)
    assert images.shape == (1, 8, 8, 3)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('source: "builtin:fotos" transform_param { crop_size: 9 }', r"builtin:photos"),
        ('source: "builtin:x" transform_param { crop_size: 9 }', r"there are builtin:photos, builtin:digits"),
        ('source: "gone.txt" new_height: 9 new_width: 9', r"there is no gone\.txt"),
        ('source: "builtin:photos" transform_param { mean_value: 1 mean_file: "mean.npy" }', "exclude"),
        ('source: "builtin:photos" transform_param { mean_value: [1, 2] }', "2 values for 3 channels"),
    ],
)
def test_layers_that_ask_for_what_cannot_be(image_layer, body, message):
    layer = image_layer(body)
    with pytest.raises(NetdefError, match=message) as caught:
        settings_of(layer)
        mean_of(layer)
    assert caught.value.diagnostics[0].position is not None


def test_a_folder_may_need_larger_images(image_layer, tmp_path):
    assert image_size(image_layer(f'source: "{tmp_path}" transform_param {{ crop_size: 299 }}')) == (299, 299)
    assert image_size(image_layer(f'source: "{tmp_path}" transform_param {{ crop_size: 99 }}')) == (256, 256)


def test_a_mean_image_of_another_size(image_layer, write_list, tmp_path):
    np.save(tmp_path / "mean.npy", np.zeros((3, 30, 40), np.float32))
    mean = f'transform_param {{ crop_size: 20 mean_file: "{tmp_path}/mean.npy" }}'
    assert settings_of(image_layer(f'source: "{write_list("a.png 1")}" {mean}')).image_shape == (30, 40, 3)
    with pytest.raises(NetdefError, match=r"30 x 40.* 256 x 256"):
        mean_of(image_layer(f'source: "builtin:photos" {mean}'))


def test_a_crop_larger_than_the_mean_image(image_layer, write_list, tmp_path):
    np.save(tmp_path / "mean.npy", np.zeros((3, 30, 40), np.float32))
    with pytest.raises(NetdefError, match="crop_size 35 is larger"):
        settings_of(
            image_layer(f'source: "{write_list("a.png 1")}" transform_param {{ crop_size: 35 mean_file: "{tmp_path}/mean.npy" }}')
        )


@pytest.mark.parametrize("body", ['source: "builtin:photos"', 'source: "gone.txt" new_height: 256'])
def test_given_images_come_in_their_order(image_layer, write_image, body):
    """As a photograph classified from the command line: the training data need not be there."""
    paths = [write_image("a.png", 300, 600, (1, 2, 3)), write_image("b.png", 20, 10, (4, 5, 6))]
    layer = image_layer(f"{body} batch_size: 2 transform_param {{ crop_size: 227 mirror: true }}")
    images, labels, offsets, mirrors, *_ = drain(open_images(layer, paths), 2)
    assert images[:, 100, 100].tolist() == [[1, 2, 3], [4, 5, 6]] * 2
    assert images.shape[1:] == (*image_size(layer), 3)
    assert not labels.any() and not mirrors.any() and (offsets == 14).all()


def test_given_images_where_the_net_reads_images_of_any_size(image_layer, write_image):
    path = write_image("a.png", 512, 1024, 3)
    layer = image_layer('source: "gone.txt" batch_size: 1 transform_param { crop_size: 227 }')
    images, _, offsets, *_ = drain(open_images(layer, [path]), 1)
    assert images.shape == (1, 227, 227, 3) and not offsets.any()
    square = Image.open(path).resize((256, 256), Image.Resampling.BILINEAR, box=(256, 0, 768, 512))
    np.testing.assert_array_equal(images[0][:, :, ::-1], np.asarray(square)[14:241, 14:241])


def test_a_list_here_comes_before_one_beside_the_net(tmp_path, monkeypatch, write_image):
    """As Caffe has it; beside the net only what is not here."""
    for folder, label in (("here", 1), ("nets", 2)):
        image = write_image(f"{folder}/a.png", 8, 8)
        (tmp_path / folder / "list.txt").write_text(f"{image} {label}\n")
    (tmp_path / "nets/a.net").write_text('layer data: ImageData -> data, label { source: "list.txt" new_height: 8 batch_size: 1 }')
    monkeypatch.chdir(tmp_path / "here")
    found = []
    for _ in range(2):
        source = open_source(netdef.load("../nets/a.net").layer("data"), 1)
        found.append(source.next().labels[0])
        source.close()
        (tmp_path / "here/list.txt").unlink(missing_ok=True)
    assert found == [1, 2]
    (tmp_path / "nets/list.txt").unlink()
    with pytest.raises(NetdefError, match=r"there is no list\.txt"):
        open_source(netdef.load("../nets/a.net").layer("data"), 1)


def test_labels_that_are_vectors(image_layer, write_image, write_list):
    path = write_list(*(f"{write_image(f'{n}.png', 8, 8, n)} {n / 4} {-n}" for n in range(3)))
    body = f'source: "{path}" new_height: 8 batch_size: 4 label_size: 2'
    with runtime.compile(netdef.parse(f"layer data: ImageData -> data, label {{ {body} }}")) as exe:
        assert exe.forward()["label"].tolist() == [[0, 0], [0.25, -1], [0.5, -2], [0, 0]]
    with pytest.raises(NetdefError, match="label_size is for lists: builtin:photos has one label for each image"):
        open_source(image_layer('source: "builtin:photos" label_size: 2'), 1)


def test_a_list_whose_first_image_gives_the_size(write_image, write_list, tmp_path):
    path = write_list(f"{tmp_path}/gone.png 0", *(f"{write_image(f'{n}.png', 6, 9, n)} {n}" for n in range(2)))
    (tmp_path / "a.net").write_text(f'layer data: ImageData -> data, label {{ source: "{path}" batch_size: 2 }}')
    with runtime.compile(tmp_path / "a.net") as exe, pytest.warns(UserWarning, match="gone"):
        assert exe.forward()["data"].shape == (2, 3, 6, 9)


REGIONS = "random_aspect_ratio_param { min_area_ratio: 0.2 max_area_ratio: 0.6 aspect_ratio_change: 0.8 }"


def test_random_regions(image_layer, write_image, write_list):
    ramp = np.stack(np.broadcast_arrays(np.arange(60)[:, None] * 4, np.arange(40)[None] * 6, 0), -1).astype(np.uint8)
    path = write_list("ramp.png 0", name="ramp.txt")
    Image.fromarray(ramp).save(path.replace(".txt", ".png"))
    layer = image_layer(f'source: "{path}" batch_size: 50 transform_param {{ crop_size: 12 {REGIONS} }}', phase="train")
    images, *_ = drain(open_source(layer, 3), 4)
    assert images.shape == (200, 12, 12, 3)
    high = (images[:, -1, 0, 2].astype(float) - images[:, 0, 0, 2]) / 4 * 12 / 11  # pixels of the region's height
    wide = (images[:, 0, -1, 1].astype(float) - images[:, 0, 0, 1]) / 6 * 12 / 11
    share, ratio = high * wide / 2400, np.sqrt(high / wide)
    assert 0.15 < share.min() < 0.25 < 0.5 < share.max() < 0.65
    assert 0.75 < ratio.min() < 0.85 < 1.18 < ratio.max() < 1.33
    assert len({image.tobytes() for image in images}) > 190


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        ("random_aspect_ratio_param { }", "needs crop_size"),
        ("crop_size: 9 random_aspect_ratio_param { min_area_ratio: 0.9 max_area_ratio: 0.5 }", "0 < min_area_ratio <="),
        ("crop_size: 9 random_aspect_ratio_param { aspect_ratio_change: 1.5 }", "at most 1"),
    ],
)
def test_regions_that_cannot_be(image_layer, transform, said):
    with pytest.raises(NetdefError, match=said):
        image_layer(f'source: "builtin:photos" transform_param {{ {transform} }}')


def test_scaled_decoding_is_near_the_whole_image_resized(image_layer, write_image, write_list, tmp_path):
    yy, xx = np.mgrid[:300, :400]
    smooth = np.stack([128 + 100 * np.sin(xx / 40 + c) * np.cos(yy / 30) for c in range(3)], -1).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    path = write_list(f"{tmp_path}/a.jpg 0")
    found = []
    for option in ("", "scaled_decoding: true"):
        layer = image_layer(f'source: "{path}" new_height: 60 {option}')
        found.append(drain(open_source(layer, 1), 1)[0].astype(int))
    assert found[0].shape == (1, 60, 60, 3) and 0 < np.abs(found[0] - found[1]).max() < 8


def test_images_to_predict_are_not_cut_at_random(image_layer, write_image):
    path = write_image("a.png", 300, 280, 1)
    plain, regions = (
        image_layer(f'source: "list.txt" batch_size: 1 transform_param {{ crop_size: 200 {transform} }}')
        for transform in ("", REGIONS)
    )
    images, _, offsets, *_ = drain(open_images(plain, [path]), 1)
    cut, *_ = drain(open_images(regions, [path]), 1)
    assert cut.shape == (1, 200, 200, 3)
    top, left = offsets[0]
    np.testing.assert_array_equal(cut[0], images[0][top : top + 200, left : left + 200])


@pytest.mark.parametrize("phase", ["train", "test"])
def test_crops_that_are_no_squares(phase, image_layer, write_image, write_list, tmp_path):
    """Of images of one size, which have a mean image, on the device; of images of any size, before they are batched."""
    write_image("a.png", 20, 30), write_image("b.png", 20, 30, 1), write_image("c.png", 25, 40, 2)
    np.save(tmp_path / "mean.npy", np.random.default_rng(0).random((3, 20, 30), np.float32))
    one_size = f'source: "{write_list("a.png 0", "b.png 1")}" new_height: 20 new_width: 30'
    with_mean = image_layer(
        f'{one_size} batch_size: 2 transform_param {{ crop_h: 6 crop_w: 11 mean_file: "{tmp_path}/mean.npy" }}', phase=phase
    )
    assert [top.shape for top in with_mean.tops] == [(2, 3, 6, 11), (2,)]
    images, _, offsets, *_ = drain(open_source(with_mean, 1), 40)
    assert images.shape == (80, 20, 30, 3)
    if phase == "test":
        assert (offsets == (7, 9)).all()
    else:
        assert offsets.min(axis=0).tolist() == [0, 0] and offsets.max(axis=0).tolist() == [14, 19]
    any_size = write_list("a.png 0", "c.png 1", name="any.txt")
    images, *_ = drain(
        open_source(image_layer(f'source: "{any_size}" transform_param {{ crop_h: 6 crop_w: 11 }}', phase=phase), 1), 2
    )
    assert images.shape == (2, 6, 11, 3)
    if phase == "test":
        pixels = np.asarray(Image.open(tmp_path / "c.png"))[:, :, ::-1]
        np.testing.assert_array_equal(images[1], pixels[9:15, 14:25])
    layer = image_layer(f'source: "{any_size}" transform_param {{ crop_h: 300 crop_w: 11 }}')
    assert drain(open_images(layer, [str(tmp_path / "c.png")]), 1)[0].shape == (1, 300, 11, 3)


def test_ten_crops_that_are_no_squares(image_layer, write_image, write_list):
    path = write_list(f"{write_image('a.png', 20, 30)} 0")
    layer = image_layer(f'source: "{path}" new_height: 20 new_width: 30 batch_size: 10 transform_param {{ crop_h: 6 crop_w: 11 }}')
    _, _, offsets, mirrors, *_ = drain(open_source(layer, 0, views=10), 1)
    assert offsets[:5].tolist() == offsets[5:].tolist() == [[0, 0], [0, 19], [14, 0], [14, 19], [7, 9]]
    assert mirrors.tolist() == [0] * 5 + [1] * 5
    with pytest.raises(NetdefError, match="144 crops need squares"):
        open_source(layer, 0, views=144)
