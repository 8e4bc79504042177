"""Imports run one way, from rooms above to rooms below, and no modules import one another in a circle.

All import statements count, those inside functions and under TYPE_CHECKING too.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each room, or module at the top of netdef/, and the rooms right below it. It may import from those, and from all below them.
ARROWS: dict[str, tuple[str, ...]] = {
    "netdef.schema": (),
    "netdef.language": ("netdef.schema",),
    "netdef.graph": ("netdef.language",),
    "netdef.layers": ("netdef.graph",),
    "netdef.loading": ("netdef.layers",),
    "netdef.solver_file": ("netdef.layers",),
    "netdef.weights": ("netdef.graph",),
    "netdef.explain": ("netdef.check",),
    "netdef.shapes": ("netdef.loading",),
    "netdef.fmt": ("netdef.loading", "netdef.solver_file"),
    "netdef.draw": ("netdef.shapes",),
    "netdef.diff": ("netdef.shapes", "netdef.solver_file", "netdef.weights"),
    "netdef.check": ("netdef.diff",),
    "netdef.convert": ("netdef.fmt", "netdef.weights"),
    "netdef.lsp": ("netdef.check", "netdef.explain", "netdef.fmt", "netdef.shapes"),
    "netdef.edit": ("netdef.draw", "netdef.lsp"),
    "runtime.ir": ("netdef.loading", "netdef.solver_file"),
    "runtime.kernels": ("runtime.ir",),
    "runtime.data": ("runtime.kernels", "netdef.weights"),
    "runtime.ops": ("runtime.data",),
    "runtime.compiler": ("runtime.ops",),
    "runtime.machine": ("runtime.compiler", "netdef.diff"),
    "runtime.exchange": ("runtime.machine",),
    "runtime.solver": ("runtime.machine",),
    "runtime.images": ("runtime.solver",),
    "runtime.pictures": ("runtime.solver", "netdef.draw"),
    "runtime.selftest": ("runtime.solver",),
    "runtime.pycaffe": ("runtime.solver", "netdef.draw"),
    "netdef.pycaffe": ("runtime.pycaffe",),  # a door: the name that scripts import, with no code of its own
    "netdef.cli": (
        "netdef.convert",
        "netdef.edit",
        "netdef.pycaffe",
        "runtime.exchange",
        "runtime.images",
        "runtime.pictures",
        "runtime.selftest",
    ),
    "netdef.__main__": ("netdef.cli",),
}
PACKAGES = ("netdef", "runtime")
# What knows a machine, and no module that lowers or compiles may.
MACHINES = ("runtime.kernels.cpu", "runtime.kernels.cuda", "runtime.machine")


@dataclass(frozen=True)
class Import:
    """One module imported by another.  at: file:line."""

    source: str
    target: str
    at: str


@cache
def modules() -> dict[str, Path]:
    """Every module of the packages by its dotted name."""
    files = (file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py")))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


@cache
def imports() -> tuple[Import, ...]:
    return tuple(one for name, file in modules().items() for one in imports_of(name, file))


def imports_of(name: str, file: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno}: imports are absolute here"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            targets = [one if one in modules() else node.module or "" for one in inside]
        else:
            continue
        for target in dict.fromkeys(targets):
            if target.split(".")[0] in PACKAGES:
                yield Import(name, target, f"{file.relative_to(ROOT)}:{node.lineno}")


def room_of(module: str) -> str:
    """The room of a module: the package or module at the second level; of `netdef` itself, that."""
    return ".".join(module.split(".")[:2])


@cache
def below(room: str) -> frozenset[str]:
    """The rooms that a room may import from, itself among them."""
    return frozenset({room}).union(*(below(lower) for lower in ARROWS[room]))


def is_allowed(one: Import) -> bool:
    """Whether an import follows the arrows. The packages' own __init__.py serve users: modules inside use neither."""
    if one.source in PACKAGES or one.target in PACKAGES:
        return one.source in PACKAGES
    return room_of(one.target) in below(room_of(one.source))


def test_every_room_stands_in_the_table():
    rooms = {room_of(name) for name in modules()} - set(PACKAGES)
    assert rooms == set(ARROWS)


def test_imports_point_downwards():
    wrong = [f"{one.at}: {one.source} imports {one.target}" for one in imports() if not is_allowed(one)]
    table = "\n".join(f"  {room}: {', '.join(lower) or 'nothing'}" for room, lower in ARROWS.items())
    assert not wrong, "imports against the arrows:\n" + "\n".join(wrong) + f"\nRooms, and those right below each:\n{table}"


def test_lowering_and_compiler_know_no_machine():
    rooms = ("runtime.ir", "runtime.compiler")
    neutral = [one for one in imports() if one.source.endswith(".lower") or room_of(one.source) in rooms]
    assert neutral
    assert [f"{one.at}: {one.source} imports {one.target}" for one in neutral if one.target.startswith(MACHINES)] == []


def test_numba_is_loaded_only_where_kernels_run():
    """Loading it takes longer than planning all of a net, which `time --predict` and `compile --print` do."""
    code = """if True:
        import sys
        from netdef.cli.main import main
        for command in (["time", "lenet", "--predict", "h100"], ["compile", "lenet", "--print"]):
            try:
                main(command)
            except SystemExit as ended:
                assert not ended.code
        print("numba" in sys.modules)
    """
    assert last_line(code) == "False"


@pytest.mark.slow
def test_numba_is_loaded_where_kernels_run():
    code = """if True:
        import sys, runtime
        runtime.compile("lenet", batch_size=1, threads=1)
        print("numba" in sys.modules)
    """
    assert last_line(code) == "True"


def last_line(code: str) -> str:
    """The last line that a Python of its own prints."""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()[-1]


def test_no_circles():
    edges: dict[str, dict[str, str]] = {}
    for one in imports():
        edges.setdefault(one.source, {}).setdefault(one.target, one.at)
    circles = [
        "circle:\n" + "\n".join(f"  {edges[a][b]}: {a} imports {b}" for a in circle for b in circle if b in edges.get(a, ()))
        for circle in strongly_connected({name: set(edges.get(name, ())) for name in modules()})
    ]
    assert not circles, "\n".join(circles)


def strongly_connected(edges: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules each of which leads to each other (Tarjan 1972), those of one module left out."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for other in sorted(edges.get(name, ())):
            if other not in number:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], number[other])
        if low[name] == number[name]:
            at = stack.index(name)
            group, stack[at:] = stack[at:], []
            if len(group) > 1 or name in edges.get(name, ()):
                found.append(sorted(group))

    for name in sorted(edges):
        if name not in number:
            visit(name)
    return found


@pytest.mark.parametrize(
    ("edges", "circles"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}}, [["b", "c"], ["d"]]),
    ],
)
def test_circles_are_found(edges, circles):
    assert strongly_connected(edges) == circles
