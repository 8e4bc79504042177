"""Which layers of a net find their weights in a file."""

import numpy as np

import netdef
from netdef.weights import fit_weights

NET = """layer data: Input {{ shape {{ dim: [2, 3] }} }}
{layers}
"""


def layers_of(*lines):
    return netdef.parse(NET.format(layers="\n".join(lines))).layers


def arrays(*shapes):
    return [np.full(shape, index + 1, "f4") for index, shape in enumerate(shapes)]


def test_layers_match_by_name():
    layers = layers_of("layer a: InnerProduct(data) { num_output: 4 }", "layer b: InnerProduct(a) { num_output: 5 }")
    fit = fit_weights(layers, {"a": arrays((4, 3), (4,)), "c": arrays((2,))})
    assert list(fit.values) == ["a"]
    assert (fit.missing, fit.extra, fit.misshapen) == (["b"], ["c"], [])


def test_both_shapes_are_reported():
    b = "layer b: InnerProduct(a) { num_output: 5 bias_term: false }"
    layers = layers_of("layer a: InnerProduct(data) { num_output: 4 }", b)
    fit = fit_weights(layers, {"a": arrays((3, 4), (4,)), "b": arrays((5, 4), (5,))})
    assert list(map(str, fit.misshapen)) == [
        "a: 4 x 3 + 4 in the net, 3 x 4 + 4 in the file",
        "b: 5 x 4 in the net, 5 x 4 + 5 in the file",
    ]
    assert not fit.values
    (wrong,) = fit_weights(layers_of("layer a: ReLU(data)"), {"a": arrays((4, 3))}).misshapen
    assert str(wrong) == "a: nothing in the net, 4 x 3 in the file"


def test_old_files_give_every_shape_four_axes():
    layers = layers_of("layer a: InnerProduct(data) { num_output: 4 }")
    fit = fit_weights(layers, {"a": arrays((1, 1, 4, 3), (1, 1, 1, 4))})
    assert [array.shape for array in fit.values["a"]] == [(4, 3), (4,)]
    assert fit_weights(layers, {"a": arrays((1, 4, 3), (4,))}).misshapen
    assert fit_weights(layers, {"a": arrays((4, 3, 1, 1), (4,))}).misshapen


def test_a_shared_parameter_may_be_found_with_its_owner():
    shared = 'param { name: "w" } param { name: "b" }'
    layers = layers_of(
        f"layer a: InnerProduct(data) {{ num_output: 3 {shared} }}",
        'layer b: InnerProduct(a) { num_output: 3 param { name: "w" } }',
        f"layer c: InnerProduct(b) {{ num_output: 3 {shared} }}",
    )
    weight, bias = np.eye(3, dtype="f4"), np.ones(3, "f4")
    fit = fit_weights(layers, {"a": [weight, bias], "b": [None, bias]})
    assert fit.missing == [] and list(fit.values) == ["a", "b", "c"]
    assert fit.values["b"][0] is None and fit.values["c"] == [None, None]
    np.testing.assert_array_equal(fit.values["b"][1], bias)
    assert fit_weights(layers, {"b": [weight, bias]}).missing == ["a", "c"]
    (wrong,) = fit_weights(layers, {"a": [weight, bias], "b": [weight]}).misshapen
    assert str(wrong) == "b: 3 x 3 + 3 in the net, 3 x 3 in the file"
    (wrong,) = fit_weights(layers, {"b": [None, bias]}).misshapen
    assert str(wrong) == "b: 3 x 3 + 3 in the net, 3 in the file"
