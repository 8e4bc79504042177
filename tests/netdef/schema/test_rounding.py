"""round_mode of Caffe and ceil_mode of forks, which have one number in binary files."""

import warnings

import pytest

from netdef import schema
from netdef.convert import convert
from netdef.language import read_text
from netdef.language.diagnostics import Remark


def binary(*modes):
    """A binary net of pooling layers with these numbers in field 13; None for no field."""
    net = schema.NetParameter(name="n")
    for index, mode in enumerate(modes):
        layer = net.layer.add(name=f"p{index}", type="Pooling")
        layer.pooling_param.kernel_size = 2
        if mode is not None:
            layer.pooling_param.MergeFromString(bytes([13 << 3, mode]))
    return net.SerializeToString()


def read(data):
    """(round_mode, ceil_mode) of each layer, None where a field is not set; and what was said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net = read_text(data, "n.binaryproto", "NetParameter").message
    found = []
    for layer in net.layer:
        p = layer.pooling_param
        found.append(tuple(getattr(p, name) if p.HasField(name) else None for name in ("round_mode", "ceil_mode")))
    return found, [str(one.message) for one in caught if issubclass(one.category, Remark)]


@pytest.mark.parametrize(
    ("modes", "expected", "said"),
    [
        ((1, None, 1), [(1, None), (None, None), (1, None)], ""),
        ((0, None, 0), [(None, False), (None, None), (None, False)], "layer p0 and 1 more is 0: read as ceil_mode: false"),
        ((1, 0), [(1, None), (0, None)], "layer p1 is 0, of others 1: read as round_mode of Caffe 1.0, CEIL and FLOOR"),
    ],
)
def test_field_13_of_a_binary_file(modes, expected, said):
    found, lines = read(binary(*modes))
    assert found == expected
    assert said in "".join(lines) and len(lines) == bool(said)


def test_a_ceil_that_netdef_writes_is_no_floor_to_anybody(tmp_path):
    (tmp_path / "a.prototxt").write_text('layer { name: "p" type: "Pooling" pooling_param { kernel_size: 2 round_mode: CEIL } }')
    convert(str(tmp_path / "a.prototxt"), str(tmp_path / "a.binaryproto"))
    assert read((tmp_path / "a.binaryproto").read_bytes()) == ([(None, None)], [])
