"""The packages that parts of netdef need in addition, and the command that installs them from anywhere."""

from __future__ import annotations

import shlex

# As in setup.cfg, which a test compares. A package's own name works where netdef came from an index, and where it is a checkout.
EXTRAS: dict[str, tuple[str, ...]] = {
    "draw": ("graphlay >= 0.3, < 0.4", "resvg-py >= 0.3"),
    "edit": ("graphlay >= 0.3, < 0.4", "pygls >= 2.0"),
    "hdf5": ("h5py >= 3.8",),
    "leveldb": ('plyvel >= 1.5; python_version < "3.13"', 'plyvel-next >= 2.0; python_version >= "3.13"'),
    "lmdb": ("lmdb >= 1.4",),
    "lsp": ("pygls >= 2.0",),
    "mpi": ("mpi4py >= 4.0",),
    "onnx": ("onnx >= 1.17", "onnxruntime >= 1.21"),
    "tensorboard": ("tensorboardX >= 2.6",),
}


def install(extra: str) -> str:
    """The command that installs what an extra names."""
    return shlex.join(["pip", "install", *map(_plain, EXTRAS[extra])])


def _plain(requirement: str) -> str:
    """A requirement without blanks, but for those of its marker."""
    what, semicolon, marker = requirement.partition(";")
    return what.replace(" ", "") + semicolon + marker
