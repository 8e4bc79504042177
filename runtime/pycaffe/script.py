"""Run a script of pycaffe, unchanged: `import caffe` gives netdef's, and Python 2 is translated, in its own modules too."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import replace
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from netdef.language.diagnostics import NetdefError, Note
from runtime.ops.python.failure import IMPORTED, frames, is_library, is_ours, shown_path
from runtime.pycaffe.blob import MissingNameError
from runtime.pycaffe.names import known_as
from runtime.pycaffe.python2 import translated
from runtime.pycaffe.settings import PycaffeRemark

FAILED = 1  # exit code for an error of the script's own, as Python has it


def run_script(path: str, arguments: Sequence[str]) -> int:
    """Run a script with arguments.  Returns the exit code.

    Raises
    ------
    NetdefError: the file cannot be read or is no Python; what the script asks of netdef is wrong, with the script's lines.
    SystemExit: the script ends itself.
    """
    if os.path.isdir(path) or not os.path.exists(path):
        raise NetdefError(f"there is no script {path}")
    known_as("caffe")
    sys.argv = [path, *arguments]
    sys.path.insert(0, str(Path(path).absolute().parent))
    sys.meta_path.insert(0, _Finder())
    code = _code(path)
    main = ModuleType("__main__")
    vars(main).update(__file__=path, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    try:
        exec(code, vars(main))
    except MissingNameError as error:
        raise NetdefError(str(error), notes=_lines(error)) from error
    except NetdefError as error:
        first, *others = error.diagnostics
        raise NetdefError([replace(first, notes=(*first.notes, *_lines(error))), *others]) from error
    except Exception as error:
        if isinstance(error, NotImplementedError) and is_ours(traceback.extract_tb(error.__traceback__)[-1].filename):
            raise NetdefError(str(error), notes=_lines(error)) from error  # what Caffe has and netdef has not
        _show(error)
        return FAILED
    return 0


def _code(path: str) -> CodeType:
    tree, why = translated(path)
    if why:
        text = f"{shown_path(path)} is of Python 2 ({why}): it runs translated, / of whole numbers rounds down"
        warnings.warn(text, PycaffeRemark, stacklevel=2)
    return compile(tree, path, "exec", dont_inherit=True)


def _lines(error: Exception) -> list[Note]:
    """The lines of the script that led to an error."""
    return [replace(note, message="in the script") if note.message == IMPORTED else note for note in frames(error)]


def _show(error: Exception) -> None:
    """The traceback, without netdef's lines."""
    shown = traceback.TracebackException.from_exception(error)
    shown.stack = traceback.StackSummary.from_list([frame for frame in shown.stack if not is_ours(frame.filename)])
    print("".join(shown.format()), end="", file=sys.stderr)


class _Loader(SourceFileLoader):
    """Loads a module that may be of Python 2; nothing of it is cached."""

    def get_code(self, fullname: str) -> CodeType:
        return _code(self.get_filename(fullname))


class _Finder:
    """Finds the modules that are not of libraries, or of netdef."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        found = PathFinder.find_spec(name, path, target)
        if found is None or type(found.loader) is not SourceFileLoader or found.origin is None or is_library(found.origin):
            return None
        found.loader = _Loader(name, found.origin)
        return found
