"""The HTML page in a real browser."""

from xml.etree import ElementTree

import pytest
from PIL import Image

import netdef
from netdef.draw import draw

FILLERS = 'weight_filler { type: "gaussian" std: 0.01 } bias_filler { value: 1 }'


@pytest.fixture
def page(tmp_path):
    return draw(netdef.load("alexnet", phase="train"), tmp_path / "alexnet.html")


def after(text, mark, end):
    """What stands between two marks."""
    return text.split(mark, 1)[1].split(end, 1)[0]


def test_it_opens_without_complaint_and_tells_of_no_layer_yet(page, browse):
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
    assert facts[:9] == [
        ("reads", "pool1 (32 × 96 × 27 × 27)"),
        ("makes", "conv2: 32 × 256 × 27 × 27, 22.8 MiB"),
        ("towers", "2 × 128 × 27 × 27"),
        ("weights", "256 × 48 × 5 × 5"),
        ("weights", "256"),
        ("parameters", "307,456"),
        ("MACs an image", "223,948,800"),
        ("settings", f"num_output: 256 pad: 2 kernel_size: 5 group: 2 {FILLERS}"),
        ("written in", "alexnet.net:43"),
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


def test_a_name_from_outside_is_text_there_too(tmp_path, browse):
    text = "layer data: Input { shape { dim: [1, 3] } }\nlayer '<img src=x onerror=boom()>': InnerProduct(data) { num_output: 2 }"
    page = draw(netdef.parse(text), tmp_path / "x.html")
    shown, complaints = browse(page, "--dump-dom", fragment="#%3Cimg%20src%3Dx%20onerror%3Dboom()%3E")
    assert complaints == ""
    assert "<h2>&lt;img src=x onerror=boom()&gt;<span>" in shown
