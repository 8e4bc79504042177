"""The command line: the group of all commands. Each command is a file beside this one, imported when it is run."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from netdef.cli import shell

COMMANDS = {  # in the order of `netdef --help`: the first sentence of each command's help
    "shapes": "Shapes, weights, costs and memory of NET, layer by layer.",
    "diff": "What distinguishes the nets A and B; or two solvers, or a net and a .caffemodel.",
    "check": "Look for mistakes in nets and solvers that can be read all the same.",
    "fmt": "Bring nets and solvers into one canonical form, comments and meaning kept; - is the standard input.",
    "convert": "Write the net or solver in IN, a file or the name of a model, to OUT, in the form that its ending says.",
    "draw": "Draw NET: shapes, parameters and costs.",
    "models": "The networks that come with netdef, each with a line about it and its totals.",
    "layers": "All layer types, and the devices that can run them.",
    "explain": "What TOPIC means: a layer type (LRN), a field (LRN.alpha, solver.gamma), one of the words that it takes "
    "(Pooling.pool.AVE) or a code of netdef check (ND201).",
    "lsp": "A language server (LSP) for editors.",
    "compile": "The program that NET compiles to, and the memory it takes.",
    "placement": "What each of several devices has of NET, what they send each other, and which split is best; nothing is run.",
    "train": "Train NET as SOLVER says.",
    "test": "Loss and accuracies of NET with given weights over its test data.",
    "predict": "The five classes that NET finds likeliest for each IMAGE, and their probabilities.",
    "time": "How long each layer of NET takes, beside the time that moving its data and computing it take at least.",
    "selftest": "Hold a device's kernels against the CPU's, train on both, and measure it.",
    "devices": "What NET could run on here: the cores, the graphics cards, and why one of those cannot be used.",
    "plot": "Draw loss, accuracy and rate of the run in DIR to a PNG.",
}


def print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """--version."""
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"netdef {version('netdef-compiler')}")
        except PackageNotFoundError:
            click.echo("netdef, not installed (run from its source)")
        ctx.exit()


@click.group(cls=shell.Commands, summaries=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=print_version, help="The version.")
def commands() -> None:
    """Networks as text: look at them, compare them, compile them, train them.

    NET is a .net or .prototxt file, or the name of a model that comes along, such as alexnet.
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit: 0, or what the command returns; 2 with a message for a user's mistake."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run a command. Returns the exit code."""
    return shell.run(commands, arguments)
