"""From the names that users give to devices."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural
from runtime.machine.device import Device

if TYPE_CHECKING:
    from runtime.kernels.cuda.options import CudaOptions

T = TypeVar("T")
KINDS = ("cpu", "gpu")
NAME = re.compile(r"([a-z]+)(?::(\d+)(?:-(\d+))?)?")
EXAMPLES = "such as cpu, gpu:0, cpu:0,cpu:1 or gpu:0-3"
MOST = 64  # shares that one network is divided into


def device_names(text: str) -> tuple[str, ...]:
    """The devices of a `--devices`, one by one: "gpu:0-2" is gpu:0, gpu:1 and gpu:2, "cpu" is cpu:0.

    A device may be named more than once: the network is divided into as many shares as there are names, and each device has those
    that its name stands for.  So fewer devices, or one, compute the same numbers as more.

    Raises
    ------
    NetdefError: it is no such list, names devices of two kinds, or asks for more than MOST shares.
    """
    if not isinstance(text, str):
        raise NetdefError(f"devices are named in a text, not {text!r}", hint=EXAMPLES)
    names: list[str] = []
    for item in text.split(","):
        match = NAME.fullmatch(item.strip())
        if not match or match[1] not in KINDS:
            several = text.isdecimal() and 1 < int(text) <= MOST
            hint = f"for {text} devices: cpu:0-{int(text) - 1} or gpu:0-{int(text) - 1}" if several else EXAMPLES
            raise NetdefError(f"there is no device '{item.strip()}'", hint=hint)
        first = int(match[2] or 0)
        last = first if match[3] is None else int(match[3])
        if last < first:
            raise NetdefError(f"--devices {item.strip()} is an empty range", hint=EXAMPLES)
        if len(names) + last - first >= MOST:
            raise NetdefError(f"--devices {text} asks for more than {MOST} shares", hint=EXAMPLES)
        names += [f"{match[1]}:{index}" for index in range(first, last + 1)]
    if len({name.split(":")[0] for name in names}) > 1:
        raise NetdefError(f"a network runs on CPU devices or on cards, not on both: {text}", hint=EXAMPLES)
    return tuple(names)


def open_devices(text: str, threads: int | None = None, cuda: CudaOptions | None = None) -> tuple[Device, ...]:
    """The devices of a `--devices`, in its order; one that is named twice is there twice.

    Parameters
    ----------
    threads: worker threads of all CPU devices together; default one a core.
    cuda: how graphics cards compute.

    Raises
    ------
    NetdefError: they are no such list, or one cannot be used.
    """
    names = device_names(text)
    once = different(names)
    opened: dict[str, Device] = {}
    try:
        for name, device in zip(once, _open(once, threads, cuda), strict=True):
            opened[name] = device
    except BaseException:
        for device in opened.values():
            device.close()
        raise
    return tuple(opened[name] for name in names)


def _open(names: Sequence[str], threads: int | None, cuda: CudaOptions | None) -> Iterator[Device]:
    if len(names) == 1:
        yield open_device(names[0], threads, cuda)
        return
    if names[0].startswith("gpu"):
        yield from (open_device(name, cuda=cuda) for name in names)
        return
    from runtime.machine.cpu.cores import available_cores
    from runtime.machine.cpu.device import CpuDevice
    from runtime.machine.cpu.queue import Peers

    peers, shares = Peers(), thread_shares(len(names), threads or available_cores())
    yield from (CpuDevice(share, int(name.split(":")[1]), peers) for name, share in zip(names, shares, strict=True))


def different(devices: Iterable[T]) -> list[T]:
    """Each device, or name, once, in the order of its first share."""
    return list(dict.fromkeys(devices))


def hosts_of(devices: Sequence[T]) -> tuple[int, ...]:
    """Which of the different devices, or names, has each share."""
    once = different(devices)
    return tuple(once.index(device) for device in devices)


def thread_shares(devices: int, threads: int) -> list[int]:
    """How many of the worker threads each of some CPU devices has: as even as can be, one at least."""
    return [max(1, threads // devices + (index < threads % devices)) for index in range(devices)]


def open_device(name: str, threads: int | None = None, cuda: CudaOptions | None = None) -> Device:
    """The device of that name.

    Parameters
    ----------
    threads: worker threads of a CPU device; default all cores.
    cuda: how a graphics card computes.

    Raises
    ------
    NetdefError: it is none, is not on this machine, or cannot be used.
    """
    (name,) = device_names(name)
    kind, index = name.split(":")
    if kind == "gpu":
        from runtime.machine.cuda.device import CudaDevice

        return CudaDevice(int(index), cuda)
    if index != "0":
        raise NetdefError(f"there is no device '{name}'", hint="the cores of this machine are cpu:0")
    from runtime.machine.cpu.device import CpuDevice

    return CpuDevice(threads)


@dataclass(frozen=True)
class Choice:
    """Devices as `--devices` has them.  why: they are not others that a user may have expected, "" if none."""

    devices: str
    why: str = ""

    def notes(self, threads: int | None = None) -> list[str]:
        """What a command says first: where it runs, and why there."""
        shares_of = Counter(device_names(self.devices))
        names = list(shares_of)
        if len(names) > 1 and names[0].startswith("cpu"):
            from runtime.machine.cpu.cores import available_cores

            shares: list[int | None] = [*thread_shares(len(names), threads or available_cores())]
        else:
            shares = [threads] * len(names)
        described = [describe(name, share) for name, share in zip(names, shares, strict=True)]
        if shares_of.total() > len(names):
            described = [f"{text} with {plural(shares_of[name], 'share')}" for name, text in zip(names, described, strict=True)]
        devices = ", ".join(described)
        return [f"running on {devices}" + (f", as {self.why}" if self.why else "")]


def default_devices(preferred: int = 0) -> Choice:
    """The default device: the card gpu:`preferred` if it can be used, else the CPU.

    The reason why a card cannot be used is given only where there is a card.
    """
    from runtime.machine.cuda.cards import NoCardError, find_card, load_cupy

    try:
        card, cupy = find_card(preferred), load_cupy()
        from runtime.machine.cuda.gemm import load_library
        from runtime.machine.cuda.kernels import check_compiler

        load_library(cupy)
        check_compiler(cupy)
        return Choice(f"gpu:{card.index}")
    except NoCardError:
        return Choice("cpu")
    except NetdefError as error:
        return Choice("cpu", error.diagnostics[0].message)


def describe(name: str, threads: int | None = None) -> str:
    """A device in words: "cpu:0 (8 threads)", "gpu:0 (NVIDIA H100 80GB HBM3)".

    Raises
    ------
    NetdefError: the card is not here.
    """
    kind, index = name.split(":")
    if kind == "gpu":
        from runtime.machine.cuda.cards import find_card

        return f"{name} ({find_card(int(index)).name})"
    from runtime.machine.cpu.cores import available_cores

    return f"{name} ({plural(threads or available_cores(), 'thread')})"
