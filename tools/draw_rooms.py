"""Draw the rooms of netdef/ and runtime/ and the imports between them: `python tools/draw_rooms.py` writes docs/rooms.svg.

The rooms and arrows are those that tests/test_imports.py holds the imports to; the text in a box is the first line of the room's
docstring.  `--check` writes nothing and fails if the file is not what it would write.  Needs the extra `draw`.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from netdef.draw import svg  # noqa: E402
from netdef.draw.layout import Box, Link, arrange  # noqa: E402
from tests.test_imports import ARROWS  # noqa: E402

TARGET = ROOT / "docs" / "rooms.svg"
ROOMS = [room for room in ARROWS if room != "netdef.__main__"]
LINKS = [Link(ROOMS.index(room), ROOMS.index(lower)) for room in ROOMS for lower in ARROWS[room]]
KINDS = {"netdef": "convolution", "runtime": "pooling"}  # by package, the kind of layer whose colours its rooms have
COLUMNS, LINE, MARGIN = 32, 14, 16  # letters and pixels of a line; pixels around the picture
WIDTH = 210.0


def about(room: str) -> list[str]:
    """The first sentence of a room's docstring, in lines that fit a box."""
    path = ROOT / room.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    first = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n")[0]
    sentence = first.removeprefix(f"`netdef {room.split('.')[1]}`: ").replace("`", "").rstrip(".")
    return textwrap.wrap(sentence[:1].upper() + sentence[1:], COLUMNS)


def picture() -> str:
    """The drawing as the text of an SVG file."""
    lines = [about(room) for room in ROOMS]
    boxes = [Box(WIDTH, 24.0 + LINE * len(text)) for text in lines]
    layout = arrange(boxes, LINKS, down=True, rank_gap=26, gap=18)
    content = [_wire(route) for route in layout.routes]
    content += map(_box, ROOMS, lines, boxes, layout.positions)
    width, height = (extent + 2 * MARGIN for extent in layout.size)
    title = "The rooms of netdef and runtime; an arrow points from a room to one that it imports from"
    return svg.document("".join(content), width, height, title, "\n".join(map(_sentence, ROOMS)), set(KINDS.values()))


def _wire(route: list[tuple[float, float]]) -> str:
    return svg.wire([(x + MARGIN, y + MARGIN) for x, y in route])


def _box(room: str, lines: list[str], box: Box, corner: tuple[float, float]) -> str:
    x, y = (edge + MARGIN for edge in corner)
    shown = [svg.rect(x, y, box.width, box.height, "card", 4), svg.text(x + 8, y + 16, room, "name")]
    shown += [svg.text(x + 8, y + 16 + LINE * (row + 1), line, "note") for row, line in enumerate(lines)]
    return svg.group(shown, KINDS[room.split(".")[0]])


def _sentence(room: str) -> str:
    return f"{room} imports from {', '.join(ARROWS[room]) or 'no other room'}."


if __name__ == "__main__":
    drawn = picture() + "\n"
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(drawn, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != drawn:
        sys.exit(f"{TARGET.relative_to(ROOT)} is not up to date: run python tools/draw_rooms.py")
