"""`netdef train --mean` and `--data-mean`: the mean that the nets subtract instead of their own.

--data-mean computes the mean image of the training data, and writes it into the run's directory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdef.cli.progress import progress
from netdef.graph.overrides import Setting
from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from netdef.cli.train_options import Options
    from runtime.machine.ranks.ranks import Ranks

NAME = "mean.binaryproto"
OPTION = "--data-mean"


def with_data_mean(
    out: Path,
    net: str | None,
    solver_path: str,
    options: Options,
    resumed: bool,
    say: Callable[[str], None],
    ranks: Ranks | None = None,
) -> Mapping[str, Any]:
    """The changes of the command line, and those that make the mean of the training data the nets' own.

    Parameters
    ----------
    out: the run's directory, which the mean is written to.  resumed: whether the run has one there already.
    ranks: those that train together; rank 0 computes and writes the mean.

    Raises
    ------
    NetdefError: the training net reads no images, or from several sources; or they have no size in common.
    """
    from runtime.data.statistics import write_mean
    from runtime.solver.nets import SolverNets, read_solver

    parameters, filename = read_solver(solver_path, options.iterations, options.overrides)
    nets = SolverNets(parameters, filename, net, options.batch, options.data, options.overrides)
    path = out / NAME
    if (ranks is None or ranks.first) and not (resumed and path.exists()):
        out.mkdir(parents=True, exist_ok=True)
        write_mean(str(path), mean_of(nets, options, say))
    file = str(path.absolute())
    return changed(nets, options, OPTION, mean_file=file if ranks is None else ranks.broadcast(file))


def with_mean(given: str, net: str | None, solver_path: str, options: Options) -> Mapping[str, Any]:
    """The changes of the command line, and those that make what --mean gives the nets' mean.

    Parameters
    ----------
    given: numbers with commas between them, or a file.

    Raises
    ------
    NetdefError: it is neither, or no net reads images.
    """
    from runtime.data.mean import read_array
    from runtime.images.pixels import naming_mean, numbers_in
    from runtime.solver.nets import SolverNets, read_solver

    values = numbers_in(given)
    if values is None:
        with naming_mean(given):
            read_array(given)
    parameters, filename = read_solver(solver_path, options.iterations, options.overrides)
    nets = SolverNets(parameters, filename, net, options.batch, options.data, options.overrides)
    if values is None:
        return changed(nets, options, "--mean", mean_file=str(Path(given).absolute()))
    return changed(nets, options, "--mean", mean_value=values)


def changed(nets: Any, options: Options, option: str, mean_value: Sequence[float] = (), mean_file: str = "") -> Mapping[str, Any]:
    """The changes of the command line, and a mean for all layers of the nets that read images.

    Raises
    ------
    NetdefError: there are none.
    """
    changes = dict(options.overrides or {})
    readers = dict.fromkeys(layer.name for one in (nets.train, *nets.tests) for layer in one.layers if reads_images(layer))
    if not readers:
        raise NetdefError(f"{nets.train.filename} has no layer that reads images, whose mean {option} could replace")
    for name in readers:
        for field, value in (("mean_value", list(mean_value)), ("mean_file", mean_file)):
            key = f"{name}.transform_param.{field}"
            changes[key] = Setting(f"{key} = {value}", option, value)
    return changes


def discard_alone(out: Path) -> None:
    """Remove the mean from a directory that holds nothing else: no run has started there."""
    if out.is_dir() and [path.name for path in out.iterdir()] == [NAME]:
        (out / NAME).unlink()


def reads_images(layer: Any) -> bool:
    """Whether a layer brings images, from which it subtracts a mean."""
    from netdef.layers.data import Data, ImageData

    return isinstance(layer, ImageData | Data)


def mean_of(nets: Any, options: Options, say: Callable[[str], None]) -> Any:
    """The mean image of the training net's only source of images, float32 (C, h, w)."""
    from runtime.data import open_source
    from runtime.data.training_mean import training_mean
    from runtime.solver.solver import HOLD_OUT

    layers = [layer for layer in nets.train.layers if reads_images(layer)]
    if len(layers) != 1:
        raise NetdefError(f"{nets.train.filename} has {len(layers)} layers that read images: {OPTION} takes a net with one")
    hold_out = HOLD_OUT if options.data and nets.tests else 0
    say(f"the mean of {layers[0].source}: from the cache, or computed now")
    opened = open_source(layers[0], 0, hold_out=hold_out, on_skip=lambda path, reason: say(f"skipping {path}: {reason}"))
    with closing(opened) as source, progress("reading training data", source.size) as on_done:
        return training_mean(layers[0], source, hold_out, on_done)
