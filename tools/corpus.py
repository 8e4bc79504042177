"""Try every net and solver in a folder: read, check, build in each phase, format, convert, compare with itself.

    python tools/corpus.py DIR [--list OUTCOME] [--quick]

Prints how many files had each outcome, and one line for each file that failed or that a command changed. An outcome is "whole",
"whole, with unknown types or fields", "error CODE" (a NetdefError: the file is refused, with a message), or what must not be:
"lost" (a command changed what the file says), "crash" (any other exception). The exit code is 1 if there is one of the last two.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from netdef.check.run import check  # noqa: E402
from netdef.convert import convert  # noqa: E402
from netdef.diff.command import diff  # noqa: E402
from netdef.draw import draw  # noqa: E402
from netdef.fmt import formatted  # noqa: E402
from netdef.language import NetdefError, read_text  # noqa: E402
from netdef.language.contents import bytes_of, decoded  # noqa: E402
from netdef.language.kept import names  # noqa: E402
from netdef.language.kinds import SOLVER, kind_of_text  # noqa: E402
from netdef.loading import Opened  # noqa: E402
from netdef.schema import LAYER_TYPES  # noqa: E402
from netdef.shapes import FORMATS, render  # noqa: E402

ENDINGS = (".net", ".prototxt", ".pbtxt", ".prototxt.txt")
WHOLE, UNKNOWN, LOST, CRASH = "whole", "whole, with unknown types or fields", "lost", "crash"


@dataclass(frozen=True)
class Outcome:
    """What became of a file. `line`: what is wrong, on one line."""

    file: Path
    kind: str
    line: str = ""


class LostError(Exception):
    """A command changed what a file says."""


def files_in(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name.endswith(ENDINGS))


def outcome_of(path: Path, quick: bool) -> Outcome:
    """Try one file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Outcome(path, tried(path, quick))
    except NetdefError as error:
        first = error.diagnostics[0]
        return Outcome(path, f"error {first.code or 'without a code'}", f"{first.position or path}: {first.message}")
    except LostError as error:
        return Outcome(path, LOST, str(error))
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(path, CRASH, f"{Path(last.filename).name}:{last.lineno}: {type(error).__name__}: {error}")


def tried(path: Path, quick: bool) -> str:
    """The outcome of a file that nothing refuses."""
    text = decoded(bytes_of(path), str(path))
    if kind_of_text(text, str(path)) == SOLVER:
        written_again(text, path, "SolverParameter", ("prototxt",))
        check(str(path))
        return WHOLE
    message = written_again(text, path, "NetParameter", ("net", "prototxt"))
    opened = Opened(lambda: read_text(text, str(path), "NetParameter"), str(path))
    phases = [phase for phase in ("train", "test") if opened.has_phase(phase)]
    for phase in phases or ["test"]:
        net = opened.net(phase, partial=True)
        for form in FORMATS:
            render(net, form)
        if not quick:
            with tempfile.TemporaryDirectory() as folder:
                draw(net, f"{folder}/net.svg", "auto")
    check(str(path))
    if not quick:
        _, differs = diff(str(path), str(path))
        if differs:
            raise LostError("diff finds a difference between the file and itself")
        converted(path, message)
    kept = any(layer.type not in LAYER_TYPES or [*names(layer)] for layer in message.layer) or [*names(message)]
    return UNKNOWN if kept else WHOLE


def written_again(text: str, path: Path, kind: str, forms: tuple[str, ...]) -> Any:
    """The message of a text, which each form of `netdef fmt` must keep."""
    message = read_text(text, str(path), kind).message
    for form in forms:
        again = formatted(text, str(path), form)
        if read_text(again, f"again.{form}", kind).message != message:
            raise LostError(f"fmt --to {form} changes the meaning")
        if formatted(again, f"again.{form}", form) != again:
            raise LostError(f"fmt --to {form} changes its own form")
    return message


def converted(path: Path, message: Any) -> None:
    """Convert a net to binary and back."""
    with tempfile.TemporaryDirectory() as folder:
        convert(str(path), f"{folder}/a.caffemodel", weights=None)
        convert(f"{folder}/a.caffemodel", f"{folder}/b.prototxt", weights=None)
        back = read_text(Path(f"{folder}/b.prototxt").read_bytes(), "b.prototxt", "NetParameter").message
    for layer in (*message.layer, *back.layer):
        layer.ClearField("blobs")
    if back != message:
        raise LostError("convert to .caffemodel and back changes the net")


def main() -> int:
    parser = argparse.ArgumentParser(description="Try every net and solver in a folder.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--list", default="", metavar="OUTCOME", help="list the files of this outcome too")
    parser.add_argument("--quick", action="store_true", help="without draw, diff and convert")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    for path in files_in(options.folder):
        one = outcome_of(path, options.quick)
        counts[one.kind] += 1
        if one.line or one.kind == options.list:
            print(f"{one.kind}: {one.file.relative_to(options.folder)}: {one.line}".rstrip(": "), flush=True)
    print(f"{counts.total()} files")
    for kind, count in counts.most_common():
        print(f"{count:6}  {kind}")
    return 1 if counts[LOST] or counts[CRASH] else 0


if __name__ == "__main__":
    sys.exit(main())
