"""The commands that tools/faults.py looks at, the files they need, and what they must leave."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

NET = """
name: "small"
layer data: ImageData -> data, label { source: "builtin:digits" batch_size: 4 shuffle: true transform_param { scale: 0.0039 } }
layer drop: Dropout(data)
layer fc: InnerProduct(drop) { num_output: 10 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
DEPLOY = """
layer data: Input { shape { dim: [1, 1, 4, 4] } }
layer fc: InnerProduct(data) { num_output: 3 weight_filler { type: "xavier" } }
layer prob: Softmax(fc)
"""
SOLVER = 'base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 random_seed: 5 display: 2 max_iter: 4 snapshot: 2 '
TRAIN = ["train", "small.net", "solver.txt", "--out", "run", "--threads", "1", "--devices", "cpu:0"]
IMAGES = 6


@dataclass(frozen=True)
class Scenario:
    """A command that is made to fail.

    Attributes
    ----------
    prepare: writes files into a folder; returns commands to run there first.
    command: what meets the faults.  again: what is typed after one.
    results: a hash of each file that the command is for, by name.
    again_always: whether `again` is run though all results are there.  loads_kernels: whether the command runs a net.
    old: files that the command replaces: after a fault each is the old or the new one.
    """

    name: str
    prepare: Callable[[Path], list[list[str]]]
    command: list[str]
    again: list[str]
    results: Callable[[Path], dict[str, str]]
    again_always: bool = False
    old: tuple[str, ...] = ()
    loads_kernels: bool = False


def hash_of(path: Path) -> str:
    """Of a file's contents, or of all files' in a folder, but for files of locks."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    inner = sorted(one for one in path.rglob("*") if one.is_file())
    return hashlib.sha256("".join(f"{one.relative_to(path)} {hash_of(one)}\n" for one in inner).encode()).hexdigest()


def files(*names: str) -> Callable[[Path], dict[str, str]]:
    """The results of a command that writes these files."""
    return lambda folder: {name: hash_of(folder / name) for name in names if (folder / name).exists()}


def records(name: str, kind: str) -> Callable[[Path], dict[str, str]]:
    """The result of a command that writes a database: its records."""

    def found(folder: Path) -> dict[str, str]:
        from runtime.data.database import open_database

        if not (folder / name).exists():
            return {}
        database = open_database(str(folder / name), kind)
        digest = hashlib.sha256()
        for index in range(database.size):
            key = database.key(index)
            digest.update(key + bytes(database.value(key)))
        database.close()
        return {name: f"{database.size} {digest.hexdigest()}"}

    return found


def datasets(name: str) -> Callable[[Path], dict[str, str]]:
    """The result of a command that writes an HDF5 file: its numbers."""

    def found(folder: Path) -> dict[str, str]:
        import h5py

        if not (folder / name).exists():
            return {}
        with h5py.File(folder / name) as file:
            return {key: f"{one.shape} {hashlib.sha256(one[()].tobytes()).hexdigest()}" for key, one in file.items()}

    return found


def training(more: str = "", before: bool = True) -> Callable[[Path], list[list[str]]]:
    """A net and a solver, and a run with a snapshot, if there is one before."""

    def prepare(folder: Path) -> list[list[str]]:
        (folder / "small.net").write_text(NET)
        (folder / "solver.txt").write_text(SOLVER + more)
        return [[*TRAIN, "--iterations", "2"]] if before else []

    return prepare


def images(*commands: list[str]) -> Callable[[Path], list[list[str]]]:
    """A folder of images in two classes."""

    def prepare(folder: Path) -> list[list[str]]:
        import numpy as np
        from PIL import Image

        for number in range(IMAGES):
            path = folder / "images" / "ab"[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 4), 20 * number, np.uint8)).save(path)
        return [*commands]

    return prepare


def interrupted(*words: str) -> Callable[[Path], list[list[str]]]:
    """A folder of images, and a conversion of them that has ended before its last batch."""

    def prepare(folder: Path) -> list[list[str]]:
        from PIL import Image

        from netdef.cli.main import run

        images()(folder)
        last = max(folder.glob("images/*/*.png"))
        whole = last.read_bytes()
        Image.new("L", (5, 5)).save(last)  # a dataset takes one shape
        os.chdir(folder)
        with redirect_stderr(io.StringIO()) as said:
            assert run([*words]) == 2, said.getvalue()
        last.write_bytes(whole)
        return []

    return prepare


def deployed(*old: str) -> Callable[[Path], list[list[str]]]:
    """A net to test, its weights, and files that the command is to replace."""

    def prepare(folder: Path) -> list[list[str]]:
        import netdef
        import runtime

        (folder / "deploy.net").write_text(DEPLOY)
        with runtime.compile(netdef.load(folder / "deploy.net", phase="test"), "cpu:0", seed=1, threads=1) as executable:
            executable.save_weights(folder / "w.caffemodel")
        for name in old:
            (folder / name).write_text("layer data: Input { shape { dim: [1, 1, 4, 4] } }\n")
        return []

    return prepare


def _train(name: str, more: str = "", before: bool = True, end: str = "") -> Scenario:
    words = [*TRAIN, "--resume", "latest"]
    last = [f"run/small_iter_4.{kind}" for kind in (f"caffemodel{end}", f"solverstate{end}")]
    return Scenario(
        name, training(more, before), words if before else TRAIN, words, files(*last), again_always=True, loads_kernels=True
    )


def _convert(name: str, out: str, results: Callable[[Path], dict[str, str]], *options: str, resumed: bool = False) -> Scenario:
    words = ["data", "convert", "images", out, "--threads", "1", *options]
    return Scenario(name, interrupted(*words) if resumed else images(), words, words, results)


def _write(name: str, words: list[str], *outs: str, old: bool = True) -> Scenario:
    return Scenario(name, deployed(*outs if old else ()), words, words, files(*outs), old=outs if old else ())


WEIGHTS = ["--weights", "w.caffemodel"]
SCENARIOS = {
    one.name: one
    for one in (
        _train("snapshots"),
        _train("hdf5", "snapshot_format: HDF5", end=".h5"),
        _train("first", before=False),
        Scenario(
            "keep",
            training(),
            [*TRAIN, "--resume", "latest", "--keep", "last=1"],
            [*TRAIN, "--resume", "latest"],
            files("run/small_iter_4.caffemodel", "run/small_iter_4.solverstate"),
            again_always=True,
            loads_kernels=True,
        ),
        _convert("lmdb", "out.lmdb", records("out.lmdb", "LMDB")),
        _convert("leveldb", "out.leveldb", records("out.leveldb", "LEVELDB"), "--backend", "leveldb"),
        _convert("h5", "out.h5", datasets("out.h5")),
        _convert("h5-resumed", "out.h5", datasets("out.h5"), resumed=True),
        _convert("folder", "out", files("out"), "--backend", "folder"),
        _write("convert", ["convert", "deploy.net", "out.prototxt"], "out.prototxt"),
        _write("weights", ["convert", "w.caffemodel", "out.caffemodel.h5"], "out.caffemodel.h5"),
        _write("draw", ["draw", "deploy.net", "-o", "out.svg"], "out.svg"),
        _write("onnx", ["export", "deploy.net", *WEIGHTS, "-o", "out.onnx"], "out.onnx"),
        _write("npz", ["export", "deploy.net", *WEIGHTS, "-o", "out.npz"], "out.npz"),
        _write("safetensors", ["export", "deploy.net", *WEIGHTS, "-o", "out.safetensors"], "out.safetensors"),
        _write("torch", ["export", "deploy.net", *WEIGHTS, "--to", "torch", "-o", "out"], "out", old=False),
    )
}
