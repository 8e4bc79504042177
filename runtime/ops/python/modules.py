"""Importing the user's modules: where they are found, and what `import caffe` gives them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from netdef.language.diagnostics import Remark
from netdef.language.spelling import did_you_mean
from netdef.language.units import shortened
from netdef.layers.python import Python
from runtime.ops.python.failure import failure, shown_path

TRAIN, TEST = 0, 1  # pycaffe's numbers of the phases
HOME = "caffe"
PYCAFFE = "netdef.pycaffe"
ONLY = "Caffe itself is not installed, and what netdef has of it (netdef.pycaffe) lacks that"


class UserCodeRemark(Remark):
    """Python code that a net names is about to be imported."""


class CaffeLayer:
    """What `caffe.Layer` is to a module where Caffe is not installed."""

    phase: int
    param_str: str
    blobs: Any

    def __init__(self, param: Any = None):
        """`param`: the LayerParameter."""


def load_class(layer: Python) -> type:
    """The class that a layer names: from the folder of the net's file, else from where Python finds modules.

    Raises
    ------
    NetdefError: the module is not found or its code fails; it has no such class.
    """
    name, folder = layer.p.module, _folder(layer)
    origin = _find(name, folder)
    if origin is None:
        hint = f"it is looked for in {folder}, then as Python does: PYTHONPATH names more folders"
        raise layer.error(f"there is no module {name}", "module", hint=hint)
    _forget_namesake(name, folder)
    if name not in sys.modules:
        warnings.warn(f"importing {shown_path(origin)}, the Python code of layer {layer.name}", UserCodeRemark, stacklevel=2)
    try:
        with _imports_from(folder), _caffe():
            module = import_module(name)
    except (Exception, SystemExit) as error:
        lacks_caffe = isinstance(error, ImportError) and (error.name or "").split(".")[0] == HOME and not _has_caffe()
        hint = ONLY if lacks_caffe else ""
        raise failure(layer, f"importing {name}", error, hint) from error
    found = getattr(module, layer.p.layer, None)
    if not isinstance(found, type):
        classes = [key for key, value in vars(module).items() if isinstance(value, type) and value.__module__ == name]
        hint = did_you_mean(layer.p.layer, classes) or f"its classes: {shortened([*classes]) or 'none'}"
        raise layer.error(f"{shown_path(origin)} has no class {layer.p.layer}", "layer", hint=hint)
    return found


def _folder(layer: Python) -> Path:
    """Of the file that the layer stands in; where there is none, the working directory."""
    return Path(layer.position.file if layer.position else "").absolute().parent


def _spec(name: str, folder: Path) -> ModuleSpec | None:
    """Where a module is, its packages not imported."""
    path: Any = [str(folder), *sys.path]
    spec = None
    for part in name.split("."):
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return None
        path = spec.submodule_search_locations or []
    return spec


def _find(name: str, folder: Path) -> str | None:
    invalidate_caches()
    spec = _spec(name, folder)
    if spec is not None:
        return spec.origin or str(next(iter(spec.submodule_search_locations or []), ""))
    return getattr(sys.modules.get(name), "__file__", name) if name in sys.modules else None


def _forget_namesake(name: str, folder: Path) -> None:
    """Let a module of the same name from another net's folder not take this one's place."""
    top = name.partition(".")[0]
    known, spec = sys.modules.get(top), _spec(top, folder)
    if known is None or spec is None or spec.origin is None or getattr(known, "__file__", None) in (None, spec.origin):
        return
    for other in [one for one in sys.modules if one == top or one.startswith(f"{top}.")]:
        del sys.modules[other]


@contextmanager
def _imports_from(folder: Path) -> Iterator[None]:
    """With a folder as the first that modules are looked for in."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _has_caffe() -> bool:
    return HOME in sys.modules or PathFinder.find_spec(HOME) is not None


@contextmanager
def _caffe() -> Iterator[None]:
    """With a module `caffe`, unless Caffe is installed: netdef's pycaffe where that is in use, else Layer, TRAIN and TEST alone."""
    if _has_caffe():
        yield
        return
    modules = {name.replace(PYCAFFE, HOME, 1): found for name, found in sys.modules.items() if f"{name}.".startswith(f"{PYCAFFE}.")}
    if not modules:
        modules[HOME] = ModuleType(HOME, "netdef's stand-in for Caffe, there while modules of Python layers are imported.")
        vars(modules[HOME]).update(Layer=CaffeLayer, TRAIN=TRAIN, TEST=TEST)
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            sys.modules.pop(name, None)
