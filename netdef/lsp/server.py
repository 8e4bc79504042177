"""The protocol: which request is answered by what. A request that fails is logged, and answered with nothing."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls import uris
from pygls.lsp.server import LanguageServer

from netdef.check.run import Report
from netdef.language import NetdefError
from netdef.language.contents import text_of_file
from netdef.lsp import symbols
from netdef.lsp.checking import Checking, Worker
from netdef.lsp.completion import complete
from netdef.lsp.cursor import Cursor, Wants, cursor_at
from netdef.lsp.document import Document, is_meant, utf16
from netdef.lsp.findings import Findings, by_file
from netdef.lsp.hover import hover
from netdef.lsp.outline import surrounding

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer", bound=Callable[..., Any])
_TRIGGERS = [":", '"', "(", ",", ">", " "]


class Server(LanguageServer):
    """Knows the open texts, and what was found in them."""

    def __init__(self, devices: Mapping[str, Collection[str]]) -> None:
        # Whole texts, as the library's own edits count lines otherwise than the protocol does where a text holds a form feed.
        super().__init__("netdef", _version(), text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self.devices = devices
        self.documents: dict[str, Document] = {}
        self.by_path: dict[Path, Document] = {}
        self.worker = Worker()
        self.checking = Checking(self.worker, self.documents.get, self.text_of, self.translate, self.publish)
        self.said_goodbye = False

    def units(self, text: str) -> int:
        """How many units of a column a piece of text takes, as agreed with the editor."""
        if text.isascii():
            return len(text)
        encoding = self.workspace.position_encoding
        if encoding == types.PositionEncodingKind.Utf8:
            return len(text.encode("utf-8", "replace"))
        return len(text) if encoding == types.PositionEncodingKind.Utf32 else utf16(text)

    def open(self, uri: str, text: str) -> Document:
        """Take note of a text, new or changed."""
        path = uris.to_fs_path(uri) if uri.startswith("file:") else None
        document = Document(text, Path(path) if path else None, uri)
        self.documents[uri] = document
        if document.resolved is not None:
            self.by_path[document.resolved] = document
        return document

    def close(self, uri: str) -> Document | None:
        """Forget a text; returns it."""
        document = self.documents.pop(uri, None)
        if document is not None and document.resolved is not None:
            self.by_path.pop(document.resolved, None)
        return document

    def text_of(self, path: Path) -> str | None:
        """The text of a file in the editor; None if it is not open there."""
        document = self.by_path.get(path.resolve())
        return document.text if document is not None else None

    def read(self, path: Path) -> Document | None:
        """The text of a file, in the editor or on disk."""
        if (document := self.by_path.get(path.resolve())) is not None:
            return document
        try:
            return Document(text_of_file(path, path.name), path, self.uri_of(path))
        except NetdefError:
            return None

    def uri_of(self, path: Path) -> str:
        """What the editor calls a file."""
        document = self.by_path.get(path.resolve())
        return document.uri if document is not None else uris.from_fs_path(str(path.resolve()))

    def location(self, found: symbols.Found) -> types.Location:
        document, start, end = found
        if isinstance(document, Path):
            return types.Location(self.uri_of(document), types.Range(types.Position(0, 0), types.Position(0, 0)))
        return types.Location(document.uri, document.range(start, end, self.units))

    def translate(self, document: Document, report: Report) -> Findings:
        capabilities = self.client_capabilities.text_document
        published = capabilities.publish_diagnostics if capabilities is not None else None
        return by_file(document, report.findings, self.uri_of, self.units, bool(published and published.related_information))

    def publish(self, uri: str, diagnostics: list[types.Diagnostic]) -> None:
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, diagnostics))

    def shown(self, text: str) -> types.MarkupContent:
        """Text in columns, in the form that the editor takes."""
        capabilities = self.client_capabilities.text_document
        hovers = capabilities.hover if capabilities is not None else None
        if hovers is not None and types.MarkupKind.Markdown in (hovers.content_format or ()):
            return types.MarkupContent(types.MarkupKind.Markdown, f"```text\n{text}\n```")
        return types.MarkupContent(types.MarkupKind.PlainText, text)


def serve(devices: Mapping[str, Collection[str]]) -> int:
    """Serve the editor at the other end of standard input and output. Returns the exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="netdef lsp: %(message)s")
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints must not do so between two messages
        server = make(devices)
        server.start_io(stdout=out)
    return 0 if server.said_goodbye else 1


def make(devices: Mapping[str, Collection[str]]) -> Server:
    """A server with all that it answers to."""
    server = Server(devices)
    _follow_texts(server)
    _answer(server)
    _answer_of_all(server)
    return server


def _follow_texts(server: Server) -> None:
    """Texts that are opened, changed, saved and closed."""

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    @_guarded
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        item = params.text_document
        if not is_meant(item.uri, item.language_id, item.text):
            return
        document = server.open(item.uri, item.text)
        server.checking.changed(document.uri, document.resolved, at_once=True)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    @_guarded
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        if uri not in server.documents:
            return
        document = server.open(uri, server.workspace.get_text_document(uri).source)
        server.checking.changed(uri, document.resolved)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    @_guarded
    def saved(params: types.DidSaveTextDocumentParams) -> None:
        if (document := server.documents.get(params.text_document.uri)) is not None:
            server.checking.changed(document.uri, document.resolved, at_once=True)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    @_guarded
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        if (document := server.close(params.text_document.uri)) is not None:
            server.checking.closed(document.uri, document.resolved)

    @server.feature(types.SHUTDOWN)
    def goodbye(_: None) -> None:
        server.said_goodbye = True


def _answer(server: Server) -> None:
    """Questions about a cursor in a text."""

    def asked(params: Any, whole: bool) -> tuple[Document, int, Cursor] | None:
        """The document, the offset and what stands there; a word's first letter belongs to it where a pointer asks."""
        document = server.documents.get(params.text_document.uri)
        if document is None:
            return None
        offset = document.offset(params.position, server.units)
        found = cursor_at(document, offset, whole)
        return (document, offset, found) if found is not None else None

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    @_guarded
    def hovered(params: types.HoverParams) -> types.Hover | None:
        if (about := asked(params, True)) is None:
            return None
        document, offset, found = about
        text = hover(found, surrounding(document, offset), server.checking.nets(document.uri), server.devices)
        return types.Hover(server.shown(text), document.range(found.start, found.end, server.units)) if text else None

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=_TRIGGERS))
    @_guarded
    def completed(params: types.CompletionParams) -> types.CompletionList | None:
        by_space = params.context is not None and params.context.trigger_character == " "
        if (about := asked(params, False)) is None or (by_space and about[2].wants is Wants.FIELD):
            return None
        document, offset, found = about
        nets = server.checking.nets(document.uri)
        return complete(found, document, offset, server.read, nets, server.units)

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    @_guarded
    def defined(params: types.DefinitionParams) -> list[types.Location] | None:
        if (about := asked(params, True)) is None:
            return None
        document, offset, found = about
        return [server.location(one) for one in symbols.definition(found, document, offset, server.read)]

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    @_guarded
    def referred(params: types.ReferenceParams) -> list[types.Location] | None:
        if (about := asked(params, True)) is None:
            return None
        document, offset, found = about
        declaration = params.context.include_declaration
        return [server.location(one) for one in symbols.references(found, document, offset, server.read, declaration)]


def _answer_of_all(server: Server) -> None:
    """Questions about all of a text."""

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    @_guarded
    def listed(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol] | None:
        document = server.documents.get(params.text_document.uri)
        return list(symbols.outline(document, server.units)) if document is not None else None

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    async def formatted(params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        if (document := server.documents.get(params.text_document.uri)) is None:
            return None
        try:
            edits = await server.worker.submit(lambda: symbols.formatting(document, server.units))
        except NetdefError:
            return None  # its mistakes are published already
        except Exception:
            _log.exception("formatting failed")
            return None
        return edits if server.documents.get(document.uri) is document else None


def _guarded(answer: _Answer) -> _Answer:
    """The same answer; None, and a line in the log, where it fails."""

    @functools.wraps(answer)
    def wrapped(params: Any) -> Any:
        try:
            return answer(params)
        except Exception:
            _log.exception("%s failed", answer.__name__)
            return None

    return wrapped  # type: ignore[return-value]


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("netdef-compiler")
    except PackageNotFoundError:
        return "not installed"
