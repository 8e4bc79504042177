"""Small nets to compare."""

import netdef
from netdef.diff import compare_nets, difference, findings
from netdef.language import read_text

NET = """
layer data: Input {{ shape {{ dim: 2 dim: 4 dim: 8 dim: 8 }} }}
layer conv: Convolution(data) {{ {conv} }}
layer relu: ReLU(conv) -> conv
{more}
layer fc: InnerProduct(conv) {{ num_output: 5 }}
"""
CONV = "num_output: 8 kernel_size: 3 pad: 1"
INPUT = "layer data: Input { shape { dim: 2 dim: 4 dim: 16 dim: 16 } }\n"
TOWERS = """
layer conv1a: Convolution(data) { num_output: 4 kernel_size: 3 }
layer conv1b: Convolution(data) { num_output: 4 kernel_size: 3 }
layer relu1a: ReLU(conv1a) -> conv1a
layer relu1b: ReLU(conv1b) -> conv1b
layer conv2a: Convolution(conv1a) { num_output: 6 kernel_size: 3 }
layer conv2b: Convolution(conv1b) { num_output: 6 kernel_size: 3 }
layer both: Concat(conv2a, conv2b)
layer fc: InnerProduct(both) { num_output: 5 }
"""
ONE = """
layer conv1: Convolution(data) {{ num_output: 8 kernel_size: 3 }}
layer relu1: ReLU(conv1) -> conv1
layer conv2: Convolution(conv1) {{ num_output: 12 kernel_size: 3 group: {group} }}
layer fc: InnerProduct(conv2) {{ num_output: 5 }}
"""


def net(conv=CONV, more="", name="a.net"):
    return netdef.parse(NET.format(conv=conv, more=more), name)


def parse(text, phase="test"):
    return netdef.parse(INPUT + text, "t.net", phase)


def changes(a, b):
    """{layer: [(what, before, after)]} of the layers that both have."""
    found = compare_nets(a, b).changes
    return {m.after[0].name: [(c.what, c.before, c.after) for c in cs] for m, cs in found.items() if cs}


def pairs(a, b):
    """The names of matched layers: (before, after)."""
    names = []
    for match in compare_nets(a, b).matches:
        names.append(tuple("+".join(layer.name for layer in side) for side in (match.before, match.after)))
    return names


def reported(a, b):
    """Kinds and titles of all findings."""
    return [(one.kind, one.title) for one in findings(compare_nets(a, b))]


def differ(a, b):
    """The Difference of two texts over both phases."""
    nets = [{phase: netdef.parse(text, f"{phase}.net", phase) for phase in ("test", "train")} for text in (a, b)]
    return difference(*nets, ("a", "b"))


def read(text):
    """The message of a text, with the positions of its fields."""
    return read_text(text, "x.net", "NetParameter")
