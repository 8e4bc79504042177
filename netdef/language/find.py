"""Find the file of a name: a path, or a model of the package."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from netdef.language.diagnostics import NetdefError
from netdef.language.reach import outside
from netdef.language.spelling import nearest
from netdef.language.units import shortened

RUN_NET, RUN_SOLVER = "net.net", "solver.txt"  # what `netdef train` writes into a run's directory
NET_ENDINGS = (".net", ".prototxt", ".pbtxt", ".caffemodel", ".binaryproto")


def models_folder() -> Path:
    """The folder of models: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"


def model_names() -> list[str]:
    """The names of the package's networks."""
    return sorted(path.stem for path in models_folder().glob("*.net"))


def packaged(name: str, ending: str) -> Path | None:
    """The file of a model (.net) or a solver (.txt) of the package by its name; None if there is none, or a file is called so."""
    path = models_folder() / f"{name.removesuffix(ending)}{ending}"
    return path if Path(name).name == name and not os.path.exists(name) and os.path.isfile(path) else None


def find_net(name: str | os.PathLike[str]) -> Path:
    """The file of a network, given its path, the name of a model, or the directory of a run.

    Raises
    ------
    NetdefError: there is no such file or model; the message lists the models and the nearest name.
    """
    path = Path(name)
    if os.path.isdir(path) and not _is_model(path, name):
        return _net_of_run(path)
    if os.path.isfile(path) or (os.path.exists(path) and not os.path.isdir(path)):
        return path
    model = models_folder() / f"{name}.net"
    if _is_model(path, name):
        return shown(model)
    if path.suffix in NET_ENDINGS:
        raise NetdefError(f"there is no file {name}", hint=_suggestion(path, NET_ENDINGS))
    if packaged(str(name), ".txt"):
        hint = f"netdef train {name} trains the net that it names"
        raise NetdefError(f"{name} is a solver, where a net was expected", hint=hint)
    names = model_names()
    listed = f"models: {shortened(names)}; netdef models lists them"
    guess = nearest(str(name), names)
    hint = f"did you mean {guess}? {listed}" if guess else listed
    raise NetdefError(f"there is no file and no model called {name}", hint=hint)


def _is_model(path: Path, name: str | os.PathLike[str]) -> bool:
    return path.name == str(name) and os.path.isfile(models_folder() / f"{name}.net")


def _net_of_run(folder: Path) -> Path:
    """The net in the directory of a run. Raises NetdefError: there is none."""
    net = folder / RUN_NET
    if not os.path.isfile(net):
        raise NetdefError(
            f"{folder} is a directory without a {RUN_NET}", hint="netdef train writes one into the directory of a run"
        )
    return net


def find_beside(name: str, folder: Path) -> Path:
    """A file that another file names: beside that file, else from the current directory, else a model of the package.

    A copy of a solver of the package names its net as that does: lenet.net.

    Raises
    ------
    NetdefError: there is none.
    """
    beside = folder / name
    if os.path.isfile(beside):
        return beside
    own = packaged(name, ".net")
    return shown(own) if own else find_net(name)


def is_packaged(path: Path) -> bool:
    """Whether a file, links followed, is one of the package."""
    return outside(path, models_folder()) is None


def shown(path: Path) -> Path:
    """A path as messages show it: relative if it is below the current directory."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def _suggestion(path: Path, endings: Iterable[str]) -> str:
    """A hint for a path without a file."""
    if path.stem in model_names() and path.parent == Path():
        return f"the model that comes with netdef is called {path.stem}"
    if path.is_symlink():
        return f"it is a link to {os.readlink(path)}, which is not there"
    folder = path.parent
    if not os.path.isdir(folder):
        return f"there is no folder {folder} either"
    guess = nearest(path.name, [other.name for other in folder.iterdir() if other.suffix in endings])
    return f"did you mean {folder / guess}?" if guess else ""
