"""The options of all commands that run a net, and the devices that they choose."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.kernels.cuda.options import CudaOptions
    from runtime.machine.executable import Executable


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The values of these options; None for one that is not given."""

    devices: str | None = None
    split: str | None = None
    threads: int | None = None
    math: str | None = None
    workspace: int | None = None
    no_graph: bool = False

    @property
    def cuda(self) -> CudaOptions:
        from runtime.kernels.cuda.options import cuda_options

        return cuda_options(self.math, self.workspace, self.no_graph)

    def compiler(self) -> Callable[..., Executable]:
        """`runtime.compile` for the devices given, or for the default device; prints which these are on stderr.

        Raises
        ------
        NetdefError: a device that was given is not here.
        """
        from runtime.machine.compile import compile

        devices = choose(self.devices, self.threads, self.split)
        return partial(compile, devices=devices, split=self.split, threads=self.threads, cuda=self.cuda)


def choose(devices: str | None, threads: int | None, split: str | None = None) -> str:
    """The devices given, or the default device; prints which these are on stderr.

    Raises
    ------
    NetdefError: a device that was given is not here.
    """
    from runtime.machine.open import Choice, default_devices

    choice = Choice(devices) if devices else default_devices()
    print("\n".join(choice.notes(threads, split)), file=sys.stderr)
    return choice.devices
