"""`netdef explain`."""

from __future__ import annotations

import click

from netdef.cli.shell import Command, columns


@click.command(cls=Command)
@click.argument("topic")
def command(topic: str) -> None:
    """What TOPIC means: a layer type (LRN), a field (LRN.alpha, solver.gamma), one of the words that it takes (Pooling.pool.AVE)
    or a code of netdef check (ND201).

    A word alone, such as kernel_size, max or sgd, is looked for in all of them, in any case.
    """
    from netdef.explain import WIDTH, explain
    from runtime.ops.registry import devices_by_type

    click.echo(explain(topic, devices_by_type(), columns(WIDTH)))
