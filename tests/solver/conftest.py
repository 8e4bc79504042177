"""Where the reference results are."""

from pathlib import Path

import pytest


@pytest.fixture
def goldens() -> Path:
    return Path(__file__).parent.parent / "goldens"
