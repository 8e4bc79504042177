"""What an editor sends to `netdef lsp`: sessions of messages, one a line."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from netdef.language import NetdefError

URI = "file:///nets/x.net"
TEXT = "layer data: Input { shape { dim: [1, 1, 6, 6] } }\nlayer fc: InnerProduct(data) { num_output: 2 }\n"
AT = {"textDocument": {"uri": URI}, "position": {"line": 1, "character": 12}}
ASKED = ("hover", "completion", "definition", "references", "documentSymbol", "formatting")
LONGEST = 2.0  # seconds that answers are waited for


def sessions() -> list[tuple[str, bytes]]:
    """An editor that opens a text, asks everything about it, changes it and closes it."""
    opened = {"uri": URI, "languageId": "netdef", "version": 1, "text": TEXT}
    changed = {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": TEXT + "# é\n"}]}
    options = {"options": {"tabSize": 2, "insertSpaces": True}, "context": {"includeDeclaration": True, "triggerKind": 1}}
    capabilities = {"textDocument": {"hover": {"contentFormat": ["markdown"]}}, "general": {"positionEncodings": ["utf-8"]}}
    messages: list[dict[str, Any]] = [
        {"id": 0, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": capabilities}},
        {"method": "initialized", "params": {}},
        {"method": "textDocument/didOpen", "params": {"textDocument": opened}},
        {"method": "textDocument/didChange", "params": changed},
        *({"id": at, "method": f"textDocument/{what}", "params": AT | options} for at, what in enumerate(ASKED, 1)),
        {"method": "textDocument/didSave", "params": {"textDocument": {"uri": URI}}},
        {"method": "textDocument/didClose", "params": {"textDocument": {"uri": URI}}},
        {"id": 99, "method": "shutdown"},
    ]
    return [("session.jsonl", "\n".join(json.dumps({"jsonrpc": "2.0", **one}) for one in messages).encode())]


def session(path: Path) -> None:
    """Answer a session; raises NetdefError where the library refuses a message, and what one of our own answers raised."""
    with _failures() as failed:
        refused = asyncio.run(_answer(path.read_bytes().splitlines()))
    if failed:
        raise failed[0]
    if refused:
        raise NetdefError("the library refused a message")


async def _answer(lines: list[bytes]) -> bool:
    server, refused = _server(os.getpid()), False
    server.documents.clear()
    server.by_path.clear()
    server.protocol._shutdown = False  # by the session before
    for line in lines:
        try:
            server.protocol.handle_message(json.loads(line, object_hook=server.protocol.structure_message))
        except Exception:  # of the library's own decoding; failures of our answers are logged
            refused = True
        await asyncio.sleep(0)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if tasks:
        await asyncio.wait(tasks, timeout=LONGEST)
    return refused


@cache
def _server(process: int) -> Any:
    """The server of a process: to make one takes a third of a second, and its thread is not in a fork."""
    from netdef.lsp.server import make

    server = make({})
    server.protocol.set_writer(Nowhere())
    return server


class Nowhere:
    """Takes what the server says."""

    def write(self, data: bytes) -> None:
        json.loads(data[data.index(b"\r\n\r\n") :])

    def close(self) -> None:
        pass


@contextmanager
def _failures() -> Iterator[list[BaseException]]:
    """The exceptions that our own answers are logged with; nothing is printed."""
    found: list[BaseException] = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                found.append(record.exc_info[1])

    ours, all_ = logging.getLogger("netdef.lsp"), logging.getLogger()
    handler, silent = Collecting(), logging.NullHandler()
    ours.addHandler(handler)
    all_.addHandler(silent)
    try:
        yield found
    finally:
        ours.removeHandler(handler)
        all_.removeHandler(silent)
