"""`netdef lsp`: a language server: what netdef knows of a text, shown by editors while it is written.

document.py    the text in an editor, and positions in it as the protocol counts them
cursor.py       what stands at the cursor, or could: a field, a value, a layer type, a blob; also in text that does not parse
outline.py     the layers of a text and of the files it includes; which of them makes a blob, and which read it
findings.py    what `netdef check` finds, as the protocol's diagnostics, file by file
checking.py    when a text is checked, and what is published
hover.py completion.py symbols.py    the answers
server.py      the protocol's requests, by the library pygls
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from netdef.language.diagnostics import NetdefError
from netdef.language.extras import install


def serve(devices: Mapping[str, Collection[str]]) -> int:
    """Speak with an editor over standard input and output until it says goodbye. Returns the exit code: 1 if it never did.

    Parameters
    ----------
    devices: what can run each layer type, as netdef.explain has it.

    Raises
    ------
    NetdefError: the library is not installed.
    """
    try:
        import pygls.lsp.server  # noqa: F401
    except ImportError:
        text = "the language server needs the library pygls, 2.0 or later, which is not installed"
        raise NetdefError(text, hint=install("lsp")) from None
    from netdef.lsp.server import serve as start

    return start(devices)
