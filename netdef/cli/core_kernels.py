"""How long the kernels of a net take on one core of this machine, measured now, next to the least time that they could take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netdef.cli.placement_facts import LISTS
from netdef.loading import with_batch_size
from netdef.schema import message_class

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.ir.program import Instruction
    from runtime.machine.device import Device

Seconds = Callable[["Instruction"], float]


@dataclass(frozen=True)
class Kernels:
    """What kernels take.

    Attributes
    ----------
    images: of the batch that was measured.  factor: seconds of all of them together, of the least.
    each: the same by kernel.
    """

    images: int
    factor: float
    each: dict[str, float]

    def seconds(self, least: Seconds) -> Seconds:
        """The time of an instruction; one whose kernel was not measured is as far from its least time as all are."""
        return lambda instruction: least(instruction) * self.each.get(instruction.kernel, self.factor)


def measured_kernels(net: Net, images: int, least: Seconds, clock: Callable[[Device], Device] = lambda device: device) -> Kernels:
    """Run an iteration of training on one core, on numbers that are no data, and time each instruction in the second.

    Parameters
    ----------
    least: the least time of an instruction.  clock: gives the device another clock.
    """
    from runtime.machine.compile import compile
    from runtime.solver.update import updates

    update = updates(message_class("SolverParameter")())
    taken, could = Counter[str](), Counter[str]()
    net = with_batch_size(net, images)
    with compile(net, "cpu", threads=1, keep="outputs", losses_only=True, update=update) as executable:
        executable.begin_run(load=False)
        lists = [pair for name in LISTS for pair in executable.bound(name)]
        bound = [one for _, one in lists]
        executable.times(bound)  # the first compiles
        for (instruction, _), seconds in zip(lists, clock(executable.device).times(bound), strict=True):
            taken[instruction.kernel] += seconds  # type: ignore[assignment]
            could[instruction.kernel] += least(instruction)  # type: ignore[assignment]
    each = {name: taken[name] / seconds for name, seconds in could.items() if seconds > 0}
    return Kernels(images, sum(taken.values()) / max(sum(could.values()), 1e-12), each)
