"""The pictures, format by format."""

import io
import re
import sys
import time
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image, ImageFont

import netdef
from netdef import NetdefError
from netdef.cli.main import run
from netdef.draw import draw, render
from netdef.draw.layer_cards import WIDEST, WIDTH
from netdef.draw.picture import MOST_SOLIDS
from netdef.draw.svg import colours
from netdef.draw.theme import DARK, KINDS, LIGHT, mix, shortened, text_width
from netdef.language.find import model_names
from tests.marks import LONG_NETS, of_release, slow_except

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = """
name: "<b>\\"&'"
layer data: Input { shape { dim: [1, 3, 8, 8] } }
layer "</script><x a='1'>&": Convolution(data) { num_output: 4 kernel_size: 3 }
"""


def svg(net, **options):
    return ElementTree.fromstring(render(net, "svg", **options))


def texts(picture):
    return [text.text for text in picture.iter(f"{SVG}text")]


def boxes(picture, class_):
    found = [rect for rect in picture.iter(f"{SVG}rect") if rect.get("class") == class_]
    return [tuple(float(rect.get(key)) for key in ("x", "y", "width", "height")) for rect in found]


@pytest.mark.parametrize(
    "name", [*slow_except("alexnet", [name for name in model_names() if name not in LONG_NETS]), *of_release(LONG_NETS)]
)
def test_every_model_can_be_drawn_in_both_styles(name):
    for phase in ("train", "test"):
        net = netdef.load(name, phase=phase)
        for style in ("auto", "cards"):
            picture = svg(net, style=style)
            shown = " ".join(text for text in texts(picture) if text)
            assert net.name in shown
            assert f"{net.totals.parameters:,} parameters" in shown
            titles = "".join(title.text for title in picture.iter(f"{SVG}title"))
            assert all(f"{layer.name}: {layer.type}" in titles for layer in net.layers)


def test_alexnet_is_the_two_rows_of_the_paper():
    picture = svg(netdef.load("alexnet"))
    fronts = {}
    for group in picture.iter(f"{SVG}g"):
        if group.get("class", "").startswith("stage "):
            name = group.find(f"{SVG}title").text.split(":")[0]
            corners = [p.get("points").split()[0] for p in group.iter(f"{SVG}polygon") if p.get("class") == "front"]
            fronts[name] = [tuple(map(float, corner.split(","))) for corner in corners]
    rows = {name: len(positions) for name, positions in fronts.items() if positions}
    assert rows == {
        "data": 1, "conv1": 2, "norm1": 2, "pool1": 2, "conv2": 2, "norm2": 2, "pool2": 2, "conv3": 2, "conv4": 2, "conv5": 2,
        "pool5": 2, "fc6": 1, "fc7": 1, "fc8": 1,
    }  # fmt: skip
    assert all(upper[0] == lower[0] and upper[1] < lower[1] for upper, lower in (p for p in fronts.values() if len(p) == 2))
    columns = [positions[0][0] for positions in fronts.values() if positions]
    assert columns == sorted(columns)
    shown = {"2 × 48 × 55 × 55", "2 × 128 × 6 × 6", "11 × 11", "stride 4", "105.4 M", "34.9 k", "ReLU, Dropout", "4096"}
    assert shown <= set(texts(picture))
    fans = [polygon.get("class") for polygon in picture.iter(f"{SVG}polygon") if "fan" in polygon.get("class")]
    assert fans.count("fan-convolution") == 2 + 2 + 4 + 2 + 2  # conv3 reads both towers from both
    assert fans.count("fan-connected") == 2 + 1 + 1


def test_cards_of_googlenet():
    picture = svg(netdef.load("googlenet", phase="train"))
    cards = boxes(picture, "card")
    assert len(cards) == 95
    assert len({card[2:] for card in cards}) == 1
    for index, (x, y, width, height) in enumerate(cards):
        assert not any(abs(x - u) < width and abs(y - v) < height for u, v, _, _ in cards[index + 1 :])
    panels = boxes(picture, "panel")
    assert len(panels) == 12  # nine modules, two auxiliary classifiers, conv2
    for x, y, width, height in panels:
        assert not any(abs(2 * x + width - 2 * u - w) < width + w and abs(2 * y + height - 2 * v - h) < height + h
                       for u, v, w, h in panels if (u, v) != (x, y))  # fmt: skip
    shown = texts(picture)
    assert shown.count("3x3_reduce") == 10
    assert {"inception_3a", "inception_5b", "loss1"} <= set(shown)
    assert {"Convolution 7 × 7, stride 2, pad 3", "ReLU, Dropout", "832 × 7 × 7"} <= set(shown)


@pytest.fixture(scope="module")
def span():
    """A function from a text element to where it begins and ends, in DejaVu Sans, the widest of the fonts asked for."""
    import matplotlib

    folder = Path(matplotlib.__file__).parent / "mpl-data" / "fonts" / "ttf"
    fonts = {bold: ImageFont.truetype(folder / f"DejaVuSans{'-Bold' if bold else ''}.ttf", 100) for bold in (False, True)}
    sizes = {"title": 22, "name": 12.5, "note": 11, "cell": 11, "count": 10, "small": 10}

    def of(text):
        style, *anchor = text.get("class").split()
        wide = fonts[style in ("title", "name")].getlength(text.text) * sizes[style] / 100
        start = float(text.get("x")) - wide * {"middle": 0.5, "end": 1}.get(anchor[0] if anchor else "", 0)
        return start, start + wide

    return of


LONG_NAMES = "layer MM0: Input { shape { dim: [1, 1, 8, 8] } }\n" + "\n".join(
    f"layer {'M' * length}{number}: ReLU({'M' * before}{number - 1})"
    for number, (before, length) in enumerate(pairwise((2, 6, 8, 9, 10, 12, 20, 80, 7, 8, 9)), 1)
)


@pytest.mark.parametrize("net", ["alexnet", "vgg19", "nin", LONG_NAMES])
def test_columns_of_the_table_do_not_overlap(net, span):
    rows = {}
    picture = svg(netdef.parse(net) if net is LONG_NAMES else netdef.load(net))
    for stage in picture.iter(f"{SVG}g"):
        for text in stage.findall(f"{SVG}text") if stage.get("data-stage") else ():
            rows.setdefault(text.get("y"), []).append(span(text))
    assert max(map(len, rows.values())) > 8
    for row in map(sorted, rows.values()):
        assert all(before[1] < after[0] for before, after in pairwise(row))


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "vgg19"])
def test_text_stays_within_the_picture_and_its_card(name, span):
    picture = svg(netdef.load(name), style="cards")
    width = float(picture.get("width"))
    for group in picture.iter(f"{SVG}g"):
        card = next((rect for rect in group.findall(f"{SVG}rect") if rect.get("class") == "card"), None)
        left, right = (float(card.get("x")), float(card.get("x")) + float(card.get("width"))) if card is not None else (0, width)
        for text in group.findall(f"{SVG}text"):
            start, end = span(text)
            assert left <= start, text.text
            assert end <= right + 1, text.text


def test_names_are_escaped():
    net = netdef.parse(HOSTILE)
    assert "<b>\"&'" in texts(svg(net))
    page = render(net, "html").decode()
    assert page.count("<script") == page.count("</script>") == 2
    assert "<b>" not in page
    dot = render(net, "dot").decode()
    assert 'digraph "<b>\\"&\'" {' in dot


def test_html_needs_no_network():
    page = render(netdef.load("alexnet"), "html").decode()
    assert set(re.findall(r"https?://[^\s\"']+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<link|\bsrc=|@import|url\((?!#)", page)
    assert "default-src 'none'" in page


def test_png():
    from netdef.draw.png import png

    picture = render(netdef.load("lenet"), "svg").decode()
    image = Image.open(io.BytesIO(png(picture)))
    width = float(re.search(r'width="([\d.]+)"', picture)[1])
    assert image.format == "PNG"
    assert image.width == pytest.approx(2 * width, abs=2)
    assert len(image.convert("RGB").getcolors(1 << 20)) > 50


def test_png_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(NetdefError, match=r"need the library resvg-py(.|\n)*pip install .*resvg-py"):
        render(netdef.load("lenet"), "png")


def test_dot_needs_no_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphlay", None)
    dot = render(netdef.load("googlenet", phase="train"), "dot").decode()
    nodes, edges = re.findall(r"^ +n(\d+) \[", dot, re.M), re.findall(r"^  n(\d+) -> n(\d+)$", dot, re.M)
    assert len(nodes) == len(set(nodes)) == 95
    assert len(edges) == 121
    assert {end for edge in edges for end in edge} <= set(nodes)
    assert dot.count("subgraph") == 14
    assert dot.count("{") == dot.count("}")


def test_files(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["draw", "lenet"]) == 0
    assert capsys.readouterr().out == "lenet.svg\n"
    for ending in ("svg", "html", "png", "dot"):
        assert run(["draw", "cifar10_relu", "-o", f"a.{ending}", "--phase", "train"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"lenet.svg", "a.svg", "a.html", "a.png", "a.dot"}
    assert b"train phase" in (tmp_path / "a.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_invalid_files_are_rejected(tmp_path, capsys):
    assert run(["draw", "lenet", "-o", "x.gif"]) == 2
    assert "x.gif: pictures end in .svg, .html, .png, .dot" in capsys.readouterr().err
    with pytest.raises(NetdefError, match=r"cannot write .*nowhere/x\.dot: No such file or directory"):
        draw(netdef.load("lenet"), tmp_path / "nowhere" / "x.dot")


def test_volumes_are_for_nets_without_branches():
    with pytest.raises(NetdefError, match=r"googlenet\.net branches; volumes are for nets that go straight on"):
        render(netdef.load("googlenet"), "svg", style="volumes")


def test_many_layers_in_a_row_go_downwards():
    lines = ["layer c0: Input { shape { dim: [1, 8, 8, 8] } }"]
    lines += [f"layer c{index}: Pooling(c{index - 1}) {{ kernel_size: 1 }}" for index in range(1, MOST_SOLIDS + 1)]
    assert not boxes(svg(netdef.parse("\n".join(lines[:-1]))), "card")
    assert len(boxes(svg(netdef.parse("\n".join(lines))), "card")) == len(lines)
    assert not boxes(svg(netdef.parse("\n".join(lines)), style="volumes"), "card")


def test_boxes_are_as_wide_as_their_names_need():
    lines = ["layer data: Input { shape { dim: [1, 8, 8, 8] } }"]
    for index, name in enumerate(("res2a_branch2b", "res2a_branch2c")):
        lines += [f"layer {name}: Convolution(data) {{ num_output: 8 kernel_size: 3 pad: 1 stride: 2 group: 4 }}"]
        lines += [f"layer {kind}{index}: {kind}({name}) -> {name}" for kind in ("BatchNorm", "Scale", "ReLU")]
    picture = svg(netdef.parse("\n".join(lines)))
    assert {"res2a_branch2b", "BN, Scale, ReLU", "Convolution 3 × 3, 4 groups, stride 2, pad 1"} <= set(texts(picture))
    (width,) = {box[2] for box in boxes(picture, "card")}
    assert WIDTH < width < WIDEST
    long = "x" * 80
    lines = [line.replace("res2a_branch2b", long) for line in lines]
    picture = svg(netdef.parse("\n".join(lines)))
    assert {box[2] for box in boxes(picture, "card")} == {WIDEST}
    assert any(text.startswith("xxx") and "…" in text for text in texts(picture))
    assert long in "".join(title.text for title in picture.iter(f"{SVG}title"))


def test_the_table_has_no_empty_rows():
    picture = svg(netdef.parse("layer data: Input { shape { dim: [1, 3, 8, 8] } }", "some/where/one.net"))
    heights = {text.text: float(text.get("y")) for text in picture.iter(f"{SVG}text")}
    assert heights["output"] - heights["data"] == pytest.approx(17)
    assert "window" not in heights
    assert "one.net" in heights  # the name of a net that has none, without its folders


def contrast(one, other):
    """The ratio of the luminances of two colours, as the Web Content Accessibility Guidelines count it."""

    def luminance(colour):
        channels = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def testcolours_can_be_told_from_their_ground(palette):
    rules = dict(re.findall(r"^([^{\n]+) \{ fill: (#\w+)", "\n".join(colours(palette, KINDS)), re.M))
    grounds = [colour for rule, colour in rules.items() if rule.endswith((".card", ".chip", ".panel", ".paper", ".tag"))]
    assert len(grounds) == 3 + 2 * len(KINDS)
    for ground in grounds:
        assert contrast(palette.ink, ground) >= 7
        assert contrast(palette.muted, ground) >= 4.5
    for line in (palette.line, palette.crossing):
        assert contrast(line, palette.paper) >= 3


def test_titles_for_screen_readers():
    picture = svg(netdef.load("lenet"))
    assert picture.find(f"{SVG}title").text == "LeNet"
    assert "431,080 parameters" in picture.find(f"{SVG}desc").text
    stages = [group for group in picture.iter(f"{SVG}g") if group.get("data-stage")]
    assert len(stages) == 10
    for group in stages:
        assert (group.get("role"), group.get("tabindex")) == ("img", "0")
        assert group[0].tag == f"{SVG}title"


@pytest.mark.slow
def test_a_large_net_is_drawn_in_time():
    lines = ["layer data: Input { shape { dim: [1, 8, 8, 8] } }"]
    for index in range(200):
        before = f"e{index - 1}" if index else "data"
        lines.append(f"layer c{index}: Convolution({before}) {{ num_output: 8 kernel_size: 3 pad: 1 }}")
        lines.append(f"layer e{index}: Eltwise(c{index}, {before})")
    assert len(boxes(svg(netdef.parse("\n".join(lines))), "card")) == 401


def test_text_widths():
    assert shortened("short", 11, 100) == "short"
    assert shortened("inception_4a/3x3_reduce", 11, 80) == "incep…duce"
    assert text_width(shortened("W" * 99, 11, 80), 11) <= 80
    long, start = "relu, " * 10_000, time.perf_counter()
    assert shortened(long, 11, 80) == "relu, r…relu, " and time.perf_counter() - start < 2
    assert shortened("conv", 11, 1) == "…"
    assert mix("#000000", "#ffffff", 0.5) == "#808080"


def test_png_on_a_machine_without_fonts(monkeypatch):
    import resvg_py

    from netdef.draw import png

    whole = resvg_py.svg_to_bytes
    picture = render(netdef.load("lenet"), "svg").decode()
    dark = []
    for fonts in (png._fonts, list):
        monkeypatch.setattr(png, "_fonts", fonts)
        monkeypatch.setattr(resvg_py, "svg_to_bytes", lambda **given: whole(**given, skip_system_fonts=True))
        image = Image.open(io.BytesIO(png.png(picture))).convert("L")
        dark.append(sum(image.histogram()[:90]))
    assert dark[0] > dark[1] + 1000  # with the fonts that come along, there is text
