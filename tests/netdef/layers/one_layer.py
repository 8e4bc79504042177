"""One layer between Input layers: what most tests of a shape rule need."""

import netdef


def net_of(layer, *shapes, phase=None):
    """A net whose blobs x0, x1 ... have the given shapes, and then `layer`, text in either form."""
    inputs = [f"layer x{i}: Input {{ shape {{ {' '.join(f'dim: {d}' for d in shape)} }} }}\n" for i, shape in enumerate(shapes)]
    return netdef.parse("".join(inputs) + layer, "t.net", phase=phase)


def shape_of(layer, *shapes, phase=None):
    """The shape of the only top of `layer`."""
    (top,) = net_of(layer, *shapes, phase=phase).layers[-1].tops
    return top.shape


def complaint(layer, *shapes, phase=None):
    """The error of a layer: message and hint on one line."""
    try:
        net_of(layer, *shapes, phase=phase)
    except netdef.NetdefError as error:
        (diagnostic,) = error.diagnostics
        assert diagnostic.position is not None
        return " | ".join(filter(None, (diagnostic.message, diagnostic.hint)))
    raise AssertionError(f"nothing is wrong with {layer}")
