"""That the assignment found is one of least traffic: beside every other one, by the bytes that their programs send."""

from collections.abc import Iterator

import pytest

import netdef
import runtime.compiler.pipeline
from netdef.graph.cuts import region_of
from netdef.graph.layer import Layer
from netdef.graph.net import Net
from netdef.schema import message_class
from runtime.compiler.passes.lower import gradient_flow
from runtime.compiler.placement import search
from runtime.compiler.placement.divide import divide
from runtime.compiler.placement.search import SPLITS, Choice, Gradients, Search, State
from runtime.solver.update import sgd
from tests.runtime.compiler.placement.random_nets import random_net

MANY = 150  # assignments of one net that are tried
DATA = "layer data: Input -> data, label { shape { dim: [4, 4, 7, 7] } shape { dim: 4 } }\n"
LOSS = "layer loss: SoftmaxWithLoss(out, label)\n"


def search_of(net: Net, devices: int, split: str) -> Search:
    """The search that placement does for training."""
    flow = gradient_flow(net, True)
    learned = {parameter for layer in flow.live for parameter in layer.parameters if parameter.lr_mult != 0}
    return Search(net, devices, split, Gradients({pair for pair in flow.wanted if pair[0] in flow.live}, learned))


def assignments(ways: Search, layers: tuple[Layer, ...], state: State) -> Iterator[dict[Layer, Choice]]:
    """Every way to cut the layers, one after another."""
    if not layers:
        yield state.choices
        return
    for choice in ways.proposals(layers[0], tuple(state.spreads[blob] for blob in layers[0].bottoms)):
        new = ways.taken(state, layers[0], choice)
        if new is not None:
            yield from assignments(ways, layers[1:], new)


def sent(net: Net, devices: int, choices: dict[Layer, Choice], monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes that the program of an assignment sends in one iteration."""
    monkeypatch.setattr(runtime.compiler.pipeline, "place", lambda *a, **k: divide(net, devices, choices))
    update = sgd(message_class("SolverParameter")())
    program = runtime.compiler.pipeline.compile_program(net, devices=devices, keep="activations", losses_only=True, update=update)
    return sum(step.outputs[0].bytes for step in program.instructions if step.kernel == "send")


def repeated(ways: Search, choices: dict[Layer, Choice]) -> int:
    """What work done twice counts for."""
    return sum(ways._repeated(layer, choice) for layer, choice in choices.items())


def counted(ways: Search, net: Net, choices: dict[Layer, Choice]) -> int:
    """Bytes that the search reckons an assignment to send."""
    state = State()
    for layer in net.layers:
        taken = ways.taken(state, layer, choices[layer])
        assert taken is not None
        state = taken
    return state.bytes - repeated(ways, choices)


@pytest.mark.parametrize("first", range(0, 60, 12))
def test_no_other_assignment_sends_less(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small random nets, each split and two to four devices: nothing is taken from the search but the ways to cut one layer."""
    compared = 0
    for seed in range(first, first + 12):
        net = netdef.parse(random_net(seed), phase="train")
        count, split = 2 + seed % 3, SPLITS[seed // 3 % 3]
        ways = search_of(net, count, split)
        found = ways.run()
        others = [c for _, c in zip(range(MANY + 1), assignments(ways, net.layers, State()), strict=False)]
        if len(others) <= MANY:
            compared += len(others) > 1
            costs = [sent(net, count, choices, monkeypatch) + repeated(ways, choices) for choices in others]
            assert sent(net, count, found, monkeypatch) + repeated(ways, found) == min(costs), seed
    assert compared


@pytest.mark.parametrize("seed", range(200, 230))
def test_the_search_counts_what_the_program_sends(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    net = netdef.parse(random_net(seed), phase="train")
    count, split = 2 + seed % 3, SPLITS[seed // 3 % 3]
    ways = search_of(net, count, split)
    choices = ways.run()
    assert counted(ways, net, choices) == sent(net, count, choices, monkeypatch)


UNREAD = """
force_backward: true
layer data: Input -> data, label { shape { dim: [1, 2, 8, 8] } shape { dim: 1 } }
layer a: Convolution(data) { num_output: 3 kernel_size: 1 }
layer r: ReLU(a)
%s
layer c: Convolution(%s, %s) -> c, d { num_output: 9 kernel_size: 3 pad: 1 group: 3 device: 1 }
layer out: InnerProduct(d) { num_output: 5 }
"""


TWICE = "layer t: TanH(a)\nlayer e: Convolution(t) { num_output: 3 kernel_size: 1 device: 1 }"


@pytest.mark.parametrize(
    "between", [("", "r", "a"), ("layer t: TanH(r)", "t", "a"), ("layer t: Eltwise(r, a)", "t", "a"), (TWICE, "r", "e")]
)
@pytest.mark.parametrize(("count", "split"), [(2, "groups"), (3, "batch"), (3, "hybrid"), (4, "groups")])
def test_of_a_copy_that_nobody_reads_nothing_goes_back(
    count: int, split: str, between: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one device reads is made on all of them, of a blob that it needs anyhow; the others' have no gradients."""
    net = netdef.parse(UNREAD % between + LOSS, phase="train")
    ways = search_of(net, count, split)
    found = ways.run()
    least = sent(net, count, found, monkeypatch) + repeated(ways, found)
    for _, choices in zip(range(MANY), assignments(ways, net.layers, State()), strict=False):
        size = sent(net, count, choices, monkeypatch)
        assert counted(ways, net, choices) == size
        assert size + repeated(ways, choices) >= least


def test_what_may_go_back_counts_when_states_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """All devices need r, so a is made on all, though cutting it sends less until it is known that a gradient goes back."""
    text = (
        "force_backward: true\nlayer data: Input -> data, label { shape { dim: [3, 4, 7, 7] } shape { dim: 3 } }\n"
        "layer a: LRN(data) { local_size: 51 }\nlayer r: ReLU(a)\n"
        "layer c0: Convolution(r) { num_output: 1 kernel_size: 7 device: 0 propagate_down: false }\n"
        "layer c1: Convolution(r) { num_output: 1 kernel_size: 7 device: 1 }\n"
        "layer c2: Convolution(r) { num_output: 1 kernel_size: 7 device: 2 propagate_down: false }\n"
        "layer sum: Eltwise(c0, c1, c2)\nlayer out: InnerProduct(sum) { num_output: 5 }\n"
    )
    net = netdef.parse(text + LOSS, phase="train")
    ways = search_of(net, 3, "batch")
    found = ways.run()
    assert search.is_copied(found[net.layer("a")].tops[0])
    least = sent(net, 3, found, monkeypatch) + repeated(ways, found)
    for choices in assignments(ways, net.layers, State()):
        assert sent(net, 3, choices, monkeypatch) + repeated(ways, choices) >= least


@pytest.mark.parametrize("name", ["alexnet", "caffenet", "googlenet", "nin", "vgg16"])
def test_nothing_is_lost_to_the_bound_on_states(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models never have more states than are kept: where nothing is cut off, the search is exact."""
    cut_off = []

    def noted(states, **options):
        found = sorted(states, **options)
        cut_off.append(len(found) > search.BEAM)
        return found

    monkeypatch.setattr(search, "sorted", noted, raising=False)
    for split in SPLITS:
        search_of(netdef.load(name, phase="train"), 4, split).run()
    assert cut_off
    assert not any(cut_off)


def test_what_cannot_be_cut_goes_where_its_input_is() -> None:
    """One channel out: made on the device that has what it reads."""
    text = (
        "layer a: LRN(data) { local_size: 3 norm_region: WITHIN_CHANNEL device: 1 }\n"
        "layer b: Convolution(a) { num_output: 1 kernel_size: 3 }\nlayer out: InnerProduct(b) { num_output: 5 }\n"
    )
    net = netdef.parse(DATA + text + LOSS, phase="train")
    choices = search_of(net, 2, "groups").run()
    assert [part is not None for part in choices[net.layer("b")].parts] == [False, True]


SHARED = """
layer a: Convolution(data) {{ num_output: 6 kernel_size: 3 param {{ name: "w" }} param {{ name: "b" }} {} }}
layer b: Convolution(data) {{ num_output: 6 kernel_size: 3 param {{ name: "w" }} param {{ name: "b" }} {} }}
layer e: Eltwise(a, b)
layer out: InnerProduct(e) {{ num_output: 5 }}
"""


@pytest.mark.parametrize("device", [0, 1, 2])
@pytest.mark.parametrize("first", [True, False])
def test_who_shares_weights_follows_the_one_that_is_placed_by_hand(device: int, first: bool) -> None:
    said = (f"device: {device}", "") if first else ("", f"device: {device}")
    net = netdef.parse(DATA + SHARED.format(*said) + LOSS, phase="train")
    choices = search_of(net, 3, "groups").run()
    for name in "ab":
        assert [part is not None for part in choices[net.layer(name)].parts] == [d == device for d in range(3)]


def test_those_who_share_weights_cannot_be_placed_apart() -> None:
    net = netdef.parse(DATA + SHARED.format("device: 0", "device: 1") + LOSS, phase="train")
    with pytest.raises(netdef.NetdefError, match=r"<text>:4:7: error: layer b cannot run on 2 devices beside the layers it shares"):
        search_of(net, 2, "groups").run()


def test_what_was_sent_once_is_there_for_later_readers() -> None:
    """Dearer at first, cheaper in the end: r made twice from all of a, which c reads too."""
    text = (
        "layer a: Convolution(data) { num_output: 8 kernel_size: 3 }\nlayer r: ReLU(a)\n"
        "layer f: InnerProduct(r) { num_output: 4 }\n"
        "layer c: Convolution(a) { num_output: 4 kernel_size: 3 }\nlayer g: Flatten(c)\nlayer h: Concat(f, g)\n"
        "layer out: InnerProduct(h) { num_output: 5 }\n"
    )
    net = netdef.parse(DATA + text + LOSS, phase="train")
    parts = search_of(net, 2, "groups").run()[net.layer("r")].parts
    assert [part and part.bottoms for part in parts] == [(region_of((4, 8, 5, 5)),)] * 2
