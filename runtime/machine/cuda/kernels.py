"""Kernels of runtime/ops, compiled for a card by NVRTC through CuPy, which from KEEPS on keeps them on disk."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from netdef.language.diagnostics import NetdefError
from runtime.kernels.cuda.registry import source
from runtime.machine.cuda.cards import NO_GPU, TOOLKIT, first_line

OPTIONS = ("--std=c++17",)
COMPILERS = 4  # threads; a file takes a second or so
OUT_OF_MEMORY = "CUDA_ERROR_OUT_OF_MEMORY"  # in the words of the driver's error 2, with which a module is not loaded
KEEPS = (14, 2)  # earlier versions of CuPy compile templates with several parameters again in each process


def check_compiler(cupy: Any) -> None:
    """That NVRTC is there.

    Raises
    ------
    NetdefError: it is not.
    """
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:
        reason = first_line(error)
        raise NetdefError(f"{NO_GPU}: NVRTC cannot be loaded ({reason})", hint=f"it {TOOLKIT}") from None


class Kernels:
    """The compiled kernels of one card: those that were asked for are compiled together, a module for each file.

    Parameters
    ----------
    card: a cupy.cuda.Device.
    """

    def __init__(self, cupy: Any, card: Any):
        self._cupy, self._card = cupy, card
        self._wanted: dict[str, dict[str, None]] = {}
        self._made: dict[tuple[str, str], Any] = {}

    def want(self, file: str, function: str) -> None:
        """Have this function ready after the next `compile`."""
        if (file, function) not in self._made:
            self._wanted.setdefault(file, {})[function] = None

    @property
    def known(self) -> bool:
        """Whether all that is wanted was compiled on this machine before, so that CuPy finds it on disk."""
        return not self._wanted or (self._cupy_keeps_them() and self._stamp().exists())

    def _cupy_keeps_them(self) -> bool:
        return tuple(int(number) for number in re.findall(r"\d+", self._cupy.__version__)[:2]) >= KEEPS

    def _stamp(self) -> Path:
        """A file among CuPy's own that marks them as compiled."""
        state = blake2b(repr((self._cupy.__version__, self._card.compute_capability, self._wanted)).encode(), digest_size=16)
        for file in self._wanted:
            state.update(source(file).encode())
        folder = Path(os.environ.get("CUPY_CACHE_DIR") or os.path.expanduser("~/.cupy/kernel_cache"))  # a user may have no home
        return folder / f"netdef-{state.hexdigest()}"

    def compile(self) -> None:
        """Compile what is wanted and not there; what failed stays wanted.

        Raises
        ------
        NetdefError: NVRTC is missing, or does not take a file; the card has no room for the code.
        """
        if not self._wanted:
            return
        stamp = self._stamp()
        with ThreadPoolExecutor(min(COMPILERS, len(self._wanted))) as pool:
            for made in pool.map(self._compile_file, self._wanted, self._wanted.values()):
                self._made.update(made)
        self._wanted = {}
        with suppress(OSError):
            stamp.touch()

    def __getitem__(self, key: tuple[str, str]) -> Any:
        """The function: call it with grid, block and arguments."""
        return self._made[key]

    def _compile_file(self, file: str, functions: dict[str, None]) -> dict[tuple[str, str], Any]:
        with self._card:
            module = self._cupy.RawModule(code=source(file), options=OPTIONS, name_expressions=tuple(functions))
            try:
                module.compile()
                return {(file, function): module.get_function(function) for function in functions}
            except Exception as error:
                if isinstance(error, MemoryError) or OUT_OF_MEMORY in str(error):
                    reason = f"out of memory on gpu:{self._card.id} while the kernels of {file} are loaded"
                    raise NetdefError(reason, hint="a smaller batch_size leaves room for them") from error
                reason = f"the kernels of {file} cannot be compiled: {first_line(error)}"
                raise NetdefError(reason, hint=f"NVRTC {TOOLKIT}") from error
