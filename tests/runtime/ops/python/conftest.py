"""A folder for the modules and nets of each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.ops.python.layers import modules_in


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with modules_in(tmp_path):
        yield tmp_path
