"""Any two nets are compared: without an exception in any form, every cost reported once, and there and back alike."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netdef
from netdef.diff import Sheet, difference, render
from netdef.diff.data import describe
from netdef.diff.html import render as page

COSTS = {"parameters": "parameters", "macs": "macs", "activations": "activation_bytes"}
LAYERS = [
    "Convolution({0}) {{ num_output: 4 kernel_size: 3 pad: 1 }}",
    "Convolution({0}) {{ num_output: 8 kernel_size: 3 pad: 1 }}",
    "Convolution({0}) {{ num_output: 8 kernel_size: 1 group: 2 }}",
    "Convolution({0}) {{ num_output: 8 kernel_size: 1 group: 4 bias_term: false }}",
    "ReLU({0}) -> {0}",
    "TanH({0})",
    "LRN({0})",
    "Pooling({0}) {{ kernel_size: 2 }}",
    "BatchNorm({0})",
    "Concat({0}, {1})",
    "Eltwise({0}, {0})",
    "Dropout({0}) -> {0}",
]


@st.composite
def nets(draw):
    """Layers one below another, or on an earlier one; few names, so that two nets share some by chance."""
    lines = ["layer data: Input { shape { dim: [2, 4, 16, 16] } }"]
    tops = ["data"]
    for number in range(draw(st.integers(0, 9))):
        below = tops[-1] if draw(st.integers(0, 4)) else draw(st.sampled_from(tops))
        kind = draw(st.sampled_from(LAYERS))
        name = f"{draw(st.sampled_from('ab'))}{number if draw(st.booleans()) else 20 - number}"
        lines.append(f"layer {name}: {kind.format(below, below)}")
        if "->" not in kind:
            tops.append(name)
    if draw(st.booleans()):
        lines.append(f"layer fc: InnerProduct({tops[-1]}) {{ num_output: 3 }}")
    return netdef.parse("\n".join(lines), "x.net", "test")


def reported(found):
    (section,) = found.sections
    return {kind: sum(finding.costs.get(kind, 0) for finding in section.findings) for kind in COSTS}


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(nets(), nets())
def test_any_two_nets(a, b):
    there, back = difference({"test": a}, {"test": b}, ("a", "b")), difference({"test": b}, {"test": a}, ("b", "a"))
    assert bool(there) == bool(back)
    assert reported(there) == {kind: getattr(b.totals, name) - getattr(a.totals, name) for kind, name in COSTS.items()}
    assert reported(back) == {kind: -number for kind, number in reported(there).items()}
    for found in (there, back):
        assert render(found).startswith(f"{found.before} -> {found.after}")
        assert render(found, Sheet(colour=True, width=50))
        assert describe(found)["same"] == (not found)
        assert page(found).endswith("</html>\n")


@pytest.mark.slow
@given(nets())
def test_nothing_distinguishes_a_net_from_itself(net):
    assert not difference({"test": net}, {"test": net}, ("a", "b"))
