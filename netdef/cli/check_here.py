"""What `netdef check` finds that is about this machine: types without kernels, data and packages that are not here.

They are notes: the files are right, and run elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from netdef.graph.user_code import allowed_user_code
from netdef.language.diagnostics import Diagnostic
from netdef.language.extras import install
from netdef.language.units import plural
from netdef.layers.data import BUILTIN, located
from netdef.layers.python import Python

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.graph.net import Net

NEEDS = {"LMDB": ("lmdb", ("lmdb",)), "LEVELDB": ("leveldb", ("plyvel", "plyvel_next")), "HDF5Data": ("hdf5", ("h5py",))}
SHOWN = 3  # layers that a note names


def cannot_run_here(net: Net) -> Iterator[Diagnostic]:
    """The notes about a net."""
    yield from types_without_kernels(net)
    for layer in net.layers:
        if isinstance(layer, Python) and not allowed_user_code():
            text = f"Python layer {layer.name} runs code of the user's, which no command does by itself"
            yield note("ND402", text, layer, "--allow-python lets a command run it")
        if layer.is_source:
            yield from data_not_here(layer)


def types_without_kernels(net: Net) -> Iterator[Diagnostic]:
    """Types that are known, and that nothing here runs."""
    from runtime.ops.registry import devices_by_type

    run, unknown = devices_by_type(), net.unknown_types
    lacking: dict[str, list[Layer]] = {}
    for layer in net.layers:
        if layer.type not in unknown and not run.get(layer.type):
            lacking.setdefault(layer.type, []).append(layer)
    for kind, layers in lacking.items():
        named = ", ".join(layer.name for layer in layers[:SHOWN]) + (", ..." if len(layers) > SHOWN else "")
        text = f"nothing here runs layers of type {kind}: {plural(len(layers), 'layer')} ({named})"
        yield note("ND401", text, layers[0], "shapes, diff and convert know it; netdef layers lists the types that run")


def data_not_here(layer: Layer) -> Iterator[Diagnostic]:
    """Files that a source names and that are not here, and packages that it lacks."""
    own = layer.message
    named = [(layer.param_fields[0], "source")] if layer.param_fields else []
    for holder, field in [*named, ("transform_param", "mean_file")]:
        inner = getattr(own, holder, None)
        path = getattr(inner, field, "") if inner is not None and own.HasField(holder) else ""
        if isinstance(path, str) and path and not path.startswith(BUILTIN) and not here(layer, path):
            text = f"layer {layer.name}: there is no {path} here"
            images = "--data SOURCE gives it other images" if layer.type in ("Data", "ImageData") else ""
            hint = images if field == "source" else "netdef train --mean replaces it"
            yield note("ND403", text, layer, hint, holder, field)
    kind = getattr(layer.p, "backend", None) if layer.type == "Data" else None
    extra, modules = NEEDS.get({0: "LEVELDB", 1: "LMDB"}.get(kind, layer.type) if kind is not None else layer.type, ("", ()))
    if extra and not any(find_spec(module) for module in modules):
        yield note("ND404", f"layer {layer.name} needs the package {modules[0]}, which is not installed", layer, install(extra))


def here(layer: Layer, path: str) -> bool:
    return os.path.exists(located(layer, path))  # False of a path too long


def note(code: str, text: str, layer: Layer, hint: str, *path: str) -> Diagnostic:
    return Diagnostic(text, layer.within(path) or layer.position, hint, severity="note", code=code)
