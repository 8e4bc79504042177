"""Messages by MPI (mpi4py), and how a process that mpirun started joins its job."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.language.extras import install
from runtime.machine.ranks.launch import Launched, launched
from runtime.machine.ranks.ranks import MEASURED, Ranks
from runtime.machine.ranks.transport import Bytes, Floats, LostError

ULFM, ON = "OMPI_MCA_mpi_ft_enable", ("1", "true")  # how Open MPI says that ranks may go on without others
NOTICE, DATA = 1, 2  # the first tags of notices, and of arrays


class MpiTransport:
    """Messages over a communicator of mpi4py, the job's own by default.

    node: the number of this rank's machine; None: it is found here, by all ranks at once.
    """

    def __init__(self, communicator: Any = None, node: int | None = None):
        from mpi4py import MPI

        self._mpi = MPI
        self._world = MPI.COMM_WORLD.Dup() if communicator is None else communicator
        self.rank, self.size = self._world.rank, self._world.size
        self.node = self._first_of_node() if node is None else node
        self._notices: list[Any] = []  # under way
        names = ("ERR_PROC_FAILED", "ERR_PROC_FAILED_PENDING", "ERR_REVOKED")
        self._gone = [getattr(MPI, name) for name in names if hasattr(MPI, name)]
        if self._gone and os.environ.get(ULFM) in ON:
            self._gone += [MPI.ERR_IN_STATUS, MPI.ERR_PENDING]  # of several messages at once

    def _first_of_node(self) -> int:
        """The first rank of those that have memory in common with this one."""
        near = self._world.Split_type(self._mpi.COMM_TYPE_SHARED, self.rank)
        (first,) = self._mpi.Group.Translate_ranks(near.group, [0], self._world.group)
        near.Free()
        return int(first)

    def send(self, array: Bytes, to: int, tag: int) -> Any:
        with self._watched():
            return self._world.Isend([array, self._mpi.BYTE], to, DATA + tag)

    def receive(self, array: Bytes, source: int, tag: int) -> Any:
        with self._watched():
            return self._world.Irecv([array, self._mpi.BYTE], source, DATA + tag)

    def add_up(self, array: Floats, root: int) -> Any:
        mine = [array, self._mpi.FLOAT]
        with self._watched():
            if self.rank == root:
                return self._world.Ireduce(self._mpi.IN_PLACE, mine, self._mpi.SUM, root)
            return self._world.Ireduce(mine, None, self._mpi.SUM, root)

    def done(self, handles: Sequence[Any]) -> list[int]:
        with self._watched():
            return list(self._mpi.Request.Testsome(handles) or ())

    def notify(self, message: bytes, to: int) -> None:
        with self._watched():
            self._notices = [one for one in self._notices if not one.Test()]
            self._notices.append(self._world.Isend([message, self._mpi.BYTE], to, NOTICE))

    def notice(self) -> tuple[int, bytes] | None:
        status = self._mpi.Status()
        with self._watched():
            found = self._world.Improbe(self._mpi.ANY_SOURCE, NOTICE, status)
            if found is None:
                return None
            message = bytearray(status.Get_count(self._mpi.BYTE))
            found.Recv([message, self._mpi.BYTE])
            return status.source, bytes(message)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Make the errors of MPI those of a transport; a rank that is gone is one on all ranks (User-Level Failure Mitigation)."""
        try:
            yield
        except self._mpi.Exception as error:
            gone = error.Get_error_class() in self._gone
            if gone:
                self._world.Revoke()
            raise LostError(f"MPI failed: {error.Get_error_string()}", gone) from None

    def survivors(self) -> tuple[MpiTransport, list[int]]:
        world = self._world.Shrink()
        every = list(range(self.size))
        there = self._mpi.Group.Translate_ranks(self._world.group, every, world.group)
        return MpiTransport(world, self.node), [rank for rank, now in zip(every, there, strict=True) if now == self._mpi.UNDEFINED]

    def abort(self, code: int) -> None:
        self._world.Abort(code)

    def close(self) -> None:
        self._notices.clear()


def join() -> Ranks | None:
    """This process among those of its job; None where it was started alone.

    Raises
    ------
    NetdefError: mpi4py is missing, or its MPI is not the one that started the processes.
    """
    found = launched()
    if found is None:
        return None
    check_installed(found)
    transport = MpiTransport()
    if transport.size != found.size:
        raise NetdefError(
            f"{found.by} started {found.size} processes, and the MPI of mpi4py sees {transport.size}",
            hint="start netdef by the mpirun of the MPI that mpi4py finds (python -m mpi4py --mpi-lib-version), or srun --mpi=pmix",
        )
    ranks = Ranks(transport)
    ranks.bucket = MEASURED
    return ranks


def check_installed(found: Launched) -> None:
    """Raises NetdefError: mpi4py is missing, or finds no MPI."""
    if find_spec("mpi4py") is None:
        raise NetdefError(
            f"{found.by} started {found.size} processes, and training over ranks needs mpi4py",
            hint=f"{install('mpi')}; to train in one process, start it without mpirun",
        )
    try:
        from mpi4py import MPI  # noqa: F401
    except (ImportError, RuntimeError) as error:
        raise NetdefError(
            f"mpi4py cannot load an MPI: {error}",
            hint=f"load the MPI that {found.by} belongs to: its module, or its lib directory in LD_LIBRARY_PATH",
        ) from None


def check_elastic() -> None:
    """Raises NetdefError: this MPI ends the job where a rank is killed."""
    if os.environ.get(ULFM) not in ON:
        raise NetdefError(
            "--elastic needs an MPI that lets other ranks go on when one is killed",
            hint="Open MPI 5 does (ULFM): mpirun --with-ft ulfm; without --elastic the job ends, and --resume latest goes on",
        )
