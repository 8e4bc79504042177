"""`netdef edit` from its arguments to the page that it serves."""

import os
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from netdef.cli import edit
from netdef.cli.main import run

NET = "layer data: Input { shape { dim: [1, 3] } }\n"


def test_the_printed_address_opens_the_page(file, monkeypatch, capsys):
    file(NET)
    pages = []

    def serve(server):
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        with urllib.request.urlopen(server.url, timeout=20) as page:
            pages.append(page.read().decode())
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(server.url.partition("?")[0], timeout=20)
        server.shutdown()
        server.server_close()

    monkeypatch.setattr("netdef.edit.serve", serve)
    assert run(["edit", "x.net", "--no-browser"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("http://127.0.0.1:") and "/?token=" in out
    assert err == "edits x.net; Ctrl-C ends it\n"
    assert "<title>x.net</title>" in pages[0]


def test_other_users_cannot_read_the_token(file, monkeypatch, capsys):
    """A browser's arguments are in the list of processes: they name a file of mode 0600 that holds the address."""
    given, seen = [], []

    def serve(server):
        page = Path(urllib.request.url2pathname(given[0].removeprefix("file://")))
        modes = [one.stat().st_mode & 0o777 for one in (page, page.parent)]
        seen.extend([page, server.token not in given[0], f"url={server.url}" in page.read_text(), *modes])
        server.server_close()

    monkeypatch.setattr("netdef.edit.serve", serve)
    monkeypatch.setattr("netdef.cli.edit.has_screen", lambda: True)
    monkeypatch.setattr("webbrowser.open", lambda url: given.append(url) or True)
    assert run(["edit", file(NET)]) == 0
    page, *facts = seen
    assert facts == [True, True, 0o600, 0o700]
    assert not page.parent.exists()
    assert "no browser" not in capsys.readouterr().err


def test_without_a_folder_for_the_page_the_address_is_enough(file, monkeypatch, capsys):
    def full(**_):
        raise OSError("no space")

    monkeypatch.setattr("netdef.edit.serve", lambda server: server.server_close())
    monkeypatch.setattr("netdef.cli.edit.has_screen", lambda: True)
    monkeypatch.setattr("netdef.cli.edit.TemporaryDirectory", full)
    monkeypatch.setattr("webbrowser.open", lambda url: 1 / 0)
    assert run(["edit", file(NET)]) == 0
    assert "no browser could be started: open the address above" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["qqqqqq.prototxt"], "touch qqqqqq.prototxt makes an empty one"),
        (["pipe.net"], "pipe.net is no file that can be saved"),
        (["x.net", "-o", "there.net"], "there.net exists already"),
        (["x.net", "--port", "0"], "--port"),
        ([""], "it is empty"),
    ],
)
def test_what_is_wrong(words, says, file, capsys):
    file(NET)
    file(NET, "there.net")
    os.mkfifo("pipe.net")
    assert run(["edit", *words]) == 2
    assert says in capsys.readouterr().err


def test_a_missing_library_is_named(file, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "lsprotocol", None)
    assert run(["edit", file(NET)]) == 2
    err = capsys.readouterr().err
    assert "needs the library lsprotocol" in err and "pip install 'graphlay>=0.3,<0.4' 'pygls>=2.0'" in err


def test_a_browser_needs_a_screen(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not edit.has_screen()
    monkeypatch.setenv("DISPLAY", ":0")
    assert edit.has_screen()
