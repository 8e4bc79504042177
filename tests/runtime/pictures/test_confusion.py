"""Counts of what is taken for what."""

import numpy as np

from runtime.pictures.confusion import Confusion
from runtime.solver.votes import Votes

LABELS = [0, 0, 0, 1, 1, 3, 0]
ROWS = [[0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0], [0.4, 0.6, 0, 0], [0, 0.5, 0.5, 0], [0.7, 0.3, 0, 0], [0, 0, 0.9, 0.1], [0, 1, 0, 0]]


def confusion():
    votes = Votes(np.array(ROWS, np.float32), np.array(LABELS), np.array([True] * 6 + [False]))
    return Confusion(votes, ("a", "b", "c", "d"))


def test_counts_and_accuracies_leave_out_what_was_not_read():
    found = confusion()
    assert found.counts.tolist() == [[1, 2, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert (found.right, [found.accuracy(number) for number in range(4)]) == (2, [1 / 3, 1 / 2, None, 0])


def test_the_worst_come_first_and_none_is_empty():
    assert confusion().worst(2) == [(0, 1, 2), (1, 0, 1)]
    assert confusion().worst(9) == [(0, 1, 2), (1, 0, 1), (3, 2, 1)]


def test_the_surest_come_first():
    found = confusion()
    assert found.mistakes.tolist() == [5, 1, 4, 2]
    assert found.in_cell(0, 1).tolist() == [1, 2]
    assert found.in_cell(2, 2).tolist() == []
