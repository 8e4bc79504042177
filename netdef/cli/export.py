"""`netdef export`: a net and its weights for other programs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.arguments import weights_for
from netdef.cli.options import COUNT, Overrides, allow_missing_option, allow_python_option, phase_option, set_option, weights_option
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.exchange.onnx_out.export import Wanted
    from runtime.machine.executable import Executable

FORMS = {".onnx": "onnx", ".npz": "npz", ".safetensors": "safetensors"}  # by the ending of --out
OF_ONNX = ("opset", "mean", "scale", "rgb", "labels", "no_check")  # options of that form alone
DYNAMIC = "dynamic"


def read_batch(ctx: click.Context, param: click.Parameter, text: str | None) -> int | str | None:
    """--batch: a number of images, or `dynamic`."""
    number: Any = text
    return text if text in (None, DYNAMIC) else COUNT.convert(number, param, ctx)


@click.command(cls=Command)
@click.argument("net")
@weights_option
@allow_missing_option
@click.option(
    "--out", "-o", required=True, metavar="FILE", help="Ending in .onnx, .npz or .safetensors; a directory with --to torch."
)
@click.option("--to", type=click.Choice(["onnx", "torch", "npz", "safetensors"]), help="The form; default: what the ending says.")
@phase_option
@click.option(
    "--batch", callback=read_batch, metavar="N|dynamic", help="Images in a batch; default: that of the net's Input, else 1."
)
@click.option("--opset", type=int, metavar="N", help="ONNX's version of its operators; default: 22, or the latest that runs.")
@click.option("--mean", metavar="B,G,R|FILE", help="What the graph subtracts from pixels; blue first.")
@click.option("--scale", type=float, help="What the graph multiplies pixels with then.")
@click.option("--rgb", is_flag=True, help="The graph takes pixels with red first, where the net takes blue first.")
@click.option("--labels", metavar="FILE", help="The classes' names, one a line; default: those of the run.")
@click.option("--no-check", is_flag=True, help="Do not compare the file with netdef.")
@set_option
@allow_python_option
def command(net: str, **options: Any) -> None:
    """Write NET and its weights for other programs: ONNX, PyTorch, arrays.

    Losses, accuracies and labels are left out. An ONNX file is run in ONNX Runtime and compared with netdef; one that differs is
    not kept.
    """
    export(net, Options(**options))


@dataclass(frozen=True, kw_only=True)
class Options:
    """What --NAME gives; None for what was not given."""

    out: str
    weights: str | None = None
    allow_missing: bool = False
    to: str | None = None
    phase: str | None = None
    batch: int | str | None = None
    opset: int | None = None
    mean: str | None = None
    scale: float | None = None
    rgb: bool = False
    labels: str | None = None
    no_check: bool = False
    overrides: Overrides = None

    def gives(self, name: str) -> bool:
        """Whether an option is given: a number of 0 is, a flag that is off is not."""
        value = getattr(self, name)
        return value is not None and value is not False

    @property
    def form(self) -> str:
        """What to write.

        Raises
        ------
        NetdefError: neither --to nor the ending says it.
        """
        found = self.to or FORMS.get(Path(self.out).suffix)
        if found is None:
            raise NetdefError(f"{self.out}: unknown ending", hint=f"endings: {', '.join(FORMS)}; --to names the form")
        return found


def export(net_path: str, options: Options) -> None:
    """Run `netdef export NET` and print what was written.

    Raises
    ------
    NetdefError: the net cannot be expressed, the weights do not fit, the file differs from netdef, or cannot be written.
    """
    form = options.form
    if form != "onnx" and (given := [name for name in OF_ONNX if options.gives(name)]):
        raise NetdefError(f"--{given[0].replace('_', '-')} is about ONNX files; {options.out} is none", hint="leave it out")
    write = {"onnx": _onnx, "npz": _arrays, "safetensors": _arrays, "torch": _torch}
    for line in write[form](net_path, options):
        click.echo(line)


def _onnx(net_path: str, options: Options) -> Iterable[str]:
    from runtime.exchange.onnx_out.export import export_onnx, prepare
    from runtime.exchange.onnx_out.model import OPSETS

    low, high = OPSETS
    if options.opset is not None and not low <= options.opset <= high:
        raise NetdefError(f"--opset {options.opset}: netdef writes opsets {low} to {high}")
    files = weights_for(net_path, options.weights)
    own, net, left_out = opened(net_path, options)
    wanted = prepare(net, wanted_of(own, net, files, options))
    with ExitStack() as stack:
        done = export_onnx(options.out, stack.enter_context(loaded(net, files, options)), wanted)
    batch = "any number of images" if wanted.dynamic else plural(net.batch or 1, "image")
    yield f"{', '.join(done.files)}: {plural(len(net.layers), 'layer')}, {net.totals.counts}, opset {done.opset}, {batch}"
    if left_out:
        yield f"left out, as they need labels: {', '.join(left_out)}"
    yield str(done.agreement) if done.agreement else "not compared with netdef"


def _arrays(net_path: str, options: Options) -> Iterable[str]:
    """Weights alone, of all layers."""
    from runtime.exchange.arrays import weights_by_name, write_npz, write_safetensors

    if options.batch is not None:
        raise NetdefError(f"--batch changes no weights, and {options.out} has nothing else", hint="leave it out")
    files = weights_for(net_path, options.weights)
    net = own_net(net_path, options)
    with loaded(net, files, options) as executable:
        write = write_npz if options.form == "npz" else write_safetensors
        count = write(options.out, weights_by_name(net, executable.param))
    yield f"{options.out}: {plural(count, 'array')}, {net.totals.counts}"


def _torch(net_path: str, options: Options) -> Iterable[str]:
    """A module, its state_dict and a script that compares."""
    from runtime.exchange.torch_out.module import blank, check_folder, export_torch, lines_of

    if options.batch == DYNAMIC:
        raise NetdefError("a PyTorch module takes any number of images", hint="leave --batch dynamic out")
    check_folder(options.out)
    files = weights_for(net_path, options.weights)
    _, net, left_out = opened(net_path, options)
    lines_of(net, blank)
    with loaded(net, files, options) as executable:
        done = export_torch(options.out, executable)
    yield f"{options.out}: {', '.join(done)}; {plural(len(net.layers), 'layer')}, {net.totals.counts}"
    if left_out:
        yield f"left out, as they need labels: {', '.join(left_out)}"
    yield f"python {Path(options.out) / 'check.py'} compares it with netdef"


def own_net(net_path: str, options: Options) -> Net:
    """The net as its file has it."""
    from runtime.solver.nets import load_net

    return load_net(net_path, options.phase or "test", options.overrides)


def opened(net_path: str, options: Options) -> tuple[Net, Net, list[str]]:
    """The net as its file has it, the net to give away, and the layers that are left out of it."""
    from netdef.loading import with_batch_size
    from runtime.exchange.deployed import deployed

    own = own_net(net_path, options)
    net = own
    if isinstance(options.batch, int):
        net = with_batch_size(own, options.batch)
    elif options.batch == DYNAMIC or not own.inputs:
        with suppress(NetdefError):  # of a net whose parts fit one number of images only
            net = with_batch_size(own, 1)
    found = deployed(net)
    return own, found.net, [layer.name for layer in found.left_out]


def loaded(net: Net, files: list[str], options: Options) -> Executable:
    """The net with its weights, on the CPU."""
    from runtime.machine.compile import compile

    executable = compile(net, "cpu", backward=False, keep="activations", fold=False)
    try:
        executable.load_weights(files, options.allow_missing)
    except BaseException:
        executable.close()
        raise
    return executable


def wanted_of(own: Net, net: Net, files: list[str], options: Options) -> Wanted:
    """What the ONNX file is to be, with the facts about it: order of channels, mean, scale, labels."""
    from netdef.cli.export_facts import facts_of, pixels_of
    from runtime.exchange.onnx_out.export import Wanted

    pixels = pixels_of(net, options.mean, options.scale, options.rgb)
    facts = facts_of(own, net, files, options.labels, options.mean, options.scale, pixels.rgb)
    return Wanted(options.opset, options.batch == DYNAMIC, pixels, facts, not options.no_check)
