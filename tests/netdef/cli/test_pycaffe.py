"""`netdef pycaffe`: unchanged scripts, their modules and arguments, and how their errors end."""

import subprocess
import sys

import pytest

from netdef.language.diagnostics import NetdefError
from runtime.pycaffe.script import run_script
from tests.paths import ROOT
from tests.runtime.pycaffe.nets import DEPLOY, written


@pytest.fixture
def netdef(tmp_path):
    def run(*words):
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); from netdef.cli.main import main; main()"]
        return subprocess.run([*command, "pycaffe", *words], cwd=tmp_path, capture_output=True, text=True)

    return run


SCRIPT = """
import sys
import caffe, caffe.io, beside
from caffe import layers as L, params as P
from caffe.proto import caffe_pb2
from caffe.coord_map import crop
import caffe.draw

class Ten(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape(*bottom[0].data.shape)
    def forward(self, bottom, top): top[0].data[...] = 10 * bottom[0].data

if __name__ == '__main__':
    print sys.argv, 7 / 2, beside.half(7)
    n = caffe.NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 2]))
    n.ten = L.Python(n.data, module='layers_of_mine', layer='Ten')
    open('made.prototxt', 'w').write(str(n.to_proto()))
    net = caffe.Net('made.prototxt', caffe.TEST)
    print net.forward(data=__import__('numpy').ones((1, 2)))['ten'].tolist()
    sys.exit(3)
"""


def test_a_script_of_python_2(tmp_path, netdef):
    written(tmp_path, SCRIPT, "script.py")
    written(tmp_path, "def half(x):\n    print 'half',\n    return x / 2\n", "beside.py")
    written(tmp_path, SCRIPT.partition("if __name__")[0].replace(", beside", ""), "layers_of_mine.py")
    ran = netdef("script.py", "--mean", "", "-h")
    assert ran.returncode == 3
    assert ran.stdout == "half ['script.py', '--mean', '', '-h'] 3 3\n[[10.0, 10.0]]\n"
    assert ran.stderr.splitlines() == [
        f"note: {name} is of Python 2 (line {line}): it runs translated, / of whole numbers rounds down"
        for name, line in (("script.py", 15), ("beside.py", 2))
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import caffe\ncaffe.Net('none.prototxt', caffe.TEST)\n", "error: Could not open file none.prototxt\n"),
        (
            "import caffe\n\ndef f(net):\n    return net.blobs['dota']\n\nf(caffe.Net('net.prototxt', caffe.TEST))\n",
            "error: the net has no blob 'dota'; did you mean data?\n"
            "script.py:6:1: note: in the script\n"
            "    6 | f(caffe.Net('net.prototxt', caffe.TEST))\n"
            "      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
            "script.py:4:12: note: in f\n"
            "    4 |     return net.blobs['dota']\n"
            "      |            ^^^^^^^^^^^^^^^^^\n",
        ),
        (
            "import caffe\ncaffe.NCCL(None, 1)\n",
            "error: caffe.NCCL: netdef's pycaffe has none; `netdef train --devices gpu:0-3`, or under mpirun, trains "
            "on several cards\nscript.py:2:1: note: in the script\n",
        ),
    ],
)
def test_errors_name_the_script_s_lines(tmp_path, netdef, text, error):
    written(tmp_path, DEPLOY)
    written(tmp_path, text, "script.py")
    ran = netdef("script.py")
    assert ran.returncode == 2 and ran.stderr.startswith(error) and "Traceback" not in ran.stderr


def test_the_script_s_own_error_is_a_traceback_of_its_lines(tmp_path, netdef):
    written(tmp_path, "import caffe\nprint([][1])\n", "script.py")
    ran = netdef("script.py")
    assert (
        ran.returncode == 1 and ran.stderr.splitlines()[1].startswith('  File "script.py", line 2') and "IndexError" in ran.stderr
    )


def test_no_script():
    with pytest.raises(NetdefError, match=r"there is no script none.py"):
        run_script("none.py", [])
