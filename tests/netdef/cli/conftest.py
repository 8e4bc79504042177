"""What the tests of several commands share."""

from tests.netdef.draw.conftest import browse  # noqa: F401 - a fixture
