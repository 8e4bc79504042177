"""The page of `netdef edit`, and what it may do: run its own scripts, and ask its own server."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template

from netdef.diff.html import script as diff_script
from netdef.draw.page import script as drawing_script
from netdef.edit.edited import Edited

_FOLDER = Path(__file__).parent
_SCRIPTS = ("vendor/codemirror.js", "language.js", "page.js")


def page(edited: Edited, token: str, nonce: str) -> str:
    """The HTML, with the text as it is on disk now. Raises NetdefError: the file cannot be read."""
    found = edited.opened()
    data = json.dumps({"text": found.text, "seen": found.digest, "name": edited.name, "token": token}).replace("<", "\\u003c")
    scripts = "".join(f'<script nonce="{nonce}">\n{_read(name)}</script>\n' for name in _SCRIPTS)
    return Template(_read("page.html")).substitute(name=escape(edited.name), style=_read("page.css"), data=data, scripts=scripts)


def policy(nonce: str) -> str:
    """The page's Content-Security-Policy. The frames inherit it, and run the scripts of `netdef draw` and `netdef diff` only."""
    framed = " ".join(f"'sha256-{_digest(script)}'" for script in (drawing_script(), diff_script()))
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}' {framed}; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """The digest of a script as it stands in its page, after a newline."""
    return b64encode(sha256(f"\n{script}".encode()).digest()).decode()
