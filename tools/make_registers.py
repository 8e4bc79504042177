"""Write runtime/kernels/cuda/registers.json: the registers and the shared memory of each kernel, as NVRTC compiles it for sm_80.

python tools/make_registers.py

Of each kernel the form that takes most of what the models and the tests run; other forms where more of their blocks run at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from runtime.kernels.cuda.grids import THREADS
from runtime.kernels.cuda.occupancy import COMPILER, TABLE, blocks_of
from runtime.kernels.cuda.options import THREADS_AT_ONCE
from tests.runtime.kernels.cuda import nvrtc, zoo
from tests.runtime.kernels.cuda.checks import all_checks
from tests.runtime.kernels.cuda.running import functions_of

ARCHITECTURE = 80


def table(forms: Iterable[nvrtc.Compiled]) -> dict[str, tuple[int, int]]:
    """By kernel, and by form."""
    taken = {form.function: (form.resources.registers, form.resources.shared) for form in forms}
    found: dict[str, tuple[int, int]] = {}
    for function, (registers, shared) in taken.items():
        most = found.get(nvrtc.bare(function), (0, 0))
        found[nvrtc.bare(function)] = max(most[0], registers), max(most[1], shared)
    own = {function: held for function, held in taken.items() if at_once(held) != at_once(found[nvrtc.bare(function)])}
    return {**found, **own}


def at_once(held: tuple[int, int]) -> tuple[int, int]:
    """How many blocks of the usual numbers of threads run at once."""
    few, many = (blocks_of(*held, threads, THREADS_AT_ONCE) for threads in (THREADS // 2, THREADS))
    return few, many


def main() -> None:
    if not TABLE.exists():
        TABLE.write_text("{}\n")
    functions = functions_of(check.plan for check in all_checks())
    for file, names in zoo.functions().items():
        functions[file] = sorted({*functions.get(file, []), *names})
    made = table(nvrtc.compile_files(functions, ARCHITECTURE))
    rows = {COMPILER: nvrtc.release(), **dict(sorted(made.items()))}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    TABLE.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
