"""`netdef check`: find errors and suspicious settings of a net or a solver, each finding with a stable code.

codes.py lists the codes. Other files hold checks, one topic each; run.py runs all of them, report.py prints the findings.
"""

from typing import Any

from netdef.check.codes import CODES

__all__ = ["CODES", "check", "render"]


def __getattr__(name: str) -> Any:
    """`check` and `render` are imported at first use: readers of the codes import no checks."""
    if name == "check":
        from netdef.check.run import check

        return check
    if name == "render":
        from netdef.check.report import render

        return render
    raise AttributeError(f"module 'netdef.check' has no attribute {name!r}")
