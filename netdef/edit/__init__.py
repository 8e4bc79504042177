"""`netdef edit`: a net's text in the browser, with its drawing, its table and its faults as one writes.

edited.py      the file: its text, its digest, and how it is saved
looking.py     what a text says: findings, drawings, tables
differing.py   the text against the file on disk
answers.py     what a cursor asks: hover, completion; the canonical form
session.py     what the page may ask
server.py      the server on this machine's own address, and who may ask it
page.py        the page; page.html, page.css, page.js, language.js, and CodeMirror in vendor/
"""

from netdef.edit.edited import Edited, edited
from netdef.edit.server import Server, serve
from netdef.edit.session import Session

__all__ = ["Edited", "Server", "Session", "edited", "serve"]
