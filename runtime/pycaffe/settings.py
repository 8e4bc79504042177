"""What a script sets for all nets that it makes afterwards: the mode, the device, the seed of everything random."""

from __future__ import annotations

import secrets
import warnings
from dataclasses import dataclass
from operator import index

from netdef.language.diagnostics import NetdefError, Remark
from runtime.machine.open import default_devices


class PycaffeRemark(Remark):
    """Something differs from what a script may expect."""


@dataclass
class Settings:
    """The present ones.  seed: of the next net, None until `set_random_seed`."""

    on_gpu: bool = False
    device: int = 0
    seed: int | None = None

    def next_seed(self) -> int:
        """Of a net: each has its own, those after `set_random_seed` always the same."""
        if self.seed is None:
            return secrets.randbits(31)
        self.seed += 1
        return self.seed - 1

    @property
    def devices(self) -> str:
        """As `compile` has it: the CPU where there is no such card, which is said."""
        if not self.on_gpu:
            return "cpu"
        choice = default_devices(self.device)
        if choice.devices == "cpu":
            why = choice.why or f"there is no GPU {self.device}"
            warnings.warn(f"{why}; the CPU computes", PycaffeRemark, stacklevel=4)
            self.on_gpu = False
        return choice.devices


settings = Settings()


def set_mode_cpu() -> None:
    """Let nets that are made from now on run on the CPU."""
    settings.on_gpu = False


def set_mode_gpu() -> None:
    """Let nets that are made from now on run on the GPU of `set_device`; on the CPU where there is none."""
    settings.on_gpu = True


def set_device(device: int) -> None:
    """Choose the GPU for `set_mode_gpu` by its number.

    Raises
    ------
    NetdefError: it is no number of a GPU.
    """
    settings.device = _number(device, f"set_device({device!r}): expected the number of a GPU", 1 << 31)


def set_random_seed(seed: int) -> None:
    """Let the nets that are made from now on draw the same random numbers in every run of the script.

    Raises
    ------
    NetdefError: it is no number from 0 to 2^32 - 1.
    """
    settings.seed = _number(seed, f"set_random_seed({seed!r}): expected a whole number", 1 << 32)


def _number(value: object, expected: str, end: int) -> int:
    try:
        number = index(value)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if not 0 <= number < end:
        raise NetdefError(f"{expected} from 0 to {end - 1}")
    return number
