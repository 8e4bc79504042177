"""How long the kernels of a net take on one core of this machine, measured now, next to the least time that they could take.

Images lie innermost in memory, so a kernel takes longer for each image where there are few.  A share has all images of a batch, or
its own part of them, by the split and the layer: kernels are measured with both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
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
OF_IMAGES = ("activation", "gradient", "input", "output")  # roles of buffers that have images innermost


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

    def of(self, kernel: str) -> float:
        """Seconds of a kernel, of the least; one that was not measured is as far from its least time as all are."""
        return self.each.get(kernel, self.factor)


def seconds_by(measured: Sequence[Kernels], least: Seconds) -> Seconds:
    """The time of an instruction by what was measured with about as many images."""

    def seconds(instruction: Instruction) -> float:
        images = images_of(instruction)
        nearest = min(measured, key=lambda one: max(one.images, images) / min(one.images, images))
        return least(instruction) * nearest.of(instruction.kernel)

    return seconds


def images_of(instruction: Instruction) -> int:
    """How many images an instruction works on; 1 where it works on weights alone."""
    roots = (buffer.root for buffer in instruction.buffers)
    return max((root.shape[-1] for root in roots if root.role in OF_IMAGES and len(root.shape) > 1), default=1)


def images_measured(batch: int, shares: int, most: int) -> list[int]:
    """With how many images kernels are measured: a share's part of the batch, and all of it; at most so many."""
    return sorted({min(max(1, batch // shares), most), min(batch, most)})


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
    with compile(net, "cpu", threads=1, keep="activations", losses_only=True, update=update) as executable:
        executable.begin_run(load=False)
        lists = [pair for name in LISTS for pair in executable.bound(name)]
        bound = [one for _, one in lists]
        executable.times(bound)  # the first compiles
        for (instruction, _), seconds in zip(lists, clock(executable.device).times(bound), strict=True):
            taken[instruction.kernel] += seconds  # type: ignore[assignment]
            could[instruction.kernel] += least(instruction)  # type: ignore[assignment]
    each = {name: taken[name] / seconds for name, seconds in could.items() if seconds > 0}
    return Kernels(images, sum(taken.values()) / max(sum(could.values()), 1e-12), each)
