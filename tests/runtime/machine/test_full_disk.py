"""A file of weights is written whole or not at all."""

import subprocess
import sys

LIMITED = """
import numpy as np, resource, signal, sys
from types import SimpleNamespace
from netdef import NetdefError
from runtime.machine.weights import write_weights
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from netdef.schema import message_class
layer = SimpleNamespace(name="ip", message=message_class("LayerParameter")(name="ip"))
layer.parameters = [SimpleNamespace(index=0, shape=(64, 64))]
net = SimpleNamespace(name="n", layers=[layer])
try:
    write_weights(sys.argv[1], net, lambda layer, index: np.zeros((64, 64), np.float32))
except NetdefError as error:
    print(error)
    sys.exit(7)
"""


def test_weights_that_do_not_fit_on_the_disk(tmp_path):
    """A real failing write, half way through a blob: the operating system's limit on a file's size."""
    path = tmp_path / "snap.caffemodel"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert "cannot write" in done.stdout and str(path) in done.stdout
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["snap.caffemodel"]
