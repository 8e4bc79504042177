"""Ranks train to the numbers of one process with as many shares: the same files, to the byte."""

from __future__ import annotations

import random
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netdef
from netdef import NetdefError
from netdef.cli.placement_facts import program_of
from netdef.weights import read_weights
from runtime.machine.ranks.bucket import LEAST
from runtime.machine.ranks.courier import RankError
from runtime.machine.ranks.ranks import MEASURED, Ranks
from runtime.machine.ranks.rounding import Rounding
from runtime.solver.display import Reporter, text
from runtime.solver.diverged import DivergedError
from runtime.solver.loop import TrainingLoop
from runtime.solver.solver import Solver
from runtime.solver.stop import StopRequest
from tests.runtime.machine.ranks.loopback import Mail, on_ranks
from tests.runtime.solver.nets import IMAGES, SOLVER

DIGITS = """
name: "digits"
layer data: ImageData -> data, label {
  source: "builtin:digits" batch_size: 8 shuffle: true transform_param { scale: 0.0039 mirror: true }
}
layer conv: Convolution(data) { num_output: 4 kernel_size: 5 stride: 3 weight_filler { type: "xavier" } }
layer drop: Dropout(conv) -> conv
layer fc: InnerProduct(conv) { num_output: 10 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
test layer accuracy: Accuracy(fc, label)
"""
LARGE = """
name: "large batches"
layer data: DummyData -> data, label {
  shape { dim: [64, 4, 4, 4] } shape { dim: 64 } data_filler { type: "gaussian" std: 1 } data_filler { type: "uniform" max: 7.9 }
}
layer conv: Convolution(data) { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } }
layer fc: InnerProduct(conv) { num_output: 8 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
FAST = "note: with --reduce fast, the last bits of sums of gradients depend on the number of ranks"
TESTED = 'snapshot_prefix: "run" test_iter: 2 test_interval: 2 '
EXTRA = "iter_size: 2 clip_gradients: 0.5"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("images.net").write_text(IMAGES)
    Path("digits.net").write_text(DIGITS)
    return tmp_path


def train(
    net: str, devices: str, split: str, to: int, ranks: Ranks | None = None, more: str = "", resume: str = "", nodes: int | None = 1
) -> Any:
    """Train to an iteration, with a snapshot at its end; what tests and losses were."""
    with Solver(SOLVER + TESTED + more, f"{net}.net", devices, threads=1, split=split, ranks=ranks, nodes=nodes) as solver:
        if resume:
            solver.restore(resume)
        loss = solver.step(to - solver.iteration)
        solver.snapshot()
        return loss, [result.outputs for result in solver.test() or ()]


def files(iteration: int) -> dict[str, bytes]:
    """A snapshot's files by name."""
    found = {path.name: path.read_bytes() for path in Path().glob(f"run_iter_{iteration}.*")}
    assert len(found) == 3
    return found


def shares(count: int) -> str:
    return ",".join(["cpu:0"] * count)


@pytest.mark.parametrize(
    ("net", "split", "count", "more"),
    [
        ("images", "batch", 2, ""),
        ("images", "groups", 2, ""),
        ("images", "hybrid", 4, EXTRA),
        ("images", "batch", 4, "larc: true"),
        ("digits", "batch", 2, ""),
    ],
)
def test_files_are_those_of_one_process(net: str, split: str, count: int, more: str) -> None:
    alone = train(net, shares(count), split, 4, more=more)
    expected = files(4)
    for path in Path().glob("run_*"):
        path.unlink()
    assert on_ranks(count, lambda ranks: train(net, "cpu", split, 4, ranks, more)) == [alone] * count
    assert files(4) == expected


WIDE = IMAGES.replace("num_output: 3 ", "num_output: 8 ")


@pytest.mark.parametrize(("bucket", "more", "nodes"), [(None, "", 2), (400, EXTRA, None)])
def test_nodes_have_all_weights_of_fully_connected_layers_each(bucket: int | None, more: str, nodes: int | None) -> None:
    """Four shares on two nodes: each sends the gradients of its half of a layer to the other node, and gets the weights back."""
    Path("wide.net").write_text(WIDE)
    one = train("wide", "cpu", "hybrid", 4, more=more)
    weights = read_weights("run_iter_4.caffemodel")
    alone = train("wide", shares(4), "hybrid", 4, more=more, nodes=2)
    expected, mail = files(4), Mail(4, nodes=[] if nodes else [0, 0, 2, 2])  # without --nodes, those of the ranks
    assert alone[0] == pytest.approx(one[0], rel=1e-4)
    for name, arrays in read_weights("run_iter_4.caffemodel").items():
        assert all(np.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in zip(arrays, weights[name], strict=True)), name

    def start(ranks: Ranks) -> Any:
        ranks.bucket = bucket
        return train("wide", "cpu", "hybrid", 4, ranks, more, nodes=nodes)

    assert on_ranks(4, start, mail=mail) == [alone] * 4
    assert files(4) == expected


def test_less_goes_between_nodes_than_between_shares() -> None:
    """Of a fully connected layer's weights, a device sends the other node its part; activations stay in the node."""

    def between(nodes: int) -> int:
        with Solver(SOLVER, netdef.parse(LARGE, phase="train"), shares(4), threads=1, split="hybrid", nodes=nodes) as solver:
            copies = [
                one
                for one in solver.executable.program.instructions
                if one.kernel in ("send", "copy") and one.layer in ("fc", "relu2")
            ]
            pairs = [(one.inputs[0].device // 2, one.outputs[0].device // 2, one.sent_bytes) for one in copies]
            return sum(size for a, b, size in pairs if a != b)

    weights = 4 * (64 * 8 + 8)
    assert between(2) == 2 * weights  # gradients one way, weights the other, of all
    assert between(1) > between(2)


def test_alexnet_sends_an_eighth_of_its_layers_to_the_other_node() -> None:
    """Two nodes of eight: of 244 MB of gradients, a rank sends about 30 MB to the other node."""
    net = netdef.load("alexnet", phase="train", batch_size=64)
    program = program_of(net, range(16), "hybrid", nodes=2)
    near, far = Counter[int](), Counter[int]()
    for one in (*program.backward, *program.update):
        if one.is_send:
            source, target = one.device, one.outputs[0].device
            (near if source // 8 == target // 8 else far)[source] += one.sent_bytes
    assert sum(4 * p.count for p in net.parameters) == pytest.approx(244e6, rel=0.01)
    assert all(28e6 < far[rank] < 41e6 for rank in range(16))  # 29 MB of fully connected layers, the rest of convolutions
    assert max(near.values()) < 20e6


@pytest.mark.parametrize(
    ("net", "split", "count", "more", "bucket"),
    [("images", "batch", 3, EXTRA, None), ("images", "hybrid", 4, "larc: true", 300), ("images", "batch", 2, "", 10**6)],
)
def test_sums_by_the_library_differ_by_rounding(net: str, split: str, count: int, more: str, bucket: int | None) -> None:
    """The transport adds from the last rank to the first: all ranks have equal weights, which are nearly those of ordered sums."""
    alone = train(net, shares(count), split, 4, more=more)
    weights, mail, said = read_weights("run_iter_4.caffemodel"), Mail(count), []

    def start(ranks: Ranks) -> Any:
        ranks.bucket, ranks.fast = bucket, True
        with Solver(
            SOLVER + TESTED + more, f"{net}.net", "cpu", threads=1, split=split, ranks=ranks, nodes=1, say=said.append
        ) as solver:
            loss = solver.step(4)
            solver.snapshot()
            own = [solver.executable.param(p.layer.name, p.index).tobytes() for p in solver.executable.net.parameters]
            return loss, own, solver.side_state()["reduce"]

    found = on_ranks(count, start, mail=mail)
    assert found == [found[0]] * count and found[0][2] == "fast"
    assert found[0][0] == pytest.approx(alone[0], rel=1e-4)
    assert len(mail.sums) > 0 and said == [FAST]
    for name, arrays in read_weights("run_iter_4.caffemodel").items():
        assert all(np.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in zip(arrays, weights[name], strict=True)), name


def test_a_rank_that_fails_ends_sums() -> None:
    def start(ranks: Ranks) -> Any:
        ranks.fast = True
        with Solver(SOLVER, "images.net", "cpu", threads=1, split="batch", ranks=ranks) as solver:
            solver.step(1)
            if ranks.rank == 1:
                raise NetdefError("disk full")
            solver.step(1)

    first, second = on_ranks(2, start)
    assert isinstance(first, RankError) and "rank 1 on here: disk full" in str(first)
    assert str(second) == "error: disk full"


def test_sums_by_the_library_are_of_one_share_each() -> None:
    def start(ranks: Ranks) -> Any:
        ranks.fast = True
        return train("images", "cpu:0,cpu:0", "batch", 1, ranks)

    for error in on_ranks(2, start):
        assert "--reduce fast is for ranks of one share each, not of 2" in str(error)


def test_shares_that_are_no_nodes() -> None:
    with pytest.raises(NetdefError, match="4 shares cannot be 3 nodes of as many each"):
        train("images", shares(4), "hybrid", 1, nodes=3)


@pytest.mark.parametrize(
    ("net", "split", "count", "more", "bucket"),
    [
        ("images", "batch", 2, EXTRA, 10**6),  # all in one message
        ("images", "hybrid", 4, EXTRA, 700),  # some in several
        ("images", "batch", 3, "larc: true", 300),
    ],
)
def test_buckets_change_no_bit(net: str, split: str, count: int, more: str, bucket: int) -> None:
    alone = train(net, shares(count), split, 4, more=more)
    expected = files(4)
    for path in Path().glob("run_*"):
        path.unlink()
    chance = random.Random(bucket)

    def start(ranks: Ranks) -> Any:
        ranks.bucket = bucket
        return train(net, "cpu", split, 4, ranks, more)

    assert on_ranks(count, start, late=lambda: chance.random() < 0.5) == [alone] * count
    assert files(4) == expected


def test_a_bucket_is_one_message() -> None:
    def start(ranks: Ranks, bucket: int | None) -> int:
        ranks.bucket = bucket
        with Solver(SOLVER, "images.net", "cpu", threads=1, split="batch", ranks=ranks) as solver:
            return len([one for one in solver.executable.program.instructions if one.is_send and len(one.inputs) > 1])

    assert on_ranks(2, lambda ranks: start(ranks, None)) == [0, 0]
    assert on_ranks(2, lambda ranks: start(ranks, 10**6)) == [2, 2]  # all gradients one way, all weights the other


def test_rounded_gradients_go_in_buckets_too() -> None:
    def start(ranks: Ranks, bucket: int | None) -> bytes:
        ranks.rounding, ranks.bucket = Rounding("bf16"), bucket
        with Solver(SOLVER, "images.net", "cpu", threads=1, split="batch", ranks=ranks) as solver:
            solver.step(3)
            return solver.executable.param("conv", 0).tobytes()

    first = on_ranks(2, lambda ranks: start(ranks, None))
    assert not isinstance(first[0], BaseException)
    assert on_ranks(2, lambda ranks: start(ranks, 500)) == first


def test_a_bucket_is_measured_and_said_once() -> None:
    said: list[str] = []

    def start(ranks: Ranks, split: str) -> int | None:
        ranks.bucket = MEASURED
        Solver(SOLVER, "images.net", "cpu", threads=1, split=split, ranks=ranks, say=said.append).close()
        return ranks.bucket

    (first, second) = on_ranks(2, lambda ranks: start(ranks, "batch"))
    assert first == second >= LEAST
    assert len(said) == 1
    assert re.fullmatch(
        r"a message takes \d+ us and .*/s: .* of gradients from rank to rank go in buckets of .* \(--bucket\)", said[0]
    )
    assert on_ranks(2, lambda ranks: start(ranks, "groups")) == [MEASURED] * 2
    assert len(said) == 1


def test_late_messages_change_nothing() -> None:
    alone = train("images", shares(3), "groups", 3)
    expected = files(3)
    chance = random.Random(4)
    assert on_ranks(3, lambda ranks: train("images", "cpu", "groups", 3, ranks), late=lambda: chance.random() < 0.7) == [alone] * 3
    assert files(3) == expected


def test_a_run_moves_between_ranks() -> None:
    train("digits", shares(4), "batch", 6)
    expected = files(6)
    train("digits", shares(4), "batch", 2)
    two = on_ranks(2, lambda ranks: train("digits", shares(2), "batch", 4, ranks, resume="run_iter_2.solverstate"))
    four = on_ranks(4, lambda ranks: train("digits", "cpu", "batch", 6, ranks, resume="run_iter_4.solverstate"))
    assert not [one for one in two + four if isinstance(one, BaseException)]
    assert files(6) == expected


def test_a_rank_has_the_memory_of_its_own_share_only() -> None:
    def held(ranks: Ranks | None, devices: str) -> dict[str, int]:
        with Solver(SOLVER, "images.net", devices, threads=1, split="groups", ranks=ranks) as solver:
            return {name: array.nbytes for name, array in solver.executable.memory._arenas.items() if array is not None}

    whole = held(None, shares(2))
    first, second = on_ranks(2, lambda ranks: held(ranks, "cpu"))
    assert not set(first) & set(second)
    assert {**first, **second} == whole


def test_every_rank_is_named_that_has_another_solver() -> None:
    def start(ranks: Ranks) -> None:
        Solver(SOLVER + f"display: {int(ranks.rank == 2)}", "images.net", "cpu", split="batch", ranks=ranks).close()

    for error in on_ranks(3, start):
        assert isinstance(error, NetdefError)
        assert "rank 2 on here has another solver" in str(error)


def test_a_failing_rank_ends_all() -> None:
    """Rank 1 has a folder less: the others learn of it where they wait."""

    def start(ranks: Ranks) -> None:
        with Solver(SOLVER, "images.net", "cpu", threads=1, split="batch", ranks=ranks) as solver:
            if ranks.rank == 1:
                raise NetdefError("list.txt is missing")
            solver.step(3)

    first, second, third = on_ranks(3, start)
    assert str(second) == "error: list.txt is missing"
    for error in (first, third):
        assert isinstance(error, RankError)
        assert str(error) == "error: rank 1 on here: list.txt is missing"


def test_a_kernel_that_fails_ends_all() -> None:
    labels = IMAGES.replace('{ type: "uniform" min: 0 max: 2.9 }', "{ value: 7 }")
    Path("wrong.net").write_text(labels)

    def start(ranks: Ranks) -> None:
        with Solver(SOLVER, "wrong.net", "cpu", threads=1, split="batch", ranks=ranks) as solver:
            solver.step(1)

    errors = on_ranks(2, start)
    assert any("label 7" in str(error) for error in errors)
    assert all(isinstance(error, NetdefError) for error in errors)


def test_a_failure_of_rank_0_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(ranks: Ranks) -> None:
        with Solver(SOLVER, "images.net", "cpu", threads=1, split="batch", ranks=ranks) as solver:
            if ranks.rank == 0:
                bound = solver.executable._bound
                fc = next(one for one in bound if one.kernel == "inner_product" and one.layer == "fc")
                bound[fc] = lambda: 1 / 0  # type: ignore[assignment]
            solver.step(1)

    text = "rank 0 on here, cpu:0, inner_product of layer fc failed: ZeroDivisionError: division by zero"
    first, second = on_ranks(2, start)
    assert str(first) == f"error: {text}"
    assert str(second) == f"error: rank 0 on here: {text}"


def test_a_batch_has_an_image_for_each_rank() -> None:
    def start(ranks: Ranks) -> None:
        Solver(SOLVER, "images.net", "cpu", split="batch", batch_size=2, ranks=ranks).close()

    for error in on_ranks(3, start):
        assert str(error).startswith("error: --split batch divides batches of 2 images over 3 ranks\n    start fewer ranks")


def records_of(loop: type[TrainingLoop], more: str, split: str = "batch", form: str = "") -> list[dict[str, Any]]:
    """What two ranks report of three iterations."""
    records: list[dict[str, Any]] = []

    class Kept:
        live = False
        show, close = staticmethod(records.append), staticmethod(lambda: None)

    def start(ranks: Ranks) -> None:
        ranks.rounding = Rounding(form) if form else None
        with Solver(SOLVER + more, "images.net", "cpu", threads=1, split=split, max_iter=3, ranks=ranks) as solver:
            loop(solver, Reporter(*[Kept()] if ranks.first else []), StopRequest(ranks)).run()

    assert on_ranks(2, start) == [None, None]
    return records


def test_lines_name_the_slowest_rank() -> None:
    trained = [record for record in records_of(TrainingLoop, "display: 2") if record["event"] == "train"]
    assert [record["iteration"] for record in trained] == [0, 2]
    for record in trained:
        rates, slowest = record["ranks_images_per_second"], record["slowest_rank"]
        assert len(rates) == 2 and rates[slowest] == min(rates) > 0
        assert f"slowest {slowest} on here)" in text(record)


class Clocked(TrainingLoop):
    """Each iteration takes a second of a rank's time, a test a thousand."""

    @property
    def _busy_seconds(self) -> float:
        return self.outcome.clock.iterations + 1000.0 * self.tests

    tests = 0

    def _test(self) -> bool:
        test = self.solver.test

        def counted(**options: Any) -> Any:
            self.tests += 1
            return test(**options)

        self.solver.test = counted  # type: ignore[method-assign]
        try:
            return super()._test()
        finally:
            self.solver.test = test  # type: ignore[method-assign]


def test_the_speed_of_a_rank_leaves_out_its_tests() -> None:
    records = records_of(Clocked, TESTED + "display: 1 test_initialization: true")
    events = [record["event"] for record in records if record["event"] != "snapshot"]
    assert events == ["test", "train", "train", "test", "train", "test"]
    rates = [record["ranks_images_per_second"] for record in records if record["event"] == "train"]
    assert rates == [[8.0, 8.0]] * 3


@pytest.mark.parametrize(
    ("form", "split", "text"),
    [
        ("bf16", "batch", "gradients are sent as bf16: relative error 0.00"),
        ("fp16", "groups", "--gradients fp16 has no effect: with this split, ranks send each other no gradients of weights"),
    ],
)
def test_the_error_of_rounding_is_shown_once_and_without_other_lines(form: str, split: str, text: str) -> None:
    notes = [record["text"] for record in records_of(TrainingLoop, "display: 0", split, form) if record["event"] == "note"]
    assert len(notes) == 1
    assert notes[0].startswith(text)


def test_a_signal_to_one_rank_ends_all_after_the_iteration() -> None:
    def start(ranks: Ranks) -> tuple[int, int]:
        stop = StopRequest(ranks)
        with Solver(SOLVER + TESTED, "images.net", "cpu", threads=1, split="batch", ranks=ranks) as solver:
            if ranks.rank == 1:
                stop.signal = signal.SIGTERM
            outcome = TrainingLoop(solver, Reporter(), stop).run()
            assert outcome.interrupted
            return solver.iteration, stop.exit_code

    assert on_ranks(2, start) == [(0, 143), (0, 143)]
    assert len(files(0)) == 3


def test_all_ranks_name_where_a_loss_is_no_number() -> None:
    def start(ranks: Ranks) -> None:
        with Solver(SOLVER, "images.net", "cpu", threads=1, split="groups", ranks=ranks) as solver:
            solver.executable.set_param("fc", 1, np.array([0, 0, np.nan]))
            solver.step(1)

    for error in on_ranks(2, start):
        assert isinstance(error, DivergedError)
        assert "the first output that is not finite is of rank 1 on here, cpu:0, inner_product of layer fc" in str(error)


def test_what_is_sent_is_what_placement_says() -> None:
    """One way each share's slice of every gradient, the other way its weights: no byte more crosses between ranks."""
    mail = Mail(2)

    def start(ranks: Ranks) -> int:
        with Solver(SOLVER, "images.net", "cpu", threads=1, split="batch", ranks=ranks) as solver:
            solver.step(1)
            return sum(one.sent_bytes for one in solver.executable.program.instructions if one.is_send)

    sizes = on_ranks(2, start, mail=mail)
    assert sum(size for _, _, size in mail.sent) == sizes[0] == sizes[1] > 0


def test_rounded_gradients_are_half_the_bytes_and_equal_on_all_ranks() -> None:
    def start(ranks: Ranks, form: str) -> tuple[float, bytes]:
        ranks.rounding = Rounding(form) if form else None
        with Solver(SOLVER, "images.net", "cpu", threads=1, split="batch", ranks=ranks) as solver:
            loss = solver.step(4)
            return loss, solver.executable.param("fc", 0).tobytes()

    exact, rounded = Mail(2), Mail(2)
    plain, _ = on_ranks(2, lambda ranks: start(ranks, ""), mail=exact)
    first, second = on_ranks(2, lambda ranks: start(ranks, "bf16"), mail=rounded)
    assert first == second != plain
    assert first[0] == pytest.approx(plain[0], rel=0.01)
    sent = [sum(size for _, _, size in mail.sent) for mail in (exact, rounded)]
    assert sent[1] == pytest.approx(0.75 * sent[0], rel=0.01)  # gradients are half of what is sent, weights the other
