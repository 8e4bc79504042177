"""`netdef explain`: layer types, fields, messages, codes."""

from subprocess import run as run_process
from sys import executable

import pytest

from netdef import NetdefError
from netdef.check.codes import CODES
from netdef.cli.main import run
from netdef.explain import WIDTH, explain, layers
from netdef.explain.reference import common_fields, fields, own_fields
from netdef.language.find import models_folder
from netdef.layers import LAYERS
from netdef.schema import LAYER_TYPES, descriptor_of
from tests.timing import times_of_libraries


def test_lrn():
    text, also = explain("LRN", {"LRN": ("cpu", "gpu")}).split("\n\nAlso ")
    assert text == (
        "LRN\n"
        "\n"
        "Local response normalisation (Krizhevsky et al. 2012, 3.3).\n"
        "\n"
        "Across channels: y[c] = x[c] / (k + alpha / local_size * sum(x[j] ** 2 for local_size channels j around c)) ** beta;\n"
        "with `group` G the channels lie in G equal runs and a sum stays inside its run. Channels beyond the ends count as 0.\n"
        "Within a channel, the sum runs over a local_size x local_size window of the image and is divided by local_size ** 2;\n"
        "k is 1 there, as in Caffe.\n"
        "\n"
        "  layer NAME: LRN(bottom) -> top { field: value ... }\n"
        "\n"
        "bottoms: 1   tops: 1   runs on: cpu, gpu\n"
        "\n"
        "field        takes    default\n"
        "local_size   integer  5                How many channels, or how many pixels in each direction, the sum of\n"
        "                                       squares runs over; odd.\n"
        "alpha        number   1                Factor on the mean of the squares. The paper's is on their sum:\n"
        "                                       local_size times as much here.\n"
        "beta         number   0.75             The exponent.\n"
        "norm_region  word     ACROSS_CHANNELS  What counts as near. ACROSS_CHANNELS or WITHIN_CHANNEL.\n"
        "k            number   1                The constant that keeps the divisor from zero.\n"
        "engine       word     DEFAULT          Caffe's choice of implementation. DEFAULT or CAFFE or CUDNN.\n"
        "group        integer  1                Equal runs of channels that are normalised apart, as the two towers of\n"
        "                                       the paper are. Caffe lacks it."
    )
    assert also.startswith("loss_weight, param, ")
    assert also.endswith(", as every layer (netdef explain layer).")
    assert "transform_param" not in also


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_every_type_and_every_field_is_explained(name):
    text = explain(name)
    head, *lines = text.splitlines()
    assert head == name
    assert len(lines) > 5
    settings = own_fields(name)
    assert all(f"\n{field.name} " in text for field in settings)
    held = [descriptor_of("LayerParameter").fields_by_name[field].message_type for field in LAYER_TYPES[name]]
    assert [field.name for field in settings] == [field.name for message in held for field in message.fields]
    for field in (*settings, *common_fields()):
        assert field.about
        about = explain(f"{name}.{field.name}")
        assert about.startswith(f"{name}.{field.name}: {field.kind}")
        assert field.about.split()[0] in about
    table = text[text.index("\nfield ") :].split("\n\n")[0] if settings else ""
    assert all(len(line) <= WIDTH for line in table.splitlines())


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        ("LRN.alpha", "LRN.alpha: number, 1 by default"),
        ("Pooling.pool", "  AVE         the mean\n"),
        ("Convolution.kernel_size", "Convolution.kernel_size: integers\n"),
        ("Convolution.weight_filler", "std            number   1         gaussian: the standard deviation."),
        ("Convolution.weight_filler.std", "Convolution.weight_filler.std: number, 1 by default"),
        ("Convolution.weight_filler.value", "Convolution.weight_filler.value: number, 0 by default"),
        ("Scale.filler.value", "Scale.filler.value: number, 1 by default"),
        ("Scale.bias_filler.value", "Scale.bias_filler.value: number, 0 by default"),
        ("PReLU.filler", "value          number   0.25      constant: the value of every element."),
        ("layer.prelu_param.filler.value", "layer.prelu_param.filler.value: number, 0.25 by default"),
        ("ImageData.transform_param.crop_size", "ImageData.transform_param.crop_size: integer"),
        ("solver.momentum", "solver.momentum: number"),
        ("SolverParameter", "base_lr "),
        ("param.lr_mult", "param.lr_mult: number, 1 by default"),
        ("filler", "FillerParameter\n\nHow a weight or bias array gets its values before training starts."),
        ("layer.loss_weight", "How much each top counts in the total loss."),
        ("ND201", "ND201: a top that nothing reads\n\n"),
        ("nd201", "ND201: "),
        ("LRN.beta", "Across channels: y[c] = x[c] / (k + alpha / local_size * sum("),
        ("Pooling.pool.AVE", "Pooling.pool: AVE\n\nthe mean"),
        ("Pooling.pool.MAX", "Pooling.pool: MAX (the default)\n\n"),
        ("Convolution.weight_filler.variance_norm.FAN_OUT", "Convolution.weight_filler.variance_norm: FAN_OUT\n"),
        ("solver.snapshot_format.HDF5", "solver.snapshot_format: HDF5\n\n.caffemodel.h5"),
        ("lrn_param.alpha", "lrn_param.alpha: number, 1 by default"),
        ("lrn_param", "LRNParameter\n\n"),
        ("LRN.lrn_param.alpha", "LRN.lrn_param.alpha: number, 1 by default"),
        ("transform_param.crop_size", "transform_param.crop_size: integer"),
    ],
)
def test_topics(topic, text):
    assert text in explain(topic)


def test_layer_is_explained_without_the_settings_of_types():
    text = explain("layer")
    assert "propagate_down" in text
    assert "lrn_param" not in text


def test_every_code_of_check_is_explained():
    for code, (title, why) in CODES.items():
        text = explain(code)
        assert text.startswith(f"{code}: {title}")
        assert why.split()[-1] in text


@pytest.mark.parametrize(
    ("topic", "text", "hint"),
    [
        ("LRM", "there is no layer type, field, word or code called LRM", "did you mean LRN?"),
        ("convolutoin", "there is no layer type, field, word or code called convolutoin", "did you mean Convolution?"),
        ("LRN.alfa", "LRN has no field alfa", ""),
        ("Pooling.kernel_sze", "Pooling has no field kernel_sze", "did you mean kernel_size?"),
        ("LRN.alpha.x", "LRN.alpha is not a message: it has no field x", ""),
        ("Convolution.weight_filler.sdt", "Convolution.weight_filler has no field sdt", "did you mean std?"),
        ("quite another thing", "there is no layer type, field, word or code", "`netdef layers` lists"),
        ("", "there is no layer type, field, word or code called ", ""),
        ("Pooling.pool.AVG", "Pooling.pool takes no AVG", "did you mean AVE?"),
        ("Pooling.pool.MAX.x", "Pooling.pool takes no MAX.x", ""),
        ("ND999", "there is no layer type, field, word or code called ND999", "codes: ND0"),
        ("nd250", "there is no layer type, field, word or code called nd250", "codes: ND201, "),
        (".", "there is no layer type, field, word or code called ", ""),
    ],
)
def test_unknown_topics_are_rejected(topic, text, hint):
    with pytest.raises(NetdefError) as error:
        explain(topic)
    assert text in str(error.value)
    assert hint in str(error.value)


def test_narrow_terminals():
    width = 80
    for topic in ("LRN", "ND201", "solver.lr_policy", "NetState", "LRN.alpha", "filler"):
        assert max(map(len, explain(topic, {"LRN": ("cpu", "gpu")}, width).splitlines())) <= width, topic
    for name in LAYERS:
        head = explain(name, None, width).split("\n\nfield ")[0]
        assert max(map(len, head.splitlines())) <= width
    assert max(map(len, layers({"LRN": ("cpu", "gpu")}, width=width).splitlines())) <= width


def test_every_word_of_every_field_is_explained():
    named = ["LayerParameter", "SolverParameter", *(field.fields_of for field in fields("LayerParameter") if field.fields_of)]
    seen = 0
    for message in named:
        for field in fields(message):
            for word, about in field.values:
                assert about and about in explain(f"{message}.{field.name}.{word}")
                seen += 1
    assert seen > 30


def test_the_command(capsys):
    assert run(["explain", "Convolution"]) == 0
    out = capsys.readouterr().out
    assert "runs on: cpu, gpu" in out
    assert run(["explain", "Deconvolution"]) == 0
    assert run(["explain", "nothing"]) == 2


@pytest.mark.slow
def test_it_costs_little_more_than_its_libraries():
    assert times_of_libraries(["explain", "LRN"]) < 4
    assert times_of_libraries(["layers"]) < 4


def test_it_imports_no_arrays():
    code = (
        "import sys\nfrom netdef.cli.main import run\nrun(['explain', 'LRN'])\nrun(['layers'])\n"
        "print([name for name in ('numpy', 'numba') if name in sys.modules])"
    )
    done = run_process([executable, "-c", code], capture_output=True, text=True, cwd=models_folder().parent, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
