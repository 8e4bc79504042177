"""Every filler against its formula, and the streams that keep parameters apart."""

import math

import numpy as np
import pytest

from netdef import NetdefError
from netdef.schema import filler_types as fillers
from netdef.schema import message_class
from runtime.ops.random_fill.fillers import CHUNK, FILLERS, fan, fill


def filled(shape, text_type, seed=1, name="conv1/0", **fields):
    filler = message_class("FillerParameter")(type=text_type, **fields)
    array = np.full(shape, np.nan, np.float32)
    fill(array, filler, seed, name)
    return array


def test_every_filler_that_is_known_can_be_made():
    assert tuple(FILLERS) == fillers.FILLERS


def test_no_filler_means_zeros():
    array = np.ones((3, 2), np.float32)
    fill(array, None, 1, "ip/1")
    assert not array.any()


def test_constant():
    assert (filled((5,), "constant", value=0.1) == np.float32(0.1)).all()


def test_uniform_covers_its_range_evenly():
    values = filled((200, 500), "uniform", min=-1, max=3)
    assert values.min() >= -1 and values.max() <= 3
    assert abs(values.mean() - 1) < 0.02
    assert abs(values.var() - 16 / 12) < 0.02


def test_gaussian_has_its_mean_and_deviation():
    values = filled((300, 500), "gaussian", mean=2, std=0.5)
    assert abs(values.mean() - 2) < 0.01
    assert abs(values.std() - 0.5) < 0.01


def test_sparse_gaussian_keeps_that_many_weights_an_input():
    values = filled((100, 400), "gaussian", std=1, sparse=15)
    assert abs((values != 0).sum(axis=0).mean() - 15) < 1
    assert abs(values[values != 0].std() - 1) < 0.05


@pytest.mark.parametrize(("norm", "n"), [(0, 3 * 5 * 5), (1, 64 * 5 * 5), (2, (3 + 64) * 25 / 2)])
def test_xavier_and_msra_follow_the_fan(norm, n):
    shape = (64, 3, 5, 5)
    uniform = filled(shape, "xavier", variance_norm=norm)
    assert np.abs(uniform).max() <= math.sqrt(3 / n) + 1e-6
    assert abs(uniform.var() * n - 1) < 0.1
    normal = filled(shape, "msra", variance_norm=norm)
    assert abs(normal.var() * n / 2 - 1) < 0.1
    assert abs(normal.mean()) < 0.1 * math.sqrt(2 / n)


def test_fans_of_matrices_and_vectors():
    assert (fan((10, 30), 0), fan((10, 30), 1), fan((10, 30), 2)) == (30, 10, 20)
    assert (fan((7,), 0), fan((7,), 1)) == (1, 7)


def test_positive_unitball_sums_to_one_for_each_output():
    values = filled((4, 3, 2, 2), "positive_unitball")
    assert (values >= 0).all()
    np.testing.assert_allclose(values.reshape(4, -1).sum(axis=1), 1, rtol=1e-6)
    assert len(np.unique(values)) > 40


def test_bilinear_interpolates():
    # Upsampling by 2: the usual 4x4 kernel.
    values = filled((2, 1, 4, 4), "bilinear")
    line = np.array([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_allclose(values[1, 0], np.outer(line, line), rtol=1e-6)
    # By 3: the kernel of five peaks in the middle.
    line = np.array([1, 2, 3, 2, 1]) / 3
    np.testing.assert_allclose(filled((1, 1, 5, 5), "bilinear")[0, 0], np.outer(line, line), rtol=1e-6)


def test_bilinear_refuses_other_shapes():
    with pytest.raises(NetdefError, match="square"):
        filled((2, 1, 4, 5), "bilinear")


def test_streams_depend_on_seed_and_name_alone():
    first = filled((50,), "gaussian", std=1)
    np.testing.assert_array_equal(first, filled((50,), "gaussian", std=1))
    assert not np.array_equal(first, filled((50,), "gaussian", std=1, seed=2))
    assert not np.array_equal(first, filled((50,), "gaussian", std=1, name="conv1/1"))


def test_large_arrays_are_one_stream_whatever_the_chunks():
    long = filled((2 * CHUNK + 7,), "gaussian", std=1)
    np.testing.assert_array_equal(long[:100], filled((100,), "gaussian", std=1))
    assert abs(np.corrcoef(long[:CHUNK], long[CHUNK : 2 * CHUNK])[0, 1]) < 0.02


def test_unknown_filler_names_the_nearest():
    with pytest.raises(NetdefError, match="xavier"):
        filled((2, 2), "xaveir")


def test_only_gaussian_may_be_sparse():
    with pytest.raises(NetdefError, match="sparse"):
        filled((2, 2), "xavier", sparse=1)


def test_every_filler_fills_everything():
    for name in FILLERS:
        assert np.isfinite(filled((4, 2, 3, 3), name)).all()


def test_every_seed_of_64_bits_has_its_own_numbers():
    seeds = (-5, -7, 2**63, 2**63 + 1)
    assert len({filled((4,), "uniform", seed=seed).tobytes() for seed in seeds}) == len(seeds)
