"""Layers with weights other than convolutions: shapes, fillers, costs."""

import pytest

from tests.netdef.layers.one_layer import complaint, net_of, shape_of

X = (2, 6, 9, 8)


def parameters(layer, *shapes):
    return [p.shape for p in net_of(layer, *shapes).layers[-1].parameters]


def test_inner_product():
    op = net_of("layer op: InnerProduct(x0) { num_output: 5 axis: -2 transpose: true }", X).layer("op")
    assert (op.axis, op.transpose, op.num_output, op.bias_term, op.fan_in) == (2, True, 5, True, 72)
    assert op.tops[0].shape == (2, 6, 5)
    assert [p.shape for p in op.parameters] == [(72, 5), (5,)]
    assert op.macs == 6 * 5 * 72
    assert parameters("layer op: InnerProduct(x0) { num_output: 5 bias_term: false }", X) == [(5, 432)]
    said = complaint("layer op: InnerProduct(x0)", X)
    assert said == "InnerProduct op: num_output, the number of outputs, is missing | add num_output: 10, say"


def test_parameters_have_the_fillers_of_the_file():
    layer = 'layer op: InnerProduct(x0) { num_output: 5 weight_filler { type: "xavier" } }'
    weights, biases = net_of(layer, X).layer("op").parameters
    assert weights.filler.type == "xavier"
    assert (biases.filler.type, biases.filler.value) == ("constant", 0)


def test_embed():
    assert shape_of("layer op: Embed(x0) { num_output: 6 input_dim: 11 }", (5, 3)) == (5, 3, 6)
    assert parameters("layer op: Embed(x0) { num_output: 6 input_dim: 11 }", (5, 3)) == [(11, 6), (6,)]
    said = complaint("layer op: Embed(x0) { num_output: 6 }", (5, 3))
    assert said == "Embed op: input_dim, the number of rows, is missing"


def test_prelu_begins_at_a_quarter():
    (slopes,) = net_of("layer op: PReLU(x0)", X).layer("op").parameters
    assert (slopes.shape, slopes.filler.type, slopes.filler.value) == ((6,), "constant", 0.25)
    assert parameters("layer op: PReLU(x0) { channel_shared: true }", X) == [()]
    (slopes,) = net_of("layer op: PReLU(x0) { filler { value: 0.5 } }", X).layer("op").parameters
    assert slopes.filler.value == 0.5
    assert complaint("layer op: PReLU(x0)", (6,)) == "PReLU op: x0 (6) must have at least 2 axes"


def test_scale_begins_at_one_and_bias_at_zero():
    factor, bias = net_of("layer op: Scale(x0) { bias_term: true }", X).layer("op").parameters
    assert (factor.shape, factor.filler.value) == ((6,), 1)
    assert (bias.shape, bias.filler.value) == ((6,), 0)
    assert parameters("layer op: Scale(x0) { axis: 1 num_axes: -1 }", X) == [(6, 9, 8)]
    assert parameters("layer op: Bias(x0) { axis: 2 num_axes: 2 }", X) == [(9, 8)]
    assert parameters("layer op: Scale(x0) { num_axes: 0 }", X) == [()]
    assert parameters("layer op: Scale(x0, x1) { axis: 0 bias_term: true }", X, (2, 6)) == [(2, 6)]
    assert net_of("layer op: Scale(x0, x1)", (5,), ()).layer("op").axis == 0
    said = complaint("layer op: Scale(x0, x1)", X, (2, 6))
    assert said == "Scale op: x1 (2 x 6) does not match the axes of x0 (2 x 6 x 9 x 8) from axis 1 on"
    assert complaint("layer op: Bias(x0) { axis: 2 num_axes: 3 }", X) == "Bias op: 3 axes from axis 2: x0 has 4"


def test_no_solver_touches_statistics():
    op = net_of("layer op: BatchNorm(x0) { param { lr_mult: 0 } }", X).layer("op")
    assert [(p.shape, p.lr_mult, p.decay_mult) for p in op.parameters] == [((6,), 0, 0), ((6,), 0, 0), ((1,), 0, 0)]
    assert op.use_global_stats
    assert not net_of("layer op: BatchNorm(x0)", X, phase="train").layer("op").use_global_stats
    said = complaint("layer op: BatchNorm(x0) { param { lr_mult: 0 } param { name: 'm' } }", X)
    assert said == ("BatchNorm op: statistics 1 has lr_mult 1, but no solver changes them | set lr_mult: 0, or leave param out")
    four = "param { lr_mult: 0 } " * 4
    said = complaint(f"layer op: BatchNorm(x0) {{ {four} }}", X)
    assert said == "BatchNorm op has 3 parameters, param is given 4 times"


def test_recurrent_layers_have_the_parameters_of_the_unrolled_net():
    assert parameters("layer op: LSTM(x0, x1) { num_output: 4 }", (5, 3, 6), (5, 3)) == [(16, 6), (16,), (16, 4)]
    static = parameters("layer op: LSTM(x0, x1, x2) { num_output: 4 }", (5, 3, 6), (5, 3), (3, 7))
    assert static == [(16, 6), (16,), (16, 7), (16, 4)]
    rnn = parameters("layer op: RNN(x0, x1) { num_output: 4 }", (5, 3, 6), (5, 3))
    assert rnn == [(4, 6), (4,), (4, 4), (4, 4), (4,)]


def test_recurrent_states_are_bottoms_and_tops():
    state = (1, 3, 4)
    layer = "layer op: LSTM(x0, x1, x2, x3) -> y, h, c { num_output: 4 expose_hidden: true }"
    op = net_of(layer, (5, 3, 6), (5, 3), state, state).layer("op")
    assert [top.shape for top in op.tops] == [(5, 3, 4), state, state]
    assert not op.static_input
    said = complaint(layer, (5, 3, 6), (5, 3), (1, 3, 5), state)
    assert said == "LSTM op: x2 must be 1 x 3 x 4, it is 1 x 3 x 5"
    assert complaint("layer op: RNN(x0, x1) { num_output: 4 }", (5, 3, 6), (5, 2)).startswith("RNN op: x1 must be 5 x 3")
    said = complaint("layer op: RNN(x0, x1) { num_output: 4 }", (5, 3), (5, 3))
    assert said == "RNN op: x0 (5 x 3) must have axes for time, streams and the input of each time step"


@pytest.mark.parametrize(
    ("layer", "shapes", "said"),
    [
        ("x0, x1) -> y, h", [(5, 3, 6), (5, 3)], "it makes 1 top, not 2"),
        ("x0, x1, x2, x3) -> y", [(5, 3, 6), (5, 3), (3, 7), (3,)], "4 bottoms: it reads 2, or 3 with a static input"),
        ("x0, x1, x2) -> y", [(5, 3, 6), (5, 3), (4, 7)], "x2 must have 3 streams first, it is 4 x 7"),
    ],
)
def test_recurrent_layers_reject_bottoms_that_do_not_fit(layer, shapes, said):
    assert complaint(f"layer op: RNN({layer} {{ num_output: 4 }}", *shapes) == f"RNN op: {said}"


def test_lstm_unit():
    layer = "layer op: LSTMUnit(x0, x1, x2) -> c, h"
    tops = net_of(layer, (1, 3, 4), (1, 3, 16), (1, 3)).layers[-1].tops
    assert [top.shape for top in tops] == [(1, 3, 4)] * 2
    assert complaint(layer, (1, 3, 4), (1, 3, 12), (1, 3)) == "LSTMUnit op: x1 must be 1 x 3 x 16, it is 1 x 3 x 12"
    assert complaint(layer, (1, 3, 4), (1, 3, 16), (3,)) == "LSTMUnit op: x2 must be 1 x 3, it is 3"
    assert complaint(layer, (5, 3, 4), (5, 3, 16), (5, 3)) == "LSTMUnit op: x0 must be 1 x N x D, it is 5 x 3 x 4"
    assert complaint(layer, (1, 3, 2, 4), (1, 3, 16), (1, 3)).endswith("x0 must be 1 x N x D, it is 1 x 3 x 2 x 4")


def test_learned_blob():
    op = net_of("layer op: Parameter { shape { dim: 3 dim: 4 } }").layer("op")
    assert op.tops[0].shape == op.parameters[0].shape == (3, 4)


@pytest.mark.parametrize("ratio", ["1.0", "-0.1", "1.5"])
def test_dropout_rejects_a_ratio_of_one(ratio):
    said = complaint(f"layer op: Dropout(x0) {{ dropout_ratio: {ratio} }}", X)
    assert said == f"Dropout op: dropout_ratio {float(ratio):g} must be at least 0 and below 1"
