"""What a division over devices costs: what is sent, what each device holds and computes, and which split is best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from netdef.schema import message_class

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.graph.net import Net
    from runtime.ir.program import Program

DEFAULT_SPLIT = "groups"
LISTS = ("forward", "backward", "update")
UNEVEN = 1.5  # a split whose busiest device does so many times the work that another split's does divides the work too little


@dataclass
class Traffic:
    """What one layer is sent of one blob, or of its own copies' gradients and weights: of each list by (from, to)."""

    layer: str
    what: str
    bytes: dict[str, dict[tuple[int, int], int]] = field(default_factory=lambda: {name: {} for name in LISTS})
    messages: dict[str, Counter[tuple[int, int]]] = field(default_factory=lambda: {name: Counter() for name in LISTS})

    def total(self, name: str) -> int:
        return sum(self.bytes[name].values())

    def add(self, name: str, pair: tuple[int, int], size: int) -> None:
        self.bytes[name][pair] = self.bytes[name].get(pair, 0) + size
        self.messages[name][pair] += 1


@dataclass(frozen=True)
class Load:
    """What one device holds and computes.

    Attributes
    ----------
    parameters: numbers.  macs: multiply-accumulates of one pass forward over the batch.  memory: bytes by what they hold.
    """

    parameters: int
    macs: int
    memory: dict[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.memory.values())


def program_of(
    net: Net,
    hosts: Sequence[int] = (0,),
    split: str = DEFAULT_SPLIT,
    nodes: int = 1,
    cards: bool = False,
    apart: bool = False,
) -> Program:
    """The program that `netdef train` would run, or `netdef test` in phase test.

    hosts: by share, which device has it.  others: see `compile_program`.
    """
    from runtime.compiler.pipeline import compile_program
    from runtime.solver.update import updates

    division: dict[str, Any] = {
        "devices": len(hosts),
        "hosts": hosts,
        "split": split,
        "nodes": nodes,
        "cards": cards,
        "apart": apart,
    }
    if net.phase != "train":
        return compile_program(net, **division, backward=False)
    update = updates(message_class("SolverParameter")())
    return compile_program(net, **division, keep="outputs", losses_only=True, update=update)


def traffic(program: Program) -> list[Traffic]:
    """What is sent in one iteration, by the layer it is for, in the order of the layers."""
    assert program.division is not None
    hosts = program.division.hosts
    rows: dict[tuple[str, str], Traffic] = {}
    learned = {parameter.layer.name for parameter in program.learned}
    for name in LISTS:
        for instruction in getattr(program, name):
            if instruction.kernel != "send":
                continue
            source = instruction.inputs[0]
            held = source.name.removesuffix(".part")
            if name == "update" or (source.root.role == "parameter_gradient" and instruction.layer in learned):
                what = "weights"
            elif name == "forward":
                what = held.partition("@")[0]
            else:
                what = next((blob for layer, blob in rows if layer == instruction.layer and held.startswith(blob)), held)
            row = rows.setdefault((instruction.layer, what), Traffic(instruction.layer, what))
            row.add(name, (hosts[instruction.device], hosts[instruction.outputs[0].device]), instruction.outputs[0].bytes)
    order = {layer.name: index for index, layer in enumerate(program.division.whole.layers)}
    return sorted(rows.values(), key=lambda row: order[row.layer])


def loads(program: Program) -> list[Load]:
    """What each device holds and computes."""
    from runtime.ops.transfer.layer import Transfer

    assert program.plan is not None
    result = []
    for shares in program.shares:
        layers = [layer for layer in program.net.layers if layer.device in shares and not isinstance(layer, Transfer)]
        held = [buffer for parameter, buffer in program.parameters.items() if not parameter.layer.is_frozen(parameter.index)]
        parameters = sum(prod(buffer.shape) for buffer in held if buffer.device in shares)
        memory: Counter[str] = Counter()
        for share in shares:
            memory.update(program.plan.by_device[share])
        result.append(Load(parameters, sum(map(batch_macs, layers)), dict(memory)))
    return result


def batch_macs(layer: Layer) -> int:
    """Multiply-accumulates of a layer forward over its batch."""
    return layer.macs * (layer.tops[0].shape[0] if layer.tops and layer.tops[0].shape else 1)


def bytes_sent(program: Program) -> int:
    """Bytes of all transfers of one iteration."""
    return sum(row.total(name) for row in traffic(program) for name in LISTS)


def most_work(program: Program) -> int:
    """Multiply-accumulates forward of the busiest device."""
    return max(load.macs for load in loads(program))


def uneven(programs: dict[str, Program]) -> list[str]:
    """The splits that leave too much of the work to one device: a batch of one image cannot be divided."""
    fair = min(map(most_work, programs.values()))
    return [split for split, program in programs.items() if most_work(program) > UNEVEN * fair]


def recommended(programs: dict[str, Program]) -> str:
    """The split that sends the fewest bytes, of those that divide the work."""
    left_out = uneven(programs)
    return min((split for split in programs if split not in left_out), key=lambda split: bytes_sent(programs[split]))
