"""A check or a formatting whose text has changed meanwhile is dropped. The worker here does its work when a test lets it."""

import asyncio
import threading

import pytest
from lsprotocol import types

from netdef.lsp import server as module
from netdef.lsp.checking import Worker
from netdef.lsp.document import utf16
from netdef.lsp.findings import by_file

URI = "file:///nowhere/a.net"
BAD, GOOD = "layer a: ReLU(b)\n", "layer a: Input { shape { dim: 1 } }\nlayer  b: ReLU(a)\n"


@pytest.fixture(autouse=True)
def no_delay(monkeypatch):
    monkeypatch.setattr("netdef.lsp.checking.PAUSE", 0.01)


class Slow:
    """Work waits until `finish`."""

    def __init__(self):
        self.jobs = []

    def submit(self, work):
        future = asyncio.get_running_loop().create_future()
        self.jobs.append((work, future))
        return future

    def finish(self):
        for work, future in self.jobs:
            future.set_result(work())
        self.jobs = []


def run(story):
    """Run a function of (server, worker, published) in an event loop."""

    async def check():
        server, worker, published = module.make({}), Slow(), []
        server.worker = server.checking._worker = worker
        server.checking._translate = lambda document, report: by_file(document, report.findings, str, utf16, True)
        server.checking._publish = lambda uri, found: published.append([one.message for one in found])
        await asyncio.wait_for(story(server, worker, published), 30)

    asyncio.run(check())


async def pass_time(worker=None):
    """Let timers and tasks go on, and the work if there is a worker."""
    for _ in range(10):
        await asyncio.sleep(0.005)
        if worker is not None:
            worker.finish()


def change(server, text):
    server.open(URI, text)
    server.checking.changed(URI, None, at_once=True)


def test_findings_of_an_older_text_are_not_published():
    async def story(server, worker, published):
        change(server, BAD)
        await pass_time()
        change(server, GOOD)
        await pass_time()
        assert len(worker.jobs) == 1  # one check of a text at a time
        await pass_time(worker)
        assert published == [[]]

    run(story)


def test_findings_of_a_closed_text_are_not_published():
    async def story(server, worker, published):
        change(server, BAD)
        await pass_time()
        server.close(URI)
        server.checking.closed(URI, None)
        await pass_time(worker)
        assert published == []

    run(story)


@pytest.mark.parametrize(("after", "edited"), [(None, True), (GOOD + "\n", False)])
def test_an_older_text_is_not_formatted(after, edited):
    async def story(server, worker, published):
        server.open(URI, GOOD)
        params = types.DocumentFormattingParams(types.TextDocumentIdentifier(URI), types.FormattingOptions(2, True))
        answer = asyncio.ensure_future(server.protocol.fm.features[types.TEXT_DOCUMENT_FORMATTING](params))
        await pass_time()
        if after is not None:
            server.open(URI, after)
        worker.finish()
        assert bool(await answer) is edited

    run(story)


def test_work_that_fails_does_not_end_the_worker():
    async def story():
        worker = Worker()
        with pytest.raises(ZeroDivisionError):
            await worker.submit(lambda: 1 // 0)
        assert await worker.submit(lambda: 3) == 3

    asyncio.run(asyncio.wait_for(story(), 30))


def test_work_that_is_cancelled_does_not_end_the_worker():
    async def story():
        worker, go = Worker(), threading.Event()
        answers = [worker.submit(go.wait), worker.submit(lambda: 1)]
        while not worker._jobs.empty() and worker._jobs.qsize() > 1:
            await asyncio.sleep(0.001)
        for answer in answers:
            answer.cancel()
        await asyncio.sleep(0)
        go.set()
        assert await worker.submit(lambda: 3) == 3

    asyncio.run(asyncio.wait_for(story(), 30))


def test_a_check_that_fails_is_logged_and_the_next_one_works(monkeypatch, caplog):
    async def story(server, worker, published):
        server.worker = server.checking._worker = Worker()
        with monkeypatch.context() as patch:
            patch.setattr("netdef.lsp.checking.check_text", lambda *_: 1 // 0)
            change(server, BAD)
            await pass_time()
        assert "the check of file:///nowhere/a.net failed" in caplog.text
        change(server, BAD)
        await pass_time()
        assert published == [["layer a reads blob b, which no layer makes"]]

    run(story)
