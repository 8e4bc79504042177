"""Errors in the user's code: a line about the layer, then the user's own lines."""

import pytest

import runtime
from netdef.language import NetdefError
from runtime.ops.python.failure import is_library
from tests.runtime.ops.python.layers import LOSS, NET, write

pytestmark = pytest.mark.filterwarnings("ignore::runtime.ops.python.modules.UserCodeRemark")


def raised(folder, old, new):
    write(folder, "distance.py", LOSS.replace(old, new))
    with pytest.raises(NetdefError) as error, runtime.compile(write(folder, "a.net", NET), allow_python=True) as exe:
        exe.forward()
        exe.backward()
    return error.value


def test_frames_of_the_module_alone(folder):
    error = raised(
        folder,
        "bottom[0].data - bottom[1].data",
        "self.take(bottom)\n\n    def take(self, bottom):\n        return np.ones(3) + np.ones(2)",
    )
    assert (
        str(error)
        == f"""{folder}/a.net:7:7: error: Python loss: distance.Distance.forward raised ValueError: \
operands could not be broadcast together with shapes (3,) (2,)
    7 | layer loss: Python(fc, y) {{ module: "distance" layer: "Distance" loss_weight: 1 }}
      |       ^^^^
{folder}/distance.py:14:27: note: in forward
   14 |         self.difference = self.take(bottom)
      |                           ^^^^^^^^^^^^^^^^^
{folder}/distance.py:17:16: note: in take
   17 |         return np.ones(3) + np.ones(2)
      |                ^^^^^^^^^^^^^^^^^^^^^^^"""
    )


@pytest.mark.parametrize(
    ("old", "new", "method"),
    [
        ("assert len(bottom) == 2", "raise Exception('two are needed')", "setup raised Exception: two are needed"),
        ("assert len(bottom) == 2", "assert len(bottom) == 3", "setup raised AssertionError"),
        ("assert len(bottom) == 2", "import sys; sys.exit('no data')", "setup raised SystemExit: no data"),
        ("top[0].reshape(1)", "self.there", "reshape raised AttributeError: 'Distance' object has no attribute 'there'"),
        ("for i, sign in", "1 / 0\n        for i, sign in", "backward raised ZeroDivisionError: division by zero"),
    ],
)
def test_each_method(folder, old, new, method):
    (one,) = raised(folder, old, new).diagnostics
    assert f"Python loss: distance.Distance.{method}" in one.message
    assert one.position.line == 7 and [note.position.file for note in one.notes] == [str(folder / "distance.py")]


def test_the_module_does_not_parse(folder):
    text = str(raised(folder, "def setup(self, bottom, top):", "def setup(self, bottom, top:"))
    assert "Python loss: importing distance raised SyntaxError" in text
    assert "note: here\n    7 |     def setup(self, bottom, top:" in text


def test_the_cause_is_kept(folder):
    error = raised(folder, "for i, sign in", "1 / 0\n        for i, sign in")
    assert isinstance(error.__cause__.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("file", "installed"),
    [
        ("/home/me/.local/lib/python3.11/site-packages/numpy/ma/core.py", True),
        ("/usr/lib/python3/dist-packages/scipy/__init__.py", True),
        ("/home/me/packages/mine.py", False),
    ],
)
def test_packages_of_a_user_and_of_the_system(file, installed):
    """A venv may see them, and they are of Python 3: none is translated."""
    assert is_library(file) == installed
