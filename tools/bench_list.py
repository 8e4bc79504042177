"""How long a list of images takes to read, and how much memory: `python tools/bench_list.py [--lines 1300000]`.

Writes a list as long as ImageNet's, with its names, and reads it in a process of its own, as a layer's source does.  Prints seconds
by the clock and of the processor, and the memory that the process had at most, with what Python and NumPy take of it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

CLASSES = 1000
READ = """
import resource, sys, time
from runtime.data.listing import read_list
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
clock, spent = time.perf_counter(), time.process_time()
listing = read_list(sys.argv[1])
clock, spent = time.perf_counter() - clock, time.process_time() - spent
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(f"{len(listing.paths):,} lines: {clock:.2f} s, {spent:.2f} s of the processor, {peak / 2**10:.0f} MiB at most", end="")
print(f", {before / 2**10:.0f} MiB of them before")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_300_000)
    count = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        with open(path, "w") as file:
            for number in range(count):
                label = number * CLASSES // count
                file.write(f"n{label:08d}/n{label:08d}_{number}.JPEG {label}\n")
        subprocess.run([sys.executable, "-c", READ, str(path)], check=True)


if __name__ == "__main__":
    main()
