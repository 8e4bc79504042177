"""Random numbers for data."""

import numpy as np

from runtime.data.draws import AUGMENT, SHUFFLE, WINDOW, Draws, below, between


def test_words_are_a_function_of_all_they_are_asked_for():
    draws = Draws(7, "data")
    asked = [(AUGMENT, 0, 0), (AUGMENT, 1, 0), (AUGMENT, 2**32, 0), (AUGMENT, 0, 1), (WINDOW, 0, 0), (SHUFFLE, 0, 0)]
    words = {draws.words(*one) for one in asked}
    words |= {Draws(8, "data").words(AUGMENT, 0), Draws(7, "other").words(AUGMENT, 0)}
    assert len(words) == len(asked) + 2
    assert Draws(7, "data").words(AUGMENT, 2**32) == draws.words(AUGMENT, 2**32)
    assert all(0 <= word < 2**32 for four in words for word in four)


def test_words_are_uniform():
    words = np.array([Draws(1, "data").words(AUGMENT, position) for position in range(4000)]) / 2**32
    assert np.all(np.abs(words.mean(0) - 0.5) < 0.02)
    assert np.all(np.abs(words.var(0) - 1 / 12) < 0.005)


def test_permutation_takes_each_once_and_another_way_each_epoch():
    draws = Draws(1, "data")
    first, second = draws.permutation(0, 1000), draws.permutation(1, 1000)
    assert sorted(first) == sorted(second) == list(range(1000))
    assert np.mean(first == second) < 0.02 and np.mean(first == np.arange(1000)) < 0.02
    np.testing.assert_array_equal(first, Draws(1, "data").permutation(0, 1000))


def test_permutation_is_the_same_for_ever():
    """A run must resume into the order it left, on any machine and with any NumPy."""
    assert list(Draws(1, "data").permutation(0, 8)) == [4, 5, 0, 3, 1, 6, 7, 2]


def test_ranges():
    assert below(0, 10) == 0 and below(2**32 - 1, 10) == 9
    assert between(0, 2.0, 4.0) == 2.0 and 3.9 < between(2**32 - 1, 2.0, 4.0) < 4.0
