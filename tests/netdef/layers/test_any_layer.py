"""Whatever a file says, it makes a net or a NetdefError: every type, over blobs of all sorts, with fields at random."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdef import NetdefError
from netdef.graph.build import build
from netdef.graph.shape import UNKNOWN
from netdef.layers import LAYERS
from netdef.schema import LAYER_TYPES, message_class

SHAPES = [(), (1,), (2,), (6, 2), (2, 6), (1, 2, 24), (2, 6, 5), (2, 6, 5, 4), (6, 2, 1, 1), (2, 2, 3, 3, 3)]


@st.composite
def filled(draw, message):
    """A message with some of its fields set, to small numbers mostly."""
    for field in message.DESCRIPTOR.fields:
        if not draw(st.booleans()) or field.name in ("blobs", "include", "exclude", "phase", "share_mode"):
            continue
        value = getattr(message, field.name)
        if hasattr(value, "extend"):
            if field.message_type is None and field.cpp_type != field.CPPTYPE_STRING:
                value.extend(draw(st.lists(st.integers(0, 4), max_size=3)))
            elif field.name == "shape":
                value.add(dim=draw(st.sampled_from(SHAPES)))
        elif field.message_type is not None:
            if field.name == "shape":
                value.dim.extend(draw(st.lists(st.integers(-1, 4), max_size=4)))
        elif field.enum_type is not None:
            setattr(message, field.name, draw(st.sampled_from([v.number for v in field.enum_type.values])))
        elif field.cpp_type == field.CPPTYPE_STRING:
            setattr(message, field.name, "text")
        elif field.cpp_type == field.CPPTYPE_BOOL:
            setattr(message, field.name, draw(st.booleans()))
        else:
            unsigned = field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64)
            setattr(message, field.name, draw(st.integers(0 if unsigned else -4, 6)))
    return message


@st.composite
def nets(draw):
    """Blobs of all shapes, then layers of any type that read any of them or each other."""
    net = message_class("NetParameter")()
    for index, shape in enumerate(SHAPES):
        net.layer.add(name=f"x{index}", type="Input", top=[f"x{index}"]).input_param.shape.add(dim=shape)
    names = [layer.name for layer in net.layer]
    for index in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(sorted(LAYERS)))
        (low, high), (least, most) = LAYERS[kind].bottoms_allowed, LAYERS[kind].tops_allowed
        bottoms = draw(st.lists(st.sampled_from(names), min_size=low, max_size=low + 2 if high is None else high))
        tops = [f"y{index}_{i}" for i in range(draw(st.integers(least, least + 2 if most is None else most)))]
        layer = net.layer.add(name=f"y{index}", type=kind, bottom=bottoms, top=tops)
        for field in LAYER_TYPES[kind]:
            draw(filled(getattr(layer, field)))
        names += tops
    return net


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(nets())
def test_any_layer_makes_a_net_or_an_error(message):
    try:
        net = build(message, lambda path: None, "any.net")
    except NetdefError as error:
        assert str(error)
        return
    assert net.totals.macs >= 0
    for layer in net.layers:
        assert all(top.shape == UNKNOWN or min(top.shape, default=1) >= 1 for top in layer.tops)  # of AnnotatedData's third top
        assert all(min(p.shape, default=1) >= 1 for p in layer.parameters)
        assert repr(layer)
