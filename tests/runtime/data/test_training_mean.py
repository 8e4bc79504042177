"""The key of a kept mean: another one once the data change."""

import os

import netdef
from netdef.layers.data import Data
from runtime.data.settings import settings_of
from runtime.data.training_mean import key_of
from tests.runtime.data.databases import numbered, raw, write_lmdb


def test_a_database_that_is_written_again(tmp_path):
    path = write_lmdb(tmp_path / "db", numbered([raw(0), raw(1)]))
    layer = netdef.parse(
        f'layer data: Data -> data {{ source: "{path}" backend: LMDB batch_size: 1 transform_param {{ crop_size: 4 }} }}'
    ).layer("data")
    assert isinstance(layer, Data)
    settings = settings_of(layer)
    before = key_of(settings, "")
    os.utime(tmp_path / "db" / "lock.mdb", (1, 1))  # as a program that reads it does
    assert key_of(settings, "") == before
    write_lmdb(tmp_path / "db", numbered([raw(2), raw(3)]))
    after = key_of(settings, "")
    assert after != before
    assert key_of(settings, "another size") != after


def test_a_list_with_an_image_that_is_not_there(image_layer, write_image, write_list):
    write_image("a.png", 4, 4)
    source = write_list("a.png 0", "gone.png 1")
    settings = settings_of(image_layer(f'source: "{source}" batch_size: 1 new_height: 4'))
    before = key_of(settings, "")
    write_image("gone.png", 4, 4)
    between = key_of(settings, "")
    write_image("a.png", 5, 4)
    assert len({before, between, key_of(settings, "")}) == 3
