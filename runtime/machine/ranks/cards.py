"""Ranks that have a graphics card each: what goes between them is sent by NCCL, through CuPy.

All messages of a rank are on one stream of its card, in the order of the program, which is the same for all ranks: so the first
message that is not through is begun on both sides, and none waits for ever.  Those that are put there together are one group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from netdef.language.diagnostics import NetdefError
from runtime.ir.program import Buffer, Instruction
from runtime.machine.cpu.queue import Peers
from runtime.machine.cuda.device import CudaDevice, CudaQueue
from runtime.machine.device import BoundInstruction, LaunchError, run_in_order
from runtime.machine.ranks.ranks import Ranks
from runtime.machine.ranks.remote import RemoteDevice
from runtime.machine.ranks.rounded import RoundedMessage, Rounder, rounding_bytes
from runtime.machine.ranks.rounding import sends_gradients


def load_nccl() -> Any:
    """NCCL, as CuPy has it.

    Raises
    ------
    NetdefError: it is not here.
    """
    try:
        return import_module("cupy.cuda.nccl")
    except ImportError as error:
        message = f"ranks with graphics cards need NCCL: {error}"
        hint = "pip install nvidia-nccl-cu12 (or -cu13), the NCCL of your CUDA; or train on CPUs: --devices cpu"
        raise NetdefError(message, hint=hint) from None


class NcclQueue(CudaQueue):
    """The stream of a card's messages."""

    def __init__(self, device: CudaDevice, stream: Any, nccl: Any):
        super().__init__(device, stream)
        self._nccl = nccl

    def run(self, bound: Sequence[BoundInstruction]) -> None:
        """Put messages on the stream as one group, in which sending and receiving do not wait for each other.

        Raises
        ------
        LaunchError: one failed.
        """
        device = self._device
        rounded = [one for one in bound if isinstance(one, RoundedMessage)]
        with device.here(), self.stream:
            device.resolve()
            device.after_writes(self.stream)
            device.progress.put(bound)
            _each(device.name, rounded, RoundedMessage.before)
            try:
                self._nccl.groupStart()
                try:
                    run_in_order(device.name, bound)
                finally:
                    self._nccl.groupEnd()
            except self._nccl.NcclError as error:  # of the group as a whole
                raise LaunchError(device.name, bound[-1]) from error
            _each(device.name, rounded, RoundedMessage.after)


def _each(device: str, rounded: Sequence[RoundedMessage], kernels: Callable[[RoundedMessage], None]) -> None:
    """Put the kernels of messages on the stream.  Raises LaunchError: one failed."""
    for message in rounded:
        try:
            kernels(message)
        except Exception as error:
            raise LaunchError(device, message, late=True) from error


class Message:
    """One side of a message; the array is kept, as NCCL knows only its address."""

    def __init__(self, call: Callable[..., None], array: Any, kind: int, rank: int, stream: Any):
        self._call, self._array, self._kind, self._rank, self._stream = call, array, kind, rank, stream

    def __call__(self) -> None:
        self._call(int(self._array.data.ptr), int(self._array.nbytes), self._kind, self._rank, self._stream.ptr)


class Sum:
    """One side of a sum over ranks; how: type, operation and root."""

    def __init__(self, call: Callable[..., None], array: Any, how: tuple[int, int, int], stream: Any):
        self._call, self._array, self._how, self._stream = call, array, how, stream

    def __call__(self) -> None:
        address = int(self._array.data.ptr)
        self._call(address, address, int(self._array.size), *self._how, self._stream.ptr)


class Messages:
    """What a rank's card sends and receives.

    Raises
    ------
    NetdefError: NCCL is not here, or cannot connect the ranks.
    """

    def __init__(self, ranks: Ranks, device: CudaDevice):
        self.nccl = load_nccl()
        self.device = device
        said = ranks.broadcast(self.nccl.get_unique_id() if ranks.first else None)
        with device.here():
            self.stream = device.new_stream()
            try:
                self._communicator = self.nccl.NcclCommunicator(ranks.size, said, ranks.rank)
            except self.nccl.NcclError as error:
                raise NetdefError(f"NCCL cannot connect {ranks.name}: {error}", hint="NCCL_DEBUG=WARN shows why") from None
        self.queue = NcclQueue(device, self.stream, self.nccl)
        self._open = True
        ranks.courier.on_stop = self.abort

    def send(self, array: Any, rank: int) -> Message:
        """The sending of an array."""
        return Message(self._communicator.send, array, self.nccl.NCCL_UINT8, rank, self.stream)

    def receive(self, array: Any, rank: int) -> Message:
        """The receiving of an array."""
        return Message(self._communicator.recv, array, self.nccl.NCCL_UINT8, rank, self.stream)

    def add_up(self, array: Any, root: int) -> Sum:
        """This rank's side of a sum over all ranks, in an order of NCCL's own; the root's array becomes the sum."""
        nccl = self.nccl
        return Sum(self._communicator.reduce, array, (nccl.NCCL_FLOAT32, nccl.NCCL_SUM, root), self.stream)

    def abort(self) -> None:
        """End what is under way, as another rank has failed: the card then waits for nobody."""
        if self._open:
            self._open = False
            with suppress(self.nccl.NcclError):
                self._communicator.abort()

    def close(self) -> None:
        """Wait for the messages and let go of the other ranks."""
        if self._open:
            self._open = False
            with suppress(NetdefError, self.nccl.NcclError), self.device.here():
                self.stream.synchronize()
                self._communicator.destroy()


class RemoteCard(RemoteDevice):
    """The card of another rank, as this rank knows it.

    messages: of this rank's own card.  rounder: of its gradients; None: they are sent as they are.
    """

    one_queue = True

    def __init__(self, ranks: Ranks, rank: int, name: str, messages: Messages, rounder: Rounder | None):
        super().__init__(ranks, rank, name, Peers())
        self._messages, self._rounder = messages, rounder

    @property
    def queue(self) -> NcclQueue:  # type: ignore[override]
        return self._messages.queue

    @property
    def copies(self) -> NcclQueue:  # type: ignore[override]
        return self._messages.queue

    def bind(self, instruction: Instruction, arrays: Callable[[Buffer], Any]) -> BoundInstruction:
        """The sending, or the receiving, of a `send` between this rank and the card's; this rank's side of a sum over ranks."""
        messages: list[BoundInstruction]
        if instruction.is_reduce:
            messages = [self._messages.add_up(arrays(buffer), instruction.constants["root"]) for buffer in instruction.inputs]
        elif self._rounder is not None and sends_gradients(instruction):
            if arrays(instruction.outputs[0]) is None:
                return self._rounder.sending(instruction, arrays, lambda whole: self._messages.send(whole, self.rank))
            return self._rounder.receiving(instruction, arrays, lambda whole: self._messages.receive(whole, self.rank))
        else:
            messages = [self._message(arrays(a), arrays(b)) for a, b in zip(instruction.inputs, instruction.outputs, strict=True)]
        if len(messages) == 1:
            return messages[0]

        def all_of_them() -> None:
            for message in messages:
                message()

        return all_of_them

    def _message(self, here: Any, there: Any) -> BoundInstruction:
        return self._messages.send(here, self.rank) if there is None else self._messages.receive(there, self.rank)

    def run(self, bound: Sequence[BoundInstruction]) -> None:
        """Put messages on the stream."""
        self._messages.queue.run(bound)

    def synchronize(self) -> None:
        """Wait for the messages; raises NetdefError: one failed."""
        self._messages.device.synchronize()

    def settle(self) -> None:
        """Nothing: cards work by themselves."""

    def close(self) -> None:
        """Let go of the other ranks."""
        self._messages.close()


def open_cards(ranks: Ranks, name: str, device: CudaDevice) -> list[RemoteDevice | CudaDevice]:
    """By rank, its card: this rank's own, and what stands for those of others.

    Raises
    ------
    NetdefError: two ranks have the same card.
    """
    taken: dict[tuple[str, str], int] = {}
    for rank, card in enumerate(ranks.exchange((ranks.member.host, name))):
        if card in taken:
            raise NetdefError(
                f"ranks {taken[card]} and {rank} on {card[0]} both have {card[1]}",
                hint="without --devices, each rank takes the card of its number on the host",
            )
        taken[card] = rank
    messages = Messages(ranks, device)
    rounder = None
    if ranks.rounding is not None:
        rounder, device.for_messages = Rounder(ranks.rounding, device), rounding_bytes
    return [device if rank == ranks.rank else RemoteCard(ranks, rank, name, messages, rounder) for rank in range(ranks.size)]
