"""Everything that reads a file or a message of somebody else: what it starts from, how that is changed, and how it is read."""

from __future__ import annotations

import io
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import fuzz_messages
import fuzz_texts
from fuzz_mutations import Mutation, of_bytes, of_head, of_json, of_lines, of_message

from netdef.language import NetdefError

ROOT = Path(__file__).resolve().parents[1]
FILES = ROOT / "tests" / "goldens" / "files"
SNAPSHOTS = ROOT / "tests" / "goldens" / "snapshots"
MODELS = ROOT / "models"
LIST = b"images/a.png 0\nimages/b.png 1\nimages/c d.png 2\n"
WINDOWS = b"# 0\nimages/a.png\n3\n40\n50\n2\n1 0.9 3 4 20 30\n0 0.1 5 6 30 39\n"
BOXES = b"images/a.png 3 4 20 30\nimages/a.png 5 6 30 40\n"
RUN = (
    b'{"format": 1, "starts": [{"directory": "/nets", "data": "images", "weights": "w.caffemodel", "allow_missing": false, '
    b'"split": "groups", "nodes": 2, "gradients": "bf16", "overrides": {"test_iter": "test_iter=3"}}]}'
)
LOG = b"""\
{"event":"start","format":1,"name":"small","iteration":0,"max_iter":4,"batch_size":4,"seed":5,"time":100.0}
{"event":"train","iteration":0,"due":true,"loss":2.3,"batch_loss":2.3,"rate":0.01,"epoch":0.5,"outputs":{"loss":2.3},"time":101.5}
{"event":"test","iteration":2,"net":0,"loss":2.1,"outputs":{"loss":2.1,"acc":0.25},"accuracies":["acc"],"seconds":0.5,"time":102.5}
{"event":"snapshot","iteration":2,"path":"run/small_iter_2.solverstate","time":103.5}
{"event":"end","reason":"finished","iteration":4,"lines":["done"],"time":104.5}
"""
SMALL = """
layer data: Input { shape { dim: [1, 1, 6, 6] } }
layer conv: Convolution(data) { num_output: 2 kernel_size: 3 }
layer relu: ReLU(conv) -> conv
layer pool: Pooling(conv) { kernel_size: 2 }
layer fc: InnerProduct(pool) { num_output: 2 }
layer prob: Softmax(fc)
"""
CAFFE_LOG = b"I1130 10:00:00.0  1 solver.cpp:218] Iteration 0 (1.5 iter/s, 0.5s/20 iters), loss = 2.3\n" + (
    b"I1130 10:00:00.1  1 solver.cpp:237]     Train net output #0: loss = 2.3 (* 1 = 2.3 loss)\n"
)


@dataclass(frozen=True)
class Reader:
    """A reader.

    Attributes
    ----------
    seeds: file names and contents that it can read.  mutate: one of them changed.  read: reads a file; raises NetdefError for a
    file that is wrong.
    """

    seeds: Callable[[], list[tuple[str, bytes]]]
    mutate: Mutation
    read: Callable[[Path, random.Random], object]


def files(*paths: Path) -> Callable[[], list[tuple[str, bytes]]]:
    return lambda: [(path.name, path.read_bytes()) for path in paths if path.exists()]


def text(name: str, *contents: bytes) -> Callable[[], list[tuple[str, bytes]]]:
    return lambda: [(name, one) for one in contents]


def weights(path: Path, _: random.Random) -> None:
    from netdef.weights import read_weights
    from netdef.weights.trained_net import trained_net

    trained_net(path)
    read_weights(path)


def state(path: Path, _: random.Random) -> None:
    from runtime.solver.solverstate import read_solverstate

    read_solverstate(path)


def mean(path: Path, _: random.Random) -> None:
    from runtime.data.mean import read_mean

    try:
        read_mean(str(path), 3)
    except ValueError as error:  # to which the layer's position is added
        raise NetdefError(str(error)) from None


def record(path: Path, _: random.Random) -> None:
    from netdef.weights.wire import MalformedError
    from runtime.data.datum import decode_datum
    from runtime.data.records import image_in, pixels_of
    from runtime.data.source import UnreadableError

    with suppress(UnreadableError, MalformedError):  # a record that is left out
        datum = decode_datum(path.read_bytes())
        pixels_of(datum, "record")
        image_in(datum, "record")


def image(path: Path, draw: random.Random) -> None:
    from runtime.data.decoding import read_image
    from runtime.data.source import UnreadableError

    with suppress(UnreadableError):
        read_image(str(path), draw.choice(["RGB", "L"]), draw.choice([None, (8, 8)]))


def onnx(path: Path, _: random.Random) -> None:
    from runtime.exchange.onnx_in.importing import import_onnx

    import_onnx(str(path), 1, {}, False)


def arrays(path: Path, _: random.Random) -> None:
    from runtime.exchange.state_dict import read_arrays

    read_arrays(str(path))


def lists(path: Path, draw: random.Random) -> None:
    from runtime.data.listing import read_list

    read_list(str(path), label_size=draw.choice([0, 0, 1, 3]))


def labels(path: Path, _: random.Random) -> None:
    from runtime.data.classes import read_labels

    read_labels(path)


def boxes(path: Path, _: random.Random) -> None:
    from runtime.data.box_file import read_boxes

    read_boxes(str(path), ["images/a.png"])


def windows(path: Path, _: random.Random) -> None:
    from runtime.data.window_file import read_windows

    read_windows(str(path), "", 0.5, 0.5)


def log(path: Path, _: random.Random) -> None:
    """By `netdef runs`, or by `netdef plot`."""
    from runtime.solver.curves import curves_of
    from runtime.solver.log import NAME, read_log
    from runtime.solver.plot_page import page
    from runtime.solver.run_facts import facts_of

    records = read_log(path)
    page("log", [curves_of("log", records)], 0.5, None)
    if path.name == NAME:
        facts_of(path.parent)


def run_record(path: Path, _: random.Random) -> None:
    """The record of an earlier start, by `netdef train DIR`."""
    from netdef.cli.run_files import options_of_run
    from netdef.cli.train_options import Options

    options_of_run(str(path.parent), Options(), "cpu:0")


def datasets(path: Path, _: random.Random) -> None:
    from runtime.data.hdf5_data import files_at, read_rows, shapes_of

    for file in files_at(path):
        shapes_of(file, ["data", "label"])
        read_rows(file, ["data", "label"])


def side(path: Path, _: random.Random) -> None:
    from runtime.solver.snapshot import read_side

    read_side(path.with_name("a.solverstate"))


@cache
def _exported() -> list[tuple[str, bytes]]:
    """A small net as ONNX, .npz and .safetensors."""
    import netdef
    import runtime
    from netdef.cli.main import run

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "x.net").write_text(SMALL)
        with runtime.compile(netdef.load(folder / "x.net", phase="test"), "cpu:0", seed=1, threads=1) as executable:
            executable.save_weights(folder / "x.caffemodel")
        found = []
        for ending in ("onnx", "npz", "safetensors"):
            out = folder / f"x.{ending}"
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                run(["export", str(folder / "x.net"), "--weights", str(folder / "x.caffemodel"), "-o", str(out)])
            if out.exists():  # onnx may not be installed
                found.append((out.name, out.read_bytes()))
        return found


def exported(ending: str) -> Callable[[], list[tuple[str, bytes]]]:
    return lambda: [(name, data) for name, data in _exported() if name.endswith(ending)]


def records_to_change() -> list[tuple[str, bytes]]:
    """Datums of pixels, of numbers and of an image file."""
    import numpy as np

    from runtime.data.datum import Datum, encode_datum

    picture = (MODELS / "digits" / "0.png").read_bytes()
    made = [
        Datum(3, 2, 2, data=bytes(12), label=1),
        Datum(2, 1, 1, floats=np.ones(2, "f4"), label=2),
        Datum(0, 0, 0, data=picture, label=3, encoded=True),
    ]
    return [(f"{number}.datum", encode_datum(one)) for number, one in enumerate(made)]


def datasets_to_change() -> list[tuple[str, bytes]]:
    """A file for HDF5Data layers."""
    import h5py
    import numpy as np

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["data"], file["label"] = np.ones((2, 1, 3, 3), "f4"), np.zeros(2, "f4")
    return [("x.h5", out.getvalue())]


def images_to_change() -> list[tuple[str, bytes]]:
    """Small images of the forms that Pillow and simplejpeg read."""
    from PIL import Image

    made = []
    for form in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "TGA", "ICO", "PCX"):
        out = io.BytesIO()
        Image.new("RGB", (16, 16), (10, 200, 30)).save(out, form)
        made.append((f"x.{form.lower()}", out.getvalue()))
    return made


READERS = {
    "caffemodel": Reader(files(FILES / "snap_iter_4.caffemodel"), of_message, weights),
    "solverstate": Reader(files(FILES / "snap_iter_4.solverstate"), of_message, state),
    "caffemodel.h5": Reader(files(FILES / "snap_iter_4.caffemodel.h5"), of_head, weights),
    "solverstate.h5": Reader(files(FILES / "snap_iter_4.solverstate.h5"), of_head, state),
    "binaryproto": Reader(files(FILES / "mean.binaryproto", FILES / "mean.npy"), of_message, mean),
    "h5data": Reader(datasets_to_change, of_head, datasets),
    "record": Reader(records_to_change, of_message, record),
    "image": Reader(images_to_change, of_head, image),
    "onnx": Reader(exported(".onnx"), of_message, onnx),
    "npz": Reader(exported(".npz"), of_bytes, arrays),
    "safetensors": Reader(exported(".safetensors"), of_head, arrays),
    "list": Reader(text("list.txt", LIST), of_lines, lists),
    "labels": Reader(text("labels.txt", b"cat\ndog\n0 bird\n"), of_lines, labels),
    "boxes": Reader(text("boxes.txt", BOXES), of_lines, boxes),
    "windows": Reader(text("windows.txt", WINDOWS), of_lines, windows),
    "log": Reader(text("log.jsonl", LOG, CAFFE_LOG), of_json, log),
    "side": Reader(files(*SNAPSHOTS.rglob("*.netdef.json")), of_json, side),
    "run": Reader(text("run.json", RUN), of_json, run_record),
    "text": Reader(fuzz_texts.texts_to_change, fuzz_texts.any_text, fuzz_texts.net),
    "net": Reader(text("x.net", b""), fuzz_texts.nets_at_random, fuzz_texts.net),
    "solver": Reader(text("solver.prototxt", b""), fuzz_texts.solvers_at_random, fuzz_texts.net),
    "binary": Reader(text("x.caffemodel", b""), fuzz_texts.binaries_at_random, fuzz_texts.net),
    "lsp": Reader(fuzz_texts.texts_to_change, fuzz_texts.any_text, fuzz_texts.asked),
    "messages": Reader(fuzz_messages.sessions, of_json, lambda path, _: fuzz_messages.session(path)),
}


def seeds_of(names: list[str]) -> Iterator[tuple[str, str, bytes]]:
    """(reader, file name, contents) of all seeds."""
    for name in names:
        for file, data in READERS[name].seeds():
            yield name, file, data
