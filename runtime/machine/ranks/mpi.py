"""Messages by MPI (mpi4py), and how a process that mpirun started joins its job."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from netdef.language.diagnostics import NetdefError
from runtime.machine.ranks.launch import Launched, launched
from runtime.machine.ranks.ranks import Ranks
from runtime.machine.ranks.transport import Bytes

NOTICE, DATA = 1, 2  # the first tags of notices, and of arrays


class MpiTransport:
    """Messages over a communicator of mpi4py, the job's own by default."""

    def __init__(self, communicator: Any = None):
        from mpi4py import MPI

        self._mpi = MPI
        self._world = MPI.COMM_WORLD.Dup() if communicator is None else communicator
        self.rank, self.size = self._world.rank, self._world.size
        self._notices: list[Any] = []  # under way

    def send(self, array: Bytes, to: int, tag: int) -> Any:
        return self._world.Isend([array, self._mpi.BYTE], to, DATA + tag)

    def receive(self, array: Bytes, source: int, tag: int) -> Any:
        return self._world.Irecv([array, self._mpi.BYTE], source, DATA + tag)

    def done(self, handles: Sequence[Any]) -> list[int]:
        return list(self._mpi.Request.Testsome(handles) or ())

    def notify(self, message: bytes, to: int) -> None:
        self._notices = [one for one in self._notices if not one.Test()]
        self._notices.append(self._world.isend(message, to, NOTICE))

    def notice(self) -> tuple[int, bytes] | None:
        status = self._mpi.Status()
        found = self._world.improbe(self._mpi.ANY_SOURCE, NOTICE, status)
        return None if found is None else (status.source, found.recv())

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
    return Ranks(transport)


def check_installed(found: Launched) -> None:
    """Raises NetdefError: mpi4py is missing."""
    if find_spec("mpi4py") is None:
        raise NetdefError(
            f"{found.by} started {found.size} processes, and training over ranks needs mpi4py",
            hint="pip install 'netdef-compiler[mpi]'; to train in one process, start it without mpirun",
        )
