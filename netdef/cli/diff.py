"""`netdef diff`."""

from __future__ import annotations

import sys

import click

from netdef.cli.options import Overrides, allow_python_option, batch_option, phase_option, set_option
from netdef.cli.shell import Command, coloured, columns


@click.command(cls=Command)
@click.argument("a")
@click.argument("b")
@phase_option
@batch_option
@set_option
@allow_python_option
@click.option("--format", "form", type=click.Choice(["text", "json", "html"]), default="text", show_default=True)
@click.option("-o", "--out", metavar="FILE", help="Write to a file.")
def command(a: str, b: str, phase: str | None, batch: int | None, overrides: Overrides, form: str, out: str | None) -> int:
    """Show the differences between the nets A and B; or two solvers, or a net and a .caffemodel.

    Exit code 0: none; 1: some; 2: an error.

    Without --phase, the nets are compared in both phases. --set changes B.
    """
    from netdef.diff import WIDTH, Sheet, diff

    sheet = Sheet(coloured(sys.stdout), columns(WIDTH)) if out is None else Sheet()
    text, differs = diff(a, b, phase, batch, overrides, form, sheet)
    if out is None:
        click.echo(text)
    else:
        from netdef.language.writing import write_over

        write_over(out, text.rstrip("\n") + "\n")
    return int(differs)
