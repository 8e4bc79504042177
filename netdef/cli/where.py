"""Where and how a command runs, and saying so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from runtime.kernels.cuda.options import CudaOptions, cuda_options
from runtime.machine.compile import compile
from runtime.machine.open import Choice, default_devices

if TYPE_CHECKING:
    from runtime.machine.executable import Executable


@dataclass(frozen=True, kw_only=True)
class Where:
    """What the options say that all commands have that run a net; None for what was not given."""

    devices: str | None = None
    split: str | None = None
    threads: int | None = None
    math: str | None = None
    workspace: int | None = None
    no_graph: bool = False

    @property
    def cuda(self) -> CudaOptions:
        return cuda_options(self.math, self.workspace, self.no_graph)

    def compiler(self) -> Callable[..., Executable]:
        """`runtime.compile` for these devices, or for those that are here; says which.

        Raises
        ------
        NetdefError: one that was given is not here.
        """
        devices = chosen(self.devices, self.threads, self.split)
        return partial(compile, devices=devices, split=self.split, threads=self.threads, cuda=self.cuda)


def chosen(devices: str | None, threads: int | None, split: str | None = None) -> str:
    """The devices given, or those that are here; the first lines on stderr say which.

    Raises
    ------
    NetdefError: one that was given is not here.
    """
    choice = Choice(devices) if devices else default_devices()
    print("\n".join(choice.notes(threads, split)), file=sys.stderr)
    return choice.devices
