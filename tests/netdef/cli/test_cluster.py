"""`netdef placement --ranks`: training on a cluster, on paper."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import netdef
from netdef.cli.cluster import Cluster, Costs, estimates
from netdef.cli.cluster_flows import ALL, Shape
from netdef.cli.main import run
from netdef.cli.placement_facts import LISTS, bytes_sent, program_of
from runtime.ir.program import Instruction
from runtime.machine.links import Link
from tests.runtime.solver.nets import IMAGES

H100 = ["--card", "h100", "--network", "400gbit"]
FAST = Link("fast", 1e18, 0.0, "nowhere")


def flat(instruction: Instruction) -> float:
    """A microsecond for each million of numbers."""
    return 1e-12 * sum(buffer.size for buffer in instruction.buffers)


def cluster(cards: int, each: int = 1, network: Link = FAST, node: int = 0) -> Cluster:
    return Cluster(cards, each, flat, FAST, network, node)


@pytest.mark.parametrize(
    ("split", "cards", "batch"),
    [*((split, cards, 64) for split in ("batch", "groups", "hybrid") for cards in (2, 3)), ("groups", 8, 2)],
)
def test_what_is_sent_is_what_the_compiler_sends(split: str, cards: int, batch: int) -> None:
    """By the busiest share, which is not the busiest of each layer where a batch does not divide."""
    net = netdef.load("alexnet", phase="train", batch_size=batch)
    found = estimates(net, split, [cards], cluster, flat)[cards]
    assert found is not None
    program = program_of(net, range(cards), split)
    sizes, messages = (Counter[int](), Counter[int]()), (Counter[int](), Counter[int]())
    for instruction in (one for name in LISTS for one in getattr(program, name) if one.kernel == "send"):
        for end, share in enumerate((instruction.device, instruction.outputs[0].device)):
            sizes[end][share] += instruction.outputs[0].bytes
            messages[end][share] += 1
    assert found.sent == max(max(end.values()) for end in sizes) >= bytes_sent(program) / cards
    assert found.messages == max(max(end.values()) for end in messages)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "split", "cards", "node"), [("lenet", "batch", 12, 0), ("alexnet", "hybrid", 16, 0), ("alexnet", "hybrid", 16, 8)]
)
def test_more_cards_are_what_the_compiler_makes_of_as_many(name: str, split: str, cards: int, node: int) -> None:
    """From a program for eight shares, the bytes and the seconds of one for more."""
    net = netdef.load(name, phase="train", batch_size=96)
    there = cluster(cards, each=node or 1, node=node)
    found = estimates(net, split, [cards], lambda _: there, flat)[cards]
    exact = Costs(net, split, there.shape(split), flat).estimate(there)
    assert found is not None
    assert found.sent == pytest.approx(exact.sent, rel=0.03)
    assert found.messages == pytest.approx(exact.messages, rel=0.1)
    assert found.computing == pytest.approx(exact.computing, rel=0.1)
    assert found.outside == pytest.approx(exact.outside, rel=0.05)


def test_a_network_that_costs_nothing_leaves_the_work_alone() -> None:
    net = netdef.load("lenet", phase="train", batch_size=64)
    one, four = estimates(net, "batch", [1, 4], cluster, flat).values()
    assert one is not None and four is not None
    assert (one.seconds, one.efficiency, one.sent) == (one.computing, 1, 0)
    assert four.seconds == pytest.approx(four.computing, rel=0.01)
    slow = Link("slow", 1e3, 0.0, "nowhere")
    behind = estimates(net, "batch", [4], lambda cards: cluster(cards, network=slow), flat)[4]
    assert behind is not None
    assert behind.seconds == pytest.approx(behind.sent / 1e3, rel=0.01)
    assert behind.outside == behind.sent
    late = estimates(net, "batch", [4], lambda cards: cluster(cards, network=Link("late", 1e18, 1.0, "")), flat)[4]
    assert late is not None
    costs = Costs(net, "batch", Shape(4), flat)  # each layer waits for its busiest share
    waits = sum(flow.messages for by in (costs.weights, costs.blobs) for _, flow in by.values())
    assert late.seconds == pytest.approx(waits, rel=0.01) and waits > late.messages


def test_cards_of_a_rank_share_its_adapter() -> None:
    half = cluster(16, each=8, network=Link("slow", 1e6, 0.0, "nowhere"))
    out = half.shape("batch").outside(ALL, 8)
    assert out == 8 / 15
    assert half.sending(15e6, 0, out) == pytest.approx(8 * 8)
    assert cluster(8, each=8).shape("batch").outside(ALL, 8) == 0


def test_the_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "small.net").write_text(IMAGES)
    assert run(["placement", str(tmp_path / "small.net"), "--ranks", "128", "--devices", "8", *H100]) == 0
    out = capsys.readouterr().out
    assert out.startswith("small, phase train, on paper: 128 ranks of 8 cards, computed and not measured\n")
    assert "network:  400 Gbit/s: 50 GB/s one way (InfiniBand NDR, ConnectX-7 data sheet), 2 us a message (assumed)" in out
    assert "netdef divides a net over 64 shares at most: more are on paper only" in out
    assert re.search(r"^batch +split +1 card +8 cards +64 cards +1,024 cards +images/s of 1,024$", out, re.M)
    assert re.search(r"^8 +batch +100.0% +[\d.]+% +- +- +-$", out, re.M)
    assert "-: a batch has fewer images than there are cards\n" in out
    assert "65,536: Jia et al. 2018, arXiv:1807.11205" in out


@pytest.mark.slow
def test_images_that_do_not_divide(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["placement", "lenet", "--ranks", "6", "--batch", "20", *H100]) == 0
    assert "20 images on 6 cards do not divide: the busiest has 4, others 3\n" in capsys.readouterr().out


def test_numbers_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["placement", "lenet", "--ranks", "2", "--batch", "64", *H100, "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["ranks"], found["devices"], found["network"]["bandwidth"]) == (2, 1, 50e9)
    assert [(one["split"], one["cards"]) for one in found["iterations"]][:4] == [("groups", n) for n in (1, 2, 8, 64)]
    assert all(one["seconds"] >= one["computing"] > 0 for one in found["iterations"])


def test_a_core_of_this_machine_is_measured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("COPY", 1 << 16), ("PRODUCT", 64)):
        monkeypatch.setattr(f"runtime.machine.yardstick.{name}", size)
    assert run(["placement", "lenet", "--ranks", "2", "--card", "cpu", "--batch", "32"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^core: +one core of this machine: [\d.]+ GB/s and [\d.e-]+ TFLOP/s of fp32 \(measured now\)$", out, re.M)
    kernels = (
        r"^kernels: +[\d.]+ times the least that they could take with batches of 16, [\d.]+ with batches of 32 \(measured now\)$"
    )
    assert re.search(kernels, out, re.M)
    assert re.search(r"^batch +split +1 core +2 cores +4 cores +8 cores", out, re.M)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ranks", "2"], "--ranks needs the card that a rank has\n    --card h100, say; cards: cpu, h200"),
        (["--ranks", "2", "--card", "h100"], "--ranks needs the network between them\n    --network 400gbit"),
        (["--ranks", "2", "--card", "h10", "--network", "1gbit"], "there are no numbers for a card h10\n    did you mean h100?"),
        (["--ranks", "2", "--card", "h100", "--network", "memory"], "there are no numbers for a network memory"),
        (["--ranks", "2", "--card", "zx", "--network", "1gbit"], "there are no numbers for a card zx\n    cards: cpu, h200"),
        (["--ranks", "2", *H100, "--phase", "test"], "--ranks shows what training takes"),
        (["--ranks", "2", *H100, "--devices", "here"], "there is no device 'here'"),
    ],
)
def test_wrong_options_are_refused(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["placement", "lenet", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "notes"),
    [
        (H100, ["--card h100 has no effect: it is about --ranks", "--network 400gbit has no effect: it is about --ranks"]),
        (["--ranks", "2", *H100, "--split", "batch"], ["--split batch has no effect: with --ranks, all three are shown"]),
    ],
)
def test_options_without_effect(options: list[str], notes: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["placement", "lenet", "--batch", "64", *options]) == 0
    assert capsys.readouterr().err.splitlines() == notes
