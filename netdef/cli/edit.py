"""`netdef edit`."""

from __future__ import annotations

import os
import sys

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
    import webbrowser

    check_libraries()
    from netdef.check.registry import also_checked
    from netdef.cli.check_here import cannot_run_here
    from netdef.edit import Server, Session, edited, serve
    from runtime.ops.registry import devices_by_type

    with also_checked(cannot_run_here):
        server = Server(Session(edited(net, out), devices_by_type()), port or 0)
    click.echo(server.url)
    click.echo(f"edits {server.session.edited.name}; Ctrl-C ends it", err=True)
    if not no_browser and not (has_screen() and webbrowser.open(server.url)):
        click.echo("no browser could be started: open the address above", err=True)
    serve(server)


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
