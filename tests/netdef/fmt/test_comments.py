"""Where comments go: they stay with what they describe, in whatever file and form that stands."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdef.fmt import formatted
from netdef.fmt.comments import comments_of
from netdef.language import read_text
from netdef.language.find import models_folder
from tests.netdef.fmt.texts import LONG, meaning

V1 = "tests/goldens/files/v1.prototxt"
V0 = "tests/goldens/files/v0.prototxt"
TEXTS = {
    "long": (LONG, "x.prototxt", "NetParameter"),
    "short": ((models_folder() / "alexnet.net").read_text(), "x.net", "NetParameter"),
    "v1": (Path(V1).read_text(), V1, "NetParameter"),
    "v0": (Path(V0).read_text(), V0, "NetParameter"),
    "solver": ((models_folder() / "solver.txt").read_text(), "x.txt", "SolverParameter"),
}


def comments(text):
    return Counter(comment.text for comment in comments_of(text))


TOKEN = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|->|\w(?:[\w/.]|-(?!>)|(?<=[eE])\+)*|[^\s\w]""")


def gaps(text):
    """The offsets between two tokens, except behind an arrow, whose names stand on its line, a sign, or the point of a number."""
    return [0] + [found.end() for found in TOKEN.finditer(text) if found[0] not in ("->", "-", "+", ".")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("to", ["net", "prototxt"])
@given(data=st.data())
@settings(deadline=None, max_examples=12)
def test_comments_are_kept_wherever_they_are(kind, to, data):
    """Between field and value, in lists, in braces, before the first word and after the last: kept, and nothing changed."""
    text, filename, message = TEXTS[kind]
    offsets = data.draw(st.sets(st.sampled_from(gaps(text)), min_size=1, max_size=30))
    for number, offset in enumerate(sorted(offsets, reverse=True)):
        before, after = data.draw(st.sampled_from([(" ", "\n"), ("\n", "\n"), ("\n\n", "\n\n"), (" ", "\r\n")]))
        text = f"{text[:offset]}{before}# said {number}{after}{text[offset:]}"
    made = formatted(text, filename, to)
    assert meaning(made, filename, message) == meaning(text, filename, message)
    assert comments(made) == comments(text)
    assert formatted(made, filename, to) == made


BASE = """# header of base
name: "Base"  # base's name

# three, everywhere
defaults Convolution { kernel_size: 3 }
# pictures
layer data: Input { shape { dim: [1, 3, 8, 8] } }  # of one kind
layer first: Convolution(data) { num_output: 4 }  # small
# wide
layer second: Convolution(first) {
  num_output: 8 weight_filler {
    std: 1E-2  # as the paper
  }
}
# last of base
layer third: Convolution(second) { num_output: 5 }
"""
VARIANT = """# header of the variant
name: "Variant"
# starts there
include "base.net"
# larger
layer first: Convolution(data) { num_output: 5 }
remove layer third  # for no good
"""


def test_comments_of_an_included_file(tmp_path):
    (tmp_path / "base.net").write_text(BASE)
    path = str(tmp_path / "variant.net")
    made = formatted(VARIANT, path, "prototxt")
    assert meaning(made) == meaning(VARIANT, path)
    assert made.startswith("""# header of the variant
name: "Variant"
# starts there

# three, everywhere
# pictures
layer {
  name: "data"
""")
    assert '}  # of one kind\n# larger\nlayer {\n  name: "first"\n' in made
    assert '}\n# wide\nlayer {\n  name: "second"\n' in made
    assert "      std: 1E-2  # as the paper\n" in made
    assert made.endswith("}\n# for no good\n")
    gone = {"# header of base", "# base's name", "# small", "# last of base"}
    assert comments(made) == comments(BASE) + comments(VARIANT) - Counter(gone)


def test_comments_of_a_file_included_by_an_included_file(tmp_path):
    (tmp_path / "base.net").write_text(BASE)
    (tmp_path / "middle.net").write_text('# a link\ninclude "base.net"  # of the chain\n# end of the middle\n')
    text = 'name: "x"\ninclude "middle.net"\nlayer fourth: ReLU(third)  # new\n'
    made = formatted(text, str(tmp_path / "x.net"), "prototxt")
    found = comments(made)
    assert {"# a link", "# of the chain", "# end of the middle", "# small", "# last of base", "# new"} <= set(found)
    assert set(found.values()) == {1}
    assert '# last of base\nlayer {\n  name: "third"\n' in made


def test_comments_of_padding_layers():
    """A padding layer of the oldest format goes into the layer behind it, and so do its comments."""
    text = """
    # pads
    layers { layer { name: "pad" type: "padding" pad: 2  # two
    } bottom: "data" top: "pad" }  # beside
    # convolves
    layers { layer { name: "conv" type: "conv" num_output: 4 kernelsize: 5
      blobs_lr: 1  # weights
      blobs_lr: 2  # biases
    } bottom: "pad" top: "conv" }
    """
    made = formatted(text, "x.prototxt")
    assert made.startswith('# pads\n# two\n# beside\n# convolves\nlayer {\n  name: "conv"\n')
    assert "    lr_mult: 1\n  }  # weights\n" in made
    assert "    lr_mult: 2\n  }  # biases\n" in made


def test_comments_of_input_dimensions():
    text = 'input: "data"  # BGR\ninput_dim: 1  # images\ninput_dim: 3\ninput_dim: 8  # rows\ninput_dim: 9\nlayer a: ReLU(data)'
    made = formatted(text, "x.prototxt")
    assert 'top: "data"  # BGR\n' in made
    assert "      dim: 1  # images\n      dim: 3\n      dim: 8  # rows\n      dim: 9\n" in made
    shaped = 'input: "data"\ninput_shape {  # one image\n  dim: [1, 3, 8, 9]  # of this size\n}\nlayer a: ReLU(data)'
    made = formatted(shaped, "x.prototxt")
    assert "    shape {  # one image\n      dim: 1  # of this size\n" in made
    assert read_text(made, "x", "NetParameter").message.layer[0].input_param.shape[0].dim == [1, 3, 8, 9]
