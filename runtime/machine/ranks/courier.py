"""The thread that sends and receives for a rank.  A thread that waits for a message wakes when another rank fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from netdef.language.diagnostics import NetdefError
from runtime.machine.ranks.transport import Bytes, Floats, LostError, Transport
from runtime.machine.ranks.values import packed, unpacked

PING, PINGS = 2.0, 9  # seconds between signs of life, and how many may be missing
FIRST, LONGEST, IDLE = 20e-6, 1e-3, 20e-3  # seconds between looks: after one that found something, at most, with nothing under way


ALIVE, VALUE, FAILURE = b"A", b"V", b"F"  # what a notice begins with; the first says no more than that


class RankError(NetdefError):
    """Another rank has failed.  rank: which, on which host.  text: its error."""

    def __init__(self, rank: int, host: str, text: str) -> None:
        super().__init__(f"rank {rank} on {host}: {text}")
        self.rank, self.host, self.text = rank, host, text


class LostRankError(RankError):
    """A rank is gone, and those that are left could go on without it.

    Attributes
    ----------
    out: the directory of the run that it took part in, once that is known.
    """

    out: Path | None = None

    def __init__(self, text: str) -> None:
        NetdefError.__init__(self, text, hint="--resume latest goes on from the last snapshot")
        self.rank, self.host, self.text = -1, "", text


class _Parcel:
    """A message under way."""

    def __init__(self, begin: Callable[[], Any]):
        self.begin = begin
        self.through = Event()


class Courier:
    """Sends and receives on a thread of its own; rank 0 and each of the others see to it that the other one is alive.

    Parameters
    ----------
    ping: seconds between signs of life.

    Attributes
    ----------
    hosts: of the ranks, as far as they are known.
    on_stop: called once when that is known, for what waits for other ranks by itself.
    failure: why nothing more is waited for: the first failure of another rank that became known, or one of this rank.
    ended: the ranks that have failed, this one left out.
    """

    def __init__(self, transport: Transport, ping: float = PING):
        self._transport, self._ping = transport, ping
        self.hosts: Sequence[str] = ["an unknown host"] * transport.size
        self._missing = dict.fromkeys(self._others if transport.rank == 0 else [0], 0)  # signs of life, by rank
        self.failure: NetdefError | None = None
        self.ended: set[int] = set()
        self.on_stop: Callable[[], None] = lambda: None
        self._posted: deque[_Parcel] = deque()
        self._wake = Event()  # not a queue's timeout: of Python 3.11's SimpleQueue, a short one may never end
        self._closed = False
        self._values: dict[int, SimpleQueue[Any]] = {rank: SimpleQueue() for rank in range(transport.size)}
        self._expected = 0
        self._lock = Lock()
        self._under_way: list[tuple[Any, _Parcel]] = []
        self._thread = Thread(target=self._serve, daemon=True, name=f"courier-{transport.rank}")
        self._thread.start()

    # Called by others

    def send(self, array: Bytes, to: int, tag: int) -> None:
        """Send an array; it may be changed when this returns.  Raises RankError: another rank has failed."""
        self.wait(self.begin_send(array, to, tag))

    def receive(self, array: Bytes, source: int, tag: int) -> None:
        """Receive into an array.  Raises RankError: another rank has failed."""
        self.wait(self.begin_receive(array, source, tag))

    def begin_send(self, array: Bytes, to: int, tag: int) -> _Parcel:
        """`send`, to be waited for."""
        return self._post(lambda: self._transport.send(array, to, tag))

    def begin_receive(self, array: Bytes, source: int, tag: int) -> _Parcel:
        """`receive`, to be waited for."""
        return self._post(lambda: self._transport.receive(array, source, tag))

    def add_up(self, array: Floats, root: int) -> None:
        """Add up arrays of all ranks; that of `root` becomes the sum.  Raises RankError: another rank has failed."""
        self.wait(self._post(lambda: self._transport.add_up(array, root)))

    def wait(self, parcel: _Parcel) -> None:
        """Wait until a message is through.  Raises RankError: another rank has failed."""
        parcel.through.wait()
        if self.failure is not None:
            raise self.failure

    def tell(self, value: Any, to: int) -> None:
        """Send a value, as `packed` takes it, to be taken by `hear`."""
        message = VALUE + packed(value)
        self._post(lambda: self._transport.notify(message, to))

    def hear(self, source: int) -> Any:
        """The next value from a rank; waits for it.  Raises RankError: another rank has failed."""
        with self._lock:
            self._expected += 1
        try:
            self._wake.set()
            value = self._values[source].get()
        finally:
            with self._lock:
                self._expected -= 1
        if isinstance(value, NetdefError):
            self._values[source].put(value)  # for whoever asks again
            raise value
        return value

    def fail(self, rank: int, host: str, text: str) -> None:
        """Let all other ranks know that this one ends, by the failure of a rank: its own or another's."""
        message = FAILURE + packed((rank, host, text))
        for rank in self._others:
            self._post(lambda rank=rank: self._transport.notify(message, rank))  # type: ignore[misc]

    def stop(self) -> None:
        """Let nobody wait any longer: this rank has failed."""
        self._stop(NetdefError("this rank has failed"))

    def close(self) -> None:
        """End the thread; what is still under way is dropped."""
        self._closed = True
        self._wake.set()
        self._thread.join()
        self._transport.close()

    @property
    def _others(self) -> list[int]:
        return [rank for rank in range(self._transport.size) if rank != self._transport.rank]

    def _post(self, begin: Callable[[], Any]) -> _Parcel:
        parcel = _Parcel(begin)
        self._posted.append(parcel)
        self._wake.set()
        if self.failure is not None:
            parcel.through.set()
        return parcel

    # The thread

    def _serve(self) -> None:
        try:
            self._carry()
        except LostError as error:
            self._stop(LostRankError("a rank was killed, or its host is down") if error.gone else NetdefError(str(error)))
        except Exception as error:  # whoever waits must not wait for ever
            self._stop(NetdefError(f"messages between ranks failed: {type(error).__name__}: {error}"))
        for parcel in [*self._posted]:
            parcel.through.set()

    def _carry(self) -> None:
        delay, due = FIRST, monotonic()
        while not self._closed or self._posted:
            if monotonic() >= due:
                due = monotonic() + self._ping
                self._show_life()
            busy = bool(self._under_way) or self._expected
            found = self._wake.wait(delay if busy else IDLE)
            self._wake.clear()
            while self._posted:
                self._begin(self._posted[0])
                self._posted.popleft()  # only now, so that it is there to be woken where it could not begin
            found |= self._look()
            delay = FIRST if found else min(LONGEST, 1.5 * delay)

    def _show_life(self) -> None:
        """Send signs of life, and count those that have not come; by turns of this loop, in case this process was stopped."""
        for rank in self._missing:
            self._transport.notify(ALIVE, rank)
            self._missing[rank] += 1
            if self._missing[rank] > PINGS and rank not in self.ended:
                text = f"it has not answered for {PINGS * self._ping:.0f} seconds: it was killed, or its host is down"
                self._stop(RankError(rank, self.hosts[rank], text))

    def _begin(self, parcel: _Parcel) -> None:
        handle = parcel.begin()
        if handle is not None:
            self._under_way.append((handle, parcel))
        if self.failure is not None:
            parcel.through.set()

    def _look(self) -> bool:
        """Take what has come; whether anything has."""
        found = self._transport.done([handle for handle, _ in self._under_way]) if self._under_way else []
        for index in sorted(found, reverse=True):
            self._under_way.pop(index)[1].through.set()
        notice = self._transport.notice()
        while notice is not None:
            self._take(*notice)
            found, notice = [0], self._transport.notice()
        return bool(found)

    def _take(self, source: int, message: bytes) -> None:
        if source in self._missing:
            self._missing[source] = 0
        if message == ALIVE:
            return
        kind, value = message[:1], unpacked(message[1:])
        if kind == VALUE:
            self._values[source].put(value)
            return
        if kind != FAILURE:
            raise ValueError(f"a message of an unknown kind: {kind!r}")
        self.ended.add(source)
        self._stop(RankError(*value))

    def _stop(self, failure: NetdefError) -> None:
        with self._lock:
            if self.failure is not None:
                return
            self.failure = failure
        for values in self._values.values():
            values.put(failure)
        for _, parcel in [*self._under_way]:
            parcel.through.set()
        self.on_stop()
