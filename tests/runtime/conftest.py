"""Where the reference results are."""

from pathlib import Path

import pytest

from tests.paths import TESTS


@pytest.fixture
def goldens() -> Path:
    return TESTS / "goldens"
