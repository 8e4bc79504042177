"""What a state_dict does not say: strides, padding and rounding, in which a net may differ from the module that it is of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from netdef.graph.net import Net
from netdef.layers.pooling import Pooling
from runtime.exchange.onnx_out.pooling import Windows
from runtime.exchange.torch_out.lines import identifier

RESNET = {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer4.0.conv1.weight", "fc.weight"}  # torchvision's
CONVOLUTION = re.compile(r"(layer(\d)\.(\d+)\.(conv\d|downsample\.0))\.weight")


def differences(net: Net, arrays: Iterable[str], table: Mapping[str, str]) -> list[str]:
    """In which layers a net may differ from the module of a state_dict, a sentence each.

    Parameters
    ----------
    arrays: names of the state_dict's. table: which of them is which parameter, by layer/index.
    """
    names = set(arrays)
    if names >= RESNET:
        return [*_strides(net, names, table), *_first_pooling(net)]
    if 2 * sum(_is_own(*pair) for pair in table.items()) > len(table):  # named as the net's layers, which then made it
        return []
    pools = [layer for layer in net.layers if isinstance(layer, Pooling) and _reaches_beyond(layer)]
    return [
        f"{layer.name} rounds up, so that its last window reaches beyond the edge; PyTorch's pooling rounds down" for layer in pools
    ]


def _is_own(parameter: str, key: str) -> bool:
    """Whether an array has the name of a parameter, or of the module that `netdef export --to torch` makes of its layer."""
    return key == parameter or key.rpartition(".")[0] == identifier(parameter.rpartition("/")[0], set())


def _strides(net: Net, names: set[str], table: Mapping[str, str]) -> Iterator[str]:
    """torchvision's blocks of three convolutions have their stride in the second one, those of the paper in the first."""
    strided = "conv2" if "layer1.0.conv3.weight" in names else "conv1"
    for parameter, key in table.items():
        found, layer = CONVOLUTION.fullmatch(key), net.layer(parameter.rpartition("/")[0])
        if found is None or not hasattr(layer, "stride"):
            continue
        module, stage, block, which = found.groups()
        wanted = 2 if stage != "1" and block == "0" and which in (strided, "downsample.0") else 1
        if set(layer.stride) != {wanted}:
            yield f"{layer.name} has stride {layer.stride[0]}, torchvision's {module} has {wanted}"


def _first_pooling(net: Net) -> Iterator[str]:
    layer = next((one for one in net.layers if isinstance(one, Pooling)), None)
    if layer is not None and not (set(layer.pad) == {1} and layer.floor):
        rounds = "down" if layer.floor else "up"
        yield f"{layer.name} has pad {layer.pad[0]} and rounds {rounds}, torchvision's has pad 1 and rounds down"


def _reaches_beyond(layer: Pooling) -> bool:
    return max(Windows(layer.bottoms[0].shape[2:], layer.kernel, layer.stride, layer.pad, layer.tops[0].shape[2:]).beyond) > 0
