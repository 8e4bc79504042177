"""The HTML page in a real browser."""

from xml.etree import ElementTree

import pytest
from PIL import Image

import netdef
from netdef.draw import draw
from netdef.language.find import models_folder

pytestmark = pytest.mark.slow  # each starts a browser

FILLERS = 'weight_filler { type: "gaussian" std: 0.01 } bias_filler { value: 1 }'


@pytest.fixture
def page(tmp_path):
    return draw(netdef.load("alexnet", phase="train"), tmp_path / "alexnet.html")


def after(text, mark, end):
    """The text between two marks."""
    return text.split(mark, 1)[1].split(end, 1)[0]


def test_page_opens_without_errors_and_without_a_card(page, browse):
    shown, complaints = browse(page, "--dump-dom")
    assert complaints == ""
    assert "<title>AlexNet</title>" in shown
    assert "<aside hidden" in shown
    assert 'style="width: ' in after(shown, "<main>", "<g")  # the script has fitted it to the window


def test_the_card_of_a_layer_shows_all_that_shapes_knows(page, browse):
    shown, complaints = browse(page, "--dump-dom", fragment="#conv2")
    assert complaints == ""
    card = after(shown, "<aside", "</aside>")
    assert "hidden" not in card.split(">", 1)[0]
    rows = ElementTree.fromstring(f"<a>{card.split('>', 1)[1]}</a>")
    assert [head.text for head in rows.iter("h2")] == ["conv2", "relu2"]
    facts = list(zip((d.text for d in rows.iter("dt")), (d.text for d in rows.iter("dd")), strict=True))
    lines = (models_folder() / "alexnet.net").read_text().splitlines()
    written = next(number for number, line in enumerate(lines, 1) if line.startswith("layer conv2:"))
    assert facts[:9] == [
        ("reads", "pool1 (32 × 96 × 27 × 27)"),
        ("makes", "conv2: 32 × 256 × 27 × 27, 22.8 MiB"),
        ("towers", "2 × 128 × 27 × 27"),
        ("weights", "256 × 48 × 5 × 5"),
        ("biases", "256"),
        ("parameters", "307,456"),
        ("MACs an image", "223,948,800"),
        ("settings", f"num_output: 256 pad: 2 kernel_size: 5 group: 2 {FILLERS}"),
        ("written in", f"alexnet.net:{written}"),
    ]
    near = [tag for tag in shown.split("<g ") if tag.startswith('class="stage') and "near" in tag.split(">", 1)[0]]
    assert len(near) == 3  # itself, pool1, norm2


def test_it_is_drawn(page, browse, tmp_path):
    picture = tmp_path / "page.png"
    browse(page, f"--screenshot={picture}", "--window-size=1400,700")
    image = Image.open(picture).convert("RGB")
    assert image.size == (1400, 700)
    colours = {colour for _, colour in image.getcolors(1 << 20)}
    assert len(colours) > 500
    blue = sum(count for count, (r, g, b) in image.getcolors(1 << 20) if b > 200 and r < 100)
    assert blue > 2000  # the convolutions' sides


def test_names_are_escaped_in_cards(tmp_path, browse):
    text = "layer data: Input { shape { dim: [1, 3] } }\nlayer '<img src=x onerror=boom()>': InnerProduct(data) { num_output: 2 }"
    page = draw(netdef.parse(text), tmp_path / "x.html")
    shown, complaints = browse(page, "--dump-dom", fragment="#%3Cimg%20src%3Dx%20onerror%3Dboom()%3E")
    assert complaints == ""
    assert "<h2>&lt;img src=x onerror=boom()&gt;<span>" in shown


def acted(page, browse, script, *options):
    """The title that a script gives a page after it has done what a reader would."""
    text = page.read_text()
    known = "const stages = [...document.querySelectorAll('.stage')], card = document.querySelector('aside');"
    page.write_text(text.replace("</body>", f"<script>{{ {known} {script} }}</script></body>"))
    shown, complaints = browse(page, "--dump-dom", *options)
    assert complaints == ""
    return after(shown, "<title>", "</title>")


def test_each_layer_is_a_button_with_a_name(page, browse):
    said = acted(page, browse, "document.title = stages.map((s) => [s.role, s.tabIndex, s.ariaLabel].join(' ')).join('; ');")
    assert said.split("; ")[:2] == ["button 0 data: ImageData", "button 0 conv1: Convolution, relu1: ReLU"]


def test_keys_pins_and_drags(page, browse):
    script = """
      const said = [], say = () => said.push(card.hidden ? "-" : card.querySelector("h2").firstChild.data);
      const key = (target, name) => target.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
      const mouse = (kind, target, x) => target.dispatchEvent(
        new PointerEvent(kind, { clientX: x, clientY: 9, buttons: 1, pointerType: "mouse", bubbles: true }));
      const view = document.querySelector("main");
      key(stages[1], "Enter"); say();
      key(document.body, "Escape"); say();
      key(stages[2], " "); say();
      key(stages[2], " "); say();
      stages[3].dispatchEvent(new MouseEvent("mousemove", { clientX: 9, clientY: 9, bubbles: true })); say();
      stages[3].dispatchEvent(new MouseEvent("mouseleave")); say();
      const before = view.scrollLeft;
      mouse("pointerdown", view, 300); mouse("pointermove", view, 200); mouse("pointerup", view, 200);
      mouse("click", stages[4], 200);
      said.push(view.scrollLeft - before); say();
      mouse("pointerdown", stages[4], 300); mouse("pointerup", stages[4], 300); mouse("click", stages[4], 300); say();
      mouse("pointerdown", view, 300); mouse("pointerup", view, 300); mouse("click", view, 300); say();
      document.title = said.join(" ");
    """
    said = acted(page, browse, script, "--window-size=700,700")
    assert said == "conv1 - norm1 - pool1 - 100 - conv2 -"


@pytest.mark.parametrize(("width", "where"), [(1400, "beside"), (500, "below")])
def test_the_card_is_docked_beside_the_picture_or_below_it(page, browse, width, where):
    script = """
      stages.at(-1).dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
      const [box, layer] = [card.getBoundingClientRect(), stages.at(-1).getBoundingClientRect()];
      const apart = box.left >= layer.right && box.right === innerWidth && box.height === innerHeight;
      document.title = box.bottom === innerHeight && box.width === innerWidth ? "below" : apart ? "beside" : "over it";
    """
    assert acted(page, browse, script, f"--window-size={width},850") == where


def test_a_wide_net_is_scrolled_rather_than_shrunk_to_a_line(page, browse):
    script = (
        "document.title = (picture => picture.getBoundingClientRect().width / picture.viewBox.baseVal.width)"
        "(document.querySelector('main svg'))"
    )
    assert float(acted(page, browse, script, "--window-size=600,700")) == pytest.approx(1, abs=0.01)


def test_it_fits_both_ways_and_a_map_shows_the_view(page, browse):
    script = """
      const view = document.querySelector("main"), map = document.getElementById("map"), said = [map.hasAttribute("hidden")];
      document.querySelector("[data-zoom=fit]").click();
      said.push(view.scrollWidth <= view.clientWidth && view.scrollHeight <= view.clientHeight, map.hasAttribute("hidden"));
      document.querySelector("[data-zoom=in]").click();
      document.querySelector("[data-zoom=in]").click();
      const box = map.getBoundingClientRect();
      map.dispatchEvent(new PointerEvent("pointermove", { clientX: box.right, clientY: box.top, buttons: 1 }));
      said.push(view.scrollLeft > 0 && view.scrollLeft >= view.scrollWidth - view.clientWidth - 2);
      document.title = said.join(" ");
    """
    assert acted(page, browse, script, "--window-size=700,500") == "false true true true"


def test_groups_fold_and_what_is_below_moves_up(tmp_path, browse):
    script = """
      const picture = document.querySelector("main svg"), said = [], groups = [...document.querySelectorAll(".foldable")];
      const of = (name) => stages.find((stage) => stage.ariaLabel.startsWith(`${name}:`));
      const top = (element) => element.getBoundingClientRect().top - picture.getBoundingClientRect().top;
      const press = (key, target = document.body) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      const first = groups.find((group) => group.dataset.name === "inception_3a"), inside = of("inception_3a/1x1");
      const before = [top(of("data")), top(of("pool3/3x3_s2"))], high = picture.getBoundingClientRect().height;
      const panel = first.getBoundingClientRect().height;
      press("Enter", first);
      const bar = first.getBoundingClientRect().height;
      said.push(first.ariaExpanded, getComputedStyle(inside).display, first.querySelector("text").textContent);
      const up = before[1] - top(of("pool3/3x3_s2"));
      said.push(top(of("data")) === before[0], Math.abs(up - (panel - bar)) < 1);
      said.push(Math.abs(high - picture.getBoundingClientRect().height - up) < 1);
      press("g");
      said.push(groups.every((group) => group.ariaExpanded === "false"), document.querySelector("[data-zoom=groups]").textContent);
      location.hash = "inception_3a/1x1";
      window.onhashchange = () => {
        said.push(first.ariaExpanded, getComputedStyle(inside).display, card.querySelector("h2").firstChild.data);
        press("Escape"); press("g"); press("g");
        said.push(Math.abs(top(of("pool3/3x3_s2")) - before[1]) < 1, getComputedStyle(inside).display);
        document.title = said.join("|");
      };
    """
    page = draw(netdef.load("googlenet"), tmp_path / "googlenet.html", "cards")
    said = acted(page, browse, script, "--virtual-time-budget=1000").split("|")
    assert said[:3] == ["false", "none", "▸ inception_3a  ·  8 stages  ·  163.7 k  ·  129.4 M"]
    assert said[3:] == ["true", "true", "true", "true", "unfold", "true", "inline", "inception_3a/1x1", "true", "inline"]


def test_a_group_without_wires_folds(tmp_path, browse):
    text = "".join(f"layer a/x{n}: Input {{ shape {{ dim: [1, 3] }} }}\n" for n in range(3))
    page = draw(netdef.parse(text), tmp_path / "x.html", "cards")
    script = (
        "document.querySelector('[data-zoom=groups]').click(); document.title = document.querySelectorAll('.group.folded').length;"
    )
    assert acted(page, browse, script) == "1"


def test_layers_are_found_by_name_and_type(page, browse):
    script = """
      const finder = document.querySelector("nav input");
      const key = (name) => finder.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
      finder.value = "LRN"; finder.dispatchEvent(new Event("input"));
      const said = [document.querySelector("nav output").textContent];
      for (const name of ["Enter", "Enter", "Enter"]) { key(name); said.push(card.querySelector("h2").firstChild.data); }
      key("Escape");
      said.push(document.querySelectorAll(".found").length, card.classList.contains("pinned"));
      document.title = said.join(" ");
    """
    assert acted(page, browse, script) == "2 norm1 norm2 norm1 0 true"


def test_it_is_dark_where_that_is_preferred(page, browse, tmp_path):
    for scheme, low, high in ((0, 0, 60), (1, 240, 256)):
        picture = tmp_path / f"{scheme}.png"
        browse(page, f"--screenshot={picture}", "--window-size=800,600", f"--blink-settings=preferredColorScheme={scheme}")
        image = Image.open(picture).convert("L")
        assert all(low <= image.getpixel(pixel) < high for pixel in ((5, 5), (795, 400), (400, 5)))
