"""`netdef completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from netdef.cli.shell import Command

VARIABLE = "_NETDEF_COMPLETE"  # by which a shell asks for completions
SHELLS = ("bash", "zsh", "fish")


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """A script that lets SHELL complete commands, options, models, files, layers and topics.

    \b
    bash:  netdef completion bash > ~/.local/share/bash-completion/completions/netdef
    zsh:   netdef completion zsh > DIR/_netdef, with DIR in fpath before compinit
    fish:  netdef completion fish > ~/.config/fish/completions/netdef.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "netdef", VARIABLE).source())
