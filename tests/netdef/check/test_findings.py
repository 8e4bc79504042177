"""Every code is found where it belongs, at the right position, and not where it does not."""

from pathlib import Path

import pytest

from netdef.check import CODES
from netdef.check.run import check, check_all
from netdef.cli.main import run
from tests.netdef.check.nets import FC, GOOD, HEAD, LOSS, SOLVER, looked

CONV = 'layer c: Convolution(data) {{ num_output: 4 kernel_size: 3 weight_filler {{ type: "msra" }} {} }}\n'


def images(settings, source="list.txt"):
    return f'layer data: ImageData -> data, label {{ source: "{source}" batch_size: 2 {settings} }}\n' + FC + LOSS


# code: (a net that has it, the text that the finding points at)
NETS = {
    "ND001": (GOOD + "layer x ReLU(fc)", "x"),
    "ND002": (GOOD + "layer x: Pooling(data) { kernal_size: 2 }", "kernal_size"),
    "ND003": (HEAD + "layers { name: 'x' bottom: 'data' top: 'y' type: RELU }", "layers"),
    "ND101": (GOOD + "layer x: ReLU(nothing) -> y\nlayer s: Silence(y)", "nothing"),
    "ND102": (GOOD + "layer fc: ReLU(data) -> y\nlayer s: Silence(y)", "fc"),
    "ND103": (GOOD + "layer x: ReLU(data) -> fc", "fc"),
    "ND104": (GOOD + "layer x: ReLU(data, fc)", "fc"),
    "ND105": (GOOD.replace("num_output: 5", "num_output: 5 bias_term: false param { } param { lr_mult: 2 }"), "param"),
    "ND106": (
        HEAD + FC.replace("num_output", "param { name: 'w' } num_output")
        + "layer g: InnerProduct(fc) { num_output: 5 weight_filler { type: 'xavier' } param { name: 'w' } }\n" + LOSS,
        "param",
    ),
    "ND107": (GOOD + "layer x: Pooling(data) { kernel_size: 99 }", "kernel_size"),
    "ND108": (GOOD + "layer x: ReLU(fc) -> fc { include { phase: TRAIN } exclude { phase: TEST } }", "exclude"),
    "ND109": (GOOD + "layer x: LRN(data) { local_size: 4 }", "local_size"),
    "ND110": (GOOD + "layer x: Pooling(data) { kernel_size: 2 pad: 2 }", "pad"),
    "ND111": (GOOD.replace("xavier", "xaiver"), '"xaiver"'),
    "ND227": (GOOD + "layer loss: Softmax(fc) -> y\nlayer s: Silence(y)", "loss"),
    "ND201": (GOOD + "layer s: Slice(data) -> a, b { slice_point: 1 }\nlayer x: Silence(a)", "b"),
    "ND202": (GOOD + "layer prob: Softmax(fc)", "prob"),
    "ND203": (HEAD + FC.replace("num_output", "param { lr_mult: 0 } param { lr_mult: 0 } num_output") + LOSS, "loss"),
    "ND204": (HEAD + FC + FC.replace("fc", "g")
              + "layer t: Threshold(g)\nlayer e: Eltwise(fc, t)\n" + LOSS.replace("fc", "e"), "g"),
    "ND205": (HEAD + FC + "layer r: TanH(fc) -> fc\n" + LOSS.replace("loss:", "l:") + CONV.format("")
              + "layer t: TanH(c)\nlayer d: Dropout(c) -> c\nlayer e: Eltwise(c, t)\nlayer g: InnerProduct(e) "
              + "{ num_output: 5 weight_filler { type: 'xavier' } }\nlayer m: SoftmaxWithLoss(g, label)", "c"),
    "ND206": (HEAD + "layer n: LRN(data) -> data\n" + FC + LOSS, "data"),
    "ND207": (GOOD + "test layer d: Dropout(fc)", "d"),
    "ND208": (GOOD.replace("test layer acc", "train layer acc"), "accuracy"),
    "ND209": (HEAD + FC.replace('weight_filler { type: "xavier" }', "") + LOSS, "fc"),
    "ND210": (HEAD + FC + "layer p: Softmax(fc)\nlayer loss: SoftmaxWithLoss(p, label)", "p"),
    "ND211": (HEAD + FC + "layer d: Dropout(fc) -> fc\n"
              + "layer g: InnerProduct(fc) { num_output: 5 weight_filler { type: 'xavier' } }\n"
              + LOSS.replace("fc", "g"), "fc"),
    "ND212": (HEAD + CONV.format("") + "layer b: BatchNorm(c) -> c\n" + FC.replace("data", "c") + LOSS, "c"),
    "ND213": (HEAD + CONV.format("bias_term: false") + "layer b: BatchNorm(c) -> c { use_global_stats: false }\n"
              + FC.replace("data", "c") + LOSS, "use_global_stats"),
    "ND214": (HEAD + "layer p: Pooling(data) { kernel_size: 1 stride: 4 }\nlayer q: Pooling(p) { kernel_size: 1 stride: 4 }\n"
              + FC.replace("data", "q") + LOSS, ""),
    "ND215": (HEAD + CONV.format("pad: 3") + FC.replace("data", "c") + LOSS, "pad"),
    "ND216": (GOOD + "layer x: Pooling(data) { kernel_size: 2 convolution_param { num_output: 3 } }\nlayer s: Silence(x)",
              "convolution_param"),
    "ND217": (HEAD + "train " + FC + "test " + FC.replace("5", "6") + LOSS, "fc"),
    "ND218": (GOOD + "test layer g: InnerProduct(data) { num_output: 5 }", "g"),
    "ND219": (images("shuffle: true transform_param { crop_size: 8 mirror: true }"), "mirror"),
    "ND220": (images("transform_param { crop_size: 8 }"), "\"list.txt\""),
    "ND221": (GOOD + "defaults Pooling { kernel_size: 3 }", "Pooling"),
    "ND222": ("train " + images("shuffle: true transform_param { crop_size: 8 mean_value: [1, 2] }"), "1"),
    "ND223": (HEAD + FC + "layer loss: SoftmaxWithLoss(fc, label) { loss_weight: 0 }\n"
              + "layer l: SoftmaxWithLoss(fc, label)", "loss_weight"),
    "ND224": ("input: 'data' input_dim: [1, 3, 8, 8]\nlayer { name: 'r' type: 'ReLU' bottom: 'data' top: 'r' }", ""),
    "ND225": (HEAD + "layer f: Flatten(data) -> data\n" + FC + LOSS, "data"),
    "ND226": ('layer data: Data -> data, label { source: "db" batch_size: 4 }\n' + FC + LOSS, "data"),
    "ND228": (GOOD.replace("layer fc: InnerProduct(data)", "layer new: NewKind(data)\nlayer fc: InnerProduct(new)"), "NewKind"),
    "ND230": (HEAD + FC + "layer r: ReLU(fc) -> fc\n" + LOSS, "r"),
    "ND231": ("test " + images("transform_param { crop_size: 8 scale: 1 }").split("\n")[0] + "\n"
              + "train " + images("shuffle: true transform_param { crop_size: 8 scale: 0.01 }"), "scale"),
    "ND232": (HEAD + FC.replace("num_output", "param { lr_mult: 0 } num_output")
              + FC.replace("fc", "g").replace("data", "fc").replace("layer g", "layer r: Sigmoid(fc) -> fc\nlayer g")
              + LOSS.replace("fc", "g"), "param"),
    "ND233": (HEAD + FC.replace("num_output", "param { name: 'w' } num_output") + LOSS, "param"),
    "ND229": (GOOD + "layer { name: 'x' type: 'Silence' bottom: 'fc' spin: 3 }", "spin"),
}  # fmt: skip
SOLVERS = {
    "ND301": ("", "max_iter: 100", "max_iter: 100 average_loss: 0", "average_loss"),
    "ND302": ("", '"fixed"', '"step" gamma: 0.1 stepsize: 100', "stepsize"),
    "ND303": ("", "test_iter: 1 test_interval: 10", "", '"x.net"'),
    "ND304": ("", "test_interval: 10", "test_interval: 1000", "test_interval"),
    "ND305": ("", '"fixed"', '"fixed" gamma: 0.1', "gamma"),
    "ND306": ("", "max_iter", "rms_decay: 0.9 max_iter", "rms_decay"),
    "ND307": ("", "base_lr: 0.1", "base_lr: 0", "base_lr"),
    "ND308": ("", "max_iter", "momentum: 1 max_iter", "momentum"),
    "ND309": (LOSS, "", "", '"x.net"'),
    "ND310": ("", "max_iter", "gradient_centralization: true max_iter", "gradient_centralization"),
}


def test_a_good_net_and_solver_have_no_findings(tmp_path):
    assert looked(tmp_path, GOOD) == {}
    assert looked(tmp_path, GOOD, SOLVER) == {}


@pytest.mark.parametrize("code", NETS)
def test_nets(tmp_path, code):
    net, marked = NETS[code]
    found = looked(tmp_path, net)
    assert code in found, found
    texts = [text for text, _ in found[code]]
    assert any(text.startswith(marked) for text in texts), texts
    assert [one for other in found if other != code for one in found[other]] == []  # there is no other finding
    for _, one in found[code]:
        assert one.hint or one.severity == "error", "a line of reason"
        assert one.severity == ("note" if code == "ND224" else one.severity)


@pytest.mark.parametrize("code", SOLVERS)
def test_solvers(tmp_path, code):
    lost, old, new, marked = SOLVERS[code]
    found = looked(tmp_path, GOOD.replace(lost, "") if lost else GOOD, SOLVER.replace(old, new) if old else SOLVER)
    assert code in found, found
    assert any(text.startswith(marked) for text, _ in found[code]), found[code]
    assert [one for other in found if other != code for one in found[other] if other not in ("ND201", "ND202")] == []


def test_files_that_are_neither_nets_nor_solvers(tmp_path):
    (tmp_path / "x.net").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    assert [one.code for one in check(str(tmp_path / "x.net")).findings] == ["ND004"]
    assert [one.code for one in check(str(tmp_path / "y.net")).findings] == ["ND004"]


def test_every_code_has_an_example():
    here = {"ND401", "ND402", "ND403", "ND404"}  # tests/netdef/cli/test_check_here.py
    assert set(CODES) == {*NETS, *SOLVERS, *here, "ND004", "ND005", "ND405"}  # the last: tests/netdef/graph/test_reach.py
    for title, explanation in CODES.values():
        assert title and not title.endswith(".") and explanation.endswith(".")


def test_a_solver_that_names_several_cards(tmp_path):
    ((at, one),) = looked(tmp_path, GOOD, SOLVER + "\ndevice_id: 4 device_id: 5")["ND310"]
    assert at.startswith("device_id") and "only the first, 4," in one.message and "--devices gpu:4,gpu:5" in one.hint


# What looks like a mistake, and is none.


@pytest.mark.parametrize(
    "net",
    [
        GOOD + "layer s: Slice(data) -> a, b { slice_point: 1 }\nlayer x: Silence(a, b)",
        GOOD + "test layer prob: Softmax(fc)",
        GOOD + "layer a: Accuracy(fc, label) { top_k: 2 }",  # training accuracy is worth a look, with the test's
        HEAD + FC + "layer r: ReLU(fc) -> fc\nlayer d: Dropout(fc) -> fc\n" + LOSS,
        HEAD + FC + "layer r: Sigmoid(fc) -> fc\n" + LOSS,
        HEAD + CONV.format("pad: 1") + "layer p: Pooling(c) { kernel_size: 2 stride: 2 }\n" + FC.replace("data", "p") + LOSS,
        HEAD + CONV.format("bias_term: false") + "layer b: BatchNorm(c) -> c\nlayer s: Scale(c) -> c { bias_term: true }\n"
        + FC.replace("data", "c") + LOSS,
        HEAD + FC.replace("num_output", "param { lr_mult: 0 } param { lr_mult: 0 } num_output").replace(
            'weight_filler { type: "xavier" }', ""
        ) + FC.replace("fc", "g") + LOSS.replace("fc", "g") + "layer s: Silence(fc)",  # frozen: not started, but loaded
        HEAD + FC + LOSS + "layer l2: EuclideanLoss(fc, fc) { loss_weight: 0.5 }",
        "train " + HEAD.splitlines()[0].removeprefix("train ") + "\n" + FC + LOSS,  # a net of one phase
        "layer d: Input { shape { dim: [1, 3, 8, 8] } }\nlayer c: Convolution(d) { num_output: 2 kernel_size: 3 }",  # deployed
        images("transform_param { crop_size: 8 mean_value: [1, 2, 3] }", "builtin:photos"),
        images("shuffle: true transform_param { crop_size: 8 mean_value: 1 }").replace("layer data", "train layer data"),
        HEAD + FC + LOSS + "train layer d: Dropout(fc) { dropout_ratio: 0.5 }\ntest layer d: Dropout(fc) { dropout_ratio: 0.4 }\n"
        + "layer s: Silence(d)",
    ],
)  # fmt: skip
def test_settings_that_are_no_mistake_have_no_findings(tmp_path, net):
    assert looked(tmp_path, net) == {}


@pytest.mark.parametrize("layer", ["AbsVal(x) -> x", "Split(x) -> x, y", "Pooling(x) -> x { kernel_size: 2 }"])
def test_layers_that_caffe_refuses_in_place(tmp_path, layer):
    net = f"layer x: Input {{ shape {{ dim: [1, 3, 8, 8] }} }}\nlayer op: {layer}\n"
    assert [*looked(tmp_path, net)] == ["ND225"]
    assert looked(tmp_path, net.replace(layer, "Pooling(x) -> x { kernel_size: 1 }")) == {}


LEADS = {  # whether the weights of c get a gradient through it
    "layer e: Crop(data, c) { axis: 2 }": False,
    "layer e: Crop(c, c)": True,
    "layer f: InnerProduct(c) { num_output: 1 weight_filler { type: 'msra' } }\nlayer e: Filter(data, f)": False,
    "layer f: Flatten(c)\nlayer g: Reshape(f) { shape { dim: [4, 1, -1] } }\nlayer h: DummyData { shape { dim: [4, 1] } }\n"
    "layer e: LSTM(g, h) { num_output: 2 weight_filler { type: 'msra' } }": True,
    "layer f: InnerProduct(c) { num_output: 1 weight_filler { type: 'msra' } }\n"
    "layer g: Reshape(data) { shape { dim: [4, 1, -1] } }\n"
    "layer e: LSTM(g, f) { num_output: 2 weight_filler { type: 'msra' } }": False,
}


@pytest.mark.parametrize(("text", "leads"), LEADS.items())
def test_bottoms_that_get_a_gradient(tmp_path, text, leads):
    after = FC.replace("data", "e")
    head = HEAD.replace("dim: 2 }", "dim: 4 }").replace("[2, 3", "[4, 3")
    found = looked(tmp_path, head + CONV.format("") + text + "\n" + after + LOSS)
    assert "ND107" not in found
    assert ("c" in [marked for marked, _ in found.get("ND204", ())]) is not leads, found


def test_bottoms_of_losses_that_get_a_gradient(tmp_path):
    infogain = "layer loss: InfogainLoss(fc, label) { source: 'h.binaryproto' }\n"
    assert looked(tmp_path, HEAD + FC + infogain) == {}
    assert looked(tmp_path, HEAD + FC + infogain.replace("label)", "label, h)").replace("layer l", "layer h: DummyData "
                  "{ shape { dim: [5, 5] } }\nlayer l", 1)) == {}  # fmt: skip


@pytest.mark.parametrize(
    ("net", "code", "said"),
    [
        (HEAD + "train " + FC + "test layer fc: Softmax(data)\n" + LOSS.replace("layer", "train layer"), "ND217", "has weights"),
        (HEAD + "train layer r: ReLU(data)\ntest layer r: TanH(data)\n" + FC.replace("data", "r") + LOSS, "ND217",
         "r is ReLU in training and TanH in testing"),
        (HEAD + FC + "layer t: TanH(fc)\nlayer d: Dropout(t) -> t\n" + LOSS.replace("fc", "t"), "ND206",
         "Dropout d overwrites the output of TanH t"),
        (HEAD + FC + "layer p: Power(fc) -> fc { power: 2 }\n" + LOSS, "ND206", "Power p overwrites its own input"),
        (GOOD + "layer x: Softmax(data) { transform_param { mirror: true } }\nlayer s: Silence(x)", "ND216", "reads no images"),
        (
            "layer data: MemoryData -> data, label { batch_size: 2 channels: 1 height: 4 width: 4 transform_param { scale: 2 } }\n"
            + FC + LOSS, "ND216", "takes its arrays as they are",
        ),
        (images("transform_param { crop_h: 8 crop_w: 8 noise_param { } }"), "ND216",
         "nothing here reads transform_param.noise_param of ImageData data"),
        (HEAD + FC + "layer c: Clip(fc) { min: 0 max: 9 }\n" + LOSS.replace("fc", "c"), "ND230", "Clip c cuts the scores of"),
        (HEAD + FC + "layer d: Dropout(fc) { dropout_ratio: 0 }\n" + LOSS.replace("fc", "d"), "ND207", "has a dropout_ratio of 0"),
        ("train " + images("shuffle: true transform_param { crop_size: 8 mean_value: 1 mean_file: 'm' }"), "ND222",
         "has mean_file and mean_value"),
    ],
)  # fmt: skip
def test_further_causes_of_a_code(tmp_path, net, code, said):
    found = looked(tmp_path, net)
    assert code in found and any(said in one.message for _, one in found[code]), found


@pytest.mark.parametrize(
    "layer", ["t: Dropout(t) -> t { dropout_ratio: 0 }", "p: Power(fc) -> fc { scale: 2 }", "p: Power(fc) -> fc { power: 0 }"]
)
def test_in_place_without_harm_to_a_gradient(tmp_path, layer):
    net = HEAD + FC + "layer a: TanH(fc) -> t\nlayer " + layer.replace("t: D", "d: D") + "\nlayer s: Silence(t)\n" + LOSS
    assert "ND206" not in looked(tmp_path, net)


@pytest.mark.parametrize(
    ("old", "new", "code", "marked"),
    [
        ('"fixed"', '"multistep" gamma: 0.1 stepvalue: 50 stepvalue: 100', "ND302", "100"),
        ('"fixed"', '"step" gamma: 2 stepsize: 10', "ND308", "gamma"),
        ("max_iter", "weight_decay: 1 max_iter", "ND308", "weight_decay"),
        ("test_interval: 10", "", "ND304", "test_iter"),
    ],
)
def test_further_causes_of_a_code_in_solvers(tmp_path, old, new, code, marked):
    ((text, _),) = looked(tmp_path, GOOD, SOLVER.replace(old, new))[code]
    assert marked in text


def test_a_net_checked_with_its_solver_is_reported_once(tmp_path):
    (tmp_path / "x.net").write_text(GOOD + "layer loss: Softmax(fc) -> y\nlayer s: Silence(y)")
    (tmp_path / "solver.txt").write_text(SOLVER)
    by_itself = check(str(tmp_path / "solver.txt")).findings
    both = check_all([str(tmp_path / "x.net"), str(tmp_path / "solver.txt")])
    assert [one.code for one in by_itself if one.code == "ND227"]
    assert [[one.code for one in report.findings].count("ND227") for report in both] == [1, 0]
    (again,) = check_all([str(tmp_path / "solver.txt")])
    assert again.findings == by_itself


# What the published nets have that check asks about.
PUBLISHED = {
    "fcn32s.net": ["ND209"],
    "fcn8s.net": ["ND209"] * 3,
    "mnist_autoencoder.net": ["ND211", "ND223"],
    "mnist_siamese.net": ["ND211"] * 2,
    "resnet50.net": ["ND212"],
    "squeezenet_v1.0.net": ["ND215"],
}


@pytest.mark.slow
def test_models_have_no_findings_but_those_of_the_published_nets():
    from netdef.check.run import files_of
    from netdef.language.find import models_folder

    names = files_of([str(models_folder())])
    assert len(names) >= 36
    found = {Path(name).name: [one.code for one in check(name).findings] for name in names}
    assert {name: codes for name, codes in found.items() if codes} == PUBLISHED


@pytest.mark.parametrize(
    ("layer", "marked", "hint"),
    [
        ('DummyData -> d { shape { dim: 2 } data_filler { type: "normal" } }', '"normal"', "fillers: constant"),
        ('DummyData -> d, e { shape { dim: 2 } data_filler { } data_filler { type: "Msra" } }', '"Msra"', "did you mean msra?"),
        ('PReLU(fc) -> d { filler { type: "constnat" } }', '"constnat"', "did you mean constant?"),
        ('PReLU(fc) -> d { filler { type: "xavier" sparse: 3 } }', "sparse", "only gaussian can"),
    ],
)
def test_fillers_of_every_kind(tmp_path, layer, marked, hint):
    silence = "e, d" if ", e {" in layer else "d"
    ((text, one),) = looked(tmp_path, GOOD + f"layer x: {layer}\nlayer s: Silence({silence})")["ND111"]
    assert text.startswith(marked)
    assert one.severity == "error"
    assert one.hint.startswith(hint)


DATABASE = """layer data: Data -> data, label { source: "db" batch_size: 4 }
layer fc: InnerProduct(data) { num_output: 5 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""


@pytest.mark.parametrize(
    ("source", "given"),
    [
        ("Data", {"data.transform_param.crop_size": 28, "data.transform_param.force_gray": True}),
        ("Data", {"data.type": "Input", "data.shape": [{"dim": [4, 1, 28, 28]}, {"dim": 4}]}),
        ("HDF5Data", {"data.type": "Input", "data.shape": [{"dim": [4, 1, 28, 28]}, {"dim": 4}]}),
    ],
)
def test_sizes_known_only_from_data_can_be_given(tmp_path, source, given):
    """As in Caffe's own nets for MNIST, whose images come whole from a database."""
    (tmp_path / "x.net").write_text(DATABASE.replace("Data ->", f"{source} ->"))
    (tmp_path / "solver.txt").write_text(SOLVER)
    for name in ("x.net", "solver.txt"):
        found = check(str(tmp_path / name)).findings
        assert [one.severity for one in found if one.code == "ND226"] == ["warning"]
        assert not [one for one in found if one.severity == "error"]
    report = check(str(tmp_path / "x.net"), given)
    assert "ND226" not in [one.code for one in report.findings]
    assert report.nets["train"].totals.parameters == 28 * 28 * 5 + 5


def test_both_phases_are_checked(tmp_path):
    found = looked(tmp_path, GOOD + "layer p: Pooling(data) { kernel_size: 99 }\ntrain layer q: Pooling(data) { kernel_size: 88 }")
    messages = [one.message for _, one in found["ND107"]]
    assert len(messages) == 2  # reported once for both phases, and once for one
    assert messages[1].endswith("in the train phase")


def test_an_old_solver_is_read_with_a_note(tmp_path):
    found = looked(tmp_path, GOOD, SOLVER + "solver_type: ADAGRAD")
    ((_, one),) = found.pop("ND224")
    assert (one.severity, one.position.file) == ("note", str(tmp_path / "solver.txt"))
    assert one.message == 'solver_type: ADAGRAD was read as type: "AdaGrad"'
    assert found == {}


def test_a_net_written_into_the_solver(tmp_path):
    solver = "net_param { " + (GOOD + "layer p: Softmax(fc)").replace("\n", "\n  ") + " }\n" + SOLVER.replace('net: "x.net"', "")
    ((marked, one),) = looked(tmp_path, GOOD, solver)["ND202"]
    assert (marked, one.position.file) == ("p", str(tmp_path / "solver.txt"))


def test_the_solvers_net_is_checked_with_its_states(tmp_path):
    net = GOOD + 'layer p: Softmax(fc) { include { stage: "late" } }'
    assert "ND202" not in looked(tmp_path, net, SOLVER)
    assert "ND202" in looked(tmp_path, net, SOLVER + 'train_state { stage: "late" }')


def test_coefficients_of_a_maximum(tmp_path):
    text = GOOD + "layer x: Eltwise(fc, fc) { operation: %s coeff: [1, 2] }\nlayer s: Silence(x)"
    ((marked, one),) = looked(tmp_path, text % "MAX")["ND216"]
    assert (marked, one.message) == ("1", "Eltwise x does not read coeff: it is for SUM")
    assert "ND216" not in looked(tmp_path, text % "SUM")


def test_many_warnings_of_a_code_are_one_line(tmp_path, capsys):
    layers = [
        f"layer x{i}: Convolution(data) {{ num_output: 1 kernel_size: 3 pad: 3 }}\nlayer s{i}: Silence(x{i})\n" for i in range(8)
    ]
    (tmp_path / "x.net").write_text("layer data: Input { shape { dim: [1, 3, 8, 8] } }\n" + "".join(layers))
    assert len(check(str(tmp_path / "x.net")).findings) == 8
    assert run(["check", str(tmp_path / "x.net")]) == 0
    said = capsys.readouterr().out
    assert said.count("[ND215]") == 1
    assert "as large as its kernel, 3 x 3; so do 7 more, in lines 4, 6, 8, 10, 12, 14, 16 [ND215]" in said
    assert "no errors, 8 warnings" in said
    assert run(["check", str(tmp_path / "x.net"), "--format", "json"]) == 0
    assert capsys.readouterr().out.count("ND215") == 8


def test_fixed_means_do_not_follow_the_bias(tmp_path):
    deploy = "layer data: Input { shape { dim: [1, 3, 8, 8] } }\n" + CONV.format("") + "layer b: BatchNorm(c) -> c\n"
    assert looked(tmp_path, deploy) == {}


def test_a_net_without_fillers_starts_from_weights(tmp_path):
    deep = "".join(
        f"layer f{i}: InnerProduct({f'r{i - 1}' if i else 'data'}) {{ num_output: 5 }}\nlayer r{i}: TanH(f{i})\n" for i in range(6)
    )
    assert looked(tmp_path, HEAD + deep + LOSS.replace("fc", "r5")) == {}


def test_an_interval_without_end_asks_for_no_tests(tmp_path):
    assert looked(tmp_path, GOOD, SOLVER.replace("test_interval: 10", "test_interval: 10000000")) == {}
