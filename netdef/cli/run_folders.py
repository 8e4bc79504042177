"""The directories that runs write to: a new one for each, none written to by two runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from glob import escape
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.language.writing import make_folder, sync_names
from netdef.weights.snapshots import latest_snapshot, snapshots_in
from runtime.solver.log import NAME as LOG
from runtime.solver.log import JsonLog, read_log, whole_length
from runtime.solver.prefix import directory_under

RUNS = Path("runs")
FIRST = b'{"event":"'  # what a log begins with


def new_run(name: str) -> Path:
    """Make runs/NAME-N, with the first N that is free.

    Raises
    ------
    NetdefError: it cannot be made.
    """
    path = RUNS
    try:
        make_folder(RUNS)  # an error of its own where the name is a file's
        for number in count(1):
            path = RUNS / f"{name}-{number}"
            with suppress(FileExistsError):
                path.mkdir()
                break
        sync_names(RUNS)
    except OSError as error:
        raise NetdefError(f"cannot make the directory {path}: {error.strerror}", hint="--out DIR names another") from None
    return path


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
    if not records:  # no log of ours, or the run was killed before it wrote a whole line
        with open(log, "rb") as file:
            head = file.read(len(FIRST))
        return FIRST.startswith(head) and not whole_length(log)
    return not any(
        record["event"] in ("snapshot", "end") or (record["event"] == "start" and record["iteration"]) for record in records
    )


def check_prefix_free(prefix: Path) -> None:
    """Check that no other run's snapshots have the prefix of a new one.

    Raises
    ------
    NetdefError: some have.
    """
    taken = sorted(prefix.parent.glob(f"{escape(prefix.name)}_iter_*"))
    if taken:
        raise NetdefError(f"{taken[0]} is another run's", hint="change snapshot_prefix, move that file away, or --resume from it")


def check_writable(prefix: Path) -> None:
    """Check that snapshots can be written, before hours of training are lost to a mistyped directory.

    Raises
    ------
    NetdefError: they cannot.
    """
    try:
        make_folder(prefix.parent)
        with TemporaryFile(dir=prefix.parent):
            pass
    except OSError as error:
        raise NetdefError(f"cannot write snapshots to {prefix.parent}: {error.strerror}") from None


def find_snapshot(resume: str, out: Path | None, name: str, say: Callable[[str], None]) -> Path | None:
    """The .solverstate that --resume means: a path, or the last whole one of a run for `latest`; None where `latest` finds none.

    Parameters
    ----------
    out: where to look for the latest; None for the last of this net's runs.
    say: called with a line about later snapshots that are damaged.

    Raises
    ------
    NetdefError: there is no such file, it is no state, or none of a run's snapshots is whole.
    """
    path = Path(resume)
    if resume == "latest":
        found = latest_of_runs(name) if out is None else snapshots_in(out)
        return last_whole(found, say) if found else None
    if path.is_dir():
        latest_snapshot(path)  # raises where there is none
        return last_whole(snapshots_in(path), say)
    if ".caffemodel" in path.name:
        state = path.with_name(path.name.replace(".caffemodel", ".solverstate"))
        hint = f"--resume {state}" if state.exists() else f"--weights {path} starts a new run from these weights"
        raise NetdefError(f"{path} holds weights; a run resumes from a .solverstate", hint=hint)
    if not path.exists():
        raise NetdefError(f"there is no {path} to resume from", hint="--resume latest finds the last snapshot")
    return path


def last_whole(states: Sequence[Path], say: Callable[[str], None]) -> Path:
    """The last of some snapshots that is whole; `say` and errors as in `find_snapshot`."""
    from runtime.solver.saving import newest_whole

    found, wrong = newest_whole(states)
    for reason in wrong:
        say(f"warning: {reason}: the snapshot before it is taken")
    return found


def latest_of_runs(name: str) -> list[Path]:
    """The snapshots of that run of a net which was written to last, oldest first; none where no run has any."""
    runs = [path for path in RUNS.glob(f"{escape(name)}-*") if path.name.removeprefix(f"{name}-").isdigit()]
    found = [states for path in runs if (states := snapshots_in(path))]
    return max(found, key=lambda states: states[-1].stat().st_mtime, default=[])


def check_not_running(out: Path) -> None:
    """Check that no run is writing to a directory.

    Raises
    ------
    NetdefError: one is.
    """
    if (out / LOG).exists():
        JsonLog.check_unlocked(out / LOG)


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
