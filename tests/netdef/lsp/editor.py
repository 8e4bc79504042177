"""An editor: pygls's own client, which starts `netdef lsp` and speaks with it over stdio. Every wait ends."""

import asyncio
import sys

from lsprotocol import types
from pygls import uris
from pygls.lsp.client import LanguageClient

from netdef.language.find import models_folder

ROOT = models_folder().parent
WAIT = 30  # seconds, where an answer takes a fraction of one
CURSOR = "|"


def markdown_client():
    """What most editors can do."""
    return types.ClientCapabilities(
        text_document=types.TextDocumentClientCapabilities(
            hover=types.HoverClientCapabilities(content_format=[types.MarkupKind.Markdown, types.MarkupKind.PlainText]),
            publish_diagnostics=types.PublishDiagnosticsClientCapabilities(related_information=True),
        ),
    )


class Editor:
    def __init__(self, folder, capabilities=None, arguments=("-m", "netdef", "lsp")):
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.client = LanguageClient("test", "1")
        self.published = {}  # by uri: the last diagnostics
        self.count = {}  # by uri: how often they came
        self.texts = {}

        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params):
            self.published[params.uri] = params.diagnostics
            self.count[params.uri] = self.count.get(params.uri, 0) + 1

        start = self.client.start_io(sys.executable, *arguments, cwd=ROOT)
        self.run(start)
        self.process = self.client._server
        params = types.InitializeParams(capabilities=capabilities or markdown_client(), root_uri=uris.from_fs_path(str(folder)))
        self.initialized = self.run(self.client.initialize_async(params))
        self.client.initialized(types.InitializedParams())

    def run(self, coroutine):
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, WAIT))

    def uri(self, name):
        return uris.from_fs_path(str(self.folder / name))

    # Texts.

    def open(self, name, text, uri=None):
        """Open a text that may differ from its file's; returns what is found in it."""
        uri = uri or self.uri(name)
        self.texts[name] = text
        before = self.count.get(uri, 0)
        item = types.TextDocumentItem(uri=uri, language_id="netdef", version=1, text=text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return self.news(uri, before)

    def change(self, name, text, wait=True):
        """Replace a text; returns what is found in it."""
        uri, before = self.uri(name), self.count.get(self.uri(name), 0)
        self.texts[name] = text
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(uri=uri, version=2), [types.TextDocumentContentChangeWholeDocument(text)]
            )
        )
        return self.news(uri, before) if wait else None

    def close(self, name):
        uri = self.uri(name)
        before = self.count.get(uri, 0)
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
        return self.news(uri, before)

    def news(self, uri, before):
        """The diagnostics that are published for a file after `before` earlier ones."""

        async def wait():
            while self.count.get(uri, 0) <= before:
                await asyncio.sleep(0.01)
            return self.published[uri]

        return self.run(wait())

    def until(self, name, wanted):
        """Wait until the diagnostics of a file are as wanted, and return them."""

        async def wait():
            while not wanted(self.published.get(self.uri(name), [])):
                await asyncio.sleep(0.01)
            return self.published.get(self.uri(name), [])

        return self.run(wait())

    # Questions. `marked` is a piece of the text with CURSOR in it.

    def at(self, name, marked):
        before, after = marked.split(CURSOR)
        text = self.texts[name]
        assert text.count(before + after) == 1, f"{before + after!r} is {text.count(before + after)} times in the text"
        text = text[: text.index(before + after) + len(before)]
        line = text.rpartition("\n")[2]
        position = types.Position(text.count("\n"), len(line.encode("utf-16-le")) // 2)
        return {"text_document": types.TextDocumentIdentifier(self.uri(name)), "position": position}

    def hover(self, name, marked):
        found = self.run(self.client.text_document_hover_async(types.HoverParams(**self.at(name, marked))))
        return found and found.contents.value

    def complete(self, name, marked, trigger=None):
        context = types.CompletionContext(types.CompletionTriggerKind.TriggerCharacter, trigger) if trigger else None
        params = types.CompletionParams(**self.at(name, marked), context=context)
        return self.run(self.client.text_document_completion_async(params))

    def labels(self, name, marked):
        found = self.complete(name, marked)
        return [item.label for item in sorted(found.items, key=lambda item: item.sort_text)] if found else None

    def definition(self, name, marked):
        params = types.DefinitionParams(**self.at(name, marked))
        return [self.location(one) for one in self.run(self.client.text_document_definition_async(params)) or []]

    def references(self, name, marked, declaration=False):
        params = types.ReferenceParams(**self.at(name, marked), context=types.ReferenceContext(declaration))
        return [self.location(one) for one in self.run(self.client.text_document_references_async(params)) or []]

    def location(self, location):
        """(file, line from 1, column from 1, in the protocol's units)."""
        name = uris.to_fs_path(location.uri).rpartition("/")[2]
        return name, location.range.start.line + 1, location.range.start.character + 1

    def symbols(self, name):
        params = types.DocumentSymbolParams(types.TextDocumentIdentifier(self.uri(name)))
        return self.run(self.client.text_document_document_symbol_async(params))

    def format(self, name):
        options = types.FormattingOptions(tab_size=2, insert_spaces=True)
        params = types.DocumentFormattingParams(types.TextDocumentIdentifier(self.uri(name)), options)
        return self.run(self.client.text_document_formatting_async(params))

    # The end.

    def leave(self, politely=True):
        """Say goodbye, or only exit. Returns the exit code of the server, and what it wrote to its standard error."""
        if self.process.returncode is None:
            if politely:
                self.run(self.client.shutdown_async(None))
            self.client.exit(None)
        return self.ended()

    def ended(self):
        async def wait():
            said = await self.process.stderr.read()
            return await self.process.wait(), said.decode()

        result = self.run(wait())
        self.run(self.client.stop())
        self.loop.close()
        return result

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.loop.is_closed():
            self.leave()


def applied(text, edits):
    """A text of ASCII letters after some edits."""
    lines = text.split("\n")
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines) + 1)]
    for edit in sorted(edits, key=lambda edit: -edit.range.start.line):
        first, last = (starts[at.line] + at.character for at in (edit.range.start, edit.range.end))
        text = text[:first] + edit.new_text + text[last:]
    return text
