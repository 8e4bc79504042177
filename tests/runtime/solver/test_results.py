"""Which outputs of a net are shown."""

import netdef
from runtime.solver.results import shown_of


def test_probabilities_are_shown_where_they_are_all():
    text = "layer data: Input -> x, label { shape { dim: [2, 3] } shape { dim: 2 } }\nlayer prob: Softmax(x)\n"
    assert [blob.name for blob in shown_of(netdef.parse(text + "layer quiet: Silence(label)"))] == ["prob"]
    assert [blob.name for blob in shown_of(netdef.parse(text + "layer top1: Accuracy(x, label)"))] == ["top1"]
