"""What messages say of where a number that is not finite was made first."""

from __future__ import annotations

import pytest

from netdef import NetdefError
from runtime.machine.non_finite import with_origin
from runtime.machine.ranks.courier import RankError


class Runs:
    """Finds, or fails to."""

    def __init__(self, found: str | None = None, error: Exception | None = None):
        self.found, self.error = found, error

    def first_non_finite(self) -> str | None:
        if self.error is not None:
            raise self.error
        return self.found


def test_the_text_is_never_lost() -> None:
    assert with_origin("loss is nan", None) == with_origin("loss is nan", Runs()) == "loss is nan"
    where = "cpu:0, conv2d of layer c"
    assert with_origin("loss is nan", Runs(where)) == f"loss is nan: the first output that is not finite is of {where}"
    failed = Runs(error=NetdefError("cpu:0, conv2d of layer c: out of memory"))
    assert with_origin("loss is nan", failed).startswith("loss is nan; the net could not run again to find the first: cpu:0")
    with pytest.raises(RankError):
        with_origin("loss is nan", Runs(error=RankError(1, "here", "gone")))
