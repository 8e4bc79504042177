"""Every field knows where it stands."""

import pytest

from netdef.language import read_text

TEXT = """name: "n"
defaults Pooling { stride: 2 }
layer conv1: Convolution(data, other)
    { num_output: 3 kernel_size: [3, 5] weight_filler { std: 1 } param { lr_mult: 1 } }
train layer pool1: Pooling(conv1) -> out { kernel_size: 2 }
layer { name: "r" type: "ReLU"
        bottom: "out" relu_param { negative_slope: 1 } }
"""

PLACES = [
    (("name",), '1:7 "n"'),
    (("layer", 0), "3:7 conv1"),
    (("layer", 0, "name"), "3:7 conv1"),
    (("layer", 0, "type"), "3:14 Convolution"),
    (("layer", 0, "bottom", 1), "3:32 other"),
    (("layer", 0, "top", 0), "3:7 conv1"),
    (("layer", 0, "convolution_param", "num_output"), "4:7 num_output: 3"),
    (("layer", 0, "convolution_param", "kernel_size"), "4:35 3"),
    (("layer", 0, "convolution_param", "kernel_size", 1), "4:38 5"),
    (("layer", 0, "convolution_param", "weight_filler", "std"), "4:57 std: 1"),
    (("layer", 0, "convolution_param", "weight_filler", "mean"), "4:41 weight_filler"),
    (("layer", 0, "convolution_param", "stride"), "4:7 n"),
    (("layer", 0, "param", 0, "lr_mult"), "4:74 lr_mult: 1"),
    (("layer", 0, "param", 5), "4:66 param"),
    (("layer", 0, "loss_weight", 0), "3:7 conv1"),
    (("layer", 1, "include", 0, "phase"), "5:1 train"),
    (("layer", 1, "pooling_param", "stride"), "2:20 stride: 2"),
    (("layer", 1, "top", 0), "5:38 out"),
    (("layer", 2), "6:1 layer"),
    (("layer", 2, "bottom", 0), '7:17 "out"'),
    (("layer", 2, "relu_param", "negative_slope"), "7:36 negative_slope: 1"),
    (("layer", 9), "3:7 conv1"),
]


@pytest.mark.parametrize(("path", "expected"), PLACES)
def test_position(path, expected):
    where = read_text(TEXT, "x.net", "NetParameter").position(path)
    line = TEXT.splitlines()[where.line - 1]
    assert f"{where.line}:{where.column} {line[where.column - 1 : where.column - 1 + where.length]}" == expected
    assert where.file == "x.net"


def test_line_ends_of_all_systems():
    for end in ("\n", "\r\n", "\r"):
        bound = read_text(TEXT.replace("\n", end), "x.net", "NetParameter")
        assert bound.position(("layer", 1, "top", 0)).line == 5
