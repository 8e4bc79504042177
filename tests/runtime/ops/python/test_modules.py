"""Where the modules of Python layers are found, and the stand-in for `caffe` while they are imported."""

import sys
import warnings

import pytest

import runtime
from netdef.language import NetdefError
from tests.runtime.ops.python.layers import LOSS, NET, write

pytestmark = pytest.mark.filterwarnings("ignore::runtime.ops.python.modules.UserCodeRemark")

PLAIN = """
class Two(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape(1)
    def forward(self, bottom, top): top[0].data[...] = VALUE
"""
TEXT = 'layer p: Python -> y { module: "MODULE" layer: "Two" }'


def value(folder, module):
    with runtime.compile(write(folder, "a.net", TEXT.replace("MODULE", module)), allow_python=True, backward=False) as exe:
        return exe.forward()["y"][0]


@pytest.mark.parametrize(
    "header", ["import caffe\n", "from caffe import Layer, TRAIN, TEST\nimport caffe\nassert (TRAIN, TEST) == (0, 1)\n"]
)
def test_caffe_is_there_while_the_module_is_imported(folder, header):
    write(folder, "two.py", header + PLAIN.replace("VALUE", "2"))
    assert value(folder, "two") == 2
    assert "caffe" not in sys.modules
    assert str(folder) not in sys.path


def test_a_class_of_its_own_with_an_init(folder):
    code = "class Base:\n    def __init__(self, param): self.name = param.name\n"
    write(folder, "two.py", code + PLAIN.replace("caffe.Layer", "Base").replace("VALUE", "ord(self.name)"))
    assert value(folder, "two") == ord("p")


def test_an_installed_caffe_is_used(folder, monkeypatch):
    """Its Layer keeps `blobs` in C++ and takes a message that only C++ can make."""
    inside = folder / "site"
    inside.mkdir()
    write(inside, "caffe.py", "class Layer:\n    blobs = property(lambda self: 1 / 0)\nTEST = 1")
    monkeypatch.syspath_prepend(str(inside))
    write(
        folder, "two.py", "import caffe\n" + PLAIN.replace("pass", "self.blobs.add_blob(3)").replace("VALUE", "len(caffe.__file__)")
    )
    assert value(folder, "two") == len(str(inside / "caffe.py"))


def test_a_module_in_a_package(folder):
    (folder / "rpn").mkdir()
    write(folder / "rpn", "__init__.py", "")
    write(folder / "rpn", "other.py", "VALUE = 7")
    write(folder / "rpn", "two.py", "import caffe\nfrom rpn.other import VALUE\n" + PLAIN)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert value(folder, "rpn.two") == 7
    assert f"importing {folder}/rpn/two.py, " in str(caught[0].message)


def test_the_folder_of_the_net_comes_first(folder, monkeypatch):
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.syspath_prepend(str(elsewhere))
    write(elsewhere, "two.py", "import caffe\n" + PLAIN.replace("VALUE", "1"))
    assert value(folder, "two") == 1
    write(folder, "two.py", "import caffe\n" + PLAIN.replace("VALUE", "2"))
    assert value(folder, "two") == 2  # though the other one is imported


def test_two_nets_with_modules_of_one_name(folder):
    found = []
    for name in "ab":
        (folder / name).mkdir()
        write(folder / name, "two.py", "import caffe\n" + PLAIN.replace("VALUE", f"ord('{name}')"))
        found.append(value(folder / name, "two"))
    assert found == [ord("a"), ord("b")]


def said(folder, text=NET, code=LOSS):
    write(folder, "distance.py", code)
    with pytest.raises(NetdefError) as raised:
        runtime.compile(write(folder, "a.net", text), allow_python=True)
    return str(raised.value)


def test_a_module_that_is_not_there(folder):
    text = said(folder, NET.replace("distance", "distnace"))
    assert "a.net:7:37: error: Python loss: there is no module distnace" in text
    assert f"it is looked for in {folder}, then as Python does: PYTHONPATH names more folders" in text


def test_a_class_that_is_not_there(folder):
    text = said(folder, NET.replace('"Distance"', '"Distnace"'))
    assert f"error: Python loss: {folder}/distance.py has no class Distnace\n" in text and "did you mean Distance?" in text
    assert "its classes: Distance, Native" in said(folder, NET.replace('"Distance"', '"Loss"'))


def test_what_else_caffe_has(folder):
    text = said(folder, code="from caffe.examples import tools\n" + LOSS)
    assert "Python loss: importing distance raised ModuleNotFoundError: No module named 'caffe.examples'" in text
    assert "Caffe itself is not installed, and what netdef has of it (netdef.pycaffe) lacks that" in text
