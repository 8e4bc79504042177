"""`netdef check`."""

from __future__ import annotations

import sys

import click

from netdef.cli.options import Overrides, allow_python_option, set_option
from netdef.cli.shell import TROUBLE, Command, coloured


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, metavar="NET|SOLVER...")
@click.option("--strict", is_flag=True, help="Warnings fail as well.")
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True)
@set_option
@allow_python_option
def command(files: tuple[str, ...], strict: bool, form: str, overrides: Overrides) -> int:
    """Find errors and suspicious settings in nets and solvers. `netdef explain CODE` explains a finding.

    Notes are about what cannot run on this machine. Exit code 0: nothing, notes or warnings; 1: errors, or with --strict
    warnings; 2: a file cannot be read.
    """
    from netdef.check.registry import also_checked
    from netdef.check.report import render
    from netdef.check.run import check_all
    from netdef.cli.check_here import cannot_run_here

    with also_checked(cannot_run_here):
        reports = check_all(files, overrides)
    click.echo(render(reports, form, colour=coloured(sys.stdout)))
    if any(report.unreadable for report in reports):
        return TROUBLE
    return int(any(report.errors or (strict and report.warnings) for report in reports))
