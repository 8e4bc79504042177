"""The stand-in offers nothing that CuPy has not: every name and parameter that the CUDA device uses, held against the real package.

CuPy imports on a machine without a card; its compiled functions tell their parameters in the first line of their docstrings.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest

from tests.runtime.machine.cuda.fake_cupy import Cards, make_module

# What is called, and with which parameters, in order; those after "*" by name.
CALLS = {
    "ndarray": "shape dtype memptr",
    "RawModule": "* code options name_expressions",
    "RawModule.compile": "",
    "RawModule.get_function": "name",
    "cuda.Device": "device",
    "cuda.Memory": "size",
    "cuda.MemoryPointer": "mem offset",
    "cuda.alloc_pinned_memory": "size",
    "cuda.Event": "* disable_timing",
    "cuda.Event.record": "stream",
    "cuda.Event.synchronize": "",
    "cuda.Stream": "* non_blocking",
    "cuda.Stream.wait_event": "event",
    "cuda.Stream.synchronize": "",
    "cuda.Stream.begin_capture": "",
    "cuda.Stream.end_capture": "",
    "cuda.Graph.launch": "stream",
    "cuda.get_elapsed_time": "start_event end_event",
    "cuda.nvrtc.getVersion": "",
    "cuda.runtime.memcpyAsync": "dst src size kind stream",
    "cuda.runtime.memcpyPeerAsync": "dst dstDevice src srcDevice size stream",
    "cuda.runtime.memsetAsync": "ptr value size stream",
    "cuda.runtime.getDeviceProperties": "device",
    "cuda.runtime.getDeviceCount": "",
    "cuda.runtime.memGetInfo": "",
    "cuda.runtime.driverGetVersion": "",
    "cuda.runtime.runtimeGetVersion": "",
    "cuda.runtime.deviceCanAccessPeer": "device peerDevice",
    "cuda.runtime.deviceEnablePeerAccess": "peerDevice",
}
# What is only looked at, or used by a `with` or an operator.
NAMES = [
    *("cuda.Device.__enter__", "cuda.Device.__exit__", "cuda.Stream.__enter__", "cuda.Stream.__exit__"),
    *("cuda.MemoryPointer.__add__", "cuda.runtime.CUDARuntimeError", "cuda.driver.CUDADriverError"),
    *("cuda.runtime.memcpyHostToDevice", "cuda.runtime.memcpyDeviceToHost", "cuda.runtime.memcpyDeviceToDevice"),
]
REAL_ONLY = [
    *("ndarray.data", "ndarray.shape", "ndarray.dtype", "ndarray.nbytes", "cuda.MemoryPointer.ptr"),
    *("cuda.Device.compute_capability", "cuda.MemoryPointer.device_id", "cuda.PinnedMemoryPointer.ptr", "RawKernel.__call__"),
]
needs_cupy = pytest.mark.skipif(find_spec("cupy") is None, reason="CuPy is not installed: the stand-in is not held against it")


def find(module: Any, path: str) -> Any:
    for name in path.split("."):
        module = getattr(module, name)
    return module


def parameters(thing: Any) -> list[str]:
    """The names of a callable's parameters, without self: from its docstring's start if that tells them, else its signature."""
    signature = re.match(r"[\w.]+\((.*)\)", (thing.__doc__ or "").strip())
    if signature:
        names = [part.split("=")[0].split()[-1] for part in signature[1].split(",") if part.strip(" *")]
    else:
        target = thing.__init__ if inspect.isclass(thing) and inspect.isfunction(thing.__init__) else thing
        names = list(inspect.signature(target).parameters)
    return [name for name in names if name != "self"]


def check(module: Any) -> None:
    for path, wanted in CALLS.items():
        thing = find(module, path)
        positional, _, named = wanted.partition("*")
        have = parameters(thing)
        assert have[: len(positional.split())] == positional.split(), f"{path} takes {have}"
        assert set(named.split()) <= set(have), f"{path} takes {have}"


def test_the_stand_in_has_what_the_device_uses() -> None:
    cupy = make_module(Cards())
    cupy.cuda.Graph  # noqa: B018
    check(cupy)
    for name in NAMES:
        find(cupy, name)


@needs_cupy
def test_cupy_has_what_the_device_uses() -> None:
    cupy = import_module("cupy")
    check(cupy)
    for name in [*NAMES, *REAL_ONLY]:
        find(cupy, name)
    assert issubclass(cupy.cuda.runtime.CUDARuntimeError, RuntimeError)


def offered(module: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything public that the stand-in has, by its path."""
    for name, thing in vars(module).items():
        if not name.startswith("_"):
            yield path + name, thing
            if isinstance(thing, SimpleNamespace) or inspect.isclass(thing):
                yield from offered(thing, f"{path}{name}.")


@needs_cupy
def test_cupy_has_all_that_the_stand_in_offers() -> None:
    """So that nothing can be built on the stand-in alone; what it takes by name and in order, CuPy takes too."""
    cupy = import_module("cupy")
    everything = dict(offered(make_module(Cards())))
    assert set(CALLS) <= set(everything)
    for path, thing in everything.items():
        real = find(cupy, path)
        if inspect.isfunction(thing) or (inspect.isclass(thing) and "__init__" in vars(thing) and not issubclass(thing, Exception)):
            mine, theirs = parameters(thing), parameters(real)
            assert set(mine) <= set(theirs), f"{path} takes {theirs}, not {mine}"
            assert mine == [name for name in theirs if name in mine], f"{path} takes {theirs} in this order"


@needs_cupy
def test_without_a_driver_cupy_fails_as_the_device_expects() -> None:
    from runtime.machine.cuda.cards import NoCudaError, cards

    cupy = import_module("cupy")
    if cupy.cuda.runtime.driverGetVersion():
        pytest.skip("this machine has a driver")
    with pytest.raises(NoCudaError, match="no GPU can be used: there is no NVIDIA driver on this machine"):
        cards()
