"""Nets of the tests of this folder, and what they are compared by."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import runtime
from netdef import parse
from netdef.graph.net import Net
from runtime.selftest import nets
from runtime.selftest.nets import functions

KINDS = Path(nets.__file__).with_name("kinds.net")


def every_kind(*without: str) -> Net:
    """The net of the self test, in phase test, without layers of these types."""
    lines = KINDS.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not any(f": {kind}(" in line for kind in without)]
    return parse("\n".join([*kept, *functions("conv3")]), "kinds.net", phase="test")


def compiled(net: Net, seed: int = 1, keep: str = "outputs") -> runtime.Executable:
    """A net with the weights of its fillers, and statistics as a trained net has them."""
    exe = runtime.compile(net, "cpu", seed=seed, threads=1, backward=False, keep=keep)
    draws = np.random.default_rng(seed)
    for one in net.parameters:
        if one.index in one.layer.statistics and one.owner is one:
            exe.set_param(one.layer.name, one.index, draws.uniform(0.5, 1.5, one.shape))
        elif one.layer.type == "BatchNorm" and one.index == 2:
            exe.set_param(one.layer.name, 2, np.array([2.0]))
    return exe
