"""This process among the ranks of a job: who they are, values that all of them know, and an end that all of them take."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural
from runtime.machine.ranks.courier import PING, Courier, LostRankError, RankError
from runtime.machine.ranks.rounding import Rounding
from runtime.machine.ranks.transport import Bytes, Transport

READ = 0  # the tag of what all ranks read; the messages of a program have those above
MEASURED = 0  # as a bucket's size
PATIENCE = 5.0  # seconds to wait for other ranks to end, before they are made to


@dataclass(frozen=True)
class Member:
    """What a rank says of itself.  cores: those that it may run on.  node: a number that ranks of one machine have in common."""

    host: str
    cores: tuple[int, ...]
    node: int


class Ranks:
    """This process among those of a job.

    All ranks run the same commands in the same order: each `exchange`, `broadcast` and `spread` takes all of them.

    Attributes
    ----------
    rank, size: as in MPI.  local: the rank among those of this node.
    members: of all ranks.  courier: sends and receives.
    rounding: how gradients are rounded on their way; None: not at all.
    fast: whether MPI or NCCL adds up gradients, in an order of its own, and not the ranks in theirs; not with `rounding`.
    bucket: bytes of a message that gradients are sent in; MEASURED: chosen by how fast messages are; None: each by itself.
    measured: a line about how the bucket was chosen; "" where it was not.
    """

    def __init__(self, transport: Transport, host: str | None = None, ping: float = PING):
        self.rank, self.size = transport.rank, transport.size
        self.courier = Courier(transport, ping)
        self.rounding: Rounding | None = None
        self.fast = False
        self.bucket: int | None = None
        self.measured = ""
        self._transport = transport
        mine = Member(host or socket.gethostname(), tuple(sorted(os.sched_getaffinity(0))), transport.node)
        self.members = [Member(*said) for said in self.exchange((mine.host, mine.cores, mine.node))]
        self.courier.hosts = [member.host for member in self.members]
        here = [rank for rank, member in enumerate(self.members) if member.node == mine.node]
        self.local = here.index(self.rank)

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which writes files and shows what happens."""
        return self.rank == 0

    @property
    def member(self) -> Member:
        """What this rank has said of itself."""
        return self.members[self.rank]

    @property
    def name(self) -> str:
        """This rank as messages name it."""
        return f"rank {self.rank} on {self.member.host}"

    @property
    def threads(self) -> int:
        """Worker threads by default: this rank's cores, divided by the ranks of its host that run on the same ones."""
        return max(1, len(self.member.cores) // self.members.count(self.member))

    @property
    def nodes(self) -> int:
        """How many nodes the ranks are on, where each has as many and they follow one another; else 1."""
        nodes = [member.node for member in self.members]
        runs = [len(list(group)) for _, group in groupby(nodes)]
        return len(runs) if len(set(runs)) == 1 and len(runs) == len(set(nodes)) else 1

    def exchange(self, value: Any) -> list[Any]:
        """The values of all ranks, in their order; of the types that `values.packed` takes.

        Raises
        ------
        RankError: another rank has failed.
        """
        for rank in range(self.size):
            if rank != self.rank:
                self.courier.tell(value, rank)
        return [value if rank == self.rank else self.courier.hear(rank) for rank in range(self.size)]

    def broadcast(self, value: Any, root: int = 0) -> Any:
        """The value of one rank, on all of them; else as `exchange`."""
        if self.rank != root:
            return self.courier.hear(root)
        for rank in range(self.size):
            if rank != root:
                self.courier.tell(value, rank)
        return value

    def spread(self, array: Bytes, root: int) -> None:
        """Give all ranks the bytes of one of them.  Raises RankError: another rank has failed."""
        if self.rank != root:
            self.courier.receive(array, root, READ)
            return
        for parcel in [self.courier.begin_send(array, rank, READ) for rank in range(self.size) if rank != root]:
            self.courier.wait(parcel)

    def check_same(self, what: Mapping[str, Any]) -> None:
        """That all ranks have the same values under the same names.

        Raises
        ------
        NetdefError: one has others; on every rank.
        """
        theirs = self.exchange(dict(what))
        for rank, other in enumerate(theirs):
            differs = [name for name in {**theirs[0], **other} if theirs[0].get(name) != other.get(name)]
            if differs:
                name = differs[0]
                a, b = (_shown(values.get(name)) for values in (theirs[0], other))
                values = f": {b}, not {a}" if a and b else ""
                raise NetdefError(
                    f"rank {rank} on {self.members[rank].host} has another {name} than rank 0 on {self.members[0].host}{values}",
                    hint="all ranks run the same command on the same files, with the same version of netdef",
                )

    def text(self) -> str:
        """The ranks in words: 4 ranks on 2 hosts (a: 2, b: 2)."""
        hosts = Counter(member.host for member in self.members)
        if len(hosts) == 1:
            return f"{plural(self.size, 'rank')} on {next(iter(hosts))}"
        shown = ", ".join(f"{host}: {count}" for host, count in list(hosts.items())[:8])
        return f"{plural(self.size, 'rank')} on {plural(len(hosts), 'host')} ({shown}{', ...' if len(hosts) > 8 else ''})"

    # The end

    def fail(self, error: BaseException) -> bool:
        """Let all others know that this rank ends by an error; waits until they end too.  Whether they have."""
        if isinstance(error, RankError):
            self.courier.fail(error.rank, error.host, error.text)
        else:
            self.courier.fail(self.rank, self.member.host, text_of(error))
        deadline = time.monotonic() + PATIENCE
        while len(self.courier.ended) < self.size - 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        return len(self.courier.ended) == self.size - 1

    def survivors(self) -> tuple[Ranks, list[str]]:
        """The ranks that are left, as a job of their own, and the names of those that are gone."""
        self.courier.close()
        names = [f"rank {rank} on {member.host}" for rank, member in enumerate(self.members)]
        transport, lost = self._transport, []
        while True:
            transport, gone = transport.survivors()
            lost += [names[rank] for rank in gone]
            names = [name for rank, name in enumerate(names) if rank not in gone]
            try:
                return Ranks(transport), lost
            except LostRankError:  # one more, meanwhile
                continue

    def abort(self, code: int) -> None:
        """End the processes of all ranks at once."""
        self._transport.abort(code)

    def close(self) -> None:
        """Let go of the other ranks."""
        self.courier.close()


def fingerprint(messages: Iterable[Any]) -> bytes:
    """A hash of protobuf messages, equal for equal messages."""
    digest = blake2b(digest_size=16)
    for message in messages:
        text = message.SerializeToString(deterministic=True)
        digest.update(len(text).to_bytes(8, "little") + text)
    return digest.digest()


def text_of(error: BaseException) -> str:
    """An error's text for the screen of another rank."""
    if isinstance(error, NetdefError):
        return str(error).removeprefix("error: ")
    return f"{type(error).__name__}: {error}"


def _shown(value: Any) -> str:
    """A value as a message shows it; "" for what is no more than a hash, and for none."""
    return "" if value is None or isinstance(value, bytes) else str(value)
