"""A ring of batches that background threads keep filled.

Pillow decodes and resizes without the interpreter's lock, so workers are threads, and write into the batches' own memory.
Workers claim positions of the stream in order and load them in parallel.  Rows of batches are assigned in the order of the
positions, so batches do not depend on the speed of workers, and after a skipped image all others move up by one.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Lock, Thread
from time import monotonic
from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from runtime.data.source import DEPTH, Allocate, Batch, OnSkip, Rows, Sample, Samples, UnreadableError, check_position

RAW_MODES = {"RGB": "BGR", "L": "L"}  # how Pillow packs the pixels of an image of that mode
JOIN_SECONDS = 2.0  # for all workers; one that is stuck in a dead file system is left behind


def warn_of_skip(path: str, reason: str) -> None:
    """One warning for an image that cannot be read."""
    warnings.warn(f"skipping {path}: {reason}", stacklevel=3)


@dataclass(frozen=True)
class RingSettings:
    """What batches hold.  dtype: of images, uint8 or float32.  label_shape: of one image's labels."""

    dtype: str = "uint8"
    label_shape: tuple[int, ...] = ()


BYTES = RingSettings()


@dataclass(frozen=True)
class _OfOthers:
    """Stands for a sample whose image other processes take.  label: where it is needed here."""

    label: float | Sequence[float] | None = None


OF_OTHERS = _OfOthers()


class _Slot(Batch):
    """A batch of the ring, and how far it is filled."""

    def __init__(self, batch_size: int, image_shape: tuple[int, int, int], settings: RingSettings):
        super().__init__(
            images=np.empty((batch_size, *image_shape), settings.dtype),
            labels=np.empty((batch_size, *settings.label_shape), np.float32),
            offsets=np.empty((batch_size, 2), np.int32),
            mirrors=np.empty(batch_size, np.uint8),
            shifts=np.empty((batch_size, 3), np.float32),
            positions=np.empty(batch_size, np.int64),
        )
        self.copies: Sequence[Callable[[], None]] = ()  # each waits for a copy from this batch
        self.clear()

    def use_memory(self, allocate: Allocate) -> None:
        """Lie in memory that `allocate` gives, from now on."""
        for name in ("images", "labels", "offsets", "mirrors", "shifts"):
            array = getattr(self, name)
            setattr(self, name, allocate(array.shape, array.dtype.name))

    def wait(self) -> None:
        """Return when nothing is copied from it any more."""
        for wait in self.copies:
            wait()

    def clear(self) -> None:
        self.assigned = 0  # rows given to a sample
        self.written = 0  # rows whose pixels are there

    @property
    def first_after(self) -> int:
        return int(self.positions[-1]) + 1

    def put(self, row: int, sample: Sample) -> None:
        """Copy a sample into its row."""
        if isinstance(sample.image, np.ndarray) and sample.image.flags.c_contiguous:
            self.images[row] = sample.image
        elif isinstance(sample.image, np.ndarray):
            for channel in range(sample.image.shape[2]):  # one at a time: records have them one after the other
                self.images[row, :, :, channel] = sample.image[:, :, channel]
        else:
            pixels = sample.image.tobytes("raw", RAW_MODES[sample.image.mode])
            self.images[row].reshape(-1)[:] = np.frombuffer(pixels, np.uint8)
        self.labels[row] = sample.label
        self.offsets[row] = sample.offset
        self.mirrors[row] = sample.mirror
        self.shifts[row] = sample.shift


class Prefetcher:
    """A Source over `samples`.

    Parameters
    ----------
    workers: threads that load.
    depth: batches in the ring, those handed out included.
    on_skip: called once for each image that cannot be read, in the thread that calls `next`.
    settings: of what batches hold.
    rows: what is read of each batch, where other processes read the rest; None: all.
    """

    def __init__(
        self,
        samples: Samples,
        batch_size: int,
        workers: int,
        depth: int = DEPTH,
        on_skip: OnSkip = warn_of_skip,
        settings: RingSettings = BYTES,
        rows: Rows | None = None,
    ):
        self.batch_size, self.image_shape = batch_size, samples.image_shape
        self.classes, self.size = samples.classes, samples.size
        self.skipped: dict[str, str] = {}
        self._samples, self._workers, self._depth, self._on_skip = samples, workers, depth, on_skip
        self._rows = rows
        self._threads: list[Thread] = []
        self._lock = Lock()
        self._changed = Condition(self._lock)  # workers wait here for room, `seek` for quiet
        self._filled = Condition(self._lock)  # `next` waits here
        self._free = deque(_Slot(batch_size, samples.image_shape, settings) for _ in range(depth))
        self._filling: deque[_Slot] = deque()  # in the stream's order; the last may still have rows to give out
        self._handed_out: list[_Slot] = []
        self._busy = 0  # workers that load a claimed position
        self._paused = self._closed = False
        self._error: BaseException | None = None
        self._restart(0)

    @property
    def samples(self) -> Samples:
        """What the workers draw from."""
        return self._samples

    def _restart(self, position: int) -> None:
        """Drop everything loaded; the stream continues at `position`."""
        for slot in self._filling:
            slot.clear()
        self._free.extend(self._filling)
        self._filling.clear()
        self._pending: dict[int, Sample | UnreadableError | _OfOthers] = {}  # loaded, but one before it is not yet
        self._notices: deque[UnreadableError] = deque()
        self._next_claim = self._next_row = self._position = self._start_position = position
        self._error = None

    # Called by the consumer

    def use_memory(self, allocate: Allocate) -> None:
        """Keep all batches in memory that `allocate` gives; before the first `next`."""
        for slot in self._free:
            slot.use_memory(allocate)

    def next(self) -> Batch:
        """The next batch of the stream.

        Raises
        ------
        NetdefError: no image can be read, or one has the wrong size.
        """
        self._start()
        while True:
            with self._lock:
                if len(self._handed_out) == self._depth:
                    raise RuntimeError(f"all {self._depth} batches are handed out: release one first")
                while not (self._closed or self._notices or self._front_is_full() or self._failed()):
                    self._filled.wait()
                if self._closed:
                    raise RuntimeError("the data source is closed")
                if not self._notices:
                    return self._hand_out()
                notice = self._notices.popleft()
            self._on_skip(notice.path, notice.reason)

    def release(self, batch: Batch, copies: Sequence[Callable[[], None]] = ()) -> None:
        """Give a batch of `next` back to the ring; workers fill it again when these copies from it are done."""
        with self._lock:
            slot = self._handed_out.pop(next(i for i, s in enumerate(self._handed_out) if s is batch))
            slot.copies = copies
            slot.clear()
            self._free.append(slot)
            self._changed.notify_all()

    def position(self) -> dict[str, Any]:
        """The stream's position after the last batch that `next` returned."""
        with self._lock:
            return {"sample": self._position}

    def seek(self, state: dict[str, Any]) -> None:
        """Continue from the position of a source with the same settings and seed.

        Raises
        ------
        NetdefError: `state` is no position.
        """
        sample = check_position(state)
        with self._lock:
            self._paused = True
            while self._busy:
                self._changed.wait()
            self._restart(sample)
            self._paused = False
            self._changed.notify_all()

    def close(self) -> None:
        """Stop the workers."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()
            self._filled.notify_all()
        deadline = monotonic() + JOIN_SECONDS
        for thread in self._threads:
            if thread.ident is not None:  # else the system let it not start
                thread.join(max(0.0, deadline - monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            getattr(self._samples, "close", lambda: None)()
        self._threads.clear()

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _front_is_full(self) -> bool:
        return bool(self._filling) and self._filling[0].written == self.batch_size

    def _failed(self) -> bool:
        return self._error is not None and not self._busy  # what was loaded before the failure still counts

    def _hand_out(self) -> _Slot:
        if not self._front_is_full() and self._error:
            raise self._error
        slot = self._filling.popleft()
        self._handed_out.append(slot)
        self._position = slot.first_after
        return slot

    # Called by the workers

    def _start(self) -> None:
        if not self._threads and not self._closed:
            self._threads = [Thread(target=self._work, name=f"data-{i}", daemon=True) for i in range(self._workers)]
            for thread in self._threads:
                thread.start()

    def _work(self) -> None:
        while (position := self._claim()) is not None:
            try:
                self._load(position)
            except BaseException as error:  # it is raised again in `next`
                with self._lock:
                    self._error = self._error or error
            finally:
                with self._lock:
                    self._busy -= 1
                    self._filled.notify_all()
                    self._changed.notify_all()

    def _claim(self) -> int | None:
        """The next position to load, as soon as a row is free for it; None after `close`."""
        with self._lock:
            while not self._closed and (self._paused or self._error or not self._room()):
                self._changed.wait()
            if self._closed:
                return None
            self._busy += 1
            self._next_claim += 1
            return self._next_claim - 1

    def _room(self) -> bool:
        """Whether more rows are left than positions are being loaded."""
        rows = len(self._free) * self.batch_size
        if self._filling:
            rows += self.batch_size - self._filling[-1].assigned
        return self._next_claim - self._next_row < rows

    def _load(self, position: int) -> None:
        loaded: Sample | UnreadableError | _OfOthers = OF_OTHERS
        try:
            if self._rows is None or (position - self._start_position) % self.batch_size in self._rows.images:
                loaded = self._samples.load(position)
            elif self._rows.all_labels:
                loaded = _OfOthers(self._label(position))
        except UnreadableError as unreadable:
            if self._rows is not None:  # the processes that read the others would not know
                hint = "ranks read only their own images, and leave none out: take it from the list, or mend it"
                raise NetdefError(f"{unreadable.path} cannot be read: {unreadable.reason}", hint=hint) from None
            loaded = unreadable
        with self._lock:
            self._pending[position] = loaded
            rows = self._assign()
        for slot, row, sample in rows:
            slot.wait()
            if not isinstance(sample, _OfOthers):
                slot.put(row, sample)
            elif sample.label is not None:
                slot.labels[row] = sample.label
        with self._lock:
            for slot, _, _ in rows:
                slot.written += 1

    def _label(self, position: int) -> float | Sequence[float]:
        """A sample's label, without its image where samples know it so."""
        known = getattr(self._samples, "label", None)
        return self._samples.load(position).label if known is None else known(position)

    def _assign(self) -> list[tuple[_Slot, int, Sample | _OfOthers]]:
        """Give rows to the samples that are now next in the stream."""
        rows = []
        while (loaded := self._pending.pop(self._next_row, None)) is not None:
            if isinstance(loaded, UnreadableError):
                self._note(loaded)
            else:
                if not self._filling or self._filling[-1].assigned == self.batch_size:
                    self._filling.append(self._free.popleft())
                slot = self._filling[-1]
                slot.positions[slot.assigned] = self._next_row
                rows.append((slot, slot.assigned, loaded))
                slot.assigned += 1
            self._next_row += 1
        return rows

    def _note(self, unreadable: UnreadableError) -> None:
        if unreadable.path not in self.skipped:
            self.skipped[unreadable.path] = unreadable.reason
            self._notices.append(unreadable)
