"""Hints for a blob that no layer makes."""

import time

import pytest

import netdef

INPUT = "layer data: Input { shape { dim: 2 dim: 4 dim: 8 dim: 8 } }\n"


def said(text, phase=None):
    """Message and hint of the only mistake of a net."""
    with pytest.raises(netdef.NetdefError) as caught:
        netdef.parse(text, "t.net", phase=phase)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.message, diagnostic.hint


def test_misspelt():
    text = INPUT + "layer conv1: ReLU(data)\nlayer norm1: ReLU(cnov1)"
    assert said(text) == ("layer norm1 reads blob cnov1, which no layer makes", "did you mean conv1?")
    with pytest.raises(netdef.NetdefError) as caught:
        netdef.parse(text, "t.net")
    assert str(caught.value) == (
        "t.net:3:19: error: layer norm1 reads blob cnov1, which no layer makes\n"
        "    3 | layer norm1: ReLU(cnov1)\n"
        "      |                   ^^^^^\n"
        "    did you mean conv1?"
    )


def test_no_similar_name():
    assert said(INPUT + "layer a: ReLU(zzzzzz)") == ("layer a reads blob zzzzzz, which no layer makes", "")


def test_a_layer_without_a_name():
    assert said(INPUT + "layer { type: 'ReLU' bottom: 'zzzzzz' top: 'a' }")[0] == "layer 2 reads blob zzzzzz, which no layer makes"


def test_made_further_down():
    text = INPUT + "layer a: ReLU(b)\nlayer b: TanH(data)"
    assert said(text) == (
        "layer a reads blob b, which layer b makes only further down",
        "layers run in the order of the file: move b above a",
    )
    with pytest.raises(netdef.NetdefError, match=r"t\.net:3:7: note: layer b is here"):
        netdef.parse(text, "t.net")


def test_cycle():
    text = INPUT + "layer a: Eltwise(data, d)\nlayer b: ReLU(a)\nlayer x: ReLU(data)\nlayer c: ReLU(b)\nlayer d: ReLU(c)"
    assert said(text) == (
        "the layers form a cycle: a -> b -> c -> d -> a",
        "layers run from inputs to outputs: break the cycle",
    )


def test_own_top():
    assert said(INPUT + "layer a: Eltwise(data, a)")[0] == "layer a reads blob a, its own top"
    assert said(INPUT + "layer a: ReLU(dat) -> dat") == (
        "layer a works in place on blob dat, which nothing makes before it",
        "did you mean data?",
    )


def test_blob_of_the_other_phase():
    text = INPUT + "train layer noise: ReLU(data)\nlayer a: ReLU(noise)"
    assert said(text) == (
        "layer a reads blob noise, but layer noise, which makes it, is not in phase test",
        "leave layer a out of this phase too, or let it read another blob",
    )
    netdef.parse(text, phase="train")


def test_blob_of_a_net_for_one_phase():
    text = "test " + INPUT + "layer a: ReLU(data)"
    message, hint = said(text, "train")
    assert message == "layer a reads blob data, but layer data, which makes it, is not in phase train"
    assert hint == "no layer reads data in phase train; --phase test selects the other one"


def test_blob_of_another_stage():
    text = INPUT + "layer noise: ReLU(data) { include { phase: TEST stage: 'x' stage: 'y' } }\n"
    text += "train layer noise: TanH(data)\nlayer a: ReLU(noise)"
    message, hint = said(text)
    assert message.endswith('which makes it, is not in phase test without the stages "x" and "y"')
    stages = '["x", "y"]'
    assert hint == f"--set 'state.stage={stages}' selects it, as does stage: {stages} in the net's state or the solver's"
    message, hint = said('state { stage: "x" }\n' + text)
    assert message.endswith('without the stage "y"') and '["x", "y"]' in hint
    netdef.parse(text, overrides={"state.stage": ["x", "y"]})
    netdef.parse('state { stage: ["x", "y"] }\n' + text)


def test_blob_of_a_stage_of_the_other_phase():
    text = INPUT + "layer noise: ReLU(data) { include { phase: TRAIN stage: 'x' } }\nlayer a: ReLU(noise)"
    assert said(text)[0].endswith("is not in phase test")


@pytest.mark.slow
def test_thousands_of_missing_names_in_time():
    text = INPUT + "".join(f"layer l{i}: ReLU(m{i})\n" for i in range(5000))
    text += "".join(f"layer m{i}: ReLU(data)\n" for i in range(5000))
    start = time.perf_counter()
    with pytest.raises(netdef.NetdefError) as caught:
        netdef.parse(text, "t.net")
    assert len(caught.value.diagnostics) == 5000
    assert "and 4960 more errors" in str(caught.value)
    assert time.perf_counter() - start < 20
