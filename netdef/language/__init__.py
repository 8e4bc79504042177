"""The language: parses texts into protobuf messages, with the position of each field in its text.

`read_file("alexnet.net", "NetParameter")` runs all of it: read (contents.py), parse (parser.py, grammar.lark), check against the
schema and turn both notations of a layer into one (bind.py), convert older formats (netdef.schema.upgrade). All errors of a file
are raised as one NetdefError (diagnostics.py). `print_message` (printer.py) is the inverse.
"""

from netdef.language.bind import bind
from netdef.language.bound import Bound
from netdef.language.diagnostics import Diagnostic, NetdefError, Note, Position
from netdef.language.files import read_file, read_message, read_text
from netdef.language.parser import parse
from netdef.language.printer import print_message

__all__ = [
    "Bound",
    "Diagnostic",
    "NetdefError",
    "Note",
    "Position",
    "bind",
    "parse",
    "print_message",
    "read_file",
    "read_message",
    "read_text",
]
