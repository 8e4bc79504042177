"""Copy records to a database, with several threads, in order, and from where an interrupted copy was."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural
from runtime.data.database_writer import Staged
from runtime.data.datum import Datum
from runtime.data.draws import Draws
from runtime.data.records import Records, record_name
from runtime.data.skipping import too_many
from runtime.data.source import OnSkip, UnreadableError
from runtime.data.writer import Item

BATCH = 1000  # records written at once, as in Caffe's tools
BATCH_BYTES = 1 << 26  # or this much
AHEAD = 8  # records loaded ahead, for each thread

Result = TypeVar("Result")


@dataclass(frozen=True)
class Copied:
    """How many records were written, how many of them an interrupted copy had written, and which could not be read."""

    written: int
    before: int
    skipped: tuple[str, ...]


def copy(
    records: Records,
    staged: Staged,
    workers: int,
    order: NDArray[np.int64] | None = None,
    one_size: bool = False,
    on_skip: OnSkip = lambda name, reason: None,
    on_done: Callable[[int], None] = lambda done: None,
    on_change: Callable[[list[str]], None] = lambda names: None,
) -> Copied:
    """Write all records.  Those that cannot be read are left out, and `on_skip` is called.

    Where an interrupted copy goes on, records whose files were changed since are written anew, and all that come after them.

    Parameters
    ----------
    workers: threads that decode.  order: of the records; None is their own.
    one_size: whether all must have the number of bytes of the first, as Caffe's check_size has it.
    on_done: called with how many are done.  on_change: called with the names of records whose files were changed.

    Raises
    ------
    NetdefError: too many records cannot be read, one has another size, or the database cannot be written.
    """
    go_back(records, staged, order, on_change)
    skipped, before = list(staged.skipped), staged.done
    names: list[str] = [record_name(records, index) for index in skipped]
    first_size: int | None = None
    with staged.writing() as writer:
        batch: list[Item] = []
        states: list[tuple[int, int]] = []
        size, written = 0, before - len(skipped)
        writer.cut(written)
        positions = range(before, records.size)
        for position, (state, loaded) in zip(
            positions, loaded_in_order(records, positions, workers, order, writer.ready), strict=True
        ):
            index = index_at(order, position)
            states.append(state)
            if isinstance(loaded, UnreadableError):
                skipped.append(index)
                names.append(loaded.path)
                on_skip(loaded.path, loaded.reason)
                check_skipped(len(skipped), position + 1, records, loaded)
            else:
                first_size = len(loaded.data) if first_size is None else first_size
                if one_size and len(loaded.data) != first_size:
                    check_size(loaded, first_size, record_name(records, index))
                batch.append((records.key(position, index), loaded))
                size += len(loaded.data)
            if len(batch) >= BATCH or size >= BATCH_BYTES or position + 1 == records.size:
                if batch:
                    writer.write(written, batch)
                written += len(batch)
                staged.note(position + 1, skipped, states)
                batch, size, states = [], 0, []
            on_done(position + 1)
        if not written:
            raise NetdefError(f"none of the {plural(records.size, 'record')} of {records.name} can be read")
    return Copied(written, before, tuple(names))


def go_back(records: Records, staged: Staged, order: NDArray[np.int64] | None, on_change: Callable[[list[str]], None]) -> None:
    """Forget the first record whose file was changed since it was copied, and all after it."""
    then = staged.states()
    now = np.array([records.state(index_at(order, position)) for position in range(len(then))], then.dtype)
    changed = np.flatnonzero(then != now).tolist()
    if changed:
        on_change([record_name(records, index_at(order, position)) for position in changed])
        kept = {index_at(order, position) for position in range(changed[0])}
        staged.note(changed[0], [index for index in staged.skipped if index in kept])


def index_at(order: NDArray[np.int64] | None, position: int) -> int:
    """The record at a position."""
    return position if order is None else int(order[position])


def check_skipped(skipped: int, looked_at: int, records: Records, last: UnreadableError) -> None:
    """Raises NetdefError where so many records cannot be read that the rest is of no use."""
    if too_many(skipped, looked_at, records.size):
        text = f"{skipped:,} of the first {looked_at:,} records of {records.name} cannot be read: too many"
        raise NetdefError(text, hint=f"the last one tried: {last.path}: {last.reason}")


def check_size(datum: Datum, first: int, name: str) -> None:
    """Raises NetdefError for a record that is not as large as the first."""
    shape = shape_text((datum.channels, datum.height, datum.width))
    raise NetdefError(
        f"{name} has {len(datum.data):,} bytes ({shape}), the first one {first:,}", hint="give a size to bring them to"
    )


def loaded_in_order(
    records: Records,
    positions: Sequence[int],
    workers: int,
    order: NDArray[np.int64] | None = None,
    ready: Callable[[Datum, str], Datum] = lambda datum, name: datum,
) -> Iterator[tuple[tuple[int, int], Datum | UnreadableError]]:
    """The records at these positions, loaded by several threads, and what their files were like before they were read."""

    def load(position: int) -> tuple[tuple[int, int], Datum | UnreadableError]:
        index = index_at(order, position)
        state = records.state(index)
        try:
            return state, ready(records.datum(index), record_name(records, index))
        except UnreadableError as error:
            return state, error

    return in_order(load, positions, workers)


def in_order(work: Callable[[int], Result], positions: Sequence[int], workers: int) -> Iterator[Result]:
    """work(position) for each position, by several threads, in order; at most AHEAD for each are ahead of what is taken."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="records") as pool:
        try:
            for position in positions:
                waiting.append(pool.submit(work, position))
                if len(waiting) >= AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()


def shuffled(size: int, seed: int) -> NDArray[np.int64]:
    """An order of so many records, drawn from a seed."""
    return Draws(seed, "convert").permutation(0, size)
