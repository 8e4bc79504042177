"""The fault injector: a few faults of a run's snapshots and of a conversion, all of which must end well."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.paths import ROOT

FAULTS = ROOT / "tools" / "faults.py"


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_a_few_faults(tmp_path):
    words = ["--scenarios", "snapshots,convert", "--kinds", "crash,full", "--every", "24"]
    run = subprocess.run([sys.executable, FAULTS, *words], capture_output=True, text=True, env=environment(tmp_path), check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    count = re.search(r"^(\d+) faults in all, 0 wrong$", run.stdout, re.MULTILINE)
    assert int(count[1]) >= 3
    assert "crashed" in run.stdout and "then whole (synced)" in run.stdout and "refused, with the reason" in run.stdout


def environment(tmp_path):
    return {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "OPENBLAS_NUM_THREADS": "1"}
