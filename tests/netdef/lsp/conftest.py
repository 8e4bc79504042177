import pytest
from lsprotocol import types

from tests.netdef.lsp.editor import Editor, markdown_client

# The program as it is, but for the pause after a change, which most tests would only wait for.
HURRIED = """
import sys
from netdef.lsp import checking
checking.PAUSE = 0.02
from netdef.cli.main import run
sys.exit(run(["lsp", "--stdio"]))
"""


@pytest.fixture(scope="session")
def editor(tmp_path_factory):
    """One server for most tests; in a folder whose name must be written otherwise in a uri. It ends politely."""
    folder = tmp_path_factory.mktemp("nets für #1")
    with Editor(folder, markdown_client(), ["-c", HURRIED]) as found:
        yield found
        assert found.leave() == (0, "")


@pytest.fixture(scope="session")
def plain_editor(tmp_path_factory):
    """An editor that shows plain text, counts in bytes, knows no related positions, and exits without a goodbye."""
    capabilities = types.ClientCapabilities(
        general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf8])
    )
    with Editor(tmp_path_factory.mktemp("plain"), capabilities) as found:
        yield found
        assert found.leave(politely=False) == (1, "")
