"""The command line: the group of all commands. Each command is a file of this folder, imported when it is run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import click

from netdef.cli import shell
from netdef.graph.data_shapes import data_looked_at

if TYPE_CHECKING:
    from netdef.graph.data_shapes import SampleShapes
    from netdef.graph.layer import Layer

COMMANDS = {  # in the order of `netdef --help`: the first sentence of each command's help
    "shapes": "Shapes, weights, costs and memory of NET, layer by layer.",
    "diff": "Show the differences between the nets A and B; or two solvers, or a net and a .caffemodel.",
    "check": "Find errors and suspicious settings in nets and solvers.",
    "fmt": "Bring nets and solvers into one canonical form, comments and meaning kept; - is the standard input.",
    "convert": "Write the net or solver in IN, a file or the name of a model, to OUT, in the form that its ending says.",
    "import": "Write the net and the weights of an ONNX file, or a state_dict, as files of Caffe.",
    "export": "Write NET and its weights for other programs: ONNX, PyTorch, arrays.",
    "draw": "Draw NET: shapes, parameters and costs.",
    "edit": "Edit NET in the browser: its text at the left, its drawing and its table at the right, faults as you type.",
    "models": "The networks that come with netdef, each with a line about it and its totals.",
    "layers": "All layer types, and the devices that can run them.",
    "explain": "What TOPIC means: a layer type (LRN), a field (LRN.alpha, solver.gamma), one of the words that it takes "
    "(Pooling.pool.AVE) or a code of netdef check (ND201).",
    "completion": "A script that lets SHELL complete commands, options, models, files, layers and topics.",
    "lsp": "A language server (LSP) for editors.",
    "compile": "The program that NET compiles to, and the memory it takes.",
    "placement": "What each of several devices computes of NET, what they send each other, and which split is best.",
    "init": "Write a net and a solver for the images in FOLDER, one folder a class, and print how to train them.",
    "rates": "Train NET for a few iterations while the rate rises, draw the loss against the rate, and propose a rate.",
    "train": "Train NET as SOLVER says.",
    "study": "Train each NET from several seeds, and print what they reach, and how they differ from the first.",
    "test": "Loss and accuracies of NET with given weights over its test data.",
    "predict": "The five most probable classes of each IMAGE by NET, and their probabilities.",
    "show": "Draw the filters of NET, and what each layer makes of each IMAGE, as a page.",
    "detect": "The objects that NET finds in each IMAGE: label, score, and left, top, right and bottom in pixels.",
    "data": "Tools for data: make, copy and look at databases, lists and means, as Caffe's tools do.",
    "extract": "Write the values that blobs of NET have for each image of its test data (Caffe's extract_features).",
    "time": "Measure each layer of NET, and compute the least time that its memory traffic and its arithmetic need.",
    "selftest": "Compare a device's kernels with the CPU's, train on both, and measure it.",
    "devices": "The devices of this machine: the cores, the graphics cards, and why a card cannot be used.",
    "pycaffe": "Run SCRIPT, Python that imports caffe, on netdef.",
    "runs": "A table of the runs in each DIR, by default in runs/: state, results, time, and how each differs from the first.",
    "plot": "Draw loss, accuracy and rate of each RUN in one picture: a run's directory, or what `caffe train` printed.",
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

    NET is a .net or .prototxt file, or the name of a model of the package, such as alexnet. `netdef help COMMAND` explains one.
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit: 0, or what the command returns; 2 with a message for a user's mistake."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run a command. Returns the exit code."""
    with data_looked_at(look_at_data):
        return shell.run(commands, arguments)


def look_at_data(layer: Layer) -> SampleShapes | None:
    """What a source's data say; see `runtime.machine.look`."""
    from runtime.machine.look import look_where_here

    return look_where_here(layer)
