"""A word alone finds what it may mean, in any case."""

import pytest

from netdef import NetdefError
from netdef.explain import explain
from netdef.explain.search import known, meanings


def topics(word):
    return [one.topic for one in meanings(word)]


@pytest.mark.parametrize("word", ["kernel_size", "KERNEL_SIZE", "kernelSize"])
def test_fields_in_any_case(word):
    assert topics(word) == ["Convolution.kernel_size", "Pooling.kernel_size"]
    text = explain(word)
    assert text.startswith(f"{word} may be:\n  Convolution.kernel_size (also of ConvolutionDepthwise, Deconvolution, ")
    assert text.endswith("netdef explain TOPIC says more, with a topic of this list.")


@pytest.mark.parametrize(
    ("word", "topic"),
    [
        ("lrn", "LRN"),
        ("base_lr", "solver.base_lr"),
        ("ave", ""),
        ("Xavier", "filler.type"),
        ("nd201", "ND201"),
        ("lr_mult", "param.lr_mult"),
    ],
)
def test_one_meaning_is_explained(word, topic):
    assert explain(word) == explain(topic) if topic else explain(word).startswith("ave may be:")


def test_words_of_enums_and_of_solvers():
    assert {"Pooling.pool.MAX", "Eltwise.operation.MAX", "filler.max"} <= set(topics("max"))
    assert topics("poly") == ["solver.lr_policy"]
    assert "solver.type" in topics("sgd")


def test_statements_of_the_language():
    assert explain("bypass") == explain("bypass layer")
    assert "whose readers then read what it read" in explain("bypass")
    assert explain("defaults").startswith("defaults: a statement of the language\n")
    assert explain("include").startswith("include may be:\n  include: a statement of the language: the layers of another file: ")
    assert "layer.include" in explain("include")


def test_a_misspelt_word():
    with pytest.raises(
        NetdefError, match=r"there is no layer type, field, word or code called kernel_sise\n.*did you mean kernel_size\?"
    ):
        explain("kernel_sise")


def test_every_meaning_can_be_explained():
    found = {one.topic for one in known()}
    assert len(found) > 500
    assert all(explain(topic) for topic in found)
