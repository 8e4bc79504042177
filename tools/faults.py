"""Make every file operation of a command fail in turn, and end the process before each. After that the old files must be whole, the
message must name the file and the reason, and the same command, or --resume latest, must come to the same bits.

    python tools/faults.py [--scenarios snapshots,lmdb] [--kinds crash,full] [--every 1] [--list]

The operations are those of libc on files in the command's folder, C libraries' too: tools/faults.c stands between (LD_PRELOAD); cc
or ziglang compiles it. Kinds of faults:

crash   the process ends before the operation, or amid it if it writes. The disk is looked at in three ways: as it was (a kill);
        only what was synced (a power cut); all names, but only synced contents (a power cut where names are written first)
full    from this operation on the disk is full (ENOSPC)
io      the operation fails (EIO)
access  an operation on a name is not permitted (EACCES)
short   a write writes half of its bytes

Prints for each scenario the operations, the faults and their outcomes; ends with 1 if one of them is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from fault_scenarios import SCENARIOS, Scenario

HERE = Path(__file__).resolve()
SHIM = "NETDEF_FAULTS_SHIM"  # the environment variable with its path, in the process that has it loaded
FAIL, FULL, SHORT, CRASH = 1, 2, 3, 4  # as in faults.c
CRASHED = 86  # the exit code of a crash
LONGEST = 120  # seconds until a command counts as hanging
ON_NAMES = ("create", "open", "rename", "unlink", "mkdir", "rmdir", "chmod", "link")


@dataclass(frozen=True)
class Kind:
    """A kind of fault. error: its errno. meets: whether it can happen to an operation. views: how the disk looks afterwards."""

    number: int
    error: int
    meets: Callable[[str], bool]
    views: tuple[str, ...] = ("as it is",)


VIEWS = ("as it is", "synced", "names")
KINDS = {
    "crash": Kind(CRASH, 0, lambda operation: True, VIEWS),
    "full": Kind(FULL, errno.ENOSPC, lambda operation: operation in ("create", "mkdir", "link") or "write" in operation),
    "io": Kind(FAIL, errno.EIO, lambda operation: True),
    "access": Kind(FAIL, errno.EACCES, lambda operation: operation in ON_NAMES),
    "short": Kind(SHORT, 0, lambda operation: "write" in operation),
}


class Disk:
    """A scenario's folder, and beside it what of it was synced."""

    def __init__(self, base: Path, template: Path):
        self.folder, self.kept = base / "work", base / "kept"
        for path in (self.folder, self.kept):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(template, self.folder, symlinks=True)
        self.kept.mkdir()
        for path in [self.folder, *self.folder.rglob("*")]:  # all that is there at first is on disk
            number = path.stat().st_ino
            if path.is_dir():
                names = b"".join(b"%d %s\0" % (one.stat().st_ino, os.fsencode(one.name)) for one in path.iterdir())
                (self.kept / f"names-{number}").write_bytes(names)
            elif path.is_file():
                shutil.copyfile(path, self.kept / f"bytes-{number}")
                os.link(path, self.kept / f"held-{number}")

    def restored(self, to: Path, view: str) -> Path:
        """The folder as a crash leaves it, copied to a new one."""
        shutil.rmtree(to, ignore_errors=True)
        if view == "as it is":
            shutil.copytree(self.folder, to, symlinks=True)
        else:
            self._restore(self.folder.stat().st_ino, self.folder, to, view == "names")
        return to

    def _restore(self, number: int, folder: Path, to: Path, present_names: bool) -> None:
        to.mkdir()
        names = self.kept / f"names-{number}"
        if present_names:
            entries = [(one.stat().st_ino, one.name) for one in folder.iterdir()] if folder.is_dir() else []
        else:
            lines = names.read_bytes().split(b"\0")[:-1] if names.exists() else []
            entries = [(int(line.split(b" ", 1)[0]), os.fsdecode(line.split(b" ", 1)[1])) for line in lines]
        for inner, name in entries:
            is_folder = (self.kept / f"names-{inner}").exists() or (folder / name).is_dir()
            if is_folder:
                self._restore(inner, folder / name, to / name, present_names)
            else:
                contents = self.kept / f"bytes-{inner}"
                (to / name).write_bytes(contents.read_bytes() if contents.exists() else b"")


class Runner:
    """Runs commands in forks of this process, some with a fault."""

    def __init__(self, base: Path):
        import runtime.solver.loop  # noqa: F401 - what every command of a run imports, before the forks
        from runtime.data import copying

        copying.BATCH = 2  # records: a conversion has batches before the one that fails
        self.base, self.shim = base, ctypes.CDLL(os.environ[SHIM])

    def run(self, folder: Path, words: list[str], disk: Disk | None = None, at: int = -1, kind: Kind | None = None) -> Ran:
        """One command in a folder; with a disk, its operations are counted, and one of them meets a fault."""
        printed, traced = self.base / "printed", self.base / "traced"
        child = os.fork()
        if child == 0:
            self._child(folder, words, disk, at, kind, printed, traced)
        code = _wait(child)
        operations = traced.read_text(errors="replace").splitlines() if disk is not None else []
        return Ran(code, printed.read_text(errors="replace"), [line.split(" ", 2)[1] for line in operations])

    def warm(self, template: Path, words: list[str]) -> None:
        """Run a command here, so that the forks have the compiled kernels that it loads."""
        from netdef.cli.main import run

        copied = self.base / "warm"
        shutil.rmtree(copied, ignore_errors=True)
        shutil.copytree(template, copied)
        before = os.getcwd()
        os.chdir(copied)
        with contextlib.redirect_stdout(io.StringIO()):
            run(words)
        os.chdir(before)

    def forked(self, function: Callable[[], Any]) -> Any:
        """What a function returns, run in a fork, as JSON carries it: libraries that start threads do so there."""
        answer = self.base / "answer"
        child = os.fork()
        if child == 0:
            try:
                answer.write_text(json.dumps(function()))
            except BaseException:
                answer.write_text(json.dumps(traceback.format_exc()))
            finally:
                os._exit(0)
        if _wait(child) != 0:
            return "ended early"
        return json.loads(answer.read_text())

    def _child(
        self, folder: Path, words: list[str], disk: Disk | None, at: int, kind: Kind | None, printed: Path, traced: Path
    ) -> None:
        from netdef.cli.main import run

        code = 1
        try:
            out = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            trace = os.open(traced, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            os.chdir(folder)
            if disk is not None:
                kinds = (kind.number, kind.error) if kind is not None else (0, 0)
                names = (os.fsencode(disk.folder), os.fsencode(disk.kept))
                self.shim.faults_arm(*names, ctypes.c_long(at), *kinds, trace)
            code = run(words)
        except BaseException:
            traceback.print_exc()
        finally:
            self.shim.faults_disarm()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


@dataclass(frozen=True)
class Ran:
    """How a command ended.

    Attributes
    ----------
    code: the exit code, minus the signal that ended it, or None for one that hung.  operations: on files, by their names.
    """

    code: int | None
    printed: str
    operations: list[str]


def _wait(child: int) -> int | None:
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def faults_of(
    scenario: Scenario, runner: Runner, kinds: list[str], every: int, numbers: Iterator[int]
) -> Iterator[tuple[str, str]]:
    """(outcome, complaint or "") of each fault of a scenario; the first is ("operations", their count)."""
    template = runner.base / "template"
    shutil.rmtree(template, ignore_errors=True)
    template.mkdir()
    for words in runner.forked(lambda: scenario.prepare(template)):
        ran = runner.run(template, words)
        if ran.code:
            raise SystemExit(f"{scenario.name}: {' '.join(words)} ended with {ran.code}:\n{ran.printed}")
    if scenario.loads_kernels:
        runner.warm(template, scenario.command)
    disk = Disk(runner.base, template)
    whole = runner.run(disk.folder, scenario.command, disk)
    if whole.code:
        raise SystemExit(f"{scenario.name}: {' '.join(scenario.command)} ended with {whole.code}:\n{whole.printed}")
    before = runner.forked(lambda: scenario.results(template))
    expected = runner.forked(lambda: scenario.results(disk.folder))
    yield "operations", str(len(whole.operations))
    for name in kinds:
        kind = KINDS[name]
        for at, operation in enumerate(whole.operations, 1):
            if not kind.meets(operation) or next(numbers) % every:
                continue
            disk = Disk(runner.base, template)
            ran = runner.run(disk.folder, scenario.command, disk, at, kind)
            where = f"{scenario.name}, {name} at operation {at} ({operation})"
            outcome, wrong = ending(ran, kind)
            yield outcome, f"{where}: {wrong}" if wrong else ""
            for view in kind.views:
                after = disk.restored(runner.base / "after", view)
                wrong = damaged(runner, scenario, after, before, expected) or going_on(runner, scenario, after, expected)
                outcome = f"then whole ({view})" if len(kind.views) > 1 else "then whole"
                yield outcome, f"{where}, disk {view}: {wrong}" if wrong else ""


def ending(ran: Ran, kind: Kind) -> tuple[str, str]:
    """How a command with a fault ended, and what is wrong with that."""
    if ran.code is None:
        return "hung", "it hangs"
    if kind.number == CRASH:
        return ("crashed", "") if ran.code in (0, CRASHED) else ("other end", f"it ended with {ran.code}:\n{ran.printed}")
    if ran.code == 0:
        return "done all the same", ""
    if ran.code != 2 or "Traceback" in ran.printed or "error: " not in ran.printed:
        return "other end", f"it ended with {ran.code}:\n{ran.printed[-2000:]}"
    message = ran.printed[ran.printed.index("error: ") :]
    reason = os.strerror(kind.error).lower() if kind.error else ""
    return "refused, with the reason", "" if reason in message.lower() else f"the message lacks the reason:\n{message[-1000:]}"


def damaged(runner: Runner, scenario: Scenario, folder: Path, before: dict[str, str], after: dict[str, str]) -> str:
    """A file that is neither the one before nor the one after."""
    found = runner.forked(lambda: scenario.results(folder))
    if not isinstance(found, dict):
        return f"its results cannot be read:\n{found}"
    wrong = [name for name in scenario.old if found.get(name) not in (before.get(name), after.get(name))]
    return f"damaged: {wrong}" if wrong else ""


def going_on(runner: Runner, scenario: Scenario, folder: Path, expected: dict[str, str]) -> str:
    """What is wrong after the command that goes on."""
    if not scenario.again_always and runner.forked(lambda: scenario.results(folder)) == expected:
        return ""
    ran = runner.run(folder, scenario.again)
    if ran.code != 0:
        return f"{' '.join(scenario.again)} ended with {ran.code}:\n{ran.printed[-2000:]}"
    found = runner.forked(lambda: scenario.results(folder))
    if not isinstance(found, dict):
        return f"its results cannot be read:\n{found}"
    if found != expected:
        return f"other results: {sorted(name for name in expected.keys() | found.keys() if found.get(name) != expected.get(name))}"
    return left_over(folder)


def left_over(folder: Path) -> str:
    """Files that only a command that is running has; those that a crash leaves go when the file is written again."""
    left = [str(path.relative_to(folder)) for path in folder.rglob(".*.partial")]
    return f"left over: {left}" if left else ""


def build(name: str, folder: Path) -> Path:
    """Compile NAME.c of this folder."""
    library = folder / f"{name}.so"
    compilers = [["cc"], [sys.executable, "-m", "ziglang", "cc"]]
    compiler = next(words for words in compilers if shutil.which(words[0]))
    if compiler == ["cc"] and os.environ.get("CC"):
        compiler = [os.environ["CC"]]
    subprocess.run([*compiler, "-O1", "-shared", "-fPIC", str(HERE.with_name(f"{name}.c")), "-o", str(library)], check=True)
    return library


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--scenarios", default=",".join(SCENARIOS))
    arguments.add_argument("--kinds", default=",".join(KINDS))
    arguments.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th fault")
    arguments.add_argument("--list", action="store_true", help="list the scenarios")
    given = arguments.parse_args()
    if given.list:
        print("\n".join(f"{name:12} {' '.join(one.command)}" for name, one in SCENARIOS.items()))
        return 0
    with tempfile.TemporaryDirectory(prefix="netdef-faults-") as base:
        if SHIM not in os.environ:
            library = build("faults", Path(base))
            variables = {"LD_PRELOAD": str(library), SHIM: str(library), "PYTHONPATH": str(HERE.parents[1])}
            return subprocess.run([sys.executable, *sys.argv], env={**os.environ, **variables}, check=False).returncode
        return report(Runner(Path(base)), given)


def report(runner: Runner, given: argparse.Namespace) -> int:
    """Run the scenarios, print their outcomes; 1 if one was wrong."""
    wrong, faults, numbers = 0, 0, count(1)
    for name in given.scenarios.split(","):
        counts: Counter[str] = Counter()
        operations = 0
        for outcome, complaint in faults_of(SCENARIOS[name], runner, given.kinds.split(","), given.every, numbers):
            if outcome == "operations":
                operations = int(complaint)
                continue
            counts[f"WRONG {outcome}" if complaint else outcome] += 1
            wrong += bool(complaint)
            if complaint:
                print(f"WRONG {complaint}", flush=True)
        done = sum(times for outcome, times in counts.items() if "then" not in outcome)
        faults += done
        outcomes = ", ".join(f"{times} {outcome}" for outcome, times in sorted(counts.items()))
        print(f"{name}: {operations} operations, {done} faults: {outcomes}", flush=True)
    print(f"{faults} faults in all, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
