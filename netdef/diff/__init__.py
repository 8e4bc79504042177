"""`netdef diff`: what changed between two networks, as a person would say it.

Layers are aligned by structure as well as by name (align.py, units.py), compared by what they mean and not by how it is written
(settings.py, compare.py, order.py), and the differences gathered under what they are about (findings.py). text.py, html.py and
data.py show the result. Two solver files (solvers.py), and a net with a file of weights (weights.py), are compared as well.
"""

from netdef.diff.align import Match, align
from netdef.diff.command import compare, diff
from netdef.diff.compare import Compared, compare_nets
from netdef.diff.difference import Difference, difference
from netdef.diff.finding import Finding
from netdef.diff.findings import findings
from netdef.diff.text import WIDTH, Sheet, render

__all__ = [
    "WIDTH",
    "Compared",
    "Difference",
    "Finding",
    "Match",
    "Sheet",
    "align",
    "compare",
    "compare_nets",
    "diff",
    "difference",
    "findings",
    "render",
]
