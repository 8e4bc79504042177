"""The fault injector: a few faults of a run's snapshots and of a conversion, all of which must end well."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.paths import ROOT

FAULTS = ROOT / "tools" / "faults.py"


pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")


@pytest.mark.slow
def test_a_few_faults(tmp_path):
    printed = faults(tmp_path, "--scenarios", "snapshots,convert", "--kinds", "crash,full", "--every", "24")
    assert number_of(printed) >= 3
    assert "crashed" in printed and "then whole (synced)" in printed and "refused, with the reason" in printed


def test_a_conversion(tmp_path):
    printed = faults(tmp_path, "--scenarios", "convert", "--kinds", "crash,full", "--every", "3")
    assert number_of(printed) >= 3 and "crashed" in printed and "refused, with the reason" in printed


def faults(folder, *words):
    """What a run prints whose faults all end well."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, FAULTS, *words], capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def number_of(printed):
    return int(re.search(r"^(\d+) faults in all, 0 wrong$", printed, re.MULTILINE)[1])
