"""The devices of all ranks, share by share, and which instructions of a program this rank has."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from netdef.language.diagnostics import NetdefError
from runtime.data.source import Rows
from runtime.ir.program import Instruction, Program
from runtime.kernels.cuda.options import CudaOptions
from runtime.machine.device import Device
from runtime.machine.open import MOST, device_names, different, hosts_of, thread_shares
from runtime.machine.ranks.ranks import Ranks
from runtime.machine.ranks.remote import RemoteDevice

LABELS = "labels"  # the field of a source's batch


def open_shares(ranks: Ranks, text: str, threads: int | None = None, cuda: CudaOptions | None = None) -> tuple[Device, ...]:
    """The devices of all ranks' shares, rank by rank: this rank's own, and what stands for those of others.

    Parameters
    ----------
    text: this rank's `--devices`.  Every rank has as many shares, on as many devices of the same kind.
    threads: worker threads of this rank's CPU devices together; default: its cores, see `Ranks.threads`.
    cuda: how graphics cards compute.

    Raises
    ------
    NetdefError: they are no such list, another rank has others, or there are more than MOST shares.
    """
    names = device_names(text)
    kind, pattern = names[0].split(":")[0], hosts_of(names)
    ranks.check_same({"--devices": f"{kind} with shares {', '.join(map(str, pattern))}"})
    if ranks.fast and len(names) > 1:
        message = f"--reduce fast is for ranks of one share each, not of {len(names)}"
        raise NetdefError(message, hint="leave it out, or start as many ranks with one device each")
    if ranks.size * len(names) > MOST:
        raise NetdefError(f"{ranks.size} ranks with {len(names)} shares each are more than {MOST} shares, the most there can be")
    if kind != "cpu":
        return _open_cards(ranks, names, cuda)
    from runtime.machine.cpu.device import CpuDevice
    from runtime.machine.cpu.queue import Peers

    peers, once = Peers(), different(names)
    own = [
        CpuDevice(share, int(name.split(":")[1]), peers)
        for name, share in zip(once, thread_shares(len(once), threads or ranks.threads), strict=True)
    ]
    devices: list[Device] = []
    for rank in range(ranks.size):
        there: Sequence[Device] = own if rank == ranks.rank else [RemoteDevice(ranks, rank, name, peers) for name in once]
        devices += [there[host] for host in pattern]
    number = {device: index for index, device in enumerate(different(devices))}
    peers.wake = ranks.courier.stop
    for device in number:
        if isinstance(device, RemoteDevice):
            device.tags = [[number[a] * len(number) + number[b] for b in devices] for a in devices]
    return tuple(devices)


def _open_cards(ranks: Ranks, names: Sequence[str], cuda: CudaOptions | None) -> tuple[Device, ...]:
    """`open_shares` where each rank has a card."""
    if len(different(names)) > 1:
        raise NetdefError(
            f"a rank trains on one graphics card, not on {len(different(names))}",
            hint="start a rank for each card; without --devices, each takes the card of its number on the host",
        )
    from runtime.machine.cuda.device import CudaDevice
    from runtime.machine.ranks.cards import open_cards

    device = CudaDevice(int(names[0].split(":")[1]), cuda)
    try:
        return tuple(card for card in open_cards(ranks, names[0], device) for _ in names)
    except BaseException:
        device.close()
        raise


def message_host(devices: Sequence[Device]) -> int | None:
    """The device, by its number among the different ones, whose queue has all messages between ranks; None: each has its own."""
    return next((n for n, device in enumerate(different(devices)) if isinstance(device, RemoteDevice) and device.one_queue), None)


def remote_shares(devices: Sequence[Device]) -> frozenset[int]:
    """The shares that other ranks have."""
    return frozenset(share for share, device in enumerate(devices) if isinstance(device, RemoteDevice))


def ranks_of(devices: Sequence[Device], ranks: Ranks) -> tuple[int, ...]:
    """By share, the rank that has it."""
    return tuple(device.rank if isinstance(device, RemoteDevice) else ranks.rank for device in devices)


def binder_of(instruction: Instruction, devices: Sequence[Device], remote: Collection[int]) -> Device | None:
    """The device that binds an instruction here: its own, for a send to or from another rank that rank's; None: it is not ours."""
    share = instruction.device
    if instruction.is_reduce:
        return None if share in remote else devices[min(remote)]  # that of any other rank
    if instruction.is_send:
        target = instruction.outputs[0].device
        if share in remote and target in remote:
            return None
        return devices[target] if target in remote else devices[share]
    return None if share in remote else devices[share]


def rows_read(program: Program, devices: Sequence[Device], ranks: Ranks | None, name: str) -> Rows | None:
    """What a rank has to read of each batch of a data layer; None: all, as each rank needs all images.

    The rank that computes a loss needs all labels, also where it has some of the images only.
    """
    if ranks is None:
        return None
    owner = ranks_of(devices, ranks)
    images, labels = ({rank: range(0) for rank in range(ranks.size)} for _ in range(2))
    batch = 0
    for source in program.sources:
        for field, buffer in source.fields.items() if source.layer.name == name else ():
            begin, end = source.images.get(field, (0, buffer.shape[-1]))
            found, rank, batch = labels if field == LABELS else images, owner[buffer.device], max(batch, end)
            before = found[rank] or range(begin, end)
            found[rank] = range(min(begin, before.start), max(end, before.stop))
    if all(len(rows) == batch for rows in images.values()):
        return None
    mine = images[ranks.rank]
    return Rows(mine, not set(labels[ranks.rank]) <= set(mine))
