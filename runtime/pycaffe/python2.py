"""Python 2 files as Python 3: how a file is recognised, and what of it is translated, line by line at the same place.

A file is of Python 2 if it is no valid Python 3, or uses what only Python 2 has: xrange, .iteritems(), import cPickle ...; but for
names that the file defines itself, as those do that run on both.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from tokenize import detect_encoding

from netdef.language.diagnostics import NetdefError, Position, Source
from runtime.pycaffe import python2_names
from runtime.pycaffe.python2_text import as_python3_text

HOME, EXECFILE = "runtime.pycaffe.python2_names", "runtime.pycaffe.python2_execfile"
ONLY_2 = {"basestring", "cmp", "execfile", "file", "long", "raw_input", "reduce", "reload", "unichr", "unicode", "xrange"}
OF_DICTS = {"iteritems": "items", "itervalues": "values", "iterkeys": "keys"}
NUMPY = ("np", "numpy")
NO_DELIMITER = "\x1f"  # which no line has: NumPy takes no end of line
NUMPY_TYPES = ("bool", "complex", "float", "int", "object", "str")
TEMPORARY = ("NamedTemporaryFile", "TemporaryFile")
FOR_BOTH = re.compile(r"\bversion_info\b|\bPY_?[23]\b|\bimport six\b|\bfrom six\b")  # what asks which Python it is
LISTS = ("items", "keys", "values")
PICKLE, STRINGS = "runtime.pycaffe.python2_pickle", "runtime.pycaffe.python2_stringio"
MODULES = {
    "ConfigParser": "configparser", "HTMLParser": "html.parser", "Queue": "queue", "StringIO": STRINGS, "Tkinter": "tkinter",
    "__builtin__": "builtins", "cPickle": PICKLE, "cStringIO": STRINGS, "cookielib": "http.cookiejar", "httplib": "http.client",
    "pickle": PICKLE, "urllib2": "urllib.request", "urlparse": "urllib.parse",
}  # fmt: skip


def translated(path: str | Path) -> tuple[ast.Module, str]:
    """The file as Python 3, and why it is taken for Python 2; "" where it is Python 3 as it stands.

    Raises
    ------
    NetdefError: it cannot be read, or is neither of both.
    """
    text = _read(path)
    try:
        tree = ast.parse(text, str(path))
    except (SyntaxError, ValueError) as error:
        tree, why = _from_python2(text, str(path), error), f"line {getattr(error, 'lineno', 1)}"
    else:
        why = "" if FOR_BOTH.search(text) else _evidence(tree)
        if not why:
            return ast.fix_missing_locations(_OldLibraries().visit(tree)), ""
        tree = _from_python2(text, str(path), SyntaxError(why))
    return _Translation(text, Path(path)).done(tree), why


def _read(path: str | Path) -> str:
    try:
        with open(path, "rb") as file:
            encoding, _ = detect_encoding(file.readline)
    except OSError as error:
        raise NetdefError(f"cannot read {path}: {error.strerror}") from None
    except SyntaxError:
        encoding = "latin-1"
    data = Path(path).read_bytes()
    try:
        return data.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError:
        return data.decode("latin-1").replace("\r\n", "\n")


def _from_python2(text: str, name: str, error: SyntaxError | ValueError) -> ast.Module:
    try:
        return ast.parse(as_python3_text(text), name)
    except (SyntaxError, ValueError) as second:
        line, message = getattr(second, "lineno", None) or 1, getattr(second, "msg", str(second))
        first_line, first = getattr(error, "lineno", None) or 1, getattr(error, "msg", str(error))
        position = Position(name, line, 1, 1, Source(name, text))
        hint = f"as Python 3, line {first_line}: {first}; print, exec, raise, except and old numbers of Python 2 are translated"
        raise NetdefError(f"this is neither Python 3 nor Python 2 that netdef translates: {message}", position, hint) from None


def _evidence(tree: ast.Module) -> str:
    """Where a valid Python 3 file uses what only Python 2 has; "" if nowhere."""
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    bound |= {alias.asname or alias.name.partition(".")[0] for node in imports for alias in node.names}
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    only_2 = set() if "*" in bound else ONLY_2 - bound  # import * may bind any name
    arguments = set(_arguments(tree, only_2))
    guarded = {inner for node in ast.walk(tree) if isinstance(node, ast.Try) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if node in guarded:
            continue
        if isinstance(node, ast.Name) and node.id in only_2 and node not in arguments:
            return f"line {node.lineno}: {node.id}"
        if isinstance(node, ast.Call) and _is_of_dicts(node.func):
            return f"line {node.lineno}: .{ast.unparse(node.func).rpartition('.')[2]}()"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift) and ast.unparse(node.left) == "print":
            return f"line {node.lineno}: print >>"
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in MODULES and alias.name != "pickle":
                    return f"line {node.lineno}: import {alias.name}"
    return ""


def _arguments(tree: ast.Module, names: set[str]) -> Iterator[ast.Name]:
    """Uses of arguments that have some of these names, in their functions."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.Lambda):
            own = names & {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
            yield from (node for node in ast.walk(function) if own and isinstance(node, ast.Name) and node.id in own)


def _is_of_dicts(function: ast.expr) -> bool:
    """Whether it is a method that only Python 2's dicts have; six.iteritems is a function of both."""
    if not isinstance(function, ast.Attribute) or function.attr not in (*OF_DICTS, "has_key"):
        return False
    return not (isinstance(function.value, ast.Name) and function.value.id == "six")


class _Translation(ast.NodeTransformer):
    """Changes the tree of a Python 2 file to what does the same in Python 3."""

    def __init__(self, text: str, path: Path):
        self._used: set[str] = set()
        self._divides = not re.search(r"^from __future__ import .*\bdivision\b", text, re.M)
        self._folder = path.absolute().parent

    def done(self, tree: ast.Module) -> ast.Module:
        tree = self.visit(_OldLibraries().visit(tree))
        loaded = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        names = sorted(self._used | (loaded & set(python2_names.__all__)))
        place = next((i for i, node in enumerate(tree.body) if not _comes_first(node)), len(tree.body))
        if names:
            tree.body.insert(place, ast.ImportFrom(HOME, [ast.alias(name, self._hidden(name)) for name in names], 0))
        if "execfile" in loaded:
            tree.body.insert(place, ast.ImportFrom(EXECFILE, [ast.alias("execfile")], 0))
        return ast.fix_missing_locations(tree)

    def _hidden(self, name: str) -> str | None:
        return f"_netdef_{name}" if name in self._used else None

    def _own(self, name: str) -> ast.Name:
        """A function of python2_names, by a name that no file has."""
        self._used.add(name)
        return ast.Name(f"_netdef_{name}", ast.Load())

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div) and self._divides:
            return ast.copy_location(ast.Call(self._own("divide"), [node.left, node.right], []), node)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if not (isinstance(node.op, ast.Div) and self._divides):
            return node
        now = ast.parse(ast.unparse(node.target), mode="eval").body
        made = ast.Call(self._own("divide_in_place"), [now, node.value], [])
        return ast.copy_location(ast.Assign([node.target], made), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Attribute):
            return node
        name, holder = node.func.attr, node.func.value
        if name == "has_key" and len(node.args) == 1:
            return ast.copy_location(ast.Compare(node.args[0], [ast.In()], [holder]), node)
        if name in TEMPORARY and not node.args and all(one.arg != "mode" for one in node.keywords):
            node.keywords.append(ast.keyword("mode", ast.Constant("w+")))  # text is what Python 2 writes
        if node.args or node.keywords:
            return node
        if name == "next":
            return ast.copy_location(ast.Call(self._own("next_of"), [holder], []), node)
        if name in OF_DICTS:
            return ast.copy_location(ast.Call(ast.Attribute(holder, OF_DICTS[name], ast.Load()), [], []), node)
        if name in LISTS:
            return ast.copy_location(ast.Call(self._own("as_list"), [node], []), node)
        return node

    def visit_Import(self, node: ast.Import) -> ast.AST | list[ast.stmt]:
        made: list[ast.stmt] = []
        for alias in node.names:
            first = alias.name.partition(".")[0]
            if alias.name in MODULES:
                found = ast.alias(MODULES[alias.name], alias.asname or alias.name)
                made.append(ast.Import([found]))
            elif self._is_beside(first) and alias.name == first:
                made.append(ast.ImportFrom(None, [ast.alias(first, alias.asname)], 1))
            else:
                made.append(ast.Import([alias]))
        return [ast.copy_location(one, node) for one in made]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.level == 0 and node.module in MODULES:
            node.module = MODULES[node.module]
        elif node.level == 0 and node.module and self._is_beside(node.module.partition(".")[0]):
            node.level = 1
        return node

    def _is_beside(self, name: str) -> bool:
        """Whether Python 2 finds a module in the package of the file, and Python 3 does not find it elsewhere."""
        is_package = (self._folder / "__init__.py").exists()
        beside = (self._folder / f"{name}.py").exists() or (self._folder / name / "__init__.py").exists()
        return is_package and beside and PathFinder.find_spec(name) is None


class _OldLibraries(ast.NodeTransformer):
    """What libraries had when Caffe was written: np.float and the like, names of Python's types, np.fromstring of bytes, lines as
    columns of np.loadtxt, and yaml.load without a loader."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id in NUMPY and node.attr in NUMPY_TYPES:
            return ast.copy_location(ast.Name(node.attr, node.ctx), node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if ast.unparse(node.func) == "yaml.load" and len(node.args) == 1 and not node.keywords:
            node.func = ast.copy_location(ast.Attribute(ast.Name("yaml", ast.Load()), "safe_load", ast.Load()), node.func)
        if not (isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) in NUMPY):
            return node
        if node.func.attr == "fromstring" and len(node.args) < 4 and all(one.arg != "sep" for one in node.keywords):
            node.func.attr = "frombuffer"
            return ast.copy_location(ast.Call(ast.Attribute(node, "copy", ast.Load()), [], []), node)
        for one in node.keywords if node.func.attr in ("loadtxt", "genfromtxt") else ():
            if one.arg == "delimiter" and isinstance(one.value, ast.Constant) and one.value.value == "\n":
                one.value = ast.copy_location(ast.Constant(NO_DELIMITER), one.value)
        return node


def _comes_first(node: ast.stmt) -> bool:
    """Whether a statement is a docstring, or an import from __future__."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "__future__"
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
