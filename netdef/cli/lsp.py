"""`netdef lsp`."""

from __future__ import annotations

import click

from netdef.cli.shell import Command


@click.command(cls=Command)
@click.option("--stdio", is_flag=True, help="What it does anyway; some editors add this to the command.")
def command(stdio: bool) -> int:
    """A language server (LSP) for editors.

    Mistakes as one writes, explanations and shapes under the pointer, completion, the way to the layer that makes a blob and to
    those that read it, outline, formatting. The editor starts it for .net and .prototxt files, and speaks with it over standard
    input and output.

    pip install 'pygls>=2.0' brings what it needs.
    """
    from netdef.lsp import serve
    from runtime.ops.registry import devices_by_type

    return serve(devices_by_type())
