"""Options that several commands have, each declared once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

Overrides = dict[str, Any] | None  # what --set says
COUNT = click.IntRange(min=1)
SPLIT = click.Choice(["groups", "batch", "hybrid"])


def read_settings(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> Overrides:
    """--set."""
    if not texts:
        return None
    from netdef.graph.overrides import settings_of

    return settings_of(texts)


def allow_python(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """--allow-python: lets nets run the classes of their Python layers until the command ends."""
    if wanted:
        from runtime.ops.python.layer import python_allowed

        ctx.with_resource(python_allowed())


allow_python_option = click.option(
    "--allow-python",
    is_flag=True,
    expose_value=False,
    callback=allow_python,
    help="Import the modules that the net's Python layers name, and run their code.",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="LAYER.FIELD=VALUE",
    callback=read_settings,
    help="Change a field of a layer, as conv1.num_output=64, or of all of a type, as Pooling:kernel_size=2; may be repeated.",
)
phase_option = click.option("--phase", type=click.Choice(["train", "test"]), help="Which layers take part.")
batch_option = click.option("--batch", type=COUNT, help="Images in a batch, instead of the file's.")
data_option = click.option(
    "--data", metavar="SOURCE", help="Images to use instead of the net's own: a folder, a list file, a database, or builtin:photos."
)
weights_option = click.option(
    "--weights",
    metavar="FILE",
    help="A .caffemodel or .caffemodel.h5, or several with commas between them; default: the last of the run that NET is.",
)
allow_missing_option = click.option(
    "--allow-missing", is_flag=True, help="Run layers that the weights lack with what their fillers give, instead of failing."
)
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
    type=SPLIT,
    help="What several devices divide: channels, images, or images where there are convolutions; default: groups.",
)
threads_option = click.option(
    "--threads", type=COUNT, metavar="N", help="Worker threads, by default one a core. No result depends on it."
)
math_option = click.option(
    "--math",
    type=click.Choice(["fp32", "3xtf32", "tf32", "bf16"]),
    help="Of matrix products on a GPU, and with bf16 of blobs; default: 3xtf32, as exact as fp32, where it is faster (A100, H100, "
    "B200), else fp32.",
)
conv_option = click.option(
    "--conv",
    type=click.Choice(["tiles", "im2col"]),
    help="How convolutions run on a GPU: by kernels of our own (default), or by cuBLAS.",
)
workspace_option = click.option(
    "--workspace",
    type=COUNT,
    metavar="MB",
    help="The most that a convolution's matrices may take on a GPU; default: 256, or one output row.",
)
fold_option = click.option(
    "--no-fold", is_flag=True, help="Run BatchNorm, Scale and Bias as layers of their own, not as part of the weights before them."
)
graph_option = click.option("--no-graph", is_flag=True, help="Launch the kernels on a GPU one by one, not as CUDA graphs.")
fuse_option = click.option("--no-fuse", is_flag=True, help="In training, compute each gradient on a GPU by a kernel of its own.")


def card_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare how graphics cards compute: --math, --conv, --workspace, --no-graph."""
    return math_option(conv_option(workspace_option(graph_option(command))))


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the options of all commands that run a net on one device or several; RunOptions (running.py) has their values."""
    return devices_option(split_option(threads_option(card_options(set_option(allow_python_option(command))))))


def without_effect(options: Mapping[str, Any], why: str) -> list[str]:
    """A note for each of the options, by name, that is given where it has no effect."""
    given = {name: value for name, value in options.items() if value not in (None, False)}
    return [f"{name}{'' if value is True else f' {value}'} has no effect: {why}" for name, value in given.items()]
