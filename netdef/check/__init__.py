"""`netdef check`: what is wrong or suspicious about a net or a solver, each finding with a code that stays the same.

codes.py lists the codes. Each of the other files holds checks of one idea; run.py asks them all, report.py shows what they say.
"""

from typing import Any

from netdef.check.codes import CODES

__all__ = ["CODES", "check", "render"]


def __getattr__(name: str) -> Any:
    """`check` and `render` are loaded when they are asked for; the codes alone cost nothing."""
    if name == "check":
        from netdef.check.run import check

        return check
    if name == "render":
        from netdef.check.report import render

        return render
    raise AttributeError(f"module 'netdef.check' has no attribute {name!r}")
