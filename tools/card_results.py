"""The file of results that tools/card.sh fills step by step, and its table.  It needs nothing but Python.

python tools/card_results.py FOLDER note STEP CODE SECONDS LIMIT      # how a step ended
python tools/card_results.py FOLDER skip STEP REASON
python tools/card_results.py FOLDER missing                          # packages that cannot be imported, in pip's names
python tools/card_results.py FOLDER table
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

NEEDED = {
    "click": "click", "google.protobuf": "protobuf", "numpy": "numpy", "numba": "numba", "PIL": "pillow", "rich": "rich",
    "yaml": "pyyaml", "threadpoolctl": "threadpoolctl",
}  # fmt: skip
OUT_OF_TIME = (124, 137)  # exit codes of `timeout`: the signals TERM and KILL
Record = dict[str, Any]


def read(folder: Path) -> Record:
    """What is known by now, by step."""
    path = folder / "card.json"
    return json.loads(path.read_text()) if path.exists() else {}


def merge(folder: Path, step: str, found: Mapping[str, Any]) -> None:
    """Add what a step found; a step may add more than once, so that what it found is kept if it is stopped."""
    record = read(folder)
    record.setdefault(step, {}).update(found)
    new = folder / "card.json.new"
    new.write_text(json.dumps(record, indent=1) + "\n")
    os.replace(new, folder / "card.json")


def missing() -> list[str]:
    """Packages that cannot be imported.  numpy comes along with numba, as one may be there that numba refuses."""
    names = []
    for module, package in NEEDED.items():
        try:
            import_module(module)
        except Exception:  # a broken installation may raise anything
            names += ["numpy", "numba"] if package == "numba" else [package]
    return sorted(set(names))


def ending(code: int, limit: int) -> str:
    """How a step ended."""
    return "done" if code == 0 else f"out of time after {limit} s" if code in OUT_OF_TIME else f"FAILED with exit code {code}"


def table(record: Record) -> str:
    """A line a step: how it ended, how long it took, and what matters of what it found."""
    rows = [("step", "s", "ended", "found")]
    for step, found in record.items():
        say = LINES.get(step.split("-")[0], lambda found: "")
        try:
            words = str(found["error"]).splitlines()[0] if "error" in found else say(found)
        except (KeyError, TypeError, ValueError):  # of a step that was stopped
            words = "incomplete, see card.json"
        rows.append((step, str(found.get("seconds", "")), found.get("ended", ""), words))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)).rstrip() for row in rows)


def _versions(found: Record) -> str:
    return f"{found['device']}, CuPy {found['cupy']}, CUDA {found['cuda']}, cuBLAS {found['cublas'] or 'not found'}"


def _selftest(found: Record) -> str:
    return str(found["verdict"]) if "verdict" in found else str(found.get("error", "no result"))


def _cases(found: Record) -> str:
    return f"{found['agree']} of {found['run']} runs agree with the CPU, {found['beside']} wrote beside their arrays"


def _bits(found: Record) -> str:
    shares = found["shares"]
    apart = f"{shares['weights']:.1e} of the way apart, {shares['allowed']:.0e} allowed for rounding"
    others = f"one share and two: {apart}{'' if shares['agrees'] else ', TOO MUCH'}"
    return ", ".join([*(f"{name}: {'equal' if same else 'DIFFERENT'}" for name, same in found["equal"].items()), others])


def _speed(found: Record) -> str:
    graphs = "graphs" if found["graphs_ran"] else "NO graphs"
    return f"{found['training']:,.0f} images/s in training, {found['forward']:,.0f} forward, {graphs}"


def _products(found: Record) -> str:
    return ", ".join(
        f"{row['layer']} {row['plain_us']:.0f} -> {row['split_us']:.0f} -> {row['own_us']:.0f} us" for row in found["rows"]
    )


def _memory(found: Record) -> str:
    return ", ".join(f"{row['kernel']} {row['layer']} {row['of_copy']:.0%}" for row in found["rows"])


def _torch(found: Record) -> str:
    rates = {name: row for name, row in found["rates"].items() if "training" in row}
    best = max(rates, key=lambda name: rates[name]["training"], default="")
    return f"best {best}: {rates[best]['training']:,.0f} images/s in training" if best else "no rates"


def _train(found: Record) -> str:
    return f"loss {found['first_loss']:.3f} -> {found['last_loss']:.3f} in {found['iterations']} iterations"


def _input(found: Record) -> str:
    return f"{found['images']:,.0f} images/s from files, {found['made']:,.0f} without"


LINES: dict[str, Callable[[Record], str]] = {
    "versions": _versions, "selftest": _selftest, "cases": _cases, "few": _cases, "memcheck": _cases, "racecheck": _cases,
    "bits": _bits, "speed": _speed, "products": _products, "memory": _memory, "torch": _torch, "train": _train, "input": _input,
}  # fmt: skip


def main(folder: Path, command: str, *arguments: str) -> None:
    if command == "note":
        step, code, seconds, limit = arguments
        merge(folder, step, {"ended": ending(int(code), int(limit)), "seconds": int(seconds)})
    elif command == "skip":
        merge(folder, arguments[0], {"ended": f"NOT RUN: {arguments[1]}"})
    elif command == "missing":
        print(*missing())
    elif command == "table":
        print(table(read(folder)))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
