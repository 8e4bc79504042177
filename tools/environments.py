"""The same commands in many environments: the same weights, bit for bit, the same exit codes, and no traceback.

    python tools/environments.py [--only no-home,c-locale] [--list]

An environment changes variables, the current folder, the interpreter's options, the account or the clock. Each runs a training, its
resumption, a mistake in a net, `shapes`, `fmt --check`, `devices` and `runs`, and is compared with the plain one. Prints a line for
each; ends with 1 where one differs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from faults import build

ROOT = Path(__file__).resolve().parents[1]
NET = """
name: "small"
layer data: ImageData -> data, label { source: "builtin:digits" batch_size: 4 shuffle: true transform_param { scale: 0.0039 } }
layer fc: InnerProduct(data) { num_output: 10 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
SOLVER = 'base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 random_seed: 5 display: 2 max_iter: 4 snapshot: 2'
TRAIN = ["train", "{net}", "{solver}", "--threads", "1", "--devices", "cpu:0"]
COMMANDS = (
    ([*TRAIN, "--out", "{out}", "--iterations", "2"], 0),
    ([*TRAIN, "--out", "{out}", "--resume", "latest"], 0),
    ([*TRAIN, "--out", "{out}"], 2),
    (["shapes", "{wrong}"], 2),
    (["shapes", "{net}"], 0),
    (["fmt", "{net}", "--check"], 1),
    (["devices"], 0),
    (["runs", "{out}"], 0),
)
NOBODY = 65534
CLOCK = "{clock}"  # the library of tools/clock.c
CHANGES = re.compile(r"\d+(\.\d+)? (images/s|s\b)|\beta .*|\d+:\d\d|in \d.*images/s|compiling kernels.*\n|[\d.,]+ [GM]iB.*")


@dataclass(frozen=True)
class Environment:
    """What is other than usual.

    Attributes
    ----------
    variables: set, or removed where None.  options: of the interpreter.  folder: the name of the folder with the files.
    before: called in the new process.  same_text: whether the commands must print the same.  refused: what each command must
    refuse instead.
    """

    variables: Mapping[str, str | None] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    folder: bytes = b"work"
    before: Callable[[], None] = lambda: None
    same_text: bool = True
    refused: str = ""


def in_a_folder_that_is_gone() -> None:
    gone = tempfile.mkdtemp()
    os.chdir(gone)
    os.rmdir(gone)


def as_nobody() -> None:
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


ENVIRONMENTS = {
    "no-home": Environment({"HOME": None}),
    "unwritable-home": Environment({"HOME": "/proc/nowhere", "XDG_CACHE_HOME": None}, same_text=False),  # CuPy needs one
    "cwd-gone": Environment(before=in_a_folder_that_is_gone, refused="the current folder cannot be used"),
    "c-locale": Environment({"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "not-utf8": Environment(folder=b"w\xff\xe9rk", same_text=False),
    "spaces": Environment(folder="a b'c\"$x é".encode(), same_text=False),
    "dumb-terminal": Environment({"TERM": "dumb"}),
    "no-terminal": Environment({"TERM": None}),
    "narrow": Environment({"COLUMNS": "20", "LINES": "3"}),
    "optimized": Environment({"PYTHONOPTIMIZE": "2"}),
    "warnings-are-errors": Environment(options=("-W", "error")),
    "no-bytecode": Environment({"PYTHONDONTWRITEBYTECODE": "1"}),
    "nobody": Environment({"HOME": "/nonexistent"}, before=as_nobody),
    "other-time-zone": Environment({"TZ": "Pacific/Kiritimati"}),
    "hash-seed": Environment({"PYTHONHASHSEED": "123"}),
    "clock-jumps": Environment({"LD_PRELOAD": CLOCK}),
}


@dataclass(frozen=True)
class Result:
    """The exit codes, what was printed without what differs from run to run, and a hash of the weights."""

    codes: list[int]
    printed: list[str]
    weights: str


def run(environment: Environment, base: Path) -> Result:
    """Run the commands."""
    folder = Path(os.fsdecode(os.fsencode(base) + b"/" + environment.folder))
    folder.mkdir()
    folder.chmod(0o777)
    base.chmod(0o755)
    names = {"net": folder / "small.net", "solver": folder / "solver.txt", "wrong": folder / "wrong.net", "out": folder / "run"}
    names["net"].write_text(NET)
    names["solver"].write_text(SOLVER)
    names["wrong"].write_text(NET.replace("num_output", "num_outptu"))
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name, value in environment.variables.items():
        if value is None:
            variables.pop(name, None)
        else:
            variables[name] = str(build("clock", base)) if value == CLOCK else value
    codes, printed = [], []
    for words, _ in COMMANDS:
        command = [sys.executable, *environment.options, "-m", "netdef", *(word.format(**names) for word in words)]
        ran = subprocess.run(command, env=variables, cwd=folder, capture_output=True, preexec_fn=environment.before, check=False)
        text = (ran.stdout + ran.stderr).decode("utf-8", "backslashreplace").replace(str(folder), "FOLDER")
        codes.append(99 if "Traceback" in text else ran.returncode)
        printed.append(re.sub(" {2,}|-{2,}", "  ", CHANGES.sub("*", text)))  # columns are as wide as the folder's name
    weights = folder / "run" / "small_iter_4.caffemodel"
    return Result(codes, printed, hashlib.sha256(weights.read_bytes()).hexdigest() if weights.exists() else "none")


def difference(environment: Environment, found: Result, plain: Result) -> str:
    """What differs from the plain environment; "" if nothing does."""
    if environment.refused:
        right = set(found.codes) == {2} and all(environment.refused in text for text in found.printed)
        return "" if right else f"exit codes {found.codes}:\n{found.printed[0][-1500:]}"
    for (words, _), code, expected, text in zip(COMMANDS, found.codes, plain.codes, found.printed, strict=True):
        if code != expected:
            return f"netdef {' '.join(words)} ended with {'a traceback' if code == 99 else code}:\n{text[-1500:]}"
    if found.weights != plain.weights:
        return "other weights"
    for (words, _), text, expected_text in zip(COMMANDS, found.printed, plain.printed, strict=True):
        if environment.same_text and text != expected_text:
            return f"netdef {' '.join(words)} printed\n{text}\ninstead of\n{expected_text}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(ENVIRONMENTS), help="environments, with commas between them")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    if given.list:
        print("\n".join(ENVIRONMENTS))
        return 0
    base = Path(tempfile.mkdtemp(prefix="netdef-environments-"))
    try:
        for name in ("first", "plain", *given.only.split(",")):
            (base / name).mkdir()
        run(Environment(), base / "first")  # compiles kernels
        plain = run(Environment(), base / "plain")
        if plain.codes != [code for _, code in COMMANDS]:
            print(f"plain: exit codes {plain.codes}\n" + "\n".join(plain.printed))
            return 1
        wrong = 0
        for name in given.only.split(","):
            try:
                result = run(ENVIRONMENTS[name], base / name)
            except PermissionError as error:  # an interpreter in a home folder, which other accounts cannot enter
                print(f"{name:20} cannot be tried here: {error}", flush=True)
                continue
            found = difference(ENVIRONMENTS[name], result, plain)
            wrong += bool(found)
            print(f"{name:20} {'DIFFERS: ' + found if found else 'the same'}", flush=True)
        return 1 if wrong else 0
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    sys.exit(main())
