"""What ranks know of one another, and how they end."""

from __future__ import annotations

import random
import threading
from typing import Any

import numpy as np
import pytest

from netdef import NetdefError
from runtime.machine.ranks import mpi
from runtime.machine.ranks.courier import Courier, LostRankError, RankError
from runtime.machine.ranks.launch import Launched
from runtime.machine.ranks.ranks import Member, Ranks
from runtime.machine.ranks.shares import open_shares
from runtime.machine.ranks.transport import LostError
from tests.runtime.machine.ranks.loopback import Loopback, Mail, on_ranks

OTHER = "rank 1 on here has another"


def test_values_go_to_all_in_the_order_of_ranks() -> None:
    chance = random.Random(1)

    def work(ranks: Ranks) -> Any:
        return [ranks.exchange((ranks.rank, turn)) for turn in range(20)], ranks.broadcast(ranks.rank, 2), ranks.local

    results = on_ranks(3, work, late=lambda: chance.random() < 0.5)
    every = [[(rank, turn) for rank in range(3)] for turn in range(20)]
    assert results == [(every, 2, rank) for rank in range(3)]


def test_bytes_of_one_rank_go_to_all() -> None:
    def work(ranks: Ranks) -> list[list[int]]:
        found = []
        for root, size in ((0, 5), (2, 0), (1, 70_000)):
            array = np.full(size, 7 + root if ranks.rank == root else 0, np.uint8)
            ranks.spread(array, root)
            found.append([len(array), int(array.sum(dtype=np.int64))])
        return found

    assert on_ranks(3, work) == [[[5, 35], [0, 0], [70_000, 560_000]]] * 3


def test_a_failure_wakes_whoever_waits() -> None:
    def work(ranks: Ranks) -> None:
        if ranks.rank == 1:
            raise NetdefError("disk full", hint="remove something")
        if ranks.rank == 0:
            ranks.spread(np.zeros(10, np.uint8), 1)
        else:
            ranks.exchange(None)

    first, second, third = on_ranks(3, work)
    assert str(second) == "error: disk full\n    remove something"
    for error in (first, third):
        assert isinstance(error, RankError)
        assert str(error) == "error: rank 1 on here: disk full\n    remove something"


def test_ranks_that_are_left_go_on_as_a_job() -> None:
    mail, all_there = Mail(3), threading.Barrier(3)

    def work(ranks: Ranks) -> Any:
        ranks.exchange(1)
        all_there.wait()
        if ranks.rank == 1:
            mail.gone.add(1)
            return "killed"
        with pytest.raises(LostRankError, match="a rank was killed"):
            ranks.exchange(2)
        left, gone = ranks.survivors()
        found = left.rank, left.size, gone, left.exchange(ranks.rank)
        left.close()
        return found

    assert on_ranks(3, work, mail=mail) == [(0, 2, ["rank 1 on here"], [0, 2]), "killed", (1, 2, ["rank 1 on here"], [0, 2])]


def test_messages_that_fail_wake_whoever_waits() -> None:
    class Failing(Loopback):
        def notice(self) -> tuple[int, bytes] | None:
            raise LostError("MPI failed: out of memory", gone=False)

    courier = Courier(Failing(Mail(2), 0))
    with pytest.raises(NetdefError, match="MPI failed: out of memory"):
        courier.hear(1)
    courier.close()


def test_a_message_that_cannot_begin_wakes_its_sender() -> None:
    class Failing(Loopback):
        def send(self, array: np.ndarray, to: int, tag: int) -> Any:
            raise LostError("a rank is gone", gone=True)

    courier = Courier(Failing(Mail(2), 0))
    for _ in range(2):  # the second finds that it has failed
        with pytest.raises(LostRankError):
            courier.send(np.zeros(3, np.uint8), 1, 0)
    courier.close()


def test_elastic_needs_an_mpi_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMPI_MCA_mpi_ft_enable", raising=False)
    with pytest.raises(NetdefError, match="--elastic needs an MPI that lets other ranks go on") as caught:
        mpi.check_elastic()
    assert "mpirun --with-ft ulfm" in str(caught.value)
    monkeypatch.setenv("OMPI_MCA_mpi_ft_enable", "1")
    mpi.check_elastic()


def test_a_rank_that_dies_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.machine.ranks.ranks.PATIENCE", 0.1)
    mail, all_there = Mail(3), threading.Barrier(3)

    def work(ranks: Ranks) -> Any:
        ranks.exchange(1)
        all_there.wait()
        if ranks.rank == 2:
            mail.dead.add(2)  # without a word
            return "killed"
        return ranks.exchange(2)

    first, second, third = on_ranks(3, work, mail=mail, ping=0.1)
    assert third == "killed"
    for error in (first, second):
        assert isinstance(error, RankError)
        assert str(error).startswith("error: rank 2 on here: it has not answered for 1 seconds: it was killed")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [{"batch size": 8}, {"batch size": 8}, {"batch size": 9}],
            "rank 2 on here has another batch size than rank 0 on here: 9, not 8",
        ),
        ([{"net": b"a"}, {"net": b"b"}, {"net": b"a"}], "rank 1 on here has another net than rank 0 on here"),
        ([{}, {}, {"--data": "photos"}], "rank 2 on here has another --data than rank 0 on here"),
    ],
)
def test_what_differs_is_named(values: list[dict[str, Any]], message: str) -> None:
    for error in on_ranks(3, lambda ranks: ranks.check_same(values[ranks.rank])):
        assert isinstance(error, NetdefError)
        assert str(error).splitlines()[0] == f"error: {message}"


def test_ranks_of_a_host_share_its_cores() -> None:
    def threads(ranks: Ranks) -> list[int]:
        ranks.members = [Member("a", (0, 1, 2, 3), 0), Member("a", (0, 1, 2, 3), 0), Member("b", (0, 1), 2)]
        return [ranks.threads, len({ranks.text()})]

    assert on_ranks(3, threads) == [[2, 1], [2, 1], [2, 1]]


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([0, 0, 2, 2], (2, [0, 1, 0, 1])),
        ([0, 1, 2, 3], (4, [0, 0, 0, 0])),
        ([0, 0, 0, 0], (1, [0, 1, 2, 3])),
        ([0, 0, 0, 3], (1, [0, 1, 2, 0])),  # not as many each
        ([0, 1, 0, 1], (1, [0, 0, 1, 1])),  # not one after the other
    ],
)
def test_nodes_are_what_the_transport_finds(nodes: list[int], expected: tuple[int, list[int]]) -> None:
    found = on_ranks(4, lambda ranks: (ranks.nodes, ranks.local), mail=Mail(4, nodes=nodes))
    assert found == [(expected[0], local) for local in expected[1]]


def test_ranks_in_words() -> None:
    def text(ranks: Ranks) -> str:
        before, ranks.members = ranks.text(), [Member("a", (), 0), Member("b", (), 1), Member("a", (), 0)]
        return f"{before}; {ranks.text()}"

    assert on_ranks(3, text)[1] == "3 ranks on here; 3 ranks on 2 hosts (a: 2, b: 1)"


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (
            ["cpu", "cpu:0,cpu:0"],
            "rank 1 on here has another --devices than rank 0 on here: cpu with shares 0, 0, not cpu with shares 0",
        ),
        (["gpu:0", "cpu:0"], "rank 1 on here has another --devices than rank 0 on here: cpu with shares 0, not gpu with shares 0"),
        (["cpu:0-32", "cpu:0-32"], "2 ranks with 33 shares each are more than 64 shares, the most there can be"),
    ],
)
def test_devices_that_do_not_go_together(devices: list[str], message: str) -> None:
    for error in on_ranks(2, lambda ranks: open_shares(ranks, devices[ranks.rank])):
        assert isinstance(error, NetdefError)
        assert str(error).splitlines()[0] == f"error: {message}"


def test_without_mpi4py_a_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mpi, "find_spec", lambda name: None)
    with pytest.raises(NetdefError, match="srun started 4 processes, and training over ranks needs mpi4py") as caught:
        mpi.check_installed(Launched("srun", 1, 4, 1))
    assert "mpi4py" in caught.value.diagnostics[0].hint
