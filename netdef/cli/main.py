"""The command line. Each command reads its arguments, calls one function elsewhere, and prints what that returns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from netdef.cli import shell
from netdef.cli.shell import TROUBLE, Commands, coloured
from netdef.language.diagnostics import NetdefError


def print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """--version."""
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"netdef {version('netdef-compiler')}")
        except PackageNotFoundError:
            click.echo("netdef, not installed (run from its source)")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=print_version, help="The version.")
def commands() -> None:
    """Networks as text: look at them, compare them, compile them, train them.

    NET is a .net or .prototxt file, or the name of a model that comes along, such as alexnet.
    """


def columns(otherwise: int) -> int:
    """How wide the terminal is, or where there is none, what is usual."""
    if not sys.stdout.isatty():
        return otherwise
    from shutil import get_terminal_size

    return get_terminal_size().columns


Overrides = dict[str, Any] | None  # what --set says
phase_option = click.option("--phase", type=click.Choice(["train", "test"]), help="Which layers take part.")
batch_option = click.option("--batch", type=click.IntRange(min=1), help="Images in a batch, instead of the file's.")


def read_settings(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any] | None:
    """--set."""
    if not texts:
        return None
    from netdef.graph.overrides import settings_of

    return settings_of(texts)


set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="LAYER.FIELD=VALUE",
    callback=read_settings,
    help="Change a field of the net, as conv1.num_output=64; may be repeated.",
)


@commands.command()
@click.argument("net")
@phase_option
@batch_option
@set_option
@click.option("--format", "form", type=click.Choice(["text", "json", "yaml", "csv"]), default="text", show_default=True)
def shapes(net: str, phase: str | None, batch: int | None, overrides: Overrides, form: str) -> None:
    """Shapes, weights, costs and memory of NET, layer by layer."""
    from netdef.loading import load
    from netdef.shapes import render

    click.echo(render(load(net, phase, overrides, batch), form))


def show(text: str, out: str | None) -> None:
    """Print a text, or write it to a file."""
    if out is None:
        click.echo(text)
        return
    from netdef.language.writing import write_over

    write_over(out, text.rstrip("\n") + "\n")


@commands.command()
@click.argument("a")
@click.argument("b")
@phase_option
@batch_option
@set_option
@click.option("--format", "form", type=click.Choice(["text", "json", "html"]), default="text", show_default=True)
@click.option("-o", "--out", metavar="FILE", help="Write to a file.")
def diff(a: str, b: str, phase: str | None, batch: int | None, overrides: Overrides, form: str, out: str | None) -> int:
    """What distinguishes the nets A and B; or two solvers, or a net and a .caffemodel. Nothing: exit 0; something: 1; trouble: 2.

    Without --phase, the nets are compared in both phases. --set changes B.
    """
    from netdef.diff import WIDTH, Sheet
    from netdef.diff import diff as compare

    sheet = Sheet(coloured(sys.stdout), columns(WIDTH)) if out is None else Sheet()
    text, differs = compare(a, b, phase, batch, overrides, form, sheet)
    show(text, out)
    return int(differs)


@commands.command()
@click.argument("files", nargs=-1, required=True, metavar="NET|SOLVER...")
@click.option("--strict", is_flag=True, help="Warnings fail as well.")
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True)
@set_option
def check(files: tuple[str, ...], strict: bool, form: str, overrides: Overrides) -> int:
    """Look for mistakes in nets and solvers that can be read all the same. `netdef explain CODE` says more about a finding.

    Exit code 0: nothing, or warnings; 1: errors, or with --strict warnings; 2: a file cannot be read.
    """
    from netdef.check.report import render
    from netdef.check.run import check_all

    reports = check_all(files, overrides)
    click.echo(render(reports, form, colour=coloured(sys.stdout)))
    if any(report.unreadable for report in reports):
        return TROUBLE
    return int(any(report.errors or (strict and report.warnings) for report in reports))


@commands.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--check", "only_check", is_flag=True, help="Name the files that are not in their form, and how; change nothing.")
@click.option("--to", type=click.Choice(["net", "prototxt"]), help="The short form, or Caffe's; by default that of the ending.")
@click.option("-i", "--in-place", is_flag=True, help="Write the files instead of printing them.")
def fmt(files: tuple[str, ...], only_check: bool, to: str | None, in_place: bool) -> int:
    """Bring nets and solvers into one canonical form, comments and meaning kept; - is the standard input.

    --to net finds the defaults of a net in Caffe's form by itself; --to prototxt also writes files of Caffe's older formats in
    the present one. Exit code 1: with --check, a file is not in its form; 2: a file has mistakes, and was left as it is.
    """
    from netdef.fmt.files import format_files

    return format_files(files, only_check, to, in_place, click.echo)


@commands.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--weights/--no-weights", default=None, help="Weights go along, or not; by default from binary to binary.")
@set_option
def convert(source: str, target: str, weights: bool | None, overrides: Overrides) -> None:
    """Write the net or solver in IN, a file or the name of a model, to OUT, in the form that its ending says.

    .net and .prototxt are text, .caffemodel and .binaryproto binary. With --set, comments stay behind.
    """
    from netdef.convert import convert as convert_net

    click.echo(convert_net(source, target, weights, overrides))


@commands.command()
@click.argument("net")
@click.option("-o", "--out", metavar="FILE", help="The picture; ends in .svg, .html, .png or .dot. Default: NET.svg.")
@phase_option
@batch_option
@set_option
@click.option("--style", type=click.Choice(["auto", "volumes", "cards"]), default="auto", help="Solids, or boxes of text.")
@click.option("--devices", metavar="DEVICES", help="Spread it over devices, a column each: 2, or cpu:0,cpu:1.")
@click.option("--split", type=click.Choice(["groups", "batch", "hybrid"]), help="How to spread it.")
def draw(
    net: str,
    out: str | None,
    phase: str | None,
    batch: int | None,
    overrides: Overrides,
    style: str,
    devices: str | None,
    split: str | None,
) -> None:
    """Draw NET: shapes, parameters and costs. In an .html file the mouse shows all that is known of a layer."""
    from netdef.draw import draw as draw_net
    from netdef.loading import load

    whole, path = load(net, phase, overrides, batch), out or f"{Path(net).stem}.svg"
    if devices is None:
        if split is not None:
            raise NetdefError("--split tells how to spread a net over devices", hint="give --devices 2")
        click.echo(draw_net(whole, path, style))
        return
    from netdef.cli.draw import spread

    placed, names = spread(whole, devices, split)
    click.echo(draw_net(placed, path, style, whole, names))


@commands.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def models(form: str) -> None:
    """The networks that come with netdef, each with a line about it and its totals."""
    from netdef.models_list import WIDTH, render

    click.echo(render(form, columns(WIDTH)))


@commands.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def layers(form: str) -> None:
    """All layer types, and the devices that can run them."""
    from netdef.explain import WIDTH
    from netdef.explain import layers as list_layers
    from runtime.ops.support import devices_by_class

    click.echo(list_layers(devices_by_class(), form, columns(WIDTH)))


@commands.command()
@click.argument("topic")
def explain(topic: str) -> None:
    """What TOPIC means: a layer type (LRN), a field (LRN.alpha, solver.gamma), one of the words that it takes (Pooling.pool.AVE)
    or a code of netdef check (ND201)."""
    from netdef.explain import WIDTH
    from netdef.explain import explain as explain_topic
    from runtime.ops.support import devices_by_class

    click.echo(explain_topic(topic, devices_by_class(), columns(WIDTH)))


@commands.command()
@click.option("--stdio", is_flag=True, help="What it does anyway; some editors add this to the command.")
def lsp(stdio: bool) -> int:
    """A language server (LSP) for editors.

    Mistakes as one writes, explanations and shapes under the pointer, completion, the way to the layer that makes a blob and to
    those that read it, outline, formatting. The editor starts it for .net and .prototxt files, and speaks with it over standard
    input and output.

    pip install 'netdef-compiler[lsp]' brings what it needs.
    """
    from netdef.lsp import serve
    from runtime.ops.support import devices_by_class

    return serve(devices_by_class())


count = click.IntRange(min=1)
workspace_option = click.option(
    "--workspace",
    type=count,
    metavar="MB",
    help="The most that a convolution's matrices may take on a GPU; default: 256, or one output row.",
)


@commands.command("compile")
@click.argument("net")
@phase_option
@batch_option
@set_option
@click.option("--print", "instructions", is_flag=True, help="Print the program: every kernel, in order.")
@click.option("--after", metavar="PASS", default="plan_memory", help="Stop after lower, place, fuse or plan_memory.")
@click.option("--inference", is_flag=True, help="Without backward, memory reused by lifetime.")
@click.option("--devices", metavar="DEVICES", help="Divide it over several: how many, or which.")
@click.option("--split", type=click.Choice(["groups", "batch", "hybrid"]), help="What is cut.")
@workspace_option
def compile_net(net: str, phase: str | None, batch: int | None, overrides: Overrides, **options: Any) -> None:
    """The program that NET compiles to, and the memory it takes."""
    from netdef.cli.compile import report
    from netdef.loading import load

    click.echo(report(load(net, phase or "train", overrides, batch), **options))


@commands.command()
@click.argument("net")
@click.option("--devices", default="2", show_default=True, help="How many, or which: 2, or gpu:0-3.")
@click.option("--split", type=click.Choice(["groups", "batch", "hybrid"]), default="groups", show_default=True, help="What is cut.")
@phase_option
@batch_option
@set_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def placement(net: str, devices: str, split: str, phase: str | None, batch: int | None, overrides: Overrides, form: str) -> None:
    """What each of several devices has of NET, what they send each other, and which split is best; nothing is run."""
    from netdef.cli.placement import placement as describe
    from netdef.loading import load

    click.echo(describe(load(net, phase or "train", overrides, batch), devices, split, form))


devices_option = click.option(
    "--devices",
    metavar="DEVICES",
    help="Where to run: cpu, gpu:0-3, ...; a device named twice has two shares. Default: gpu:0 if it can be used, else cpu.",
)
device_option = click.option(
    "--devices", metavar="DEVICE", help="Which: cpu, gpu:1, ... Default: gpu:0 if it can be used, else cpu."
)
split_option = click.option(
    "--split",
    type=click.Choice(["groups", "batch", "hybrid"]),
    help="What several devices divide: channels, images, or images where there are convolutions; default: groups.",
)
threads_option = click.option(
    "--threads", type=count, metavar="N", help="Worker threads, by default one a core. No result depends on it."
)
math_option = click.option("--math", type=click.Choice(["fp32", "tf32"]), help="Of matrix products on a GPU; fp32 if not given.")
graph_option = click.option("--no-graph", is_flag=True, help="Launch the kernels on a GPU one by one, not as CUDA graphs.")
data_option = click.option(
    "--data", metavar="SOURCE", help="Images to use instead of the net's own: a folder, a list file, or builtin:photos."
)


@commands.command()
@click.argument("net")
@click.argument("solver", required=False)
@devices_option
@click.option("--weights", metavar="FILE", help="Start from the weights in a .caffemodel, layer by layer, by name.")
@click.option("--resume", metavar="FILE", help="Go on from a .solverstate; `latest` is the last one that was written.")
@data_option
@click.option("--iterations", type=click.IntRange(min=0), metavar="N", help="How many in all, instead of max_iter.")
@click.option("--out", metavar="DIR", help="Where the run writes its files; default: runs/NET-1, -2 ...")
@split_option
@threads_option
@click.option("--batch", type=count, metavar="N", help="Images in a training batch, instead of the net's.")
@math_option
@workspace_option
@graph_option
@set_option
def train(net: str, solver: str | None, **options: Any) -> int:
    """Train NET as SOLVER says.  `netdef train SOLVER` trains the net that the solver names.

    Ctrl-C ends the run after the iteration, with a snapshot to go on from.
    """
    from netdef.cli.train import Options
    from netdef.cli.train import train as run_training

    return run_training(net, solver, Options(**options))


@commands.command()
@click.argument("net")
@click.option("--weights", metavar="FILE", required=True, help="A .caffemodel or .caffemodel.h5.")
@data_option
@click.option("--iterations", type=count, metavar="N", help="Batches to test; default: all the test data once.")
@devices_option
@split_option
@threads_option
@batch_option
@set_option
@math_option
@workspace_option
@graph_option
def test(net: str, **options: Any) -> None:
    """Loss and accuracies of NET with given weights over its test data."""
    from netdef.cli.test import Options
    from netdef.cli.test import test as run_testing

    run_testing(net, Options(**options))


@commands.command()
@click.argument("net")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--weights", metavar="FILE", required=True, help="A .caffemodel or .caffemodel.h5.")
@click.option("--labels", metavar="FILE", help="The classes' names, one a line.")
@click.option("--mean", metavar="B,G,R|FILE", help="What to subtract from the pixels, for a net that does not say.")
@devices_option
@split_option
@threads_option
@math_option
@workspace_option
@graph_option
@set_option
def predict(net: str, images: tuple[str, ...], **options: Any) -> None:
    """The five classes that NET finds likeliest for each IMAGE, and their probabilities."""
    from netdef.cli.predict import Options
    from netdef.cli.predict import predict as run_prediction

    run_prediction(net, images, Options(**options))


@commands.command("time")
@click.argument("net")
@device_option
@click.option("--predict", metavar="CARD", help="Only compute the least it takes on a card: h100, a100, 4090, t4 ...")
@phase_option
@batch_option
@set_option
@click.option("--iterations", type=count, metavar="N", help="How many are measured; 10.")
@threads_option
@math_option
@workspace_option
@graph_option
def time_net(net: str, **options: Any) -> None:
    """How long each layer of NET takes, beside the time that moving its data and computing it take at least."""
    from netdef.cli.time import Options, time

    click.echo(time(net, Options(**options)))


@commands.command()
@device_option
@click.option("--out", metavar="FILE", default="netdef-selftest.json", show_default=True, help="Where the numbers go.")
@math_option
@workspace_option
@graph_option
def selftest(**options: Any) -> int:
    """Hold a device's kernels against the CPU's, train on both, and measure it. A card takes some minutes."""
    from netdef.cli.selftest import Options
    from netdef.cli.selftest import selftest as run_selftest

    return run_selftest(Options(**options), click.echo)


@commands.command()
def devices() -> None:
    """What NET could run on here: the cores, the graphics cards, and why one of those cannot be used."""
    from runtime.machine.listing import listing

    click.echo(listing())


@commands.command()
@click.argument("run", metavar="DIR")
@click.option("--out", metavar="FILE", help="The picture; default: DIR/plot.png.")
def plot(run: str, out: str | None) -> None:
    """Draw loss, accuracy and rate of the run in DIR to a PNG."""
    from runtime.solver.plot import plot as draw_run

    click.echo(draw_run(run, out))


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit: 0, or what the command returns; 2 with a message for a user's mistake."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run a command. Returns the exit code."""
    return shell.run(commands, arguments)
