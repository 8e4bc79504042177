"""What layers lower to: no kernel where none is needed, labels in any shape, dropout by phase, equal bits from any thread count."""

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from tests.runtime import reference
from tests.runtime.harness import normal

TOWERS = """
force_backward: true
layer data: Input { shape { dim: 5 dim: 3 dim: 33 dim: 31 } }
layer label: Input { shape { dim: 5 } }
layer conv1: Convolution(data) { num_output: 8 kernel_size: 5 stride: 2 weight_filler { type: "xavier" } }
layer relu1: ReLU(conv1) -> conv1
layer norm1: LRN(conv1) { alpha: 0.1 group: 2 }
layer pool1: Pooling(norm1) { kernel_size: 3 stride: 2 }
layer batch1: BatchNorm(pool1) -> pool1
layer scale1: Scale(pool1) -> pool1 { bias_term: true filler { type: "uniform" min: 0.5 max: 1.5 } }
layer prelu1: PReLU(pool1) -> pool1
layer conv2: Convolution(pool1) { num_output: 8 kernel_size: 3 pad: 1 group: 2 weight_filler { type: "xavier" } }
layer mean: Pooling(conv2) { pool: AVE kernel_size: 2 stride: 1 pad: 1 }
layer side: Convolution(conv2) { num_output: 8 kernel_size: 2 pad: 1 weight_filler { type: "xavier" } }
layer both: Concat(mean, side)
layer white: MVN(both) -> both
layer small: Reduction(both) { axis: 1 operation: SUMSQ loss_weight: 0.01 }
layer squashed: TanH(both)
layer fc: InnerProduct(squashed) { num_output: 40 weight_filler { type: "xavier" } }
layer drop: Dropout(fc) -> fc { dropout_ratio: 0.4 }
layer out: InnerProduct(fc) { num_output: 6 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(out, label)
"""


def inputs(text: str, shape=(2, 3, 4, 5)) -> str:
    return f"layer x: Input {{ shape {{ {' '.join(f'dim: {d}' for d in shape)} }} }} " + text


def kernels(text: str, phase: str = "test") -> list[str]:
    return [one.kernel for one in runtime.compile(netdef.parse(text, phase=phase)).program.forward]


def test_threads_do_not_change_a_bit() -> None:
    net = netdef.parse(TOWERS, phase="train")
    data, results = normal(5, 3, 33, 31), []
    for threads in (1, 2, 7):
        exe = runtime.compile(net, threads=threads, seed=3)
        exe.forward(data=data, label=[0, 1, 2, 3, 4])
        exe.backward()
        learned = [p for p in net.parameters if p.lr_mult]
        results.append([exe.blob("loss"), exe.blob_grad("data"), *(exe.param_grad(p.layer.name, p.index) for p in learned)])
        exe.close()
    assert all(np.abs(array).sum() > 0 for array in results[0])
    for other in results[1:]:
        assert [a.tobytes() for a in other] == [a.tobytes() for a in results[0]]


@pytest.mark.parametrize(
    "layer",
    ["Flatten(x)", "Reshape(x) { shape { dim: 0 dim: 12 dim: -1 } }", "Split(x) -> a, b", "Dropout(x)", "Concat(x)", "Silence(x)"],
)
def test_layers_that_cost_nothing(layer: str) -> None:
    assert kernels(inputs(f"layer y: {layer}")) == []


def test_each_of_several_tops_costs_its_own_products() -> None:
    text = inputs("layer y: Convolution(x, x) -> a, b { num_output: 2 kernel_size: 3 }")
    net = netdef.parse("force_backward: true " + text)
    macs = [one.macs for one in runtime.compile_program(net).instructions if one.macs]
    assert macs == [3 * 2 * 9 * 2 * 3] * 6  # forward, weights and input for each top
    assert net.layer("y").macs == 2 * macs[0]


def test_dropout_in_training() -> None:
    text = inputs("layer y: Dropout(x) { dropout_ratio: 0.25 }", (4, 1000))
    net = netdef.parse(text, phase="train")
    x = np.ones((4, 1000))

    def masks(seed: int) -> list[np.ndarray]:
        exe = runtime.compile(net, seed=seed)
        return [exe.forward(x=x)["y"] for _ in range(2)]

    first, second = masks(seed=1)
    assert set(np.unique(first)) == {0, np.float32(1 / 0.75)}
    assert 0.7 < np.mean(first > 0) < 0.8
    assert (first != second).any()
    again, _ = masks(seed=1)
    np.testing.assert_array_equal(first, again)
    other, _ = masks(seed=2)
    assert (first != other).any()


LABELS = [  # scores, axis, labels
    ((3, 4), 1, (3,)),
    ((3, 4), 1, (3, 1, 1, 1)),
    ((3, 4), 0, (4,)),
    ((3, 4, 2), 0, (4, 2)),
    ((3, 4, 2, 5), 1, (3, 1, 2, 5)),
    ((3, 4, 2, 5), 2, (3, 4, 5)),
    ((3, 4, 2, 5), 1, (30,)),  # all in one row, image by image
    ((3, 4, 2, 5), 1, (6, 5)),
]


@pytest.mark.parametrize("scores,axis,labels", LABELS)
def test_labels_in_any_shape(scores, axis: int, labels) -> None:
    """One label for each prediction, in the users' order."""
    dims = " ".join(f"dim: {d}" for d in labels)
    text = inputs(f"layer t: Input {{ shape {{ {dims} }} }} layer y: Accuracy(x, t) {{ axis: {axis} }}", scores)
    net = netdef.parse(text)
    x, t = normal(*scores), np.random.default_rng(0).integers(0, scores[axis], labels)
    want, _ = reference.accuracy(x, t, axis=axis)
    np.testing.assert_allclose(runtime.compile(net).forward(x=x, t=t)["y"], want, rtol=1e-6)
    if labels[0] == scores[0]:
        net = netdef.parse(text.replace("Accuracy(x, t) { axis", "SoftmaxWithLoss(x, t) { softmax_param { axis") + " }")
        want = reference.softmax_loss(x, t.reshape(scores[:axis] + scores[axis + 1 :]), axis)
        np.testing.assert_allclose(runtime.compile(net).forward(x=x, t=t)["y"], want, rtol=1e-5)


def test_probabilities_as_a_second_top() -> None:
    text = inputs("layer t: Input { shape { dim: 3 } } layer loss: SoftmaxWithLoss(x, t) -> loss, p", (3, 4))
    exe = runtime.compile(netdef.parse("force_backward: true " + text))
    x = normal(3, 4)
    out = exe.forward(x=x, t=[0, 1, 2])
    np.testing.assert_allclose(out["p"], reference.softmax(x), rtol=1e-6)
    exe.backward()
    np.testing.assert_allclose(exe.blob_grad("x"), (reference.softmax(x) - np.eye(4)[:3]) / 3, rtol=1e-5, atol=1e-7)


def test_a_label_beyond_the_classes_is_an_error() -> None:
    text = inputs("layer t: Input { shape { dim: 3 } } layer loss: SoftmaxWithLoss(x, t)", (3, 4))
    exe = runtime.compile(netdef.parse(text))
    with pytest.raises(NetdefError, match="label"):
        exe.forward(x=np.zeros((3, 4)), t=[0, 4, 1])


def test_silence_sends_no_gradient() -> None:
    text = "force_backward: true " + inputs("layer y: TanH(x) layer a: Split(y) -> a, b layer s: Silence(b)")
    exe = runtime.compile(netdef.parse(text))
    x = normal(2, 3, 4, 5)
    exe.forward(x=x)
    exe.backward(a=np.ones(x.shape))
    np.testing.assert_allclose(exe.blob_grad("x"), 1 - np.tanh(x) ** 2, rtol=1e-5)


def test_the_same_blob_twice() -> None:
    exe = runtime.compile(netdef.parse("force_backward: true " + inputs("layer y: Eltwise(x, x) { operation: PROD }")))
    x = normal(2, 3, 4, 5)
    np.testing.assert_allclose(exe.forward(x=x)["y"], x**2, rtol=1e-6)
    exe.backward(y=np.ones(x.shape))
    np.testing.assert_allclose(exe.blob_grad("x"), 2 * x, rtol=1e-6)


@pytest.mark.parametrize("kind", ["Sigmoid", "TanH", "ReLU", "Dropout", "Scale", "Bias", "BatchNorm", "PReLU", "MVN"])
def test_in_place_is_the_same(kind: str) -> None:
    """Whether a layer takes its bottom's name or a new one."""
    results = []
    for top in ("x", "other"):
        text = "force_backward: true " + inputs(f"layer s: Sigmoid(x) -> v layer y: {kind}(v) -> {top.replace('x', 'v')}")
        exe = runtime.compile(netdef.parse(text, phase="train"))
        (out,) = exe.forward(x=normal(2, 3, 4, 5)).values()
        exe.backward(**{exe.outputs[0]: np.ones(out.shape)})
        results.append((out.tobytes(), exe.blob_grad("x").tobytes()))
    assert results[0] == results[1]


@pytest.mark.parametrize(("shape", "body", "said"), [
    ("dim: 2 dim: 3 dim: 9", "kernel_size: 3", "3 axes: kernels"),
    ("dim: 2 dim: 3 dim: 9 dim: 8", "kernel_size: 3 axis: 2", "4 axes with its channels along axis 2: kernels"),
    ("dim: 2 dim: 3 dim: 9 dim: 8", "axis: 3", "4 axes with its channels along axis 3: kernels"),
])  # fmt: skip
def test_convolutions_of_other_than_images_cannot_run_yet(shape: str, body: str, said: str) -> None:
    text = f"layer x: Input {{ shape {{ {shape} }} }}\nlayer op: Convolution(x) {{ num_output: 4 {body} }}\n"
    with pytest.raises(NetdefError, match=said):
        runtime.compile_program(netdef.parse(text))
