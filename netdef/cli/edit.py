"""`netdef edit`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from netdef.cli.options import allow_python_option
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError
from netdef.language.extras import install


@click.command(cls=Command)
@click.argument("net")
@click.option(
    "-o", "--out", metavar="FILE", help="Save to a new file; default: NET's own, or for a model NET.net in the current folder."
)
@click.option("--port", type=click.IntRange(1, 65535), help="Where to serve on this machine. Default: a free one.")
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@allow_python_option
def command(net: str, out: str | None, port: int | None, no_browser: bool) -> None:
    """Edit NET in the browser: its text at the left, its drawing and its table at the right, faults as you type.

    NET may be a solver too. The page shows the train and the test phase, and what differs from the file on disk. The file is
    written only when you save it. The server is reached from this machine alone, and ends with Ctrl-C.
    """
    check_libraries()
    from netdef.check.registry import also_checked
    from netdef.cli.check_here import cannot_run_here
    from netdef.edit import Server, Session, edited, serve
    from runtime.ops.registry import devices_by_type

    with also_checked(cannot_run_here):
        server = Server(Session(edited(net, out), devices_by_type()), port or 0)
    click.echo(server.url)
    click.echo(f"edits {server.session.edited.name}; Ctrl-C ends it", err=True)
    with page_for_browser(server.url) as address:
        if not no_browser and not opened(address):
            click.echo("no browser could be started: open the address above", err=True)
        serve(server)


@contextmanager
def page_for_browser(url: str) -> Iterator[str | None]:
    """The address of a file that leads to another address; None where it cannot be written.

    Every user of the machine may read a browser's arguments, and the address holds the token; only this one may read the file.
    """
    try:
        folder = TemporaryDirectory(prefix="netdef-edit-", ignore_cleanup_errors=True)
    except OSError:
        yield None
        return
    with folder as name:
        page, shown = Path(name, "edit.html"), escape(url)
        refresh = f'<meta http-equiv="refresh" content="0; url={shown}">'
        try:
            with open(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(f'<!DOCTYPE html><meta charset="utf-8">{refresh}<a href="{shown}">netdef edit</a>\n')
            address = page.as_uri()
        except OSError:
            address = None
        yield address


def opened(address: str | None) -> bool:
    """Whether a browser was started with an address."""
    import webbrowser

    return address is not None and has_screen() and webbrowser.open(address)


def has_screen() -> bool:
    """Whether a browser has a screen to open on; without one it would take the terminal."""
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def check_libraries() -> None:
    """Raises NetdefError: a library that the page needs is missing."""
    try:
        import graphlay  # noqa: F401
        import lsprotocol  # noqa: F401
    except ImportError as error:
        raise NetdefError(f"netdef edit needs the library {error.name}, which is not installed", hint=install("edit")) from None
