"""From files to the blobs of a compiled net."""

from __future__ import annotations

import numpy as np

import netdef
import runtime

NET = """
layer data: ImageData -> data, label {{ {body} }}
layer pool: Pooling(data) {{ pool: AVE global_pooling: true }}
layer quiet: Silence(label)
"""


def compiled(body: str, phase: str = "test", **options):
    return runtime.compile(netdef.parse(NET.format(body=body), phase=phase), backward=False, keep="all", **options)


def test_files_arrive_as_blobs(write_image, write_list, tmp_path):
    names = [write_image(f"{n}.png", 9, 9, n) for n in range(5)]
    path = write_list(*(f"{name} {n}" for n, name in enumerate(names)))
    np.save(tmp_path / "mean.npy", np.random.default_rng(9).uniform(0, 255, (3, 9, 9)).astype(np.float32))
    transform = f'transform_param {{ crop_size: 7 scale: 0.5 mean_file: "{tmp_path}/mean.npy" }}'
    with compiled(f'source: "{path}" batch_size: 3 {transform}') as exe:
        mean = np.load(tmp_path / "mean.npy")
        for run in range(3):
            exe.forward()
            entries = [(3 * run + i) % 5 for i in range(3)]
            assert exe.blob("label").tolist() == entries
            expected = []
            for n in entries:
                blue_first = np.random.default_rng(n).integers(0, 256, (9, 9, 3), np.uint8)[:, :, ::-1].transpose(2, 0, 1)
                expected.append(((blue_first - mean) * np.float32(0.5))[:, 1:8, 1:8])
            np.testing.assert_allclose(exe.blob("data"), expected, rtol=1e-5, atol=1e-5)


def test_threads_do_not_change_a_training_batch():
    body = 'source: "builtin:photos" batch_size: 6 transform_param { crop_size: 100 mirror: true mean_value: [1, 2, 3] }'
    blobs = []
    for threads in (1, 2):
        with compiled(body, "train", threads=threads, seed=4) as exe:
            exe.forward()
            exe.forward()
            blobs.append((exe.blob("data"), exe.blob("label")))
    assert all(np.array_equal(one, two) for one, two in zip(*blobs, strict=True))
    assert blobs[0][0].shape == (6, 3, 100, 100) and blobs[0][0].std() > 20


def test_a_net_compiles_where_its_images_are_not():
    with compiled('source: "gone.txt" batch_size: 2 transform_param { crop_size: 4 }') as exe:
        data = np.arange(96, dtype=np.float32).reshape(2, 3, 4, 4)
        exe.forward(data=data, label=np.array([1, 2], np.float32))
        np.testing.assert_allclose(exe.blob("pool")[..., 0, 0], data.mean((2, 3)), rtol=1e-6)


def test_the_program_shows_the_shape_of_the_mean():
    with compiled('source: "builtin:photos" batch_size: 2 transform_param { crop_size: 4 mean_value: 7 }') as exe:
        assert "image_transform %data.images %data.offsets %data.mirrors  mean 3x256x256" in exe.program.text()
