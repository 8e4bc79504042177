"""The language: text to protobuf messages that know where in the text each field stands.

`read_file("alexnet.net", "NetParameter")` does all of it: read, parse (parser.py, grammar.lark), check against the schema and
turn both forms of a layer into one (bind.py), convert older formats (netdef.schema.upgrade). What is wrong with a file is
raised as one NetdefError (diagnostics.py). `print_message` (printer.py) goes the other way.
"""

from netdef.language.bind import bind
from netdef.language.bound import Bound
from netdef.language.diagnostics import Diagnostic, NetdefError, Note, Position
from netdef.language.files import read_file, read_text
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
    "read_text",
]
