"""Gradients that cards send each other in 16 bits: rounded by a kernel, sent by NCCL, and made wide again by a kernel.

All of it is on the stream of messages: what rounds comes before a group of messages, what makes wide again behind it.  The rounded
numbers lie in memory of their own, which is no program's: half as much as the gradients that are sent and received.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import accumulate
from typing import Any

from runtime.ir.program import ITEM_BYTES, Buffer, Instruction, Program
from runtime.ir.runs import element_runs
from runtime.kernels.cuda.grids import WIDEST
from runtime.machine.cuda.device import CudaDevice
from runtime.machine.device import BoundInstruction
from runtime.machine.ranks.rounding import Rounding, Sums, sends_gradients

HALF, PARTIAL = "uint16", "float64"  # the types of rounded numbers, and of the sums of their errors
SUMS = 2  # of each run: errors, and gradients

Arrays = Callable[[Buffer], Any]
Bind = Callable[[Any], BoundInstruction]  # the message that sends or receives an array


class RoundedMessage:
    """One side of a message of gradients.

    Parameters
    ----------
    message: the call of NCCL.  before, after: kernels.  measuring: those that add up errors, as long as `rounding` asks for them.
    size: how many numbers it sends.
    """

    def __init__(
        self,
        message: BoundInstruction,
        rounding: Rounding,
        before: Sequence[BoundInstruction] = (),
        measuring: Sequence[BoundInstruction] = (),
        after: Sequence[BoundInstruction] = (),
        size: int = 0,
    ):
        self._message, self._rounding, self._size = message, rounding, size
        self._before, self._measuring, self._after = before, measuring, after

    def __call__(self) -> None:
        self._message()

    def before(self) -> None:
        """Put the kernels on the stream that the message waits for."""
        for kernel in self._before:
            kernel()
        if self._rounding.measures and self._size:
            self._rounding.count(self._size)
            for kernel in self._measuring:
                kernel()

    def after(self) -> None:
        """Put the kernels on the stream that wait for the message."""
        for kernel in self._after:
            kernel()


class Rounder:
    """Binds what rounds a card's gradients."""

    def __init__(self, rounding: Rounding, device: CudaDevice):
        self._rounding, self._device = rounding, device

    def sending(self, send: Instruction, arrays: Arrays, message: Bind) -> RoundedMessage:
        """A send to another rank's card."""
        whole, halves = self._room(send.inputs)
        pairs = list(zip(send.inputs, halves, strict=True))
        kernels = [
            self._bound(f"round_{self._rounding.form}", (buffer, half), arrays, halves, send.layer) for buffer, half in pairs
        ]
        measuring = [self._error(buffer, half, arrays, halves, send.layer) for buffer, half in pairs if self._rounding.measures]
        size = sum(buffer.size for buffer in send.inputs)
        return RoundedMessage(message(whole), self._rounding, kernels, measuring, size=size)

    def receiving(self, send: Instruction, arrays: Arrays, message: Bind) -> RoundedMessage:
        """A send of another rank's card to this one."""
        whole, halves = self._room(send.outputs)
        pairs = zip(halves, send.outputs, strict=True)
        widen = f"widen_from_{self._rounding.form}"
        kernels = [self._bound(widen, (half, buffer), arrays, halves, send.layer) for half, buffer in pairs]
        return RoundedMessage(message(whole), self._rounding, after=kernels)

    def _room(self, buffers: Sequence[Buffer]) -> tuple[Any, dict[Buffer, Any]]:
        """An array for the rounded numbers of some buffers, one behind the other, and the piece of each."""
        ends = [0, *accumulate(_taken(buffer) for buffer in buffers)]
        room = Buffer("rounded", (ends[-1],), "gradient", HALF, device=buffers[0].device)
        memory = self._device.allocate(room.bytes)
        views = [room.view((buffer.size,), begin) for buffer, begin in zip(buffers, ends, strict=False)]
        pieces = {view: self._device.array(memory, view.byte_offset, view.shape, HALF) for view in views}
        return self._device.array(memory, 0, room.shape, HALF), pieces

    def _error(self, buffer: Buffer, half: Buffer, arrays: Arrays, halves: dict[Buffer, Any], layer: str) -> BoundInstruction:
        """What adds the errors of a rounded buffer, in each pass, to those of the passes before, for `Rounding.measured`."""
        sums = Buffer("rounding_error", (element_runs(buffer.size), SUMS), "gradient", PARTIAL, device=buffer.device)
        array = self._device.array(self._device.allocate(sums.bytes), 0, sums.shape, PARTIAL)

        def read() -> Sums:
            wrong, all_ = self._device.read(array).sum(axis=0)
            return float(wrong), float(all_)

        self._rounding.also(read)
        fp16 = {"fp16": self._rounding.form == "fp16"}
        return self._bound("rounding_error", (buffer, half, sums), arrays, {**halves, sums: array}, layer, fp16)

    def _bound(
        self, kernel: str, buffers: tuple[Buffer, ...], arrays: Arrays, own: dict[Buffer, Any], layer: str, constants: Any = None
    ) -> BoundInstruction:
        """A kernel on the card.  own: the arrays that are no program's."""
        instruction = Instruction(kernel, buffers[:-1], buffers[-1:], constants or {}, layer)
        return self._device.bind(instruction, lambda buffer: own[buffer] if buffer in own else arrays(buffer))


def _taken(buffer: Buffer) -> int:
    """How many rounded numbers a buffer has room for: whole packs, so that the next one begins where kernels take packs."""
    return -(-buffer.size // WIDEST) * WIDEST


def rounding_bytes(programs: Sequence[Program], shares: Collection[int]) -> int:
    """Bytes that a card with these shares takes for rounded gradients, and for the sums of their errors."""
    found = 0
    for program in programs:
        for one in program.backward:
            sends, receives = one.device in shares, bool(one.outputs) and one.outputs[0].device in shares
            if sends_gradients(one) and sends != receives:
                found += ITEM_BYTES[HALF] * sum(_taken(buffer) for buffer in one.inputs)
                runs = sum(element_runs(buffer.size) for buffer in one.inputs) if sends else 0
                found += ITEM_BYTES[PARTIAL] * SUMS * runs
    return found
