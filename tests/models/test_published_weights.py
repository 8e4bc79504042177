"""Weights published for Caffe are in its older form, V1: files of that form with seeded numbers load into the nets of the package.

The files themselves are not here; nothing runs, since the nets run in test_zoo_runs.py.
"""

import numpy as np
import pytest

import netdef
from netdef.weights import wire
from runtime.machine.weights import load_weights, write_weights

V1_LAYERS, V1_NAME, V1_BLOBS = 2, 4, 6  # fields of a NetParameter, and of a V1LayerParameter
SEEDED = np.random.default_rng(7).standard_normal(4096, np.float32)


def numbers(layer: str, index: int, count: int) -> np.ndarray:
    """Numbers that tell the arrays of a net apart."""
    array = np.resize(SEEDED, count)
    array[0] = len(layer) + index
    return array


def write_v1(path, net):
    """A .caffemodel as those of 2014: layers in V1's field, arrays with four axes each and no shape."""
    with open(path, "wb") as file:
        wire.write_net_name(file, net.name)
        for layer in net.layers:
            blobs = []
            for one in layer.parameters:
                shape = (1,) * (4 - len(one.shape)) + one.shape
                head = b"".join(wire.key(number, 0) + wire.varint(side) for number, side in enumerate(shape, wire.NUM))
                head += wire.prefix(wire.DATA, 4 * one.count)
                blobs += [wire.prefix(V1_BLOBS, len(head) + 4 * one.count) + head, numbers(layer.name, one.index, one.count).data]
            name = wire.prefix(V1_NAME, len(layer.name)) + layer.name.encode()
            file.write(wire.prefix(V1_LAYERS, len(name) + sum(memoryview(blob).nbytes for blob in blobs)) + name)
            file.writelines(blobs)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bvlc_alexnet", "bvlc_reference_caffenet", "googlenet"])
@pytest.mark.parametrize("form", ["V1", "present"])
def test_weights_of_that_shape_load(name, form, tmp_path):
    net = netdef.load(name, "test", batch_size=1)
    counts = {(one.layer.name, one.index): one for one in net.parameters}
    path = tmp_path / f"{name}.caffemodel"
    if form == "V1":
        write_v1(path, net)
    else:
        write_weights(path, net, lambda layer, index: numbers(layer, index, counts[layer, index].count))
    found, said = {}, []

    def write(layer, index, array):
        found[layer, index] = array.shape, float(array.flat[0]), float(array.flat[-1])

    loaded = load_weights(path, net, write, say=said.append)
    path.unlink()
    assert not said and not loaded.missing and not loaded.extra
    assert found == {key: (one.shape, len(key[0]) + key[1], SEEDED[(one.count - 1) % len(SEEDED)]) for key, one in counts.items()}
