"""The ring of batches: order, resuming, skipping, failing, stopping; all with workers that take their time."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
import tracemalloc
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from netdef import NetdefError
from runtime.data.prefetch import Prefetcher
from runtime.data.source import Rows, Sample, UnreadableError

BATCH = 4


class Numbers:
    """A stream whose image at a position shows that number, of epochs of 10; loading takes a random while."""

    image_shape = (2, 3, 3)
    classes = None
    size = 10

    def __init__(self, bad=(), broken=None, pause=0.002):
        self.bad, self.broken, self.pause = bad, broken, pause
        self.loaded: list[int] = []

    def load(self, position):
        time.sleep(random.random() * self.pause)
        self.loaded.append(position)
        entry = position % self.size
        if position == self.broken:
            raise NetdefError("wrong size")
        if entry in self.bad:
            raise UnreadableError(f"{entry}.jpg", "damaged")
        image = Image.new("RGB", (3, 2), (position % 256, position // 256, 7))
        return Sample(image, entry, (position, position + 1), position % 2 == 1)


def ring(samples, workers=3, **options):
    return Prefetcher(samples, BATCH, workers, **options)


def take(source, batches):
    """The positions of the next batches, each checked to hold what belongs there."""
    positions = []
    for _ in range(batches):
        batch = source.next()
        at = batch.positions
        colors = np.stack([np.full_like(at, 7), at // 256, at % 256], 1)
        np.testing.assert_array_equal(batch.images, np.broadcast_to(colors[:, None, None, :], (BATCH, 2, 3, 3)))
        np.testing.assert_array_equal(batch.labels, at % 10)
        np.testing.assert_array_equal(batch.offsets, np.stack([at, at + 1], 1))
        np.testing.assert_array_equal(batch.mirrors, at % 2)
        assert batch.first == at[0]
        positions += at.tolist()
        source.release(batch)
    return positions


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_batches_come_in_order_whatever_the_workers(workers):
    with ring(Numbers(), workers) as source:
        assert take(source, 20) == list(range(20 * BATCH))
        assert source.size == 10 and source.batch_size == BATCH and source.image_shape == (2, 3, 3)


@pytest.mark.parametrize("workers", [1, 5])
def test_skipped_images_move_up_those_after_them(workers):
    skipped = []
    with ring(Numbers(bad={2, 3, 9}), workers, on_skip=lambda *notice: skipped.append(notice)) as source:
        assert take(source, 14) == [p for p in range(80) if p % 10 not in {2, 3, 9}]
        assert sorted(skipped) == [(f"{n}.jpg", "damaged") for n in (2, 3, 9)]
        assert source.skipped == {"2.jpg": "damaged", "3.jpg": "damaged", "9.jpg": "damaged"}


def test_skips_are_reported_in_the_thread_that_calls_next():
    threads = []
    with ring(Numbers(bad={1}), on_skip=lambda *_: threads.append(threading.current_thread())) as source:
        take(source, 4)
    assert threads == [threading.main_thread()]


def test_threads_that_cannot_start_are_the_only_error(monkeypatch):
    def fails(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("runtime.data.prefetch.Thread.start", fails)
    with pytest.raises(RuntimeError, match="can't start new thread"), ring(Numbers()) as source:
        take(source, 4)


def test_a_skip_is_a_warning_where_nobody_asks_for_it():
    with ring(Numbers(bad={1})) as source, pytest.warns(UserWarning, match=r"skipping 1\.jpg: damaged"):
        take(source, 4)


@pytest.mark.parametrize("bad", [set(), {2, 5}])
def test_a_source_goes_on_where_another_stopped(bad):
    def quiet(*_):
        pass

    with ring(Numbers(bad), on_skip=quiet) as first:
        whole = take(first, 12)
    for stop in (0, 1, 5):
        with ring(Numbers(bad), on_skip=quiet) as first, ring(Numbers(bad), 1, on_skip=quiet) as second:
            take(first, stop)
            time.sleep(0.02)  # it loads ahead: that does not count
            second.seek(json.loads(json.dumps(first.position())))
            assert second.position() == first.position()
            assert take(second, 12 - stop) == whole[stop * BATCH :]


def test_seek_forgets_what_was_loaded_ahead_but_not_batches_in_use():
    with ring(Numbers()) as source:
        take(source, 3)
        held = source.next()
        source.seek({"sample": 100})
        assert source.position() == {"sample": 100}
        assert take(source, 5) == list(range(100, 120))
        assert held.positions.tolist() == [12, 13, 14, 15]
        source.release(held)
        source.seek({"sample": 0})
        assert take(source, 5) == list(range(20))


class SlowPixels(SimpleNamespace):
    """An image that takes its time to be copied into a batch."""

    mode = "RGB"

    def tobytes(self, *how):
        time.sleep(random.random() * 0.002)
        return self.image.tobytes(*how)


def test_seek_while_workers_are_loading():
    random.seed(2)
    samples = Numbers()
    plain = samples.load
    samples.load = lambda position: replace(plain(position), image=SlowPixels(image=plain(position).image))
    with ring(samples, 4) as source:
        for _ in range(40):
            start = random.randrange(100)
            source.seek({"sample": start})
            batches = random.randrange(4)
            assert take(source, batches) == list(range(start, start + batches * BATCH))


def test_workers_load_no_further_than_the_ring():
    samples = Numbers(pause=0)
    with ring(samples, depth=2) as source:
        held = source.next()
        time.sleep(0.05)
        assert max(samples.loaded) == 2 * BATCH - 1
        assert held.positions.tolist() == [0, 1, 2, 3]
        other = source.next()
        with pytest.raises(RuntimeError, match="release"):
            source.next()
        source.release(held)
        source.release(other)
        assert take(source, 2) == list(range(8, 16))


@pytest.mark.parametrize("workers", [1, 4])
def test_what_goes_wrong_in_a_worker_is_raised_in_next(workers):
    source = ring(Numbers(broken=9), workers)
    assert take(source, 2) == list(range(8))
    for _ in range(2):
        with pytest.raises(NetdefError, match="wrong size"):
            source.next()
    source.seek({"sample": 10})
    assert take(source, 2) == list(range(10, 18))
    source.close()


def test_close_is_prompt_and_final():
    source = ring(Numbers(pause=0.05))
    take(source, 1)
    threads = list(source._threads)
    start = time.perf_counter()
    source.close()
    assert time.perf_counter() - start < 1
    assert not any(thread.is_alive() for thread in threads)
    with pytest.raises(RuntimeError, match="closed"):
        source.next()
    source.close()
    ring(Numbers()).close()  # one that never ran


def test_close_ends_a_waiting_next():
    source = ring(Numbers(pause=0.5))
    failures = []

    def wait():
        try:
            source.next()
        except RuntimeError as error:
            failures.append(str(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.05)
    source.close()
    waiting.join(10)
    assert failures == ["the data source is closed"]


def test_interrupting_next_leaves_a_source_that_works():
    samples = Numbers(pause=0)
    release = threading.Event()
    plain = samples.load
    samples.load = lambda position: (release.wait(), plain(position))[1]
    with ring(samples) as source:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            source.next()
        release.set()
        assert take(source, 3) == list(range(12))


@pytest.mark.slow
def test_many_batches_under_pressure():
    random.seed(1)
    with warnings.catch_warnings(), ring(Numbers(bad={4}, pause=0), 8, depth=2) as source:
        warnings.simplefilter("ignore")
        assert take(source, 500) == [p for p in range(3000) if p % 10 != 4][: 500 * BATCH]


@pytest.mark.parametrize("state", [{}, {"sample": "3"}, {"sample": -1}, {"sample": 1 << 70}])
def test_a_damaged_position(state):
    with ring(Numbers()) as source, pytest.raises(NetdefError, match="as the position of its data"):
        source.seek(state)


def test_the_ring_takes_no_more_memory_as_it_runs():
    samples = Numbers(pause=0)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    samples.image_shape = pixels.shape
    samples.load = lambda position: Sample(pixels, 0, (0, 0), mirror=False)
    with Prefetcher(samples, 128, 3) as source:
        held = set()
        for batch in range(12):
            if batch == 6:
                tracemalloc.start()
                before = tracemalloc.take_snapshot()
            taken = source.next()
            held.add(id(taken.images))
            np.testing.assert_array_equal(taken.images[127], pixels)
            source.release(taken)
        grown = tracemalloc.take_snapshot().compare_to(before, "filename")
        tracemalloc.stop()
    assert len(held) <= 3
    assert sum(one.size_diff for one in grown) < 128 * pixels.nbytes / 10


def test_rows_of_other_processes_are_not_read():
    """Each of two processes reads its half of every batch; the batches' positions are those of one that reads all."""
    for rows in (range(1), range(1, 4), range(0, 0)):
        samples = Numbers()
        with ring(samples, rows=Rows(rows)) as source:
            source.seek({"sample": 6})
            for first in (6, 10):
                batch = source.next()
                assert batch.positions.tolist() == list(range(first, first + 4))
                assert [batch.labels[row] for row in rows] == [(first + row) % 10 for row in rows]
                source.release(batch)
            assert source.position() == {"sample": 14}
        assert {(position - 6) % BATCH for position in samples.loaded} == set(rows)


@pytest.mark.parametrize("knows", [True, False])
def test_labels_are_read_without_their_images_where_samples_know_them(knows):
    samples = Numbers()
    if knows:
        samples.label = lambda position: position % 10
    with ring(samples, rows=Rows(range(1, 2), all_labels=True)) as source:
        for first in (0, 4):
            batch = source.next()
            assert batch.labels.tolist() == [(first + row) % 10 for row in range(4)]
            assert batch.offsets[1].tolist() == [first + 1, first + 2]
            source.release(batch)
    assert {position % BATCH for position in samples.loaded} == ({1} if knows else {0, 1, 2, 3})


def test_an_unreadable_image_is_an_error_where_others_would_not_know():
    with ring(Numbers(bad=[5]), rows=Rows(range(2))) as source:
        source.next()
        with pytest.raises(NetdefError, match=r"5\.jpg cannot be read: damaged") as caught:
            source.next()
        assert "ranks read only their own images" in str(caught.value)
    with ring(Numbers(bad=[7]), rows=Rows(range(2), all_labels=True)) as source:  # its label is needed here
        source.next()
        with pytest.raises(NetdefError, match=r"7\.jpg cannot be read: damaged"):
            source.next()
    with ring(Numbers(bad=[7]), rows=Rows(range(2))) as source:  # which another process reads
        assert source.next().positions[0] == 0
        assert source.next().positions[0] == 4
