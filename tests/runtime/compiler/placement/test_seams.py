"""An LRN that adds up by blocks of channels on one device equals, to the bit, one that is cut there over as many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import netdef
import runtime
from netdef.graph.cuts import Region, even_cuts
from runtime.compiler.pipeline import compile_program
from runtime.machine.executable import Executable
from runtime.machine.open import open_devices
from tests.runtime.compiler.placement.nets import devices
from tests.runtime.shares import can_be_cut

# Few bits in data and weights, so that every product comes out the same however it is cut.
NET = """
layer data: Input -> data {{ shape {{ dim: 2 dim: 3 dim: 5 dim: 3 }} }}
layer conv: Convolution(data) {{ num_output: {channels} kernel_size: 1 bias_term: false }}
layer norm: LRN(conv) {{ local_size: {size} alpha: 2 beta: {beta} k: 1 group: {group} }}
"""


def gradient(exe: Executable) -> np.ndarray:
    """Of what the LRN reads."""
    random = np.random.default_rng(3)
    (weights,) = exe.net.parameters
    exe.set_param("conv", 0, random.integers(-4, 5, weights.shape) / np.float32(4))
    outputs = exe.forward(data=random.integers(-9, 10, exe.net.inputs[0].shape) / np.float32(4))
    exe.backward(**{name: random.standard_normal(out.shape).astype(np.float32) for name, out in outputs.items()})
    return exe.blob_grad("conv")


def by_blocks(net: netdef.Net, blocks: int) -> Executable:
    """On one device, its LRN's gradients added up by blocks, as a wide net's are by two of its own accord."""
    program = compile_program(net)
    steps = [replace(s, constants={**s.constants, "blocks": blocks}) if s.kernel == "lrn_backward" else s for s in program.backward]
    return Executable(replace(program, backward=tuple(steps)), open_devices("cpu"), seed=5)


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("count", [2, 3, 4])
def test_blocks_are_devices(seed: int, count: int) -> None:
    random = np.random.default_rng([seed, count])
    while True:
        group, size = (int(random.choice(several)) for several in ((1, 1, 2, 3), (3, 5, 5, 7, 9, 13)))
        channels = group * int(random.integers(1, 30))
        if can_be_cut(channels, size, group, count):
            break
    text = NET.format(channels=channels, size=size, group=group, beta=random.choice([0.75, 0.5]))
    net = netdef.parse(text, phase="train")
    with runtime.compile(net, devices(count), seed=5) as exe:
        pieces = exe.program.division.pieces[net.layer("norm").tops[0]]
        cuts = [run for run in even_cuts(channels, count, group) if run[0] < run[1]]
        assert [piece.region for piece in pieces] == [Region((0, 2), (run,)) for run in cuts]
        divided = gradient(exe)
    with by_blocks(net, count) as exe:
        np.testing.assert_array_equal(gradient(exe), divided)


@pytest.mark.parametrize(
    ("channels", "size", "count", "fits"),
    [(10, 5, 3, False), (12, 5, 3, True), (4, 5, 2, False), (5, 5, 2, False), (6, 5, 2, True), (96, 5, 2, True), (3, 1, 3, True)],
)
def test_a_window_reaches_over_one_seam_at_most(channels: int, size: int, count: int, fits: bool) -> None:
    """Else the layer stays whole, whatever the number of blocks."""
    net = netdef.parse(NET.format(channels=channels, size=size, group=1, beta=0.75), phase="train")
    norm = net.layer("norm")
    assert norm.blocks(count) == (count if fits else 1)
    with runtime.compile(net, devices(count), seed=5) as exe:
        pieces = exe.program.division.pieces[norm.tops[0]]
        assert (len(pieces) > 1) == fits
        divided = gradient(exe)
    with by_blocks(net, count) if fits else runtime.compile(net, seed=5) as exe:
        np.testing.assert_array_equal(gradient(exe), divided)
