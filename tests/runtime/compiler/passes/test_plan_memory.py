"""Memory plans: nothing that is alive overlaps, what need not live is reused."""

from typing import Any

import pytest

import netdef
import runtime
from runtime.ir.program import Buffer, Program

NET = """
layer data: Input -> data, label { shape { dim: 4 dim: 3 dim: 16 dim: 16 } shape { dim: 4 } }
layer conv1: Convolution(data) { num_output: 8 kernel_size: 3 pad: 1 }
layer relu1: ReLU(conv1) -> conv1
layer norm1: LRN(conv1)
layer conv2: Convolution(norm1) { num_output: 8 kernel_size: 3 pad: 1 }
layer both: Eltwise(norm1, conv2)
layer pool: Pooling(both) { pool: MAX kernel_size: 2 stride: 2 }
layer drop: Dropout(pool) -> pool
layer fc: InnerProduct(pool) { num_output: 10 }
layer loss: SoftmaxWithLoss(fc, label)
"""


def program(**options) -> Program:
    return runtime.compile_program(netdef.parse(NET, phase="train"), **options)


def lives(program: Program) -> dict[Buffer, tuple[int, int]]:
    steps = list(program.instructions)
    times: dict[Buffer, list[int]] = {}
    for time, one in enumerate(steps):
        for buffer in one.buffers:
            times.setdefault(buffer.root, []).append(time)
    end = len(steps)
    lasting = set(program.parameter_gradients.values()) | set(program.seeds.values()) | set(program.scalars.values())
    return {buffer: (0, end) if buffer in lasting or buffer.role == "input" else (min(at), max(at)) for buffer, at in times.items()}


@pytest.mark.parametrize(
    "options", [{}, {"keep": "activations", "losses_only": True}, {"backward": False}], ids=["all", "training", "inference"]
)
def test_what_lives_at_the_same_time_does_not_overlap(options) -> None:
    compiled = program(**options)
    life = lives(compiled)
    offsets = compiled.plan.offsets
    inplace = {frozenset((one.inputs[0].root, one.outputs[0].root)) for one in compiled.instructions if one.inplace and one.inputs}
    placed = [b for b in life if offsets[b][0] == "working"]
    checked = 0
    for i, a in enumerate(placed):
        assert offsets[a][1] % 64 == 0
        assert offsets[a][1] + a.bytes <= compiled.plan.arenas["working"]
        for b in placed[:i]:
            together = life[a][0] <= life[b][1] and life[b][0] <= life[a][1]
            touching = life[a][0] == life[b][1] or life[b][0] == life[a][1]
            if together and not (touching and frozenset((a, b)) in inplace):
                first, second = sorted((a, b), key=lambda buffer: offsets[buffer][1])
                assert offsets[first][1] + first.bytes <= offsets[second][1], f"{first} and {second}"
                checked += 1
    assert checked > 20


def test_inference_takes_less_than_training_and_training_less_than_keeping_all() -> None:
    cases: tuple[dict[str, Any], ...] = ({"backward": False}, {"keep": "activations", "losses_only": True}, {})
    arenas = [program(**options).plan.arenas for options in cases]
    sizes = [each["working"] + each["states"] for each in arenas]
    assert sizes[0] < sizes[1] / 2
    assert sizes[1] < sizes[2]


def test_inference_holds_two_layers_at_a_time_on_a_chain() -> None:
    layers = "".join(f"layer c{i}: Convolution(c{i - 1}) {{ num_output: 4 kernel_size: 1 }}\n" for i in range(1, 30))
    net = netdef.parse("layer c0: Input { shape { dim: 8 dim: 4 dim: 8 dim: 8 } }\n" + layers)
    blob = 8 * 4 * 8 * 8 * 4
    plan = runtime.compile_program(net, backward=False).plan
    assert plan.arenas["working"] <= 3 * blob  # the input stays; two more take turns


def test_recycled_blobs_are_known() -> None:
    compiled = program(backward=False)
    by_name = {blob.name: compiled.blobs[blob].root for blob in compiled.net.blobs.values() if blob in compiled.blobs}
    assert by_name["norm1"] in compiled.plan.recycled
    assert by_name["loss"] not in compiled.plan.recycled
    assert not any(by_name[name] in program().plan.recycled for name in by_name)


def test_what_is_read_twice_is_not_overwritten_meanwhile() -> None:
    """An instruction may work in place of its first input, but not where that is its second one as well."""
    twice = NET.replace("Eltwise(norm1, conv2)", "Eltwise(conv2, conv2)")
    compiled = runtime.compile_program(netdef.parse(twice, phase="train"), keep="activations", losses_only=True)
    steps = [one for one in compiled.backward if one.inplace and len({b.root for b in one.inputs}) < len(one.inputs)]
    assert steps
    for one in steps:
        (arena, begin, end), (other, first, past) = map(compiled.plan.span, (one.inputs[0], one.outputs[0]))
        assert arena == other
        assert end <= first or past <= begin


def test_totals_add_up_to_the_arenas() -> None:
    plan = program().plan
    assert sum(plan.totals.values()) == sum(plan.arenas.values())
