"""When a text is checked and what is published: soon after a change, one check at a time, in parallel with other requests."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lsprotocol import types

from netdef.check.run import Report, check_text
from netdef.graph.net import Net
from netdef.language.contents import unsaved
from netdef.lsp.document import Document
from netdef.lsp.findings import Findings
from netdef.lsp.outline import statements

PAUSE = 0.2  # seconds without a change before a text is checked

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


class Worker:
    """A thread for what takes long, one thing after the other. It never keeps the server from ending."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True, name="checks").start()

    def submit(self, work: Callable[[], _Result]) -> asyncio.Future[_Result]:
        """What the work gives, to be awaited."""
        future: Future[_Result] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():  # the editor has cancelled its request
                return
            try:
                result = work()
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._jobs.put(job)
        return asyncio.wrap_future(future)

    def _run(self) -> None:
        while True:
            self._jobs.get()()


@dataclass
class Checked:
    """What a check of a text gave.

    Attributes
    ----------
    files: all that were read for it, itself included.
    """

    findings: Findings = field(default_factory=dict)
    nets: dict[str, Net] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)


class Checking:
    """The checks of all open texts.

    Parameters
    ----------
    document: the open text of a uri. text_of: that of a file, None if it is not open. translate: findings for the protocol.
    publish: sends the diagnostics of a uri.
    """

    def __init__(
        self,
        worker: Worker,
        document: Callable[[str], Document | None],
        text_of: Callable[[Path], str | None],
        translate: Callable[[Document, Report], Findings],
        publish: Callable[[str, list[types.Diagnostic]], None],
    ) -> None:
        self._worker = worker
        self._document = document
        self._text_of = text_of
        self._translate = translate
        self._publish = publish
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._checked: dict[str, Checked] = {}

    def nets(self, uri: str) -> dict[str, Net]:
        """The graphs of a text in each phase in which they could be built, as it was checked last."""
        return self._checked[uri].nets if uri in self._checked else {}

    def changed(self, uri: str, path: Path | None, at_once: bool = False) -> None:
        """Check a text, and the open ones that read its file: soon, when no more changes come, or at once."""
        for one in {uri, *self._readers(path)}:
            self._later(one, 0 if at_once else PAUSE)

    def closed(self, uri: str, path: Path | None) -> None:
        """Forget a text; those that read its file go on with what is on disk."""
        if (timer := self._timers.pop(uri, None)) is not None:
            timer.cancel()
        checked = self._checked.pop(uri, None)
        if checked is not None:
            self._publish_all(set(checked.findings))
        for one in self._readers(path):
            self._later(one, PAUSE)

    def _readers(self, path: Path | None) -> list[str]:
        return [uri for uri, checked in self._checked.items() if path is not None and path in checked.files]

    def _later(self, uri: str, pause: float) -> None:
        if (timer := self._timers.pop(uri, None)) is not None:
            timer.cancel()
        self._timers[uri] = asyncio.get_running_loop().call_later(pause, self._start, uri)

    def _start(self, uri: str) -> None:
        self._timers.pop(uri, None)
        if uri in self._running:
            self._later(uri, PAUSE)
        else:
            self._running[uri] = asyncio.get_running_loop().create_task(self._check(uri))

    async def _check(self, uri: str) -> None:
        try:
            document = self._document(uri)
            if document is None:
                return
            checked = await self._worker.submit(lambda: self._look(document))
            if self._document(uri) is not document:
                return  # it has changed or was closed meanwhile: there will be another check, or none
            before = self._checked.get(uri, Checked())
            self._checked[uri] = checked
            self._publish_all({*before.findings, *checked.findings})
        except Exception:
            _log.exception("the check of %s failed", uri)
        finally:
            del self._running[uri]

    def _look(self, document: Document) -> Checked:
        """Runs in the worker."""
        checked = Checked()

        def text_of(path: Path) -> str | None:
            checked.files.add(path.resolve())
            return self._text_of(path)

        if document.resolved is not None:
            checked.files.add(document.resolved)
        for _ in statements(document):
            pass  # questions about the text find its pieces parsed
        report = Report(document.name)
        if document.text.strip():
            with unsaved(text_of):
                report = check_text(document.text, document.name)
        checked.nets = report.nets
        checked.findings = self._translate(document, report)
        return checked

    def _publish_all(self, uris: set[str]) -> None:
        """Send what all checks have found about some files, each finding once."""
        for uri in sorted(uris):
            every = [one for checked in self._checked.values() for one in checked.findings.get(uri, ())]
            once = {(str(one.range), one.code, one.message): one for one in every}
            self._publish(uri, list(once.values()))
