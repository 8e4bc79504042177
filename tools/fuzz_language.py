"""Nothing that a file or an argument holds may end in anything but a result or a NetdefError, and in time.

    python tools/fuzz_language.py [--seconds 60] [--seed 1] [--kinds bytes,layers] [--keep FOLDER]

Makes inputs of several kinds from a seed and hands each to the commands that read it: shapes, check, fmt, diff, convert, draw,
explain and --set. Prints how many inputs of each kind there were, how each command ended, and the slowest
one; an input that ends in another exception, takes longer than --limit seconds or more memory than --memory is kept in a file
and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from netdef.cli.main import run
from netdef.language import NetdefError, print_message, read_file
from netdef.language.find import models_folder
from netdef.language.vocabulary import FieldInfo, fields, layer_vocabulary
from netdef.layers import LAYERS as LAYER_CLASSES
from netdef.schema import message_class

FILES = Path(__file__).resolve().parent.parent / "tests" / "goldens" / "files"
PIECES = r"""
layer train test defaults include remove name conv1 a/1x1 Convolution ReLU Pooling Python Data num_output kernel_size type layers
param lr_mult convolution_param data_param weight_filler phase TRAIN stage input input_dim input_shape dim blobs_lr CONVOLUTION
net_param train_net_param test_net_param max_iter solver_type top bottom inf nan -inf true 0 3 -1 0x1f 017 1.5 1e9 1e400 -0
99999999999999999999 08 1f .5 1. 1e "x" 'y' "ReLU" "a\q" "\377" "\0" "\ud800" "un 'un { } < > [ ] ( ) : , ; -> - + = @ # \ é
"""
MARKS = [
    "\n",
    "\n  ",
    "\0",
    "\r\n",
    "\N{NO-BREAK SPACE}",
    "\N{ZERO WIDTH NO-BREAK SPACE}",
    "\N{RIGHT-TO-LEFT OVERRIDE}",
    "\U0001d538",
]
WORDS = [*PIECES.split(), *MARKS]
INTEGERS = [
    "0",
    "1",
    "2",
    "3",
    "5",
    "7",
    "16",
    "-1",
    "-2",
    "1000",
    "65536",
    "2147483647",
    "-2147483648",
    "4294967295",
    "9" * 20,
    "017",
]
FLOATS = ["0", "1", "0.5", "-1", "1e-30", "3.4e38", "1e39", "1e400", "-1e400", "nan", "-nan", "inf", "-inf", "-0", "5f", "1e-400"]
TEXTS = ['""', '"x"', '"data"', '"a"', '"b"', '"Ω 日本"', r'"\377"', r'"\0"', r'"\n"', '"/dev/zero"', '"../.."', f'"{"n" * 300}"']
BLOBS = ["data", "label", "a", "b", "c", "d", "nothing"]
LAYERS = tuple(LAYER_CLASSES)
USUAL = ("num_output", "kernel_size", "shape", "source", "batch_size", "slice_point", "input_dim", "height", "width", "channels")
IN_PLACE = ("ReLU", "Dropout", "Sigmoid", "TanH", "LRN", "Power", "Scale", "Bias", "BatchNorm", "ELU", "PReLU", "Clip")


class TooSlowError(BaseException):
    """Raised by the alarm clock in the middle of whatever takes too long; BaseException, so that nothing swallows it."""


@cache
def real_files() -> list[tuple[str, bytes]]:
    """Name and contents of the nets and solvers that come along, and of the small files that Caffe wrote."""
    nets = sorted(models_folder().glob("*.net"))
    paths = [*nets, *sorted(models_folder().glob("*solver.txt")), *sorted(FILES.glob("*.prototxt"))]
    paths += [FILES / "mean.binaryproto", FILES / "snap_iter_4.caffemodel", FILES / "snap_iter_4.solverstate"]
    found = [(path.name, path.read_bytes()) for path in paths if path.is_file()]
    for path in nets:
        message = read_file(path, "NetParameter").message
        found.append((f"{path.stem}.prototxt", print_message(message).encode()))
        found.append((f"{path.stem}.caffemodel", message.SerializeToString()))
    return [(name, data) for name, data in found if len(data) < 200_000]


# -- inputs: each a name for the file, and what is in it


def bytes_of_any_kind(rng: random.Random) -> tuple[str, bytes]:
    """Noise, with some magic number before it."""
    start = rng.choice([b"", b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\x89PNG", b"\x0a\x03", b"layer {", b'name: "'])
    return rng.choice(["x.net", "x.prototxt", "x.caffemodel", "x.txt"]), start + rng.randbytes(rng.choice([0, 1, 3, 20, 200, 2000]))


def words_in_any_order(rng: random.Random) -> tuple[str, bytes]:
    """The pieces that real files are made of."""
    words = rng.choices(WORDS, k=rng.choice([1, 4, 12, 40, 150]))
    return rng.choice(["x.net", "x.prototxt", "x.txt"]), rng.choice([" ", "", "\n"]).join(words).encode("utf-8", "surrogatepass")


def changed_files(rng: random.Random) -> tuple[str, bytes]:
    """A real file with pieces gone, doubled, swapped, or of another file."""
    name, data = rng.choice(real_files())
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        data = changed(rng, data, binary=not name.endswith((".net", ".prototxt", ".txt")))
    return name, data


def changed(rng: random.Random, data: bytes, binary: bool) -> bytes:
    """One mutation."""
    start = rng.randrange(len(data) + 1)
    end = min(len(data), start + rng.choice([1, 1, 2, 5, 20, 200]))
    kind = rng.randrange(8)
    if kind == 0:
        return data[:start] + data[end:]
    if kind == 1:
        return data[:end] + data[start:]
    if kind == 2:
        piece = rng.randbytes(end - start) if binary else rng.choice(WORDS).encode("utf-8", "surrogatepass")
        return data[:start] + piece + data[end:]
    if kind == 3:
        return data[:start]
    if kind == 4:
        other = rng.choice(real_files())[1]
        at = rng.randrange(len(other) + 1)
        return data[:start] + other[at : at + end - start] + data[end:]
    if kind == 5 and start < end:
        return data[:start] + bytes([data[start] ^ (1 << rng.randrange(8))]) + data[start + 1 :]
    if binary:
        return data[:start] + rng.choice([b"\xff" * 9 + b"\1", b"\x80" * 5, b"\0", b"\x0a", b"\xff\xff\xff\xff\x0f"]) + data[end:]
    return another_value(rng, data)


def another_value(rng: random.Random, data: bytes) -> bytes:
    """One number of a text replaced by another."""
    text = data.decode("utf-8", "replace")
    starts = [at for at in range(1, len(text)) if text[at].isdigit() and text[at - 1] in " ["]
    if not starts:
        return data
    start = rng.choice(starts)
    end = start
    while end < len(text) and (text[end].isalnum() or text[end] == "."):
        end += 1
    return (text[:start] + rng.choice([*INTEGERS, *FLOATS]) + text[end:]).encode()


def value(rng: random.Random, info: FieldInfo, wild: float = 0.3, depth: int = 0) -> str:
    """A value for a field; `wild` is how likely it is at the end of its range, or of another kind."""
    strange = rng.random() < wild
    kind = rng.choice(["integer", "float", "string", "bool"]) if strange and rng.random() < 0.1 else info.kind
    if kind == "message":
        return block(rng, info.message, wild, depth + 1) if depth < 3 else "{ }"
    if kind == "enum":
        return rng.choice([*(info.names or {"x": 0}), *(["3"] if strange else [])])
    if kind == "integer":
        return rng.choice(INTEGERS) if strange else rng.choice(["1", "2", "3", "4"])
    if kind == "float":
        return rng.choice(FLOATS) if strange else rng.choice(["0", "0.5", "1", "2"])
    return rng.choice(["true", "false"]) if kind == "bool" else rng.choice(TEXTS if strange else ['"x"', '"constant"', '"data"'])


def block(rng: random.Random, message: str, wild: float, depth: int) -> str:
    """A message in braces with some of its fields."""
    known = [info for info in fields(message).values() if info.name != "blobs"]
    chosen = rng.sample(known, min(len(known), rng.choice([0, 1, 2, 3, 5])))
    return "{ " + " ".join(f"{info.name}: {value(rng, info, wild, depth)}" for info in chosen) + " }"


def head(rng: random.Random, wild: float) -> tuple[str, list[str]]:
    """What a net starts from, and the blobs that it makes."""
    axes = rng.choice([4, 4, 4, 4, 2, 1, 0, 5])
    dims = [rng.choice(INTEGERS if rng.random() < wild else ["1", "2", "3", "8", "16"]) for _ in range(axes)]
    shape, labelled = f"shape {{ dim: [{', '.join(dims)}] }}", rng.random() < 0.7
    label = f" shape {{ dim: {dims[0] if dims else 1} }}" if labelled else ""
    made = ["data", "label"] if labelled else ["data"]
    return f"layer data: Input -> {', '.join(made)} {{ {shape}{label} }}", made


def layers_at_random(rng: random.Random) -> tuple[str, bytes]:
    """Nets whose layers are wired and set at random: most can be read, many can be built."""
    wild = rng.choice([0.0, 0.0, 0.03, 0.3])
    first, made = head(rng, wild)
    text = [first]
    for index in range(rng.choice([1, 2, 3, 6])):
        kind = rng.choice(LAYERS)
        layer = LAYER_CLASSES[kind]
        low, high = layer.bottoms_allowed
        count = rng.randrange(4) if rng.random() < wild else min(low + (rng.random() < 0.3), high if high is not None else 9)
        bottoms = rng.choices(BLOBS if rng.random() < wild else made[-3:], k=count)
        count = rng.randrange(4) if rng.random() < wild else max(1, layer.tops_allowed[0])
        tops = rng.choices(BLOBS + made, k=count) if rng.random() < wild else [f"t{index}_{at}" for at in range(count)]
        if bottoms and kind in IN_PLACE and rng.random() < 0.3:
            tops[:1] = bottoms[:1]
        known = layer_vocabulary(kind)
        own = [name for name, (holder, _) in known.items() if holder]
        wanted = [name for name in USUAL if name in own]
        more = min(len(own) or 1, rng.choice([0, 0, 0, 1, 2, 4]))
        wanted += rng.sample(sorted(known if rng.random() < wild else own or known), more)
        body = " ".join(f"{name}: {value(rng, known[name][1], wild)}" for name in dict.fromkeys(wanted) if name != "blobs")
        phase = rng.choice(["", "", "", "", "", "", "train ", "test "])
        reads = f"({', '.join(bottoms)})" if bottoms else ""
        makes = "" if kind in ("Silence", "HDF5Output") else f" -> {', '.join(tops)}"
        text.append(f"{phase}layer l{index}: {kind}{reads}{makes} {{ {body} }}")
        made += [top for top in tops if top not in made and not phase and makes]
    if rng.random() < 0.1:
        others = ['include "lenet.net"', 'include "x.net"', "remove layer conv1", 'include "/dev/zero"']
        text.insert(rng.randrange(len(text) + 1), rng.choice(others))
    return "x.net", "\n".join(text).encode()


def solvers_at_random(rng: random.Random) -> tuple[str, bytes]:
    """Solver files, some with nets in them."""
    known = sorted(fields("SolverParameter").values(), key=lambda info: info.name)
    usual = ['net: "lenet.net"', "base_lr: 0.01", 'lr_policy: "step"', "gamma: 0.1", "stepsize: 10", "max_iter: 100"]
    text = [line for line in [*usual, "test_iter: 1", "test_interval: 5"] if rng.random() < 0.8]
    for info in rng.sample(known, rng.choice([0, 1, 2, 4])):
        if info.message == "NetParameter":
            text.append(f"{info.name} {{ {layers_at_random(rng)[1].decode()} }}")
        else:
            text.append(f"{info.name}: {value(rng, info)}")
    return "solver.prototxt", "\n".join(text).encode()


def messages_at_random(rng: random.Random) -> tuple[str, bytes]:
    """Binary messages: what a text can say, and what it cannot."""
    for _ in range(20):
        name, text = layers_at_random(rng)
        with contextlib.suppress(NetdefError):
            from netdef.language import read_text

            message: Any = read_text(text, name, "NetParameter").message
            for layer in message.layer:
                if rng.random() < 0.3:
                    layer.type = rng.choice(["", "ReLU", "Relu", "\0", *LAYERS])
                if rng.random() < 0.2:
                    layer.name = rng.choice(["", "a", "\n", "\x1b[31m", "l0"])
                if rng.random() < 0.3:
                    blob = layer.blobs.add(data=[1.0] * rng.randrange(4))
                    blob.shape.dim.extend(rng.choices([0, 1, 3, -1, 1 << 62], k=rng.randrange(4)))
            data = message.SerializeToString()
            return "x.caffemodel", changed(rng, data, True) if rng.random() < 0.5 else data
    return "x.caffemodel", message_class("NetParameter")(name="x").SerializeToString()


def overrides_at_random(rng: random.Random) -> tuple[str, bytes]:
    """The text of a --set on lenet."""
    keys = [
        "conv1.num_output",
        "conv1.kernel_size",
        "conv1.param.0.lr_mult",
        "name",
        "data.shape.0.dim",
        "ip1.weight_filler",
        "x.y",
    ]
    kind = rng.randrange(3)
    if kind == 0:
        text = f"{rng.choice(keys)}={rng.choice([*INTEGERS, *FLOATS, *TEXTS, '{ type: 3 }', '[1, 2]', '{', ''])}"
    elif kind == 1:
        field_ = rng.choice(sorted(layer_vocabulary("Convolution")))
        text = f"{rng.choice(['conv1', 'pool1', 'ip1'])}.{field_}={rng.choice([*INTEGERS, *WORDS])}"
    else:
        text = "".join(rng.choices([*WORDS, ".", "=", "conv1", "param", *INTEGERS], k=rng.randrange(8)))
    return "set", text.encode("utf-8", "surrogatepass")


def topics_at_random(rng: random.Random) -> tuple[str, bytes]:
    """What `netdef explain` is asked for."""
    kind, name = rng.choice(LAYERS), rng.choice(sorted(fields("LayerParameter")))
    pieces = [kind, name, "solver", "ND101", "ND999", ".", "..", *rng.choices(WORDS, k=3)]
    return "topic", "".join(rng.choices(pieces, k=rng.randrange(1, 4))).encode("utf-8", "surrogatepass")


KINDS: dict[str, Callable[[random.Random], tuple[str, bytes]]] = {
    "bytes": bytes_of_any_kind,
    "words": words_in_any_order,
    "changed": changed_files,
    "layers": layers_at_random,
    "solvers": solvers_at_random,
    "binary": messages_at_random,
    "set": overrides_at_random,
    "explain": topics_at_random,
}


# -- what reads them


def commands_for(kind: str, file: str, data: bytes, rng: random.Random, folder: Path) -> Iterator[list[str]]:
    """The command lines that an input of a kind is tried on."""
    text = data.decode("utf-8", "replace").replace("\0", "0")
    if kind == "explain":
        yield ["explain", "--", text]
        return
    if kind == "set":
        for command in (["shapes", "lenet"], ["check", "lenet"], ["diff", "lenet", "lenet"]):
            yield [*command, "--set", text]
        return
    out = str(folder / "out")
    yield ["check", file, "--format", rng.choice(["text", "json", "sarif"])]
    yield ["fmt", file, *rng.choice([[], ["--to", "net"], ["--to", "prototxt"], ["--check"]])]
    yield ["diff", file, rng.choice([file, "lenet", str(folder / "last.net")]), "--format", rng.choice(["text", "json", "html"])]
    if kind == "solvers":
        yield ["diff", file, "solver"]
        return
    yield ["shapes", file, "--phase", "train", "--format", rng.choice(["text", "json", "yaml", "csv"])]
    yield ["shapes", file, "--phase", "test", *rng.choice([[], ["--batch", "3"]])]
    yield ["convert", file, out + rng.choice([".net", ".prototxt", ".caffemodel"])]
    yield ["draw", file, "-o", out + ".dot", "--phase", rng.choice(["train", "test"])]


@dataclass
class Tally:
    """What the run has found until now."""

    inputs: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    findings: dict[str, str] = field(default_factory=dict)  # by the line of the code: what, and where it is kept


def outcome(words: list[str], limit: float) -> tuple[str, str]:
    """How a command ended: "0", "1" or "2", or the exception's name; and the traceback."""

    def ring(_: int, __: FrameType | None) -> None:
        raise TooSlowError

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = run(words)
    except (Exception, TooSlowError) as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        return type(error).__name__, traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if code == 2 and "error" not in said.getvalue().lower():
        return "NoMessage", said.getvalue() or "exit code 2 and not a word"
    return str(code), ""


def line_of(report: str) -> str:
    """The last line of the code that a traceback names: one finding a line."""
    lines = [line.strip() for line in report.splitlines() if line.strip().startswith("File ") and "/netdef/" in line]
    return f"{lines[-1] if lines else ''} {report.strip().splitlines()[-1][:100]}"


def fuzz(seconds: float, seed: int, kinds: list[str], keep: Path, limit: float) -> Tally:
    """Try inputs until the time is over."""
    tally, rng = Tally(), random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "last.net").write_text("layer data: Input { shape { dim: [1, 3, 8, 8] } }\n")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            kind = rng.choice(kinds)
            file, data = KINDS[kind](rng)
            path = folder / file
            path.write_bytes(data)
            tally.inputs[kind] += 1
            for words in commands_for(kind, str(path), data, rng, folder):
                start = time.perf_counter()
                how, report = outcome(words, limit)
                taken = time.perf_counter() - start
                tally.outcomes[words[0], how] += 1
                if taken > tally.slowest[0]:
                    tally.slowest = taken, f"{' '.join(words)[:100]} ({kind}, {len(data):,} bytes)"
                    keep.mkdir(exist_ok=True)
                    (keep / f"slowest-{path.name}").write_bytes(data)
                if report and line_of(report) not in tally.findings:
                    keep.mkdir(exist_ok=True)
                    kept = keep / f"{len(tally.findings)}-{kind}-{path.name}"
                    kept.write_bytes(data)
                    tally.findings[line_of(report)] = f"netdef {' '.join(words)!r}\n  input kept as {kept}\n{report}"
                    print(tally.findings[line_of(report)], file=sys.stderr, flush=True)
            if path.name != "last.net":
                path.unlink()
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS), help="of input; all by default")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="the folder for inputs to look at")
    parser.add_argument("--limit", type=float, default=10, help="seconds that a command may take")
    parser.add_argument("--memory", type=float, default=4, help="GiB that the process may take")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (int(arguments.memory * 2**30),) * 2)
    tally = fuzz(arguments.seconds, arguments.seed, arguments.kinds.split(","), arguments.keep, arguments.limit)
    print(f"seed {arguments.seed}, {arguments.seconds:g} s: {sum(tally.inputs.values()):,} inputs")
    print("  " + ", ".join(f"{kind} {count:,}" for kind, count in sorted(tally.inputs.items())))
    for command in sorted({command for command, _ in tally.outcomes}):
        ends = {how: count for (of, how), count in tally.outcomes.items() if of == command}
        print(f"  {command:8} " + ", ".join(f"{how}: {count:,}" for how, count in sorted(ends.items())))
    print(f"slowest: {tally.slowest[0]:.2f} s, netdef {tally.slowest[1]}")
    print(f"findings: {len(tally.findings)}")
    return int(bool(tally.findings))


if __name__ == "__main__":
    sys.exit(main())
