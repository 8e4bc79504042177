"""Shapes that change between runs: the numbers are those of a net that was compiled for them."""

from types import SimpleNamespace

import numpy as np
import pytest

import netdef
import runtime
from netdef.language import NetdefError

TEXT = """
layer data: Input -> data, scale { shape { dim: [1, 3, 12, 14] } shape { dim: [1, 3] } }
defaults Convolution { weight_filler { type: "xavier" } }
layer conv1: Convolution(data) { num_output: 8 kernel_size: 3 pad: 1 }
layer relu1: ReLU(conv1) -> conv1
layer pool1: Pooling(conv1) { pool: MAX kernel_size: 2 stride: 2 }
layer drop1: Dropout(pool1) -> pool1
layer conv2: Convolution(pool1) { num_output: 5 kernel_size: 1 }
"""
SHAPES = [(1, 3, 20, 10), (2, 3, 12, 14), (1, 3, 40, 40), (3, 3, 9, 7), (1, 3, 12, 14)]


def net(shape=(1, 3, 12, 14)):
    return netdef.parse(TEXT.replace("[1, 3, 12, 14]", str(list(shape))), phase="train")


def image(shape):
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("devices", ["cpu", "cpu:0,cpu:1", "cpu:0,cpu:0"])
@pytest.mark.parametrize("options", [{"keep": "all"}, {"keep": "activations"}, {"backward": False}], ids=str)
def test_the_numbers_are_those_of_a_net_of_that_shape(devices, options):
    with runtime.compile(net(), devices, seed=1, **options) as exe:
        for run, shape in enumerate(SHAPES):
            exe.reshape(data=shape)
            found = exe.forward(run, data=image(shape))["conv2"]
            with runtime.compile(net(shape), devices, seed=1, **options) as other:
                assert found.tobytes() == other.forward(run, data=image(shape))["conv2"].tobytes()
                if options.get("backward", True):
                    for one in (exe, other):
                        one.backward(conv2=np.ones_like(found))
                    assert exe.param_grad("conv1", 0).tobytes() == other.param_grad("conv1", 0).tobytes()


def test_inputs_that_are_not_given_keep_their_values():
    with runtime.compile(net(), backward=False) as exe:
        exe.forward(scale=[[1, 2, 3]])
        exe.reshape(data=(1, 3, 30, 30))
        exe.forward(data=image((1, 3, 30, 30)))
        assert exe.blob("scale").tolist() == [[1, 2, 3]]


def test_weights_stay_where_they_are_and_memory_only_grows():
    with runtime.compile(net(), backward=False) as exe, runtime.compile(net(), share=exe, backward=False) as test:
        buffer = next(iter(exe.program.parameters.values()))
        weights = exe.memory.array(buffer)
        sizes = []
        for shape in SHAPES:
            exe.reshape(data=shape)
            sizes.append(exe.memory._sizes["working"])
        assert exe.memory.array(next(iter(exe.program.parameters.values()))).ctypes.data == weights.ctypes.data
        assert sizes == sorted(sizes) and sizes[2] == sizes[-1] > sizes[0]
        exe.set_param("conv2", 1, np.arange(5))
        assert test.param("conv2", 1).tolist() == [0, 1, 2, 3, 4]
        test.reshape(data=(1, 3, 16, 16))
        test.set_param("conv2", 1, np.ones(5))
        assert (exe.param("conv2", 1) == 1).all()


def test_the_same_shape_compiles_nothing(monkeypatch):
    with runtime.compile(net()) as exe:
        program = exe.program
        exe.reshape(data=[1, 3, 12, 14])
        assert exe.program is program


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        ({"dat": (1, 3, 4, 4)}, "'dat' is not an input of net ''"),
        ({"conv1": (1, 8, 4, 4)}, "'conv1' is not an input of net ''"),
        ({"data": (1, 4, 12, 14)}, "<text>:4:7: error: parameter conv1/0 is 8 x 3 x 3 x 3, and would be 8 x 4 x 3 x 3"),
        ({"data": 224}, "the shape of 'data' is 224"),
        ({"data": (1, 3, 1.5, 14)}, "the shape of 'data' is (1, 3, 1.5, 14)"),
        ({"data": (1, 3, 0, 14)}, "a dimension must be at least 1"),
        ({"data": (1, 3)}, "<text>:6:22: error: Pooling pool1: expected images"),
    ],
)
def test_what_does_not_fit_changes_nothing(shapes, text):
    with runtime.compile(net(), seed=1, backward=False) as exe:
        before = exe.forward(0, data=image((1, 3, 12, 14)))["conv2"]
        with pytest.raises(NetdefError) as raised:
            exe.reshape(**shapes)
        assert text in str(raised.value)
        assert exe.forward(0)["conv2"].tobytes() == before.tobytes()


def test_no_memory_for_a_larger_shape_changes_nothing(monkeypatch):
    with runtime.compile(net(), seed=1, backward=False) as exe:
        before = exe.forward(0, data=image((1, 3, 12, 14)))["conv2"]
        scarce = SimpleNamespace(**{**vars(np), "zeros": lambda *_: exec("raise MemoryError")})
        monkeypatch.setattr("runtime.machine.cpu.device.np", scarce)
        with pytest.raises(NetdefError, match="out of memory on cpu:0"):
            exe.reshape(data=(9, 3, 99, 99))
        monkeypatch.undo()
        assert exe.forward(0)["conv2"].tobytes() == before.tobytes()


def test_an_input_of_another_shape_says_what_to_do():
    with (
        runtime.compile(net()) as exe,
        pytest.raises(NetdefError, match=r"not \(1, 3, 9, 9\)(.|\n)*reshape\(data=\(1, 3, 9, 9\)\) gives the net this shape"),
    ):
        exe.forward(data=np.zeros((1, 3, 9, 9)))


def test_a_closed_net_stays_closed():
    exe = runtime.compile(net())
    exe.close()
    with pytest.raises(NetdefError, match="cannot change its shapes"):
        exe.reshape(data=(1, 3, 20, 20))
