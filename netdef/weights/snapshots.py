"""Find a run's snapshots, and their weights, by names of files: PREFIX_iter_N.solverstate beside PREFIX_iter_N.caffemodel."""

from __future__ import annotations

import re
from pathlib import Path

from netdef.language.diagnostics import NetdefError


def weights_beside(state: str | Path, learned_net: str) -> Path:
    """The weights of a solver state: in its folder under the same name, or where Caffe wrote them.

    Raises
    ------
    NetdefError: there is no such file.
    """
    state = Path(state)
    paths = [state.with_name(state.name.replace(".solverstate", ".caffemodel"))]
    if learned_net:
        paths += [state.with_name(Path(learned_net).name), Path(learned_net)]
    for path in paths:
        if path.is_file():
            return path
    raise NetdefError(
        f"the weights of {state} are missing: no {' nor '.join(dict.fromkeys(map(str, paths)))}",
        hint="a .solverstate holds histories only; its .caffemodel belongs into the same folder",
    )


def side_path(path: str | Path) -> Path:
    """The path of the side file of a .caffemodel or a .solverstate."""
    path = Path(path)
    stem = re.sub(r"\.(caffemodel|solverstate)(\.h5)?$", "", path.name)
    return path.with_name(f"{stem}.netdef.json")


def iteration_of(path: Path) -> int | None:
    """The N of PREFIX_iter_N.solverstate."""
    match = re.search(r"_iter_(\d+)\.solverstate(\.h5)?$", path.name)
    return int(match[1]) if match else None


def snapshots_in(directory: str | Path) -> list[Path]:
    """The states under a directory, oldest iteration first."""
    found = [path for path in Path(directory).glob("**/*_iter_*.solverstate*") if iteration_of(path) is not None]
    return sorted(found, key=lambda path: (iteration_of(path) or 0, path.stat().st_mtime))


def latest_snapshot(directory: str | Path) -> Path:
    """The state of the highest iteration under a directory.

    Raises
    ------
    NetdefError: there is none.
    """
    found = snapshots_in(directory)
    if not found:
        raise NetdefError(f"there is no snapshot under {directory} to resume from", hint="start without --resume")
    return found[-1]


def weights_of_run(directory: str | Path) -> Path:
    """The weights of the last snapshot under a run's directory.

    Raises
    ------
    NetdefError: there is none.
    """
    try:
        return weights_beside(latest_snapshot(directory), "")
    except NetdefError as error:
        message = error.diagnostics[0].message.removesuffix(" to resume from")
        raise NetdefError(message, hint="give a file of weights: a .caffemodel or .caffemodel.h5") from None
