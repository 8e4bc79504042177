"""What graphics cards are here, through CuPy; and in one line why one cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from netdef.language.diagnostics import NetdefError
from runtime.kernels.cuda.options import CudaOptions, Target

OLDEST = (7, 0)  # compute capability that the kernels are written for: shuffles and barriers of Volta
NO_GPU = "no GPU can be used"
NO_CARD = "there is no NVIDIA card on this machine, or CUDA_VISIBLE_DEVICES hides it"
INSTALL = "pip install 'cupy-cuda12x[ctk]' for a driver of CUDA 12, or 'cupy-cuda13x[ctk]' for one of CUDA 13"
TOOLKIT = "comes with CUDA's toolkit: " + INSTALL


class NoCudaError(NetdefError):
    """No card of this machine can be used, and why."""


class NoCardError(NoCudaError):
    """There is none, or nothing on this machine that would know."""


@dataclass(frozen=True)
class Card:
    """One graphics card.

    Attributes
    ----------
    index: N of gpu:N.  name: the vendor's.
    memory, free: bytes in all, and what others leave of them.
    capability: compute capability, (major, minor).
    multiprocessors: how many.
    peers: the cards whose memory this one can write to directly.
    trouble: why it cannot be used, "" if it can.
    """

    index: int
    name: str
    memory: int
    free: int
    capability: tuple[int, int]
    multiprocessors: int
    peers: tuple[int, ...]
    trouble: str = ""


def load_cupy() -> Any:
    """The CuPy package, on a machine that has a card and a driver for it.

    Raises
    ------
    NoCudaError: it has not, or CuPy is missing.
    """
    cupy = _import_cupy()
    _count(cupy)
    return cupy


def cards() -> list[Card]:
    """All cards that the driver shows.

    Raises
    ------
    NoCudaError: there is none, no driver, or no CuPy.
    """
    cupy = _import_cupy()
    count = _count(cupy)
    return [_card(cupy, index, count) for index in range(count)]


def find_card(index: int) -> Card:
    """The card gpu:`index`, known to be usable.

    Raises
    ------
    NoCudaError: it is not here, or cannot be used.
    """
    cupy = _import_cupy()
    count = _count(cupy)
    if not 0 <= index < count:
        names = ", ".join(f"gpu:{number}" for number in range(count))
        raise NoCudaError(f"there is no gpu:{index}", hint=f"this machine has {names}")
    card = _card(cupy, index, count)  # only that one: asking a card for its memory takes some of it until this process ends
    if card.trouble:
        raise NoCudaError(f"gpu:{index} ({card.name}) cannot be used: {card.trouble}")
    return card


def target_of(device: str, options: CudaOptions) -> Target:
    """What plans may know of a device, by its name; of another than a card, what they take by default.

    Raises
    ------
    NoCudaError: the card is not here, or cannot be used.
    """
    kind, _, index = device.partition(":")
    if kind != "gpu":
        return options.target()
    card = find_card(int(index))
    return options.target(card.multiprocessors, card.capability)


def _import_cupy() -> Any:
    try:
        cupy = import_module("cupy")
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise NoCudaError(f"{NO_GPU}: CuPy cannot be imported ({error})", hint=INSTALL) from None
        raise NoCardError(f"{NO_GPU}: CuPy is not installed", hint=INSTALL) from None
    except Exception as error:  # a broken installation may raise anything
        raise NoCudaError(f"{NO_GPU}: CuPy cannot be imported ({first_line(error.__cause__ or error)})", hint=INSTALL) from None
    if not hasattr(cupy, "cuda"):  # Python takes any folder of that name for a package, such as what an uninstall leaves
        raise NoCudaError(f"{NO_GPU}: CuPy is not installed, {next(iter(cupy.__path__))} is not it", hint=INSTALL)
    return cupy


def _count(cupy: Any) -> int:
    """How many cards the driver shows; at least one."""
    runtime = cupy.cuda.runtime
    try:
        count = int(runtime.getDeviceCount())
    except Exception as error:
        raise _trouble(runtime, error) from None
    if not count:
        raise NoCardError(f"{NO_GPU}: {NO_CARD}")
    return count


def _trouble(runtime: Any, error: Exception) -> NoCudaError:
    """Why the driver shows no cards."""
    driver, needed = _version(runtime.driverGetVersion), _version(runtime.runtimeGetVersion)
    if "NoDevice" in str(error):
        return NoCardError(f"{NO_GPU}: {NO_CARD}")
    if driver == (0, 0):
        return NoCardError(f"{NO_GPU}: there is no NVIDIA driver on this machine")
    if driver < needed and "InsufficientDriver" in str(error):
        versions = f"the NVIDIA driver supports CUDA {driver[0]}.{driver[1]}, CuPy was built for {needed[0]}.{needed[1]}"
        return NoCudaError(f"{NO_GPU}: {versions}", hint="a newer driver, or " + INSTALL)
    return NoCudaError(f"{NO_GPU}: {first_line(error)}")


def _version(ask: Any) -> tuple[int, int]:
    """CUDA's 12040 as (12, 4); (0, 0) where there is no answer."""
    try:
        number = int(ask())
    except Exception:
        return 0, 0
    return number // 1000, number % 1000 // 10


def _card(cupy: Any, index: int, count: int) -> Card:
    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(index)
    capability = (int(properties["major"]), int(properties["minor"]))
    free, trouble = 0, ""
    try:
        with cupy.cuda.Device(index):
            free, _ = runtime.memGetInfo()
    except Exception as error:  # another process may hold it for itself
        trouble = first_line(error)
    if capability < OLDEST:
        have, need = (".".join(map(str, version)) for version in (capability, OLDEST))
        trouble = f"its compute capability is {have}, the kernels need {need}"
    peers = tuple(peer for peer in range(count) if peer != index and runtime.deviceCanAccessPeer(index, peer))
    name = properties["name"]
    return Card(
        index,
        name.decode() if isinstance(name, bytes) else str(name),
        int(properties["totalGlobalMem"]),
        int(free),
        capability,
        int(properties["multiProcessorCount"]),
        peers,
        trouble,
    )


def first_line(error: BaseException) -> str:
    """An error's first line that says anything, or what kind of error it is."""
    lines = [line.strip(" =*-") for line in str(error).splitlines()]
    return next((line for line in lines if line), type(error).__name__)
