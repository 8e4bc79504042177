"""Files of older releases become what Caffe makes of them."""

import pytest

import netdef
from netdef import schema
from netdef.cli.main import run
from netdef.language import NetdefError, print_message, read_file, read_text
from netdef.schema.upgrade import upgrade
from tests.paths import TESTS

GOLDENS = TESTS / "goldens" / "files"


def net(text):
    return read_text(text, "x.net", "NetParameter")


@pytest.mark.parametrize("name", ["v0", "v1"])
def test_caffes_own_upgrade(name):
    upgraded = read_file(GOLDENS / f"{name}.prototxt", "NetParameter")
    wanted = read_file(GOLDENS / f"{name}.upgraded.prototxt", "NetParameter")
    assert upgraded.message == wanted.message
    assert upgraded.notes and not wanted.notes
    assert print_message(upgraded.message) == (GOLDENS / f"{name}.upgraded.prototxt").read_text()


def test_positions_survive():
    bound = read_file(GOLDENS / "v1.prototxt", "NetParameter")
    where = bound.position(("layer", 1, "convolution_param", "num_output"))
    assert (where.line, where.column) == (4, 23)
    assert bound.position(("layer", 0, "top", 0)).line == 2
    old = read_file(GOLDENS / "v0.prototxt", "NetParameter").position(("layer", 1, "convolution_param", "kernel_size", 0))
    assert old.source.line(old.line)[old.column - 1 :].startswith("kernelsize: 5")


def test_binary_files_of_the_second_format():
    old = schema.NetParameter(name="n")
    layer = old.layers.add(name="ip", type=schema.V1LayerParameter.INNER_PRODUCT, blobs_lr=[1, 2], param=["w"])
    layer.blobs.add(data=[1, 2, 3], num=1, channels=1, height=1, width=3)
    layer.inner_product_param.num_output = 3
    new = read_text(old.SerializeToString(), "x.caffemodel", "NetParameter").message
    assert not new.layers and new.layer[0].type == "InnerProduct"
    assert list(new.layer[0].blobs[0].data) == [1, 2, 3]
    assert [(one.name, one.lr_mult) for one in new.layer[0].param] == [("w", 1), ("", 2)]


def test_binary_files_of_the_first_format():
    old = schema.NetParameter(name="n", input=["data"], input_dim=[2, 3, 8, 8])
    layer = old.layers.add(bottom=["data"], top=["conv"])
    layer.layer.MergeFrom(schema.V0LayerParameter(name="conv", type="conv", num_output=4, kernelsize=3, blobs_lr=[1, 2]))
    layer.layer.blobs.add(data=[0.5], num=1, channels=1, height=1, width=1)
    new = read_text(old.SerializeToString(), "x.caffemodel", "NetParameter").message
    assert [(one.name, one.type) for one in new.layer] == [("input", "Input"), ("conv", "Convolution")]
    assert list(new.layer[1].convolution_param.kernel_size) == [3]
    assert list(new.layer[1].blobs[0].data) == [0.5]


@pytest.mark.parametrize("name", ["v0", "v1"])
def test_old_formats_are_read_with_a_note(name, capsys):
    file = GOLDENS / f"{name}.prototxt"
    with pytest.warns(netdef.OldFormatWarning, match=f"{name}.prototxt: .* were read as 6 of the present one, and 1 more"):
        netdef.load(file)
    assert run(["shapes", str(file)]) == 0
    note = capsys.readouterr().err
    assert note.startswith("note: ") and note.count("\n") == 1
    assert run(["shapes", str(GOLDENS / f"{name}.upgraded.prototxt")]) == 0
    assert not capsys.readouterr().err


@pytest.mark.parametrize("name", ["v0", "v1"])
def test_fmt_writes_them_in_the_present_format(name, tmp_path, capsys):
    assert run(["fmt", "--to", "prototxt", str(GOLDENS / f"{name}.prototxt")]) == 0
    written = tmp_path / "new.prototxt"
    written.write_text(capsys.readouterr().out)
    bound = read_file(written, "NetParameter")
    assert not bound.notes
    assert bound.message == read_file(GOLDENS / f"{name}.upgraded.prototxt", "NetParameter").message


def test_an_old_solver_is_read_with_a_note(tmp_path, capsys):
    file = tmp_path / "s.prototxt"
    file.write_text('net: "x" base_lr: 1 lr_policy: "fixed" solver_type: NESTEROV')
    with pytest.warns(netdef.OldFormatWarning, match='solver_type: NESTEROV was read as type: "Nesterov"'):
        netdef.load_solver(file)
    assert run(["fmt", "--to", "prototxt", str(file)]) == 0
    assert 'type: "Nesterov"' in capsys.readouterr().out


def test_every_type_of_the_second_format_has_a_present_name():
    types = schema.descriptor_of("V1LayerParameter").enum_types_by_name["LayerType"]
    for value in types.values_by_name:
        if value != "NONE":
            made = net(f'layers {{ name: "a" type: {value} }}').message
            assert made.layer[0].type in schema.LAYER_TYPES
    softmax = net("layers { type: SOFTMAX_LOSS } layers { type: TANH } layers { type: HDF5_DATA }").message
    assert [layer.type for layer in softmax.layer] == ["SoftmaxWithLoss", "TanH", "HDF5Data"]


def test_input_shapes():
    made = net('input: "a" input: "b" input_shape { dim: [1, 3] } input_shape { dim: 2 } layer b: ReLU(a)').message
    assert [layer.type for layer in made.layer] == ["Input", "ReLU"]
    assert list(made.layer[0].top) == ["a", "b"]
    assert [list(shape.dim) for shape in made.layer[0].input_param.shape] == [[1, 3], [2]]
    assert not made.input and not made.input_shape


def test_input_without_extents_is_dropped():
    made = net('input: "a" layer b: ReLU(a)').message
    assert [layer.name for layer in made.layer] == ["b"] and not made.input


@pytest.mark.parametrize("type_name", ["Data", "ImageData", "WindowData"])
def test_transformations_move(type_name):
    bound = net(f'layer d: {type_name} {{ crop_size: 5 mirror: true mean_file: "m" scale: 2 transform_param {{ scale: 3 }} }}')
    moved = bound.message.layer[0].transform_param
    assert (moved.crop_size, moved.mirror, moved.mean_file, moved.scale) == (5, True, "m", 3)
    assert "crop_size" in bound.notes[0]
    assert bound.position(("layer", 0, "transform_param", "crop_size")).column == 13 + len(type_name)


def test_in_older_formats_moved_settings_win():
    """As in Caffe, whose present format ignores that field."""
    bound = net("layers { name: 'd' type: DATA data_param { scale: 2 } transform_param { scale: 3 mirror: true } }")
    assert (bound.message.layer[0].transform_param.scale, bound.message.layer[0].transform_param.mirror) == (2, True)
    assert bound.position(("layer", 0, "transform_param", "scale")).column == 44


def test_batch_norm_rates_are_dropped():
    three = "param { lr_mult: 0 } " * 3
    made = net(f"layer a: BatchNorm(x) {{ {three} }} layer b: BatchNorm(a) {{ param {{ lr_mult: 0 }} }}")
    assert [len(layer.param) for layer in made.message.layer] == [0, 1]
    assert not made.notes  # rates of 0 are what statistics have anyway


def test_names_of_batch_norm_statistics_are_kept():
    three = "".join(f"param {{ name: '{name}' lr_mult: 2 share_mode: PERMISSIVE }} " for name in "abc")
    made = net(f"layer a: BatchNorm(x) {{ {three} }}")
    kept = made.message.layer[0].param
    assert [(param.name, param.lr_mult, param.decay_mult, param.share_mode) for param in kept] == [
        (name, 0, 0, kept[0].PERMISSIVE) for name in "abc"
    ]
    assert len(made.notes) == 1 and "set to 0" in made.notes[0]


@pytest.mark.parametrize("other", ["lr_mult: 1", "decay_mult: 0"])
def test_batch_norm_rates_above_zero_are_noted(other):
    made = net(f"layer a: BatchNorm(x) {{ param {{ lr_mult: 0 }} param {{ {other} }} param {{ lr_mult: 0 }} }}")
    assert not made.message.layer[0].param
    assert len(made.notes) == 1 and "layer a" in made.notes[0]


@pytest.mark.parametrize(("old", "new"), [("SGD", "SGD"), ("ADAGRAD", "AdaGrad"), ("RMSPROP", "RMSProp"), ("5", "Adam")])
def test_solver_type(old, new):
    bound = read_text(f"solver_type: {old}", "s.txt", "SolverParameter")
    assert bound.message.type == new and not bound.message.HasField("solver_type")
    assert bound.position(("type",)).column == 1


def test_networks_inside_a_solver():
    text = 'net_param { layers { type: RELU } } test_net_param { input: "x" input_dim: [1, 2, 3, 4] }'
    bound = read_text(text, "s.txt", "SolverParameter")
    assert bound.message.net_param.layer[0].type == "ReLU"
    assert bound.message.test_net_param[0].layer[0].type == "Input"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layers { type: RELU } layer b: ReLU(a)", "two formats"),
        ('layers { name: "x" }', "layer x has no type"),
        ('layers { layer { type: "covn" } }', "did you mean conv?"),
        (
            'layers { layer { type: "padding" pad: 1 } bottom: "a" top: "b" } '
            'layers { layer { type: "relu" } bottom: "b" top: "c" }',
            "only a conv or pool layer",
        ),
        ('input: "a" input_dim: [1, 2]', "1 input and 2 input_dims"),
        ('input: "a" input: "b" input_shape { dim: 1 }', "2 inputs and 1 input_shape"),
    ],
)
def test_fields_that_cannot_be_converted(text, said):
    with pytest.raises(NetdefError) as caught:
        net(text)
    assert said in str(caught.value)
    assert caught.value.diagnostics[0].position is not None


def test_both_solver_types():
    with pytest.raises(NetdefError, match="both given"):
        read_text('type: "SGD" solver_type: ADAM', "s.txt", "SolverParameter")


def test_files_of_the_present_format_are_unchanged():
    message = schema.NetParameter(name="x")
    from netdef.schema.origins import Origins

    assert upgrade(message, Origins((0, 0))).notes == []


def test_settings_of_other_types_are_left_out_as_in_caffe():
    bound = read_text('layers { layer { name: "d" type: "data" source: "x" det_fg_threshold: 0.4 } top: "d" }', "x", "NetParameter")
    assert bound.message.layer[0].data_param.source == "x"
    assert "layer d: det_fg_threshold is no setting of a data layer, and was left out" in bound.notes
