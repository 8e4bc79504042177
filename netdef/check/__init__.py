"""`netdef check`: what is wrong or suspicious about a net or a solver, each finding with a code that stays the same."""

from netdef.check.codes import CODES

__all__ = ["CODES"]
