"""Coordinates of tops (BVLC's test_coord_map.py checks as much)."""

import numpy as np
import pytest

from runtime import pycaffe as caffe
from runtime.pycaffe.coord_map import AxisMismatchException, compose, coord_map_from_to, crop

L, P = caffe.layers, caffe.params


def spec(ks=3, stride=1, pad=0, pool=2, dstride=2, dpad=0):
    """Convolution, pooling and deconvolution, whose kernel is twice its stride."""
    n = caffe.NetSpec()
    n.data, n.aux = L.Input(shape={"dim": [2, 1, 100, 100]}), L.Input(shape={"dim": [2, 1, 20, 20]})
    n.conv = L.Convolution(n.data, num_output=10, kernel_size=ks, stride=stride, pad=pad)
    n.pool = L.Pooling(n.conv, pool=P.Pooling.MAX, kernel_size=pool, stride=pool, pad=0)
    n.deconv = L.Deconvolution(n.pool, num_output=10, kernel_size=dstride * 2, stride=dstride, pad=dpad)
    return n


def found(n, top="deconv", bottom="data"):
    return coord_map_from_to(n[top], n[bottom])


def test_windows():
    assert found(spec()) == (1, 1, 0)
    assert found(spec(pool=4, dstride=4)) == (1, 1, -1)


def test_layers_that_keep_coordinates():
    n = spec()
    n.relu = L.ReLU(n.deconv)
    n.conv1x1 = L.Convolution(n.relu, num_output=10, kernel_size=1, stride=1, pad=0)
    assert found(n, "relu") == found(n, "conv1x1") == found(n)


@pytest.mark.parametrize("pad", [1, 7])
def test_padding(pad):
    assert (
        found(spec(pad=pad)) == (1, 1, -pad)
        and found(spec(dpad=pad)) == (1, 1, pad)
        and found(spec(pad=pad, dpad=pad)) == (1, 1, 0)
    )


def test_several_bottoms():
    n = spec()
    n.conv_data, n.conv_aux = L.Convolution(n.data, n.aux, ntop=2, num_output=10, kernel_size=5, stride=2, pad=0)
    assert found(n, "conv_data") == found(n, "conv_aux", "aux")


def test_each_axis_is_of_its_own():
    _, scale, shift = found(spec(ks=[3, 5], stride=[1, 2], pad=[0, 10]))
    for index, one in enumerate((spec(ks=3), spec(ks=5, stride=2, pad=10))):
        assert found(one)[1:] == (scale[index], shift[index])
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3, 100, 100, 100]})
    n.conv = L.Convolution(n.data, num_output=10, kernel_size=[3, 3, 3], stride=[1, 1, 1], pad=[0, 1, 2])
    axis, scale, shift = found(n, "conv")
    assert axis == 1 and np.all(scale == 1) and shift.tolist() == [1, 0, -1]


def test_crops():
    n = spec()
    n.crop = L.Crop(n.deconv, n.data, axis=2, offset=3)
    assert found(n, "crop") == (1, 1, 3)
    n = spec(pad=100)
    layer = crop(n.deconv, n.data).to_proto().layer[-1]
    assert (layer.type, layer.crop_param.axis, list(layer.crop_param.offset)) == ("Crop", 2, [100])


def test_what_has_no_map():
    n = spec()
    n.ip = L.InnerProduct(n.deconv, num_output=10)
    with pytest.raises(RuntimeError, match="no layers with coordinates connect"):
        found(n, "ip")
    odd = spec(pool=3)
    with pytest.raises(AssertionError, match="scale mismatch"):
        crop(odd.deconv, odd.data)
    m = spec(dpad=10)
    with pytest.raises(AssertionError, match="no negative offset"):
        crop(m.deconv, m.data)
    with pytest.raises(AxisMismatchException):
        compose((1, 1, 0), (2, 1, 0))
    n.legacy = L.Convolution(n.data, num_output=1, kernel_h=3, kernel_w=3)
    with pytest.raises(AssertionError, match="kernel_h, kernel_w"):
        found(n, "legacy")
