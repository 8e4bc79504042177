"""How fast netdef must be beside PyTorch and ONNX Runtime, and how fast it is: one table of all nets and batches, by one command.

Each row is written to a file when it is measured (a line of JSON).  A row that the file has is not measured again, so a run that
was stopped, or had --minutes for a part of the table only, goes on where it ended.  Measure on a machine that does nothing else.

Behind the table come this machine's rates of a large product and a large copy, and the time of each layer of AlexNet beside the
least that these rates allow (`netdef time`).

    python tools/bench_floors.py --to floors.jsonl --minutes 12            (needs the `bench` extra)
    python tools/bench_floors.py --to floors.jsonl --nets alexnet caffenet
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from bench_peers import measure, runs_here
from bench_table import HEAD, NAMES, PAIRS, Row, cells, compared, line, options_of

FLOORS: dict[tuple[str, int], dict[str, float]] = {  # of a net and a batch, by job: how many times as fast as the other program
    ("alexnet", 64): {"train": 3.5, "forward": 2.2},
    ("alexnet", 8): {"train": 2.0, "forward": 1.5},
    ("alexnet", 1): {"forward": 1.25},
    ("caffenet", 32): {"train": 2.2, "forward": 1.3},
    ("googlenet", 32): {"train": 2.2, "forward": 1.3},
    ("nin", 32): {"train": 2.2, "forward": 1.3},
    ("zfnet", 32): {"train": 2.2, "forward": 1.3},
    ("lenet", 64): {"train": 2.2, "forward": 1.3},
    ("cifar10_relu", 100): {"train": 2.2, "forward": 1.3},
    ("cifar10_tanh", 100): {"train": 2.2, "forward": 1.3},
    ("resnet50", 32): {"train": 1.8, "forward": 1.15},
    ("vgg16", 4): {"train": 1.8, "forward": 1.15},
    ("vgg16", 16): {"train": 1.8, "forward": 1.15},
}
MEMORY = 0.75  # of PyTorch's
Key = tuple[str, int, str, int]  # net, batch, job, threads


def read_rows(path: Path) -> dict[Key, Row]:
    """What was measured before; a last line that was cut off is left out."""
    found: dict[Key, Row] = {}
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            given = json.loads(text)
        except json.JSONDecodeError:
            print(f"{path}: a line that is no JSON is left out: measured again", file=sys.stderr)
            continue
        found[given["net"], given["batch"], given["job"], given["threads"]] = Row(**given["row"])
    return found


def wanted(nets: list[str] | None, threads: int) -> list[Key]:
    """The rows of the table, in its order; of all nets, or of these."""
    return [(net, batch, job, threads) for (net, batch), floors in FLOORS.items() if nets is None or net in nets for job in floors]


def fill(keys: list[Key], path: Path, measured: Callable[[Key], Row | None], left: Callable[[], bool]) -> dict[Key, Row]:
    """Measure the rows that are missing, while time is left, and add each to the file."""
    rows = read_rows(path)
    whole = not path.exists() or path.read_bytes()[-1:] in (b"", b"\n")
    for key in keys:
        if key in rows:
            continue
        if not left():
            break
        print(f"{' '.join(map(str, key[:3]))} ...", file=sys.stderr)
        row = measured(key)
        if row is None:
            print(f"{key[2]}: left out, {NAMES[PAIRS[key[2]]]} is not installed", file=sys.stderr)
            continue
        rows[key] = row
        net, batch, job, threads = key
        with path.open("a") as file:
            text = json.dumps({"net": net, "batch": batch, "job": job, "threads": threads, "row": asdict(row)})
            file.write(("" if whole else "\n") + text + "\n")
        whole = True
    return rows


def table(keys: list[Key], rows: dict[Key, Row]) -> list[str]:
    """The lines of the table, each with its floor and whether both that and the memory are met; then what is not measured yet."""
    head = [*HEAD[:-1], "of PyTorch's", "the other's of GEMM", "floor", "met"]
    lines = [line(head), line(["---"] * len(head))]
    for key in keys:
        if key in rows:
            net, batch, job, threads = key
            floor, row = FLOORS[net, batch][job], rows[key]
            missed = [name for name, met in (("speed", row.ratio >= floor), ("memory", row.peak_share <= MEMORY)) if not met]
            met = f"no: {', '.join(missed)}" if missed else "yes"
            lines.append(line([*cells(net, batch, threads, job, row), f"{row.share / row.ratio:.0%}", f"{floor}", met]))
    missing = [f"{net} {batch} {job}" for net, batch, job, threads in keys if (net, batch, job, threads) not in rows]
    return [*lines, *([f"not measured yet: {', '.join(missing)}; run it again with the same file"] if missing else [])]


def layers(threads: int) -> str:
    """Each layer of AlexNet beside the least that this machine allows, and the rates that say so."""
    from netdef.cli.time import Options, time

    return time("alexnet", Options(batch=64, threads=threads, iterations=3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, required=True, help="the file of the rows; a row that it has is not measured again")
    parser.add_argument("--nets", nargs="+", choices=list(dict.fromkeys(net for net, _ in FLOORS)), help="default: all")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no row after so many")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--iterations", type=int, default=50, help="timed iterations of each process at most")
    parser.add_argument("--seconds", type=float, default=4.0, help="of timed iterations; there is always one")
    arguments = parser.parse_args()
    if not arguments.to.parent.is_dir():
        parser.error(f"--to {arguments.to}: there is no folder {arguments.to.parent}")
    end = time.monotonic() + 60 * arguments.minutes

    def measured(key: Key) -> Row | None:
        net, batch, job, _ = key
        row = compared(net, batch, arguments, job)
        if row is None or job == "train" or "torch forward" not in runs_here("torch forward"):
            return row
        once = argparse.Namespace(**{**vars(arguments), "iterations": 1})
        peak = measure("torch forward", net, options_of(batch, once))["peak_bytes"]  # ONNX Runtime is the other one in this row
        return replace(row, peak_share=row.peak / peak)

    keys = wanted(arguments.nets, arguments.threads)
    rows = fill(keys, arguments.to, measured, lambda: time.monotonic() < end)
    print("\n".join(table(keys, rows)))
    print(f"\n{layers(arguments.threads)}")


if __name__ == "__main__":
    main()
