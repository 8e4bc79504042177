"""Every layer's gradients against central differences along random directions, through runtime.compile, for odd shapes."""

import numpy as np
import pytest

import netdef
import runtime
from netdef import schema

SHAPES = [(1, 4, 5, 5), (3, 4, 7, 6), (7, 4, 9, 8), (64, 4, 6, 7)]
STEP = 0.01
SMOOTH = [  # bottoms, layer
    (1, "Convolution", "num_output: 6 kernel_size: 3 stride: 2 pad: 1 group: 2"),
    (1, "Convolution", "num_output: 3 kernel_h: 2 kernel_w: 3 dilation: 2"),
    (1, "Convolution", "num_output: 8 kernel_size: 3 stride: 2 pad: 1 group: 4"),
    (1, "Deconvolution", "num_output: 6 kernel_size: 3 stride: 2 pad: 1 group: 2"),
    (1, "Deconvolution", "num_output: 3 kernel_h: 2 kernel_w: 3 dilation: 2"),
    (1, "Deconvolution", "num_output: 2 kernel_size: 4 stride: 2 bias_term: false"),
    (1, "Im2col", "kernel_size: 3 stride: 2 pad: 1"),
    (1, "Im2col", "kernel_h: 2 kernel_w: 1 dilation: 2"),
    (1, "InnerProduct", "num_output: 5"),
    (1, "InnerProduct", "num_output: 5 axis: 2 transpose: true"),
    (1, "Pooling", "pool: AVE kernel_size: 3 stride: 2 pad: 1"),
    (1, "Pooling", "pool: AVE kernel_h: 2 kernel_w: 3 stride: 2"),
    (1, "Pooling", "pool: AVE global_pooling: true"),
    (1, "SPP", "pool: AVE pyramid_height: 2"),
    (1, "LRN", "local_size: 3 alpha: 2 beta: 0.75 k: 2"),
    (1, "LRN", "local_size: 5 alpha: 2 beta: 0.6 group: 2"),
    (1, "LRN", "local_size: 3 alpha: 2 beta: 0.75 norm_region: WITHIN_CHANNEL"),
    (1, "Sigmoid", ""),
    (1, "TanH", ""),
    (1, "Softmax", ""),
    (1, "Softmax", "axis: 0"),
    (1, "Softmax", "axis: 2"),
    (1, "Softmax", "axis: -1"),
    (1, "Flatten", ""),
    (1, "Flatten", "axis: 0 end_axis: 1"),
    (1, "Flatten", "axis: 2"),
    (1, "Reshape", "shape { dim: 0 dim: -1 dim: 2 }"),
    (1, "Reshape", "shape { dim: 1 dim: -1 }"),
    (1, "Dropout", "dropout_ratio: 0.3"),
    (1, "Split", ""),
    (3, "Concat", ""),
    (2, "Concat", "axis: 0"),
    (2, "Concat", "axis: 2"),
    (1, "Concat", ""),
    (2, "Eltwise", ""),
    (3, "Eltwise", "coeff: 1 coeff: -0.5 coeff: 2"),
    (3, "Eltwise", "operation: PROD"),
    (2, "Eltwise", "operation: PROD stable_prod_grad: false"),
    (1, "Scale", ""),
    (1, "Scale", "bias_term: true"),
    (1, "Scale", "axis: 2 bias_term: true"),
    (1, "Scale", "axis: 1 num_axes: 2 bias_term: true"),
    (1, "Scale", "axis: -1 bias_term: true"),
    (1, "Scale", "num_axes: -1"),
    (1, "Scale", "num_axes: 0 bias_term: true"),
    (1, "Scale", "axis: 0 num_axes: 1 bias_term: true"),
    (1, "Scale", "axis: 0 num_axes: 3 bias_term: true"),
    (1, "Scale", "axis: 0 num_axes: -1 bias_term: true"),
    (2, "Scale", "axis: 0"),
    (2, "Scale", "axis: 0 bias_term: true"),
    (1, "Bias", ""),
    (1, "Bias", "axis: 2 num_axes: 2"),
    (1, "Bias", "num_axes: 0"),
    (1, "Bias", "axis: 0 num_axes: 2"),
    (2, "Bias", "axis: 0"),
    (1, "BatchNorm", ""),
    (1, "BatchNorm", "use_global_stats: true"),
    (1, "BatchNorm", "eps: 0.5"),
    (1, "MVN", "eps: 1e-6"),
    (1, "MVN", "across_channels: true"),
    (1, "MVN", "normalize_variance: false"),
    (1, "MVN", "across_channels: true normalize_variance: false"),
    (1, "Reduction", ""),
    (1, "Reduction", "axis: 1 operation: SUMSQ coeff: 0.3"),
    (1, "Reduction", "axis: 2 operation: MEAN coeff: -2"),
    (1, "Reduction", "axis: -1"),
    (1, "Reduction", "operation: MEAN coeff: 3"),
    (1, "Reduction", "operation: SUMSQ coeff: 0.01"),
    (1, "Reduction", "axis: 1 operation: ASUM coeff: 0.5"),
    (1, "Reduction", "operation: ASUM"),
    (1, "ConvolutionDepthwise", "kernel_size: 3 stride: 2 pad: 1"),
    (1, "BatchNorm", "scale_bias: true"),
    (1, "BatchNorm", "scale_bias: true use_global_stats: true"),
    (1, "BN", ""),
    (1, "BN", "bn_mode: LEARN"),
    (1, "BN", "bn_mode: INFERENCE"),
    (1, "Normalize", ""),
    (1, "Normalize", "across_spatial: false channel_shared: false"),
    (1, "Permute", "order: 3 order: 0 order: 2 order: 1"),
    (1, "ShuffleChannel", "group: 2"),
    (1, "Reorg", "stride: 2 reverse: true"),
    (1, "Interp", "height: 7 width: 3"),
    (1, "Interp", "zoom_factor: 2 pad_beg: -1 pad_end: -1"),
]
KINKED = [
    (1, "ReLU", ""),
    (1, "ReLU", "negative_slope: 0.2"),
    (1, "ReLU", "negative_slope: -0.3"),
    (1, "Pooling", "pool: MAX kernel_size: 3 stride: 2"),
    (1, "Pooling", "pool: MAX kernel_size: 2 stride: 2 pad: 1"),
    (1, "Pooling", "pool: MAX kernel_h: 4 kernel_w: 3 stride_h: 1 stride_w: 3 round_mode: FLOOR"),
    (1, "Pooling", "pool: MAX global_pooling: true"),
    (1, "SPP", "pyramid_height: 1"),
    (1, "SPP", "pyramid_height: 2"),
    (3, "Eltwise", "operation: MAX"),
    (1, "PReLU", ""),
    (1, "PReLU", "channel_shared: true"),
]
SMALLER = [  # second bottoms of fewer axes than the first: layer, fields, axes of the second
    ("Scale", "axis: 1", (1, 2)),
    ("Scale", "axis: 1", (1, 4)),
    ("Scale", "axis: 2 bias_term: true", (2, 4)),
    ("Scale", "axis: 0", (0, 1)),
    ("Scale", "axis: 0 bias_term: true", (0, 3)),
    ("Scale", "", (0, 0)),
    ("Bias", "axis: 1", (1, 3)),
    ("Bias", "axis: 0", (0, 2)),
    ("Bias", "", (0, 0)),
]
OTHER_LOSSES = [  # layer, fields, targets of (N,) labels or of the shape of the scores
    ("EuclideanLoss", "", "values"),
    ("EuclideanLoss", "loss_weight: 0.3", "values"),
    ("SigmoidCrossEntropyLoss", "", "shares"),
    ("SigmoidCrossEntropyLoss", "loss_param { normalization: FULL }", "shares"),
    ("SigmoidCrossEntropyLoss", "loss_param { normalization: VALID ignore_label: 1 }", "bits"),
    ("HingeLoss", "", "labels"),
    ("HingeLoss", "norm: L2", "labels"),
    ("MultinomialLogisticLoss", "", "labels"),
    ("InfogainLoss", "", "matrix"),
    ("ContrastiveLoss", "margin: 2", "pairs"),
    ("ContrastiveLoss", "margin: 3 legacy_version: true", "pairs"),
]
LOSSES = [
    "",
    "softmax_param { axis: 2 }",
    "loss_weight: 3 loss_param { ignore_label: 1 }",
    "loss_param { ignore_label: 1 normalization: FULL }",
    "loss_param { normalization: BATCH_SIZE }",
    "loss_param { normalization: NONE }",
]


def dims(shape) -> str:
    return "shape { " + " ".join(f"dim: {d}" for d in shape) + " }"


def smooth(rng, shape) -> np.ndarray:
    return rng.uniform(0.3, 1.5, shape) * rng.choice([-1, 1], shape)


def spread(rng, shapes) -> list[np.ndarray]:
    """Numbers on both sides of zero, no two nearer than a few steps, so that no step crosses a kink."""
    count = sum(np.prod(shape) for shape in shapes)
    values = (rng.permutation(count) - count // 2 + 0.5) * 4 * STEP
    parts = np.split(values, np.cumsum([np.prod(shape) for shape in shapes])[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def check(net: netdef.Net, inputs: dict[str, np.ndarray], fixed: dict[str, np.ndarray], step: float = STEP) -> None:
    """The gradients of all inputs and parameters of layer y, each along one random direction."""
    rng = np.random.default_rng(3)
    exe = runtime.compile(net, threads=2)
    learned = [parameter for parameter in net.parameters if parameter.lr_mult]
    for parameter in net.parameters:
        values = rng.standard_normal(parameter.shape) / 3
        exe.set_param("y", parameter.index, values if parameter in learned else np.abs(values) + 1)

    def run() -> dict[str, np.ndarray]:
        return exe.forward(5, **inputs, **fixed)  # run 5: the same dropout mask each time

    losses = {blob.name for blob in net.outputs if blob.producer.loss_weights[blob.index]}
    weight = {name: rng.standard_normal(value.shape) for name, value in run().items()}
    weight.update({name: np.float64(net.layer("y").loss_weights[0]) for name in losses})

    def objective() -> float:
        return sum(float(np.sum(weight[name] * value.astype(np.float64))) for name, value in run().items())

    run()
    exe.backward(**{name: value for name, value in weight.items() if name not in losses})
    gradients = [(f"d{name}", exe.blob_grad(name), _input(inputs, name)) for name in inputs]
    gradients += [(str(p), exe.param_grad("y", p.index), _parameter(exe, p.index)) for p in learned]
    for what, gradient, move in gradients:
        direction = rng.choice([-1.0, 1.0], gradient.shape)
        ends = []
        for sign in (1, -1):
            undo = move(sign * step * direction)
            ends.append(objective())
            undo()
        numeric = (ends[0] - ends[1]) / (2 * step)
        analytic = float(np.sum(gradient.astype(np.float64) * direction))
        slack = 3e-3 * np.linalg.norm(gradient) + 1e-3
        assert abs(numeric - analytic) <= slack, f"{what}: {analytic:g}, by differences {numeric:g}"
    exe.close()


def _input(inputs, name):
    def move(delta):
        before = inputs[name]
        inputs[name] = before + delta
        return lambda: inputs.__setitem__(name, before)

    return move


def _parameter(exe, index):
    def move(delta):
        before = exe.param("y", index)
        exe.set_param("y", index, before + delta)
        return lambda: exe.set_param("y", index, before)

    return move


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind,fields,axes", SMALLER)
def test_second_bottoms_of_fewer_axes(kind: str, fields: str, axes, shape) -> None:
    rng = np.random.default_rng(1)
    small = shape[slice(*axes)]
    text = (
        f"force_backward: true layer x: Input {{ {dims(shape)} }} layer s: Input {{ {dims(small)} }} "
        f"layer y: {kind}(x, s) {{ {fields} }}"
    )
    check(netdef.parse(text), {"x": smooth(rng, shape), "s": smooth(rng, small)}, {})


def build(bottoms: int, kind: str, fields: str, shape) -> netdef.Net:
    names = [f"x{index}" for index in range(bottoms)]
    inputs = " ".join(f"layer {name}: Input {{ {dims(shape)} }}" for name in names)
    tops = "-> y, z" if kind == "Split" else ""
    return netdef.parse(f"force_backward: true {inputs} layer y: {kind}({', '.join(names)}) {tops} {{ {fields} }}", phase="train")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("bottoms,kind,fields", SMOOTH)
def test_smooth_layers(bottoms: int, kind: str, fields: str, shape) -> None:
    if "dim: 2 }" in fields and np.prod(shape[1:]) % 2:
        pytest.skip("an odd number cannot be cut in two")
    rng = np.random.default_rng(1)
    net = build(bottoms, kind, fields, shape)
    check(net, {f"x{index}": smooth(rng, shape) for index in range(bottoms)}, {})


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("bottoms,kind,fields", KINKED)
def test_layers_with_kinks(bottoms: int, kind: str, fields: str, shape) -> None:
    inputs = spread(np.random.default_rng(1), [shape] * bottoms)
    net = build(bottoms, kind, fields, shape)
    check(net, {f"x{index}": values for index, values in enumerate(inputs)}, {})


@pytest.mark.parametrize("shape", [(1, 5), *SHAPES], ids=str)
@pytest.mark.parametrize("fields", LOSSES)
def test_softmax_loss(shape, fields: str) -> None:
    axis = 2 if "axis" in fields and len(shape) > 2 else 1
    fields = fields if len(shape) > 2 else fields.replace("axis: 2", "axis: 1")
    labels = (*shape[:axis], *shape[axis + 1 :])
    text = (
        f"force_backward: true layer x: Input {{ {dims(shape)} }} layer t: Input {{ {dims(labels)} }} "
        f"layer y: SoftmaxWithLoss(x, t) {{ {fields} }}"
    )
    rng = np.random.default_rng(2)
    net = netdef.parse(text)
    check(net, {"x": 2 * smooth(rng, shape)}, {"t": rng.integers(0, shape[axis], labels)}, step=0.003)


@pytest.mark.parametrize("shape", [(1, 5), (7, 3), (64, 4)], ids=str)
@pytest.mark.parametrize("kind,fields,targets", OTHER_LOSSES)
def test_other_losses(kind: str, fields: str, targets: str, shape) -> None:
    rng = np.random.default_rng(2)
    N, C = shape
    x = rng.uniform(0.1, 0.9, shape) if kind == "MultinomialLogisticLoss" else 1.5 * smooth(rng, shape)
    inputs, fixed = {"x": x}, {}
    if targets == "values" or targets == "pairs":
        inputs["t"] = smooth(rng, shape)
    else:
        draw = {"shares": rng.random(shape), "bits": rng.integers(0, 2, shape)}
        fixed["t"] = draw.get(targets, rng.integers(0, C, N))
    if targets == "pairs":
        fixed["s"] = rng.integers(0, 2, N)
    if targets == "matrix":
        fixed["s"] = rng.random((1, 1, C, C))
    given = {**inputs, **fixed}
    made = " ".join(f"layer {name}: Input {{ {dims(array.shape)} }}" for name, array in given.items())
    net = netdef.parse(f"force_backward: true {made} layer y: {kind}({', '.join(given)}) {{ {fields} }}")
    check(net, inputs, fixed, step=0.003)


@pytest.mark.parametrize("shape", [(1,), (7,), (5, 3), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("fields", ["num_output: 6", "num_output: 17 bias_term: false"])
def test_embed(shape, fields: str) -> None:
    net = netdef.parse(f"layer x: Input {{ {dims(shape)} }} layer y: Embed(x) {{ input_dim: 5 {fields} }}", phase="train")
    check(net, {}, {"x": np.random.default_rng(1).integers(0, 5, shape)})


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 3, 5), (3, 7, 2, 3)], ids=str)  # time steps, streams, inputs
@pytest.mark.parametrize("static", [False, True], ids=["", "static"])
@pytest.mark.parametrize("exposed", [False, True], ids=["", "exposed"])
@pytest.mark.parametrize("kind,states", [("RNN", 1), ("LSTM", 2)])
def test_recurrent(kind: str, states: int, exposed: bool, static: bool, shape) -> None:
    rng, T, N = np.random.default_rng(1), *shape[:2]
    cont = rng.integers(0, 2, (T, N))
    cont[0] = exposed  # what is not exposed would go on from run to run
    inputs = {"x": smooth(rng, shape)} | ({"s": smooth(rng, (N, 6))} if static else {})
    before = {f"h{index}": smooth(rng, (1, N, 4)) for index in range(states if exposed else 0)}
    given = {"x": inputs["x"], "cont": cont, **inputs, **before}
    made = " ".join(f"layer {name}: Input {{ {dims(array.shape)} }}" for name, array in given.items())
    tops = ", ".join(["y", *(f"after{index}" for index in range(len(before)))])
    fields = f"num_output: 4 expose_hidden: {str(exposed).lower()}"
    net = netdef.parse(f"force_backward: true {made} layer y: {kind}({', '.join(given)}) -> {tops} {{ {fields} }}", phase="train")
    check(net, inputs | before, {"cont": cont})


@pytest.mark.parametrize("N,D", [(1, 1), (5, 3), (64, 7)])
def test_lstm_unit(N: int, D: int) -> None:
    rng = np.random.default_rng(1)
    inputs, cont = {"c": smooth(rng, (1, N, D)), "g": smooth(rng, (1, N, 4 * D))}, rng.integers(0, 2, (1, N))
    made = " ".join(f"layer {name}: Input {{ {dims(array.shape)} }}" for name, array in {**inputs, "s": cont}.items())
    check(netdef.parse(f"force_backward: true {made} layer y: LSTMUnit(c, g, s) -> y, z"), inputs, {"s": cont})


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_filter(shape) -> None:
    rng = np.random.default_rng(1)
    selector = rng.integers(0, 2, shape[0])
    selector[-1] = 1
    inputs = {"x": smooth(rng, shape), "t": smooth(rng, (shape[0],))}
    made = " ".join(f"layer {name}: Input {{ {dims(array.shape)} }}" for name, array in {**inputs, "s": selector}.items())
    check(netdef.parse(f"force_backward: true {made} layer y: Filter(x, t, s) -> y, z"), inputs, {"s": selector})


@pytest.mark.parametrize("shape", [(7,), (1, 5), (3, 4, 5), ()], ids=str)
def test_parameter(shape) -> None:
    check(netdef.parse(f"layer y: Parameter {{ {dims(shape)} }}", phase="train"), {}, {})


@pytest.mark.parametrize("ending", ["npy", "binaryproto"])
def test_infogain_reads_its_matrix_from_a_file(ending: str, tmp_path) -> None:
    matrix = np.random.default_rng(1).random((3, 3), np.float32)
    file = tmp_path / f"h.{ending}"
    if ending == "npy":
        np.save(file, matrix)
    else:
        blob = schema.message_class("BlobProto")(height=3, width=3, num=1, channels=1, data=matrix.ravel())
        file.write_bytes(blob.SerializeToString())
    text = (
        f"force_backward: true layer x: Input {{ {dims((4, 3))} }} layer t: Input {{ {dims((4,))} }} "
        f"layer y: InfogainLoss(x, t) {{ source: '{file}' }}"
    )
    from_bottom = text.replace("layer y", f"layer h: Input {{ {dims((1, 1, 3, 3))} }} layer y").replace("(x, t)", "(x, t, h)")
    x, t = np.random.default_rng(2).standard_normal((4, 3)), [0, 2, 1, 1]
    with runtime.compile(netdef.parse(text)) as one, runtime.compile(netdef.parse(from_bottom)) as other:
        assert one.forward(x=x, t=t)["y"] == other.forward(x=x, t=t, h=matrix.reshape(1, 1, 3, 3))["y"]
