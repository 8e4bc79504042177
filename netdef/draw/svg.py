"""Drawing elements of SVG, and the style that all pictures share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

from netdef.draw.theme import DARK, FONT, KINDS, LIGHT, Palette, mix
from netdef.language.printable import in_page

Point = tuple[float, float]
_CORNER = 7.0  # radius of a wire's bends


def style(kinds: Collection[str]) -> str:
    """The style sheet: of text, wires, and these kinds of layers; where the viewer prefers the dark, in colours for that."""
    rules = [
        f"text {{ font-family: {FONT}; }}",
        ".title { font-size: 22px; font-weight: 700; }",
        ".note, .cell { font-size: 11px; }",
        ".small { font-size: 10px; }",
        ".name { font-size: 12.5px; font-weight: 700; }",
        ".count { font-size: 10px; font-weight: 700; }",
        ".wire { fill: none; stroke-width: 1.5; }",
        ".middle { text-anchor: middle; }",
        ".end { text-anchor: end; }",
    ]
    dark = "\n".join(colours(DARK, kinds))
    return "\n".join([*rules, *colours(LIGHT, kinds), f"@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}"])


def colours(palette: Palette, kinds: Collection[str]) -> list[str]:
    """The rules that give everything its colour."""
    paper, line = palette.paper, palette.line
    rules = [
        f"text {{ fill: {palette.ink}; }}",
        f".note, .small, .count {{ fill: {palette.muted}; }}",
        f".paper {{ fill: {paper}; }}",
        f".wire {{ stroke: {line}; }}",
        f".crossing {{ stroke: {palette.crossing}; }}",
        f".tag {{ fill: {paper}; stroke: {palette.crossing}; }}",
        f".head {{ fill: {line}; }}",
        f".panel {{ fill: {mix(line, paper, 0.9)}; stroke: {mix(line, paper, 0.6)}; }}",
    ]
    for kind, (_, colour) in KINDS.items():
        if kind not in kinds:
            continue
        edge = mix(colour, palette.edge, 0.3)
        rules += [
            f".{kind} .front {{ fill: {mix(colour, paper, 0.4)}; stroke: {edge}; }}",
            f".{kind} .roof {{ fill: {mix(colour, paper, 0.7)}; stroke: {edge}; }}",
            f".{kind} .side {{ fill: {mix(colour, paper, 0.1)}; stroke: {edge}; }}",
            f".{kind} .card {{ fill: {mix(colour, paper, 0.9)}; stroke: {mix(colour, paper, 0.35)}; }}",
            f".{kind} .bar, .{kind} .key {{ fill: {colour}; }}",
            f".{kind} .chip {{ fill: {mix(colour, paper, 0.75)}; }}",
            f".fan-{kind} {{ fill: {colour}; fill-opacity: 0.16; stroke: {edge}; stroke-opacity: 0.5; stroke-width: 0.7; }}",
            f".eye-{kind} {{ fill: {mix(colour, paper, 0.6)}; fill-opacity: 0.9; stroke: {edge}; stroke-width: 0.8; }}",
        ]
    return rules


def tag(name: str, content: str | None = None, **attributes: object) -> str:
    """An element. An attribute's underscore stands for a hyphen, `class_` for class; None leaves it out."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(number(value))}" for key, value in attributes.items() if value is not None
    )
    return f"<{name}{written}/>" if content is None else f"<{name}{written}>{content}</{name}>"


def number(value: object) -> str:
    """A coordinate to a hundredth; anything else as it is."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def text(x: float, y: float, content: str, class_: str, **attributes: object) -> str:
    return tag("text", escape(content), x=x, y=y, class_=class_, **attributes)


def rect(x: float, y: float, width: float, height: float, class_: str, radius: float = 0) -> str:
    return tag("rect", x=x, y=y, width=width, height=height, rx=radius or None, class_=class_)


def polygon(points: Iterable[Point], class_: str) -> str:
    return tag("polygon", points=" ".join(f"{number(float(x))},{number(float(y))}" for x, y in points), class_=class_)


def group(content: Iterable[str], class_: str, title: str = "", **attributes: object) -> str:
    """Elements that belong together; viewers of SVG show the title of what the mouse is over."""
    shown = tag("title", escape(title)) if title else ""
    return tag("g", shown + "".join(content), class_=class_, **attributes)


def wire(points: Sequence[Point], class_: str = "wire", arrow: bool = True) -> str:
    """A line through points with rounded bends, and an arrow at its end."""
    points = [point for index, point in enumerate(points) if index == 0 or point != points[index - 1]]
    pieces = [f"M{_at(points[0])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(_CORNER, _length(before, corner) / 2, _length(corner, after) / 2)
        pieces.append(f"L{_at(_towards(corner, before, radius))}Q{_at(corner)} {_at(_towards(corner, after, radius))}")
    pieces.append(f"L{_at(points[-1])}")
    return tag("path", d="".join(pieces), class_=class_, marker_end="url(#head)" if arrow else None)


def document(content: str, width: float, height: float, title: str, description: str, kinds: Collection[str]) -> str:
    """A whole SVG file; the title and the description are what is read out of it. `kinds` of layers are in it."""
    head = tag("path", d="M0,0L8,4L0,8Z", class_="head")
    marker = tag(
        "marker", head, id="head", viewBox="0 0 8 8", refX="7", refY="4", markerWidth="7", markerHeight="7", orient="auto",
        markerUnits="userSpaceOnUse",
    )  # fmt: skip
    inside = (
        tag("title", escape(title)) + tag("desc", escape(description)) + tag("style", style(kinds)) + tag("defs", marker)
        + rect(0, 0, width, height, "paper") + content
    )  # fmt: skip
    box = f"0 0 {number(width)} {number(height)}"
    role = "graphics-document document"
    return in_page(tag("svg", inside, xmlns="http://www.w3.org/2000/svg", width=width, height=height, viewBox=box, role=role))


def stage(content: Iterable[str], kind: str, title: str, index: int, **attributes: object) -> str:
    """The elements of the stage of a number: one thing to those who listen, and to those who go by keyboard."""
    return group(content, f"stage {kind}", title, data_stage=index, tabindex=0, role="img", **attributes)


def _at(point: Point) -> str:
    return f"{number(float(point[0]))},{number(float(point[1]))}"


def _length(a: Point, b: Point) -> float:
    return ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5


def _towards(start: Point, goal: Point, distance: float) -> Point:
    length = _length(start, goal) or 1
    return start[0] + (goal[0] - start[0]) * distance / length, start[1] + (goal[1] - start[1]) * distance / length
