"""Streams, events and graphs of the stand-in, as cupy.cuda has them; what must not be captured is an error, as in CUDA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.runtime.machine.cuda.fake_cupy.streams import Capture, Operation

if TYPE_CHECKING:
    from tests.runtime.machine.cuda.fake_cupy import Cards

INVALID_HANDLE, UNSUPPORTED, INVALIDATED, ISOLATION, CAPTURED_EVENT = 400, 900, 901, 905, 907
NAMES = {
    INVALID_HANDLE: "cudaErrorInvalidResourceHandle", UNSUPPORTED: "cudaErrorStreamCaptureUnsupported",
    INVALIDATED: "cudaErrorStreamCaptureInvalidated",
    ISOLATION: "cudaErrorStreamCaptureIsolation", CAPTURED_EVENT: "cudaErrorCapturedEvent",
}  # fmt: skip


class CUDARuntimeError(RuntimeError):
    """What every call of the runtime raises."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


def fail(status: int, why: str) -> CUDARuntimeError:
    return CUDARuntimeError(status, f"{NAMES[status]}: {why}")


def stream_classes(cards: Cards) -> dict[str, Any]:
    """cupy.cuda's Event, Stream and Graph."""
    scheduler = cards.scheduler

    class Event:
        """A place in a stream.  Before it was recorded, nobody has to wait for it."""

        def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False):
            self.recorded: Operation | None = None
            self.captured: Capture | None = None  # the capture that it was recorded in
            self.device_id = cards.device
            self.timed, self.at = not disable_timing, 0.0

        def record(self, stream: Stream) -> None:
            if stream.device_id != self.device_id:
                raise fail(INVALID_HANDLE, "an event of one card is recorded on a stream of another")

            def stamp() -> None:
                self.at = float(scheduler.ran)

            cards.calls["record"] += 1
            self.recorded, self.captured = scheduler.put(stream.queue, stamp, "event"), stream.queue.capture

        def synchronize(self) -> None:
            if self.captured is not None:
                self.captured.broken = True
                raise fail(CAPTURED_EVENT, "waiting for an event that was recorded in a capture")
            cards.wait_for(self.recorded)

    class Stream:
        def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False):
            self.device_id = cards.device
            self.queue = scheduler.queue(f"stream {len(scheduler.queues)}", self.device_id)
            self.ptr = len(scheduler.queues)

        def __enter__(self) -> Stream:
            if cards.device != self.device_id:
                raise RuntimeError("the stream is of another card than the current one")
            cards.streams.append(self)
            return self

        def __exit__(self, *_: object) -> None:
            cards.streams.pop()

        def wait_event(self, event: Event) -> None:
            if self.queue.capture is None and event.captured is not None:
                raise fail(CAPTURED_EVENT, "waiting for an event that was recorded in a capture; forks are not modelled")
            if self.queue.capture is not None and event.recorded is not None and event.captured is not self.queue.capture:
                self.queue.capture.broken = True
                raise fail(ISOLATION, "a captured stream waits for an event from outside the capture")
            cards.calls["wait"] += 1
            after = [] if event.recorded is None or event.captured else [event.recorded]
            scheduler.put(self.queue, lambda: None, "wait", after)

        def synchronize(self) -> None:
            cards.wait_for(self.queue.last)

        def begin_capture(self, mode: int | None = None) -> None:
            cards.refuse_in_capture("another capture")
            self.queue.capture = Capture()

        def end_capture(self) -> Graph:
            capture, self.queue.capture = self.queue.capture, None
            assert capture is not None
            if capture.broken:
                raise fail(INVALIDATED, "something in the capture was not allowed")
            graph = Graph()
            graph._capture = capture
            return graph

    class Graph:
        _capture: Capture

        def launch(self, stream: Stream) -> None:
            cards.refuse_in_capture("launching another graph")
            cards.calls["graph"] += 1
            for operation in self._capture.operations:
                scheduler.put(stream.queue, operation.run, operation.what)

    return {"Event": Event, "Stream": Stream, "Graph": Graph}
