"""Runs that are killed at random instants, by random signals: each must resume to the weights of a run that was not.

    python tools/kills.py [--times 160] [--units 16] [--seed 1]

--units makes the weights larger: 16 are 150 KB, 11000 are 104 MB; large snapshots are killed amid being written. The runs are forks
of this process. Prints how they ended, and ends with 1 where one resumed to other weights, or left a partial file.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import runtime.solver.loop  # noqa: F401 - what every run imports, before the forks
from netdef.cli.main import run

NET = """
name: "small"
layer data: ImageData -> data, label {{ source: "builtin:digits" batch_size: 4 shuffle: true transform_param {{ scale: 0.0039 }} }}
layer drop: Dropout(data)
layer hidden: InnerProduct(drop) {{ num_output: {units} weight_filler {{ type: "xavier" }} }}
layer relu: ReLU(hidden) -> hidden
layer fc: InnerProduct(hidden) {{ num_output: 10 weight_filler {{ type: "xavier" }} }}
layer loss: SoftmaxWithLoss(fc, label)
"""
LAST = 30
SOLVER = f'base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 random_seed: 5 display: 5 max_iter: {LAST} snapshot: 3'
TRAIN = ["train", "small.net", "solver.txt", "--threads", "1", "--devices", "cpu:0", "--out"]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def forked(words: list[str]) -> int:
    """Start a command in a fork; returns its process."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        out = os.open("printed", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        code = run(words)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def weights(run_folder: str) -> str:
    """A hash of the weights at the end of a run; "none" where it wrote none."""
    path = Path(run_folder, f"small_iter_{LAST}.caffemodel")
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "none"


def complaint(name: str, expected: str) -> str:
    """Go on with a run; what is wrong with its end, "" if nothing is."""
    if not Path(name, f"small_iter_{LAST}.solverstate").exists() and (code := ended(forked([*TRAIN, name, "--resume", "latest"]))):
        return f"resuming ended with {code}:\n{Path('printed').read_text(errors='replace')[-1500:]}"
    found = weights(name)
    if found != expected:
        return "other weights" if found != "none" else "no weights of the last iteration"
    left = [str(path) for path in Path(name).rglob(".*.partial")]
    return f"left over: {left}" if left else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=160)
    parser.add_argument("--units", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    draw, ends, wrong = random.Random(given.seed), Counter[str](), 0
    with tempfile.TemporaryDirectory(prefix="netdef-kills-") as base:
        os.chdir(base)
        Path("small.net").write_text(NET.format(units=given.units))
        Path("solver.txt").write_text(SOLVER)
        seconds, expected = 0.0, ""
        for name in ("compiles", "whole"):  # the second finds its kernels
            begun = time.monotonic()
            if code := ended(forked([*TRAIN, name])):
                raise SystemExit(f"the run ended with {code}:\n{Path('printed').read_text()}")
            seconds, expected = time.monotonic() - begun, weights(name)
            if expected == "none":
                raise SystemExit(f"the run wrote no weights of iteration {LAST}:\n{Path('printed').read_text()}")
        size = Path(f"whole/small_iter_{LAST}.caffemodel").stat().st_size
        for number in range(given.times):
            name, which = f"run-{number}", draw.choice(SIGNALS)
            child = forked([*TRAIN, name])
            time.sleep(1.1 * seconds * draw.random())
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, which)
            ends[f"{which.name} {ended(child)}"] += 1
            if found := complaint(name, expected):
                wrong += 1
                print(f"WRONG run {number}, {which.name}: {found}", flush=True)
            shutil.rmtree(name, ignore_errors=True)
        os.chdir("/")
    print(f"{given.times} kills of a run with {size:,} bytes of weights: {wrong} wrong")
    print("  " + ", ".join(f"{end}: {count}" for end, count in sorted(ends.items())))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
