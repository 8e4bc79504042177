"""The Python API: feeding, reading, gradients, sharing, and what it says when used wrongly."""

import threading

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from runtime.data import open_source

NET = """
layer data: Input -> data, label { shape { dim: 4 dim: 3 dim: 8 dim: 8 } shape { dim: 4 } }
layer conv1: Convolution(data) { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }
layer relu1: ReLU(conv1) -> conv1
layer pool1: Pooling(conv1) { pool: MAX kernel_size: 2 stride: 2 }
layer drop: Dropout(pool1) { dropout_ratio: 0.5 }
layer fc: InnerProduct(drop) { num_output: 5 weight_filler { type: "gaussian" std: 0.1 } }
layer loss: SoftmaxWithLoss(fc, label)
layer top1: Accuracy(fc, label)
"""
RNG = np.random.default_rng(0)
DATA = RNG.standard_normal((4, 3, 8, 8), dtype=np.float32)
LABEL = np.array([0, 1, 2, 3])


@pytest.fixture
def exe():
    with runtime.compile(netdef.parse(NET, phase="train"), seed=1) as executable:
        yield executable


def test_names(exe) -> None:
    assert exe.inputs == ["data", "label"]
    assert exe.outputs == ["loss", "top1"]


def test_forward_returns_the_outputs_and_keeps_the_blobs(exe) -> None:
    outputs = exe.forward(data=DATA, label=LABEL)
    assert set(outputs) == {"loss", "top1"}
    assert outputs["loss"].shape == ()
    np.testing.assert_array_equal(exe.blob("data"), DATA)
    assert exe.blob("conv1").shape == (4, 4, 6, 6)
    assert exe.blob("conv1").min() == 0  # the version after ReLU
    assert exe.blob("fc").dtype == np.float32


def test_blobs_are_copies(exe) -> None:
    exe.forward(data=DATA, label=LABEL)
    exe.blob("fc")[:] = 7
    assert not (exe.blob("fc") == 7).any()
    exe.param("fc", 0)[:] = 7
    assert not (exe.param("fc", 0) == 7).any()


def test_inputs_not_given_keep_their_values(exe) -> None:
    first = exe.forward(5, data=DATA, label=LABEL)["loss"]
    assert exe.forward(5)["loss"] == first


def test_each_forward_run_in_training_has_its_own_dropout_mask(exe) -> None:
    exe.forward(data=DATA, label=LABEL)
    first = exe.blob("drop")
    exe.forward()
    assert (exe.blob("drop") != first).any()


def test_backward_uses_the_loss_weight_and_gradients_given(exe) -> None:
    exe.forward(data=DATA, label=LABEL)
    exe.backward()
    once = exe.param_grad("fc", 0)
    assert np.abs(once).sum() > 0
    exe.backward(loss=3)
    np.testing.assert_allclose(exe.param_grad("fc", 0), 3 * once, rtol=1e-5, atol=1e-7)


def test_non_contiguous_and_integer_arrays_are_taken(exe) -> None:
    strided = np.repeat(DATA, 2, axis=3)[:, :, :, ::2].astype(np.float64)
    first = exe.forward(0, data=strided, label=LABEL.astype(np.uint8))["loss"]
    assert exe.forward(0, data=DATA, label=LABEL.astype(np.float32))["loss"] == first


def test_the_same_seed_gives_the_same_weights() -> None:
    net = netdef.parse(NET)
    weights = []
    for seed in (1, 1, 2):
        with runtime.compile(net, seed=seed) as exe:
            weights.append(exe.param("conv1", 0))
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).any()


def test_batch_size_replaces_the_nets_own() -> None:
    with runtime.compile(netdef.parse(NET), batch_size=7) as exe:
        assert exe.forward(data=np.zeros((7, 3, 8, 8)), label=np.zeros(7))["loss"].shape == ()
        assert exe.blob("fc").shape == (7, 5)


def test_a_test_net_shares_the_training_nets_weights(exe) -> None:
    with runtime.compile(netdef.parse(NET, phase="test"), backward=False, share=exe) as test:
        values = RNG.standard_normal((5, 36)).astype(np.float32)
        exe.set_param("fc", 0, values)
        np.testing.assert_array_equal(test.param("fc", 0), values)
    exe.forward(data=DATA, label=LABEL)  # the device lives on


@pytest.mark.parametrize("devices", ["cpu", "cpu:0,cpu:1"])
def test_gradients_of_shared_weights(devices: str) -> None:
    """Also where a kernel takes some of their rows."""
    net = netdef.parse(NET.replace("num_output: 4", "num_output: 96"), phase="train")
    with runtime.compile(net, devices, seed=1) as exe, runtime.compile(net, share=exe, seed=1) as twin:
        found = []
        for one in (exe, twin):
            one.forward(data=DATA, label=LABEL)
            one.backward()
            found.append([one.param_grad(layer, index) for layer in ("conv1", "fc") for index in (0, 1)])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.any()


def test_inference_says_what_it_does_not_keep() -> None:
    with runtime.compile(netdef.parse(NET), backward=False) as exe:
        exe.forward(data=DATA, label=LABEL)
        with pytest.raises(NetdefError, match=r"conv1.*not kept"):
            exe.blob("conv1")
        with pytest.raises(NetdefError, match="no backward"):
            exe.backward()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda exe: exe.forward(dta=DATA), r"'dta' is not an input.*\n.*did you mean data"),
        (lambda exe: exe.forward(data=DATA[:2]), r"shape \(4, 3, 8, 8\), not \(2, 3, 8, 8\).*\n.*batch_size=2"),
        (lambda exe: exe.forward(data=DATA[:, :1]), r"not \(4, 1, 8, 8\)"),
        (lambda exe: exe.blob("conv2"), r"no blob 'conv2'.*\n.*did you mean conv1"),
        (lambda exe: exe.param("fc", 2), "2 parameters"),
        (lambda exe: exe.param("conv9", 0), r"no layer 'conv9'.*\n.*did you mean conv1"),
        (lambda exe: exe.set_param("fc", 1, np.zeros(6)), r"\(5,\), not \(6,\)"),
        (lambda exe: exe.backward(fc=1), "'fc' is no output"),
    ],
)
def test_calls_that_cannot_be_are_refused(exe, call, message: str) -> None:
    exe.forward(data=DATA, label=LABEL)
    with pytest.raises(NetdefError, match=message):
        call(exe)


def test_gradients_that_nothing_needs_are_zero_as_in_caffe(exe) -> None:
    exe.forward(data=DATA, label=LABEL)
    exe.backward()
    assert (exe.blob_grad("data") == np.zeros((4, 3, 8, 8))).all()
    assert exe.blob_grad("conv1").any()


def test_the_gradient_of_a_blob_is_that_of_its_first_version() -> None:
    """Where ReLU works in place on it: nothing flows to what it cut off."""
    text = """
    force_backward: true
    layer label: Input { shape { dim: 4 } }
    layer x: DummyData { shape { dim: [4, 6] } data_filler { value: -1 } }
    layer relu: ReLU(x) -> x
    layer fc: InnerProduct(x) { num_output: 5 weight_filler { type: "xavier" } }
    layer loss: SoftmaxWithLoss(fc, label)
    """
    with runtime.compile(netdef.parse(text, phase="train")) as exe:
        exe.forward(label=LABEL)
        exe.backward()
        assert exe.blob_grad("fc").any()
        assert not exe.blob_grad("x").any()


def test_unknown_devices_are_refused() -> None:
    with pytest.raises(NetdefError, match="no device 'tpu:0'"):
        runtime.compile(netdef.parse(NET), devices="tpu:0")


def test_the_first_layer_that_is_not_finite_is_found(exe) -> None:
    exe.set_param("fc", 1, [0, np.inf, 0, 0, 0])
    exe.forward(data=DATA, label=LABEL)
    assert exe.first_non_finite() == "cpu:0, inner_product of layer fc"


def test_weights_travel_through_a_file(exe, tmp_path) -> None:
    exe.save_weights(tmp_path / "w.caffemodel")
    with runtime.compile(netdef.parse(NET), seed=9) as other:
        assert (other.param("fc", 0) != exe.param("fc", 0)).any()
        assert other.load_weights(tmp_path / "w.caffemodel").filled == ("conv1", "fc")
        np.testing.assert_array_equal(other.param("fc", 0), exe.param("fc", 0))


RELU_OF_ITS_OWN = """
layer data: Input { shape { dim: [2, 3, 4, 4] } }
layer conv: Convolution(data) { num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } }
layer relu: ReLU(conv)
"""


def test_a_blob_that_only_a_relu_reads_can_be_read() -> None:
    with runtime.compile(netdef.parse(RELU_OF_ITS_OWN)) as exe:
        exe.forward(data=DATA[:2, :, :4, :4])
        np.testing.assert_array_equal(np.maximum(exe.blob("conv"), 0), exe.blob("relu"))
    with runtime.compile(netdef.parse(RELU_OF_ITS_OWN), backward=False) as exe:
        exe.forward(data=DATA[:2, :, :4, :4])
        with pytest.raises(NetdefError, match=r"conv.*not kept"):
            exe.blob("conv")


def test_an_output_that_is_another_view_of_what_a_relu_reads_is_made() -> None:
    text = RELU_OF_ITS_OWN + "layer flat: Flatten(conv)\n"
    with runtime.compile(netdef.parse(text), backward=False) as exe:
        outputs = exe.forward(data=DATA[:2, :, :4, :4])
        np.testing.assert_array_equal(np.maximum(outputs["flat"], 0), outputs["relu"].reshape(2, -1))


MIXED = """
layer data: ImageData -> data, label { source: "builtin:photos" batch_size: 2 new_height: 8 new_width: 8 }
layer more: Input { shape { dim: 2 dim: 3 dim: 8 dim: 8 } }
layer sum: Eltwise(data, more)
"""


def test_an_input_given_leaves_the_data_layers_at_work() -> None:
    with runtime.compile(netdef.parse(MIXED), backward=False, keep="activations") as executable:
        images = []
        for value in (0, 5):
            total = executable.forward(more=np.full((2, 3, 8, 8), value, np.float32))["sum"]
            np.testing.assert_array_equal(total, executable.blob("data") + value)
            images.append(executable.blob("data"))
        assert images[0].any() and not np.array_equal(*images)
        given = np.ones((2, 3, 8, 8), np.float32)
        np.testing.assert_array_equal(executable.forward(data=given)["sum"], given + 5)


def test_with_ends_its_threads() -> None:
    before = set(threading.enumerate())
    with runtime.compile(netdef.parse(MIXED), threads=2, backward=False) as executable:
        executable.forward(more=np.zeros((2, 3, 8, 8), np.float32))
        started = set(threading.enumerate()) - before
        assert len(started) >= 2  # a worker, and one that reads images
    for thread in started:
        thread.join(5)
    assert not any(thread.is_alive() for thread in started)


def test_each_run_has_its_number(exe) -> None:
    numbers = []
    for given in (None, None, 7, None):
        exe.forward(given, data=DATA, label=LABEL)
        numbers.append(exe.scalar("iteration"))
    assert numbers == [0, 1, 7, 8]


def test_repr_says_what_it_is_and_where_it_runs(exe) -> None:
    assert repr(exe).startswith("<Executable '' train: batch 4 on cpu:0; 297 parameters, ")
    page = exe._repr_html_()
    assert "<td>data</td><td>4 x 3 x 8 x 8</td>" in page
    assert "<td>weights</td>" in page
    assert page.endswith(exe.net._repr_html_()) and "data:image/svg+xml" in page


def test_a_program_is_shown_as_tables_of_its_instructions(exe) -> None:
    program = exe.program
    counts = f"{len(program.forward)} forward, {len(program.backward)} backward instructions"
    assert repr(program).startswith(f"<Program '' train: batch 4 on 1 device; {counts}; ")
    assert program._repr_html_().count("<tr>") == len(program.forward) + len(program.backward) + 2


def test_a_wrong_label_is_named_on_one_device_as_on_several() -> None:
    for devices in ("cpu", "cpu:0,cpu:1"):
        with (
            runtime.compile(netdef.parse(NET), devices) as exe,
            pytest.raises(netdef.NetdefError, match=r"loss: image 0 of the batch has label \d+ \(label\[0\]\), fc has"),
        ):
            exe.forward(data=DATA, label=LABEL + 99)


@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_closed_does_not_run(threads: int) -> None:
    """Neither do nets that share its parameters."""
    net = netdef.parse("layer x: Input { input_param { shape { dim: 2 dim: 3 } } }\nlayer y: InnerProduct(x) { num_output: 4 }")
    owner = runtime.compile(net, threads=threads)
    sharing = runtime.compile(net, share=owner)
    owner.forward()
    sharing.forward()
    owner.close()
    owner.close()
    for executable in (owner, sharing):
        with pytest.raises(NetdefError, match="is closed"):
            executable.forward()


def test_a_source_that_wraps_another_need_not_keep_its_batches_elsewhere() -> None:
    """It may copy them: only a source that says so itself lies where devices copy from."""
    asked = []

    class Wrapping:
        def __init__(self, source) -> None:
            self._source = source

        def __getattr__(self, name):
            asked.append(name)
            return getattr(self._source, name)

    net = 'layer data: ImageData -> data, label { source: "builtin:digits" batch_size: 2 }'
    with runtime.compile(netdef.parse(net), backward=False) as exe:
        exe.open_sources(lambda layer, seed, *, classes: Wrapping(open_source(layer, seed, classes=classes)))
        assert exe.forward()["label"].shape == (2,)
    assert "next" in asked and "use_memory" not in asked
