"""A reader of tools/fuzz.py on inputs that libFuzzer chooses, by the branches of our own code that each takes.

    python tools/fuzz_atheris.py READER [--inputs 10000] [--seed 1] [--keep FOLDER]

Needs the package atheris, which counts the branches. Inputs are changed with regard to their structure, as in tools/fuzz.py; those
that take new branches are changed further. Ends with 1 if an input ends in anything but a result or a NetdefError.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

import atheris

WITH_KERNELS = ["runtime.kernels", "runtime.ops"]  # which numba reads, and could not with counters in them


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader")
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="the folder for inputs to look at")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder, findings = Path(name), given.keep.resolve()
        before = {*findings.iterdir()} if findings.is_dir() else set()
        child = os.fork()
        if child == 0:  # libFuzzer ends the process
            _fuzz(given, folder, findings)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    found = len({*findings.iterdir()} - before) if findings.is_dir() else 0
    print(f"{given.reader}: {given.inputs:,} inputs, {found} findings" if code == 0 else f"{given.reader}: ended with {code}")
    return int(bool(found or code))


def _fuzz(given: Any, folder: Path, findings: Path) -> None:
    """Read inputs; does not return."""
    with atheris.instrument_imports(include=["netdef", "runtime"], exclude=WITH_KERNELS, enable_loader_override=False):
        import fuzz_readers
        from fuzz_worker import NAMED

        from netdef.language import NetdefError

        if given.reader not in fuzz_readers.READERS:
            print(f"no reader is called {given.reader}; there are {', '.join(fuzz_readers.READERS)}", file=sys.stderr, flush=True)
            os._exit(2)
        reader = fuzz_readers.READERS[given.reader]
        seeds = reader.seeds()
        (folder / "corpus").mkdir()
        for number, (_, data) in enumerate(seeds):
            (folder / "corpus" / str(number)).write_bytes(data)
        path = folder / NAMED.get(given.reader, seeds[0][0])
        lines: set[str] = set()

        def one(data: bytes) -> None:
            path.write_bytes(data)
            try:
                reader.read(path, random.Random(data))
            except NetdefError:
                pass
            except Exception:
                report = traceback.format_exc()
                line = report.strip().splitlines()[-3]
                if line not in lines:
                    lines.add(line)
                    (findings / f"atheris-{given.reader}-{len(lines)}-{path.name}").write_bytes(data)
                    print(report, file=sys.stderr, flush=True)

        def change(data: bytes, most: int, seed: int) -> bytes:
            return reader.mutate(random.Random(seed), data)[:most]

        findings.mkdir(parents=True, exist_ok=True)
        one(seeds[0][1])  # loads all modules, with counters
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10) + 1000  # MB: 1 GB in addition
        options = [f"-runs={given.inputs}", f"-seed={given.seed}", "-max_len=65536", "-timeout=10", "-verbosity=0"]
        options += [f"-rss_limit_mb={memory}", f"-artifact_prefix={findings}/{given.reader}-"]
        atheris.Setup([sys.argv[0], *options, str(folder / "corpus")], one, custom_mutator=change)
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
