"""The update list of a net over several devices: whose norms are taken together."""

from __future__ import annotations

import pytest

import netdef
from netdef.schema import message_class
from runtime.compiler.pipeline import compile_program
from runtime.ir.program import Instruction, Program
from runtime.solver.update import groups, updates
from tests.runtime.compiler.placement.nets import TEXTS, WAYS, net_of, text_of


def program_of(name: str, split: str, count: int, **settings: object) -> Program:
    solver = message_class("SolverParameter")(**settings)
    net = netdef.parse(text_of(name), phase="train") if name not in TEXTS else net_of(name)
    return compile_program(net, devices=count, split=split, losses_only=True, update=updates(solver))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TEXTS, "alexnet", pytest.param("googlenet", marks=pytest.mark.slow)])
def test_regions_taken_together_are_a_whole_parameter_once(name: str) -> None:
    """So that its norm is that of the undivided one."""
    for split, count in WAYS:
        program = program_of(name, split, count)
        learned = {p: g for p, g in program.parameter_gradients.items() if p.lr_mult}
        found = list(groups(program, learned))
        owners = {str(owner): owner for owner in program.division.whole.parameters if owner.owner is owner}
        assert sorted(p for group in found for p in map(id, group)) == sorted(map(id, learned))
        assert len({str(group[0]) for group in found}) == len(found)
        for group in found:
            assert sum(learned[p].size for p in group) == owners[str(group[0])].count, (split, count, str(group[0]))
            assert len({learned[p].device for p in group}) == len(group)


def test_every_update_takes_the_rate_of_its_own_array() -> None:
    """Of copies each device has one, from the sums of all."""
    program = program_of("lenet", "batch", 2, larc=True, larc_policy="clip")
    made = [one for one in program.update if one.kernel == "larc_rate"]
    taken = [one for one in program.update if one.kernel == "sgd_update"]
    assert len(made) == len(taken) > 8
    for rate, one in zip(sorted(made, key=place), sorted(taken, key=place), strict=True):
        assert one.inputs[3] is rate.outputs[0]
        assert (one.layer, one.device, one.constants["lr_mult"]) == (rate.layer, rate.device, 1)
        assert rate.constants["clip"] is True


def place(one: Instruction) -> tuple[str, int, str]:
    rate = one.outputs[0] if one.outputs else one.inputs[3]
    return one.layer, one.device, rate.name
