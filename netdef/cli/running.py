"""The values of the options of all commands that run a net, and the devices that they choose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.options import without_effect

if TYPE_CHECKING:
    from runtime.kernels.cuda.options import CudaOptions
    from runtime.machine.executable import Executable
    from runtime.machine.open import Choice
    from runtime.machine.ranks.ranks import Ranks


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What --NAME gives; None for what was not given."""

    devices: str | None = None
    split: str | None = None
    threads: int | None = None
    math: str | None = None
    conv: str | None = None
    workspace: int | None = None
    no_graph: bool = False
    no_fuse: bool = False
    no_fold: bool = False
    overrides: Mapping[str, Any] | None = None

    @property
    def cuda(self) -> CudaOptions:
        from runtime.kernels.cuda.options import cuda_options

        return cuda_options(self.math, self.workspace, self.no_graph, self.conv, self.no_fuse)

    def choose(self) -> str:
        """The devices given, or the default device; prints the notes about them on stderr.

        Raises
        ------
        NetdefError: a device that was given is not here.
        """
        from runtime.machine.open import Choice, default_devices

        choice = Choice(self.devices) if self.devices else default_devices()
        click.echo("\n".join(self.notes(choice)), err=True)
        return choice.devices

    def notes(self, choice: Choice, ranks: Ranks | None = None) -> list[str]:
        """Which devices run, why, and which of the given options have no effect on them.

        Parameters
        ----------
        ranks: those of an MPI job that train together.

        Raises
        ------
        NetdefError: a device is not here.
        """
        from runtime.machine.open import device_names

        names = device_names(choice.devices)
        notes = choice.notes(self.threads if ranks is None else self.threads or ranks.threads)
        if ranks is not None:
            notes = [f"{ranks.text()}; rank {ranks.rank}: {notes[0]}", *notes[1:]]
        elif len(names) == 1:
            notes += without_effect({"--split": self.split}, "there is one device")
        if names[0].startswith("gpu"):
            if ranks is not None and self.math == "bf16":
                notes.append("note: --math bf16 rounds the factors of products only: blobs are float32 where ranks train together")
            return notes + without_effect({"--threads": self.threads}, "it is about CPU devices") + self._of_cards(names)
        about_cards = {"--math": self.math, "--conv": self.conv, "--workspace": self.workspace, "--no-graph": self.no_graph}
        about_cards["--no-fuse"] = self.no_fuse
        return notes + without_effect(about_cards, "it is about graphics cards")

    def _of_cards(self, names: Sequence[str]) -> list[str]:
        """A note if a card lacks what --math asks for."""
        from runtime.kernels.cuda.options import TENSOR_CORES
        from runtime.machine.cuda.cards import find_card

        found = (find_card(int(name.split(":")[1])) for name in names if self.math not in (None, "fp32"))
        old = next((card for card in found if card.capability < TENSOR_CORES), None)
        return without_effect({"--math": self.math}, f"{old.name} has no tensor cores for it") if old is not None else []

    def compiler(self) -> Callable[..., Executable]:
        """`runtime.compile` for the devices given, or for the default device; prints the notes about them on stderr.

        Raises
        ------
        NetdefError: a device that was given is not here.
        """
        from runtime.machine.compile import compile

        return partial(
            compile, devices=self.choose(), split=self.split, threads=self.threads, cuda=self.cuda, fold=not self.no_fold
        )
