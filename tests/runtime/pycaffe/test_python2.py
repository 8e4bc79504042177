"""Python 2 files as Python 3: statements, names, division; and what is left alone."""

import pytest

from netdef.language.diagnostics import NetdefError
from runtime.pycaffe.python2 import translated


def run(tmp_path, text, name="script.py"):
    (tmp_path / name).write_text(text)
    tree, why = translated(tmp_path / name)
    names = {"__name__": "script"}
    exec(compile(tree, name, "exec"), names)
    return names, why


PRINTS = """
import sys
print
print 1, 'a'
print("b")
print ("c %d") % 3, (1, 2)
print >>sys.stdout, "d",
print 'e'; print "f # no comment" # one
if 1: print 'g'
for x in (1, 2): print x,
print '''h
i''', [1,
  2]
"""


def test_print(tmp_path, capsys):
    run(tmp_path, PRINTS)
    assert capsys.readouterr().out == "\n1 a\nb\nc 3 (1, 2)\nd e\nf # no comment\ng\n1 2 h\ni [1, 2]\n"


SPELLINGS = r"""
import cPickle, Queue as queue_module
from StringIO import StringIO
d = {'a': 1}
try:
	raise KeyError, 'x'
except (KeyError, IndexError), e:
	caught = e.args
first = d.keys()[0], d.values()[0], d.items()[0]
pairs = [pair for pair in d.iteritems()] + list(d.itervalues())
flags = d.has_key('a'), not d.has_key('b'), 1 <> 2
numbers = 0777, 10L, 0x1F, 1e-5, 0, 3.5
lists = range(3)[1], map(None, [1], [2]), zip('a', 'b')[0], filter(None, [0, 1]), list(xrange(2))
text = `d` + unicode('x') + ur'\d'
exec 'made = 3'
it = iter([5]).next()
big = long(3)
number = lambda x: x
r = round(2.5)
rounded = round(0.5), round(-2.5), round(0.125, 2), round(25, -1), round(float('inf')), round(1e300, 2)
"""


def test_spellings(tmp_path):
    names, why = run(tmp_path, SPELLINGS)
    assert why and names["caught"] == ("x",) and names["made"] == 3 and names["it"] == 5
    assert names["first"] == ("a", 1, ("a", 1)) and names["pairs"] == [("a", 1), 1] and names["flags"] == (True, True, True)
    assert names["numbers"] == (511, 10, 31, 1e-5, 0, 3.5) and names["text"] == "{'a': 1}x\\d"
    assert names["lists"] == (1, [(1, 2)], ("a", "b"), [1], [0, 1])
    assert names["r"] == 3 and names["rounded"] == (1, -3, 0.13, 30, float("inf"), 1e300)
    assert type(names["r"]) is float and names["queue_module"].__name__ == "queue" and names["cPickle"].loads(b"I3\n.") == 3


def test_other_code_runs_among_the_names_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.py").write_text("print ''\nmade = 7 / 2")
    names, _ = run(tmp_path, "print ''\nexecfile('other.py')\nns, own = {}, {}\nexecfile('other.py', own)\nexec('x = 3') in ns")
    assert names["made"] == names["own"]["made"] == names["ns"]["x"] == 3 and "x" not in names


def test_methods_of_dicts_make_lists_whatever_list_names(tmp_path):
    assert run(tmp_path, "print ''\nlist = {'a': 1}\nfirst = list.keys()[0]")[0]["first"] == "a"


DIVISION = """
print ''
import numpy as np
whole, broken = 7 / 2, 7 / 2.
x = 9
x /= 2
a = np.arange(4)
b = a / 2
c = np.ones(3)
same = c
c /= 2
"""


def test_whole_numbers_divide_to_whole_numbers(tmp_path):
    names, _ = run(tmp_path, DIVISION)
    assert (names["whole"], names["broken"], names["x"]) == (3, 3.5, 4)
    assert names["b"].tolist() == [0, 0, 1, 1] and names["c"] is names["same"] and names["c"].tolist() == [0.5] * 3
    assert run(tmp_path, "from __future__ import division\nprint 1\nwhole = 7 / 2")[0]["whole"] == 3.5


FILES = """
import pickle, tempfile
import cPickle
with tempfile.NamedTemporaryFile(delete=False) as f:
    f.write(str(3))
with open(f.name, 'wb') as g:
    g.write('\\x00')
    g.write(chr(255))
data = file(f.name, 'rb').read()
with open(f.name, 'wb') as g:
    pickle.dump({'a': 1}, g)
loaded = pickle.load(open(f.name))
from cStringIO import StringIO
texts, both = StringIO(), StringIO('a')
texts.write('b')
print >>texts, 3
both.seek(1)
both.write(b'\\xff')
"""


def test_files_take_text_as_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names, _ = run(tmp_path, FILES)
    assert names["data"] == b"\x00\xff" and names["loaded"] == {"a": 1}
    assert names["texts"].getvalue() == "b3\n" and names["both"].getvalue() == b"a\xff"


@pytest.mark.parametrize("old", ["", "print 'a'\n"])
def test_numpy_of_that_time(tmp_path, old):
    names, _ = run(tmp_path, f"{old}import numpy as np\nx = np.zeros(2, np.float), np.array([1], dtype=np.int), np.bool, np.object")
    assert names["x"][0].dtype == "float64" and names["x"][2:] == (bool, object)
    code = f"{old}import numpy as np\nx = np.fromstring(b'ab', dtype=np.uint8)\nx += 1\ny = np.fromstring('1 2', sep=' ')"
    names, _ = run(tmp_path, code)
    assert [*names["x"], *names["y"]] == [98, 99, 1, 2]
    (tmp_path / "styles.txt").write_text("one style\nanother\n")
    code = f"{old}import numpy as np\nx = list(np.loadtxt('{tmp_path}/styles.txt', str, delimiter='\\n'))"
    assert run(tmp_path, code)[0]["x"] == ["one style", "another"]
    assert run(tmp_path, f"{old}import yaml\nx = yaml.load('feat_stride: 16')")[0]["x"] == {"feat_stride": 16}


@pytest.mark.parametrize(
    "text",
    [
        "x = 7 / 2\nprint('a')",
        "try:\n    xrange\nexcept NameError:\n    xrange = range\nx = 7 / len(list(xrange(2)))",
        "try:\n    import cPickle as pickle\nexcept ImportError:\n    import pickle\nx = 7 / 2",
        "from functools import reduce\nx = reduce(lambda a, b: a / b, [7, 2])",
        "import os as file\nx = 7 / 2 if file.sep else 0",
        "def show(value, *, file=None):\n    return value if file is None else file\nx = show(7 / 2)",
        "def cmp(a, b):\n    return a / b\nx = cmp(7, 2)",
        "from operator import *\nx = truediv(7, 2) if truediv else reload",
        "import types\nsix = types.SimpleNamespace(iteritems=lambda d: d.items())\nx = 7 / 2 + len(list(six.iteritems({})))",
        "import sys\nif sys.version_info[0] == 2:\n    import cPickle\n    range = xrange\nx = 7 / 2",
    ],
)
def test_python_3_is_left_alone(tmp_path, text):
    names, why = run(tmp_path, text)
    assert why == "" and names["x"] == 3.5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("xrange(3)", "line 1: xrange"),
        ("\n{}.has_key(3)", "line 2: .has_key()"),
        ("import sys\nprint >>sys.stderr", "line 2: print >>"),
    ],
)
def test_names_of_python_2(tmp_path, text, why):
    assert run(tmp_path, text)[1] == why


def test_files_of_other_encodings_and_line_ends(tmp_path):
    (tmp_path / "old.py").write_bytes(b"# \xe4\r\nprint 'a'\r\nx = 3\r\n")
    tree, why = translated(tmp_path / "old.py")
    assert why == "line 2" and len(tree.body) == 2


@pytest.mark.parametrize("text", ["x = = 3", "def f(a, (b, c)): print a", "print 'a"])
def test_neither_of_both(tmp_path, text):
    (tmp_path / "wrong.py").write_text(f"\n{text}\n")
    with pytest.raises(NetdefError, match=r"wrong.py:2:1: error: this is neither Python 3 nor Python 2"):
        translated(tmp_path / "wrong.py")
