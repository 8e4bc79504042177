"""What a run was made of, written into its directory: the net of both phases, the solver, the command with its versions.

net.net      every layer that the run trains or tests, with all changes of the command line, in one file
solver.txt   the solver with the seed that was drawn; `netdef train DIR` trains the same again
run.json     the command of each start, and what it ran on
"""

from __future__ import annotations

import json
import os
import platform
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from difflib import SequenceMatcher
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdef.fmt import formatted
from netdef.graph.overrides import Setting
from netdef.language.diagnostics import Diagnostic, NetdefError, Remark, unreadable
from netdef.language.find import RUN_NET, RUN_SOLVER
from netdef.language.printer import print_message
from netdef.language.reach import CODE, outside, refuses_outside
from netdef.language.writing import write_over
from netdef.language.written import is_written, note_written
from netdef.layers.data import BUILTIN, located
from netdef.schema import TEST, TRAIN
from netdef.solver_file import read_solver
from netdef.weights.snapshots import snapshots_in
from runtime.compiler.placement.choice import SPLITS
from runtime.machine.open import device_names
from runtime.solver.log import finite
from runtime.solver.nets import TEST_ITER
from runtime.solver.rank_checks import sums_of
from runtime.solver.sources import division_of

if TYPE_CHECKING:
    from netdef.cli.train_options import CommandLine, Options
    from netdef.graph.layer import Layer
    from netdef.graph.net import Net
    from runtime.machine.ranks.ranks import Ranks
    from runtime.solver.solver import Solver

RECORD = "run.json"
OF_START: dict[str, type] = {  # what is read of a start in it
    **dict.fromkeys(("data", "directory", "weights", "split", "gradients"), str),
    "overrides": dict, "allow_missing": bool, "nodes": int,
}  # fmt: skip
ROUNDED = ("bf16", "fp16")  # forms in which ranks send gradients, other than as they are
FILES_OF = ("transform_param", "mean_file"), ("", "source"), ("", "root_folder")  # fields that name files
NAMES_NETS = ("net", "train_net", "test_net", "net_param", "train_net_param", "test_net_param", "train_state", "test_state")
PACKAGES = ("netdef-compiler", "numpy", "numba", "pillow", "protobuf", "cupy-cuda12x")


class RunFiles:
    """The files of a run's directory; other files that were there before stay as they are."""

    def __init__(self, out: Path):
        self.out = out
        self.written: list[Path] = []

    def write(self, solver: Solver, command: CommandLine, resumed: Path | None) -> str:
        """Write the files. Returns a note where they cannot be there, else "".

        Raises
        ------
        NetdefError: one cannot be written.
        """
        others = [name for name in (RUN_NET, RUN_SOLVER) if (self.out / name).exists()]
        if others and not (self.out / RECORD).exists():
            return f"{self.out} has a {' and a '.join(others)} already: those of this run are not written"
        # The record first: by it the files are a run's, where the process ends before all are written.
        texts = {RECORD: record(self.out / RECORD, solver, command, resumed), **nets_of(solver), RUN_SOLVER: solver_text(solver)}
        for name, text in texts.items():
            path = self.out / name
            is_new = not path.exists()
            if is_new:
                self.written.append(path)
            is_own = is_new or is_written(path)
            write_over(path, text)
            if is_own:  # what a run from elsewhere names is not the user's choice, though it is written again
                note_written(path)
        return ""

    def discard(self) -> None:
        """Remove the files that `write` made."""
        for path in self.written:
            path.unlink(missing_ok=True)


def options_of_run(directory: str, options: Options, devices: str, ranks: Ranks | None = None) -> Options:
    """Options of `netdef train DIR`, with what they leave out of that run: data, division, gradients, weights, where to resume.

    Parameters
    ----------
    devices: what this process will train on, as --devices names it.  ranks: this process among others.

    Raises
    ------
    NetdefError: the run's record is damaged; inside `only_inside`, its data or weights lie outside of the run's directory.
    """
    start = first_start(Path(directory) / RECORD)
    given: dict[str, Any] = {}
    if options.data is None and start.get("data"):
        given["data"] = _there(start, start["data"])
        given["overrides"] = _with_test_iter(directory, start, options.overrides or {})
    given |= _division(start, options, len(device_names(devices)) * (1 if ranks is None else ranks.size))
    if options.gradients is None and ranks is not None and start.get("gradients") in ROUNDED:
        given["gradients"] = start["gradients"]
    if options.reduce is None and _can_be_fast(replace(options, **given), devices, ranks) and start.get("reduce") == "fast":
        given["reduce"] = "fast"
    begins = options.resume is None or (options.resume == "latest" and not snapshots_in(options.out or directory))
    if begins and options.weights is None and start.get("weights"):
        given["weights"] = ",".join(_there(start, path) for path in start["weights"].split(","))
    if begins and options.weights is None and not start.get("weights"):
        given["allow_missing"] = options.allow_missing or bool(start.get("allow_missing"))
    if options.resume == "latest" and options.out is None:
        given["out"] = directory
    _look_outside(directory, given)
    return replace(options, **given)


def _look_outside(directory: str, given: Mapping[str, Any]) -> None:
    """Warn (Remark) of data and weights that a run's record names outside of its directory; refuse them inside `only_inside`."""
    for field in ("data", "weights"):
        for path in given.get(field, "").split(",") if field == "weights" else [given.get(field, "")]:
            found = outside(path, Path(directory)) if os.path.exists(path) else None
            text = f"{Path(directory) / RECORD}: {field} of its first start leads to {found}, outside of {directory}"
            if found is not None and refuses_outside():
                hint = f"give --{field} yourself, or leave out --inside, if you trust the run"
                raise NetdefError([Diagnostic(text, None, hint, code=CODE)])
            if found is not None and not is_written(Path(directory) / RECORD):
                warnings.warn(text, Remark, stacklevel=2)


def first_start(path: Path) -> dict[str, Any]:
    """What a run's record says of its first start; nothing where there is no record.

    Raises
    ------
    NetdefError: the record is damaged.
    """
    start: Any = None
    try:
        start = json.loads(path.read_text(encoding="utf-8"))["starts"][0]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        pass
    if not isinstance(start, dict) or not all(isinstance(start.get(field), kind | None) for field, kind in OF_START.items()):
        hint = "move it away; options such as --data and --weights then say what it says"
        raise NetdefError(f"{path} is damaged: it is not as netdef writes it", hint=hint)
    return start


def _with_test_iter(directory: str, start: Mapping[str, Any], overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    """The changes of the command line, with the test_iter that a run of other data was given by one, as its solver has it now."""
    recorded = start.get("overrides")
    then = {key.strip() for key in recorded} if isinstance(recorded, dict) else set()
    if TEST_ITER not in then or TEST_ITER in {key.strip() for key in overrides}:
        return overrides
    counts = list(read_solver(Path(directory, RUN_SOLVER)).message.test_iter)
    return {**overrides, TEST_ITER: Setting(f"{TEST_ITER}={counts}")} if counts else overrides


def _can_be_fast(options: Options, devices: str, ranks: Ranks | None) -> bool:
    """Whether --reduce fast goes with the rest."""
    return ranks is not None and len(device_names(devices)) == 1 and options.gradients in (None, "fp32")


def _division(start: Mapping[str, Any], options: Options, shares: int) -> dict[str, Any]:
    """How a run divided the net, as far as the options say nothing of it and so many shares can be divided so."""
    given: dict[str, Any] = {}
    if shares > 1 and options.split is None and start.get("split") in SPLITS:
        given["split"] = start["split"]
    hybrid = shares > 1 and (options.split or given.get("split")) == "hybrid"
    if hybrid and options.nodes is None and isinstance(start.get("nodes"), int):
        given["nodes"] = nodes_left(start["nodes"], shares)
    return given


def nodes_left(nodes: int | None, shares: int) -> int | None:
    """The nodes that so many shares can be; None where they can't be these."""
    return nodes if nodes and shares % nodes == 0 else None


def _there(start: Mapping[str, Any], path: str) -> str:
    """A path of a start, which begins at the directory of that time; another name, such as builtin:photos, as it is."""
    whole = Path(start.get("directory") or "", path)
    return str(whole) if whole.exists() else path


def nets_of(solver: Solver) -> dict[str, str]:
    """The texts of the run's nets by file: the training net and the first test net in one, further test nets each in its own."""
    nets = solver.nets
    texts = {RUN_NET: net_text(nets.train, *nets.tests[:1])}
    return texts | {name: net_text(net) for name, net in zip(further_names(solver), nets.tests[1:], strict=True)}


def further_names(solver: Solver) -> list[str]:
    return [f"test{number}.net" for number in range(1, len(solver.nets.tests))]


def net_text(*nets: Net) -> str:
    """Nets of different phases as one file: what they have in common once, the rest for its phase."""
    whole = type(nets[0].message)(name=nets[0].name)
    if nets[0].force_backward:
        whole.force_backward = True
    whole.layer.extend(_merged([[_layer(one) for one in net.layers] for net in nets]))
    text = print_message(whole)
    with suppress(NetdefError):  # what has no short form stays in the long one
        return formatted(text, RUN_NET, "net")
    return text


def _merged(phases: list[list[Any]]) -> Iterator[Any]:
    """The layers of a training net, and where it is given those of a test net among them."""
    if len(phases) == 1:
        yield from phases[0]
        return
    train, test = phases
    mine, theirs = ([layer.SerializeToString(deterministic=True) for layer in layers] for layers in phases)
    for tag, i, j, k, m in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from train[i:j]
            continue
        for phase, layers in ((TRAIN, train[i:j]), (TEST, test[k:m])):
            for layer in layers:
                layer.include.add(phase=phase)
                yield layer


def _layer(layer: Layer) -> Any:
    """A layer's message under its name in the net, without rules of phases, its files by their whole paths."""
    message = type(layer.message)()
    message.CopyFrom(layer.message)
    for field in ("include", "exclude", "blobs"):
        message.ClearField(field)
    message.name = message.name or layer.name
    for holder, field in FILES_OF if layer.is_source else ():
        own = layer.param_fields[0] if layer.param_fields else ""
        if not message.HasField(holder or own):
            continue
        inner = getattr(message, holder or own)
        path = getattr(inner, field, "")
        if isinstance(path, str) and path and not path.startswith(BUILTIN) and (found := located(layer, path)).exists():
            setattr(inner, field, os.path.abspath(found) + ("/" if path.endswith("/") else ""))
    return message


def solver_text(solver: Solver) -> str:
    """The solver of the nets that `nets_of` gives, with its seed."""
    message = type(solver.parameters)()
    message.CopyFrom(solver.parameters)
    for field in (*NAMES_NETS, "weights"):
        message.ClearField(field)
    further, batches = further_names(solver), [count for count in solver.nets.batches if count is not None]
    if solver.nets.tests:
        message.ClearField("test_iter")
        message.test_iter.extend(batches)
    if further or (solver.nets.tests and not batches and message.test_interval <= 0):  # a test_net asks for tests by itself
        message.train_net = RUN_NET
        message.test_net.extend([RUN_NET, *further])
    else:
        message.net = RUN_NET
    message.random_seed = solver.seed
    message.snapshot_prefix = message.snapshot_prefix or solver.prefix.name
    message.weights.extend(os.path.abspath(path) for path in solver.weights_named())
    return print_message(message)


def record(path: Path, solver: Solver, command: CommandLine, resumed: Path | None) -> str:
    """run.json with one more start in it."""
    from datetime import UTC, datetime

    start = {
        "command": command.text(),
        "directory": os.getcwd(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "net": solver.nets.train.filename,
        "solver": solver.filename,
        "overrides": {name: setting.text for name, setting in (command.options.overrides or {}).items()},
        "data": solver.data,
        "weights": command.options.weights,
        "allow_missing": command.options.allow_missing,
        "resumed": None if resumed is None else str(resumed),
        "seed": solver.seed,
        "devices": solver.devices,
        "threads": solver.executable.threads,
        "split": command.options.split,
        "nodes": division_of(solver.executable, solver.split)["nodes"],
        **sums_of(solver.ranks),
        "ranks": None if solver.ranks is None else [member.host for member in solver.ranks.members],
        "versions": versions(),
    }
    starts = []
    with suppress(OSError, ValueError, TypeError, KeyError):  # the first start, or a damaged record of earlier ones
        starts = list(json.loads(path.read_text(encoding="utf-8"))["starts"])
    return json.dumps(finite({"format": 1, "starts": [*starts, start]}), indent=1) + "\n"


def versions() -> dict[str, str]:
    """Of Python, the machine and the packages that compute."""
    found = {"python": platform.python_version(), "machine": f"{sys.platform} {platform.machine()}"}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
