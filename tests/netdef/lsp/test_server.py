"""The server as a program: how it starts and ends (politely or not: conftest.py), and that it answers while it is at work."""

import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from lsprotocol import types

import netdef.lsp
from netdef.cli.main import run
from netdef.lsp import server as module
from netdef.lsp.document import Document
from tests.netdef.lsp.editor import ROOT, Editor

LAYERS = 2500


def test_capabilities(editor):
    found = editor.initialized.capabilities
    assert found.position_encoding == types.PositionEncodingKind.Utf16
    assert (found.text_document_sync.open_close, found.text_document_sync.change) == (True, types.TextDocumentSyncKind.Full)
    assert found.hover_provider and found.definition_provider and found.references_provider
    assert found.document_symbol_provider and found.document_formatting_provider
    assert '"' in found.completion_provider.trigger_characters
    assert editor.initialized.server_info.name == "netdef"


@pytest.mark.slow
def test_the_server_ends_with_its_editor(tmp_path):
    editor = Editor(tmp_path)
    editor.process.stdin.close()
    assert editor.ended() == (1, "")


@pytest.mark.slow
def test_invalid_messages_do_not_end_it(tmp_path):
    editor = Editor(tmp_path)
    opening = b'{"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": 3}'
    for body in (b"{", b"[]", b'{"jsonrpc": "2.0", "method": "no/such"}', opening):
        editor.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    assert editor.open("a.net", "layer a: ReLU(b)\n")
    code, said = editor.leave()
    assert code == 0
    assert "netdef lsp: " in said


@pytest.mark.slow
def test_prints_do_not_mix_with_messages(tmp_path):
    """Some library may print; the editor must not read that."""
    code = "import netdef.lsp.server as s; s.hover = lambda *_: print('printed', flush=True); s.serve({})"
    editor = Editor(tmp_path, arguments=["-c", code])
    editor.open("a.net", "layer a: ReLU(b)\n")
    assert editor.hover("a.net", "layer |a") is None
    assert editor.leave() == (0, "printed\n")


def test_requests_outside_the_text(editor):
    editor.open("short.net", "layer a: ReLU(b)\n")
    where = {"text_document": types.TextDocumentIdentifier(editor.uri("short.net")), "position": types.Position(10**6, 10**6)}
    assert editor.run(editor.client.text_document_hover_async(types.HoverParams(**where))) is None
    assert editor.run(editor.client.text_document_completion_async(types.CompletionParams(**where))).items


def test_a_failure_is_logged_and_answered_with_nothing(monkeypatch, caplog):
    """Nothing known makes a request fail; if something does, the server goes on."""

    def fail(*_):
        raise RecursionError("too deep")

    server = module.make({})
    server.documents["file:///a.net"] = Document("layer a: ReLU(b)", uri="file:///a.net")
    monkeypatch.setattr(Document, "offset", fail)
    handler = server.protocol.fm.features[types.TEXT_DOCUMENT_HOVER]
    params = types.HoverParams(types.TextDocumentIdentifier("file:///a.net"), types.Position(0, 0))
    assert handler(params) is None
    assert "hovered failed" in caplog.text and "too deep" in caplog.text


def test_plain_text_is_ignored(editor):
    uri = editor.uri("letter.txt")
    item = types.TextDocumentItem(uri=uri, language_id="plaintext", version=1, text="layer by layer }\n")
    editor.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    change = types.DidChangeTextDocumentParams(
        types.VersionedTextDocumentIdentifier(uri=uri, version=2), [types.TextDocumentContentChangeWholeDocument("layer }\n")]
    )
    editor.client.text_document_did_change(change)
    editor.texts["letter.txt"] = "layer }\n"
    assert editor.labels("letter.txt", "layer |}") is None
    assert editor.open("after.net", "layer a: ReLU(b)\n")
    assert uri not in editor.published


@pytest.mark.slow
def test_it_answers_while_it_checks(editor):
    """A check of some thousand layers takes seconds; a question asked meanwhile is answered at once."""
    lines = [f"layer c{i}: Convolution(c{i - 1}) {{ num_output: 3 kernel_size: 3 pad: 1 }}\n" for i in range(1, LAYERS)]
    text = "layer c0: Input { shape { dim: [1, 3, 32, 32] } }\n" + "".join(lines)
    editor.open("big.net", text)
    before = editor.count[editor.uri("big.net")]
    editor.change("big.net", text + "layer last: ReLU(c1", wait=False)
    time.sleep(0.1)  # now it is being checked
    found = editor.complete("big.net", "ReLU(c1|")
    assert editor.count[editor.uri("big.net")] == before, "the check ended before the answer"
    assert found.is_incomplete and len(found.items) == 200 and found.items[0].label == "c1999"  # the nearest that fits
    assert editor.news(editor.uri("big.net"), before)


def test_without_the_library(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pygls.lsp.server", None)
    assert run(["lsp"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: the language server needs the library pygls")
    assert "pip install 'pygls>=2.0'" in captured.err
    assert captured.out == ""


def test_the_help_says_what_it_does():
    from netdef.cli.main import commands

    said = CliRunner().invoke(commands, ["lsp", "--help"]).output
    assert "language server" in said and "pip install 'pygls>=2.0'" in said


def test_other_commands_do_not_import_it():
    code = "import sys, netdef.cli.main; netdef.cli.main.run(['shapes', 'lenet']); sys.exit('pygls' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False, timeout=60).returncode == 0


def test_the_room_lists_its_files():
    names = [path.name for path in (ROOT / "netdef" / "lsp").glob("*.py") if path.name != "__init__.py"]
    assert [name for name in names if name not in netdef.lsp.__doc__] == []
