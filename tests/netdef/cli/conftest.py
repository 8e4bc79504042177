"""What the tests of several commands share."""

import pytest

from runtime.machine import yardstick
from tests.netdef.draw.conftest import browse  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def short_yardstick(monkeypatch: pytest.MonkeyPatch) -> None:
    """`netdef time` measures the machine by a small copy and a small product: no test looks at the rates."""
    monkeypatch.setattr(yardstick, "COPY", 1 << 16)
    monkeypatch.setattr(yardstick, "PRODUCT", 64)
