"""docs/architecture.md shows the rooms and the passes of the tree as it is."""

import re
import subprocess
import sys

from runtime.compiler.pipeline import PASSES
from tests.paths import ROOT


def test_the_picture_shows_the_rooms_of_the_tree():
    command = [sys.executable, "tools/draw_rooms.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_table_of_passes_is_the_pipeline():
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page[page.index("| pass |") :].split("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.M)) == PASSES
