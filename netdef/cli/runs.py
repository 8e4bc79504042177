"""The directories that runs write to: a new one for each, none written to by two runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.weights.snapshots import latest_snapshot, snapshots_in
from runtime.solver.log import NAME as LOG
from runtime.solver.log import read_log
from runtime.solver.prefix import directory_under

RUNS = Path("runs")


def new_run(name: str) -> Path:
    """Make runs/NAME-N, with the first N that is free.

    Raises
    ------
    NetdefError: it cannot be made.
    """
    number = 1
    while True:
        path = RUNS / f"{name}-{number}"
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            number += 1
        except OSError as error:
            raise NetdefError(f"cannot make the directory {path}: {error.strerror}", hint="--out DIR names another") from None


def check_free(out: Path) -> None:
    """Check that a directory given for a new run holds no other run.

    Raises
    ------
    NetdefError: it does, or it is no directory.
    """
    if out.exists() and not out.is_dir():
        raise NetdefError(f"{out} is a file, not a directory to write a run into")
    snapshots = snapshots_in(out)
    if snapshots or (out / LOG).exists():
        resume = "--resume latest goes on with it; " if snapshots else ""
        raise NetdefError(f"{out} holds another run already", hint=f"{resume}another --out, or none, starts a new one")


def is_cut_short(out: Path) -> bool:
    """Whether a directory holds a run that began at iteration 0 and was killed before its first snapshot, by its log.

    Raises
    ------
    NetdefError: the log cannot be read.
    """
    log = out / LOG
    if not log.is_file() or snapshots_in(out):
        return False
    records = read_log(out)
    if not records:  # no log of ours, or the run was killed before it wrote a line
        return not log.stat().st_size
    return not any(
        record["event"] in ("snapshot", "end") or (record["event"] == "start" and record["iteration"]) for record in records
    )


def check_prefix_free(prefix: Path) -> None:
    """Check that no other run's snapshots have the prefix of a new one.

    Raises
    ------
    NetdefError: some have.
    """
    taken = sorted(prefix.parent.glob(f"{prefix.name}_iter_*"))
    if taken:
        raise NetdefError(f"{taken[0]} is another run's", hint="change snapshot_prefix, move that file away, or --resume from it")


def check_writable(prefix: Path) -> None:
    """Check that snapshots can be written, before hours of training are lost to a mistyped directory.

    Raises
    ------
    NetdefError: they cannot.
    """
    try:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=prefix.parent):
            pass
    except OSError as error:
        raise NetdefError(f"cannot write snapshots to {prefix.parent}: {error.strerror}") from None


def find_snapshot(resume: str, out: Path | None, name: str) -> Path | None:
    """The .solverstate that --resume means: a path, or `latest` of a run; None where `latest` finds none.

    Parameters
    ----------
    out: where to look for the latest; None for the last of this net's runs.

    Raises
    ------
    NetdefError: there is no such file, or it is no state.
    """
    if resume == "latest":
        if out is None:
            return latest_of_runs(name)
        return latest_snapshot(out) if snapshots_in(out) else None
    path = Path(resume)
    if path.is_dir():
        return latest_snapshot(path)
    if ".caffemodel" in path.name:
        state = path.with_name(path.name.replace(".caffemodel", ".solverstate"))
        hint = f"--resume {state}" if state.exists() else f"--weights {path} starts a new run from these weights"
        raise NetdefError(f"{path} holds weights; a run resumes from a .solverstate", hint=hint)
    if not path.exists():
        raise NetdefError(f"there is no {path} to resume from", hint="--resume latest finds the last snapshot")
    return path


def latest_of_runs(name: str) -> Path | None:
    """The last snapshot of that run of a net which was written to last; None where no run has any."""
    runs = [path for path in RUNS.glob(f"{name}-*") if path.name.removeprefix(f"{name}-").isdigit()]
    return max((found[-1] for path in runs if (found := snapshots_in(path))), key=lambda path: path.stat().st_mtime, default=None)


def run_of(snapshot: Path, solver: Any) -> Path:
    """The directory of the run that wrote a snapshot: above those that snapshot_prefix itself names."""
    folder = snapshot.parent
    under = directory_under(solver)
    if under.is_absolute() or under == Path():
        return folder
    names = under.parts
    return Path(*folder.parts[: -len(names)]) if folder.parts[-len(names) :] == names else folder


def missing(path: Path) -> tuple[Path, ...]:
    """The directories on a path that do not exist, inner first."""
    return tuple(folder for folder in (path, *path.parents) if not folder.exists())


def remove_if_empty(made: Sequence[Path]) -> None:
    """Remove the empty directories of a run that never started."""
    inside = [Path(folder) for folder, _, _ in os.walk(made[0], topdown=False)] if made else []
    for folder in [*inside, *made[1:]]:
        with suppress(OSError):  # it is not empty
            folder.rmdir()
