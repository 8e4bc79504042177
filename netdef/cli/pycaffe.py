"""`netdef pycaffe`."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout

import click

from netdef.cli.shell import Command
from netdef.language.printable import raw


class Script(Command):
    """A command whose arguments, behind the first, are another's: empty ones, and options, too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return click.Command.parse_args(self, ctx, args)


@click.command(cls=Script, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(script: str, arguments: tuple[str, ...]) -> int:
    """Run SCRIPT, Python that imports caffe, on netdef.

    Scripts of Python 2 are translated as they are loaded, and so are their own modules. What stands behind SCRIPT goes to it.
    """
    from runtime.pycaffe.script import run_script

    with redirect_stdout(raw(sys.stdout)), redirect_stderr(raw(sys.stderr)):  # its progress lines move the cursor
        return run_script(script, arguments)
