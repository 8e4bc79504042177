"""`netdef show`: pages and pictures of filters and of what a net makes of images."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netdef
import runtime
from netdef.cli.main import run
from tests.netdef.cli import images

EVIL = "<img src=x onerror=alert(1)>"
BRIGHT, DARK = "images/bright/00.png", "images/dark/10.png"
DEPLOY = images.NET.split("test layer data", 1)[0].split("train layer", 1)[0] + (
    "layer data: Input { shape { dim: [1, 3, 16, 16] } }\n"
    f"layer '{EVIL}': Convolution(data) -> conv {{ num_output: 4 kernel_size: 5 stride: 2 }}\n"
    "layer relu: ReLU(conv) -> conv\nlayer fc: InnerProduct(conv) { num_output: 2 }\nlayer prob: Softmax(fc)\n"
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Six images, the net that reads such, and a deploy net whose convolution has markup for a name; weights of both."""
    monkeypatch.chdir(tmp_path)
    images.make(tmp_path, each=3)
    Path("deploy.net").write_text(DEPLOY)
    for net, weights in ((netdef.load("shades.net", "test"), "w.caffemodel"), (netdef.load("deploy.net"), "deploy.caffemodel")):
        with runtime.compile(net, seed=1, backward=False) as exe:
            exe.save_weights(weights)


def show(*arguments, net="shades.net", weights="w.caffemodel"):
    return run(["show", net, "--weights", weights, *arguments])


def test_filters_need_no_image(capsys):
    assert show("-o", "x.html") == 0
    assert capsys.readouterr().out == "x.html: filters of conv\n"
    page = Path("x.html").read_text()
    assert "4 filters of 3 x 5 x 5. Gray is 0" in page and 'data-count="4"' in page
    assert page.count("data:image/png;base64,") == 1 and "http" not in page.replace("http-equiv", "")


def test_a_page_of_images(capsys):
    assert show(BRIGHT, "images/dark", "--among", "images/bright", "-o", "x.html", "--occlusion", "3") == 0
    said = capsys.readouterr()
    assert said.out == "x.html: filters of conv, 4 images\n"
    page = Path("x.html").read_text()
    assert re.findall(r'<section class="image"><h2>(.*?)</h2>', page) == [BRIGHT, *(f"images/dark/1{n}.png" for n in range(3))]
    first = page.split('<section class="image">')[1]
    assert re.findall(r"<summary>(.*?)<span>", first) == ["conv → relu → drop", "fc"]
    assert "as the net sees it, 16 x 16" in first and "with a square of 3 x 3 over the image" in first
    assert len(re.findall(r"%</span>", first)) == 2 and "Nearest by conv" in first
    assert len(re.findall(r"<figcaption>\S+, distance", first)) == 5  # all the others
    assert re.search(r'role="listitem">(bright|dark)</b>', first)


def test_neighbours_are_the_images_with_the_nearest_features():
    assert show(BRIGHT, "--among", "images", "-o", "x.html", "--occlusion", "0") == 0
    page = Path("x.html").read_text()
    assert "depends on" not in page
    shown = re.findall(r"<figcaption>(\S+), distance", page)
    with runtime.compile(netdef.load("shades.net", "test", batch_size=6), keep="activations") as exe:
        exe.load_weights("w.caffemodel")
        exe.forward()
        rows = exe.blob("conv").reshape(6, -1)
    names = [f"images/{shade}/{label}{n}.png" for label, shade in enumerate(("bright", "dark")) for n in range(3)]
    order = np.argsort(((rows - rows[0]) ** 2).sum(axis=1))
    assert shown == [names[index] for index in order[1:]]


def test_an_image_given_twice_is_no_neighbour_of_itself(tmp_path, capsys):
    Path("link.png").symlink_to(BRIGHT)
    among = [word for path in ("link.png", str(tmp_path / BRIGHT), DARK) for word in ("--among", path)]
    assert show(BRIGHT, f"./{BRIGHT}", *among, "-o", "x.html", "--occlusion", "0") == 0
    assert "1 image\n" in capsys.readouterr().out
    assert re.findall(r"<figcaption>(\S+), distance", Path("x.html").read_text()) == [DARK]


def test_what_predict_says_of_pixels_is_said_here(capsys):
    arguments = {"net": "deploy.net", "weights": "deploy.caffemodel"}
    assert show(BRIGHT, "--occlusion", "0", **arguments) == 0
    assert "data takes pixels as they are, 0 to 255, blue first" in capsys.readouterr().err
    assert show(BRIGHT, "--occlusion", "0", "--mean", "1,2,3", **arguments) == 0
    assert "data takes pixels with mean 1, 2, 3" in capsys.readouterr().err


def test_names_are_text_and_no_script_runs_but_the_page_s_own():
    evil = "images/<script>alert(2)<!--.png"
    Path(BRIGHT).rename(evil.replace("/script", ""))
    path = next(str(p) for p in Path("images").glob("<*"))
    Path("names.txt").write_text(f"<b>{EVIL}\n</script>\n")
    assert show(path, "-o", "x.html", "--labels", "names.txt", net="deploy.net", weights="deploy.caffemodel") == 0
    page = Path("x.html").read_text()
    assert EVIL not in page and "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "alert(2)<" not in page and page.count("</script>") == 1 == page.count("<script")
    assert re.search(r"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-[^']+='", page)


def test_a_picture_of_filters_and_of_maps(capsys):
    assert show("--layer", "conv", "-o", "f.png") == 0
    assert "conv, 4 filters of 3 x 5 x 5; 1" in capsys.readouterr().out
    assert Image.open("f.png").width > 1000
    assert show("--layer", "relu", BRIGHT, "-o", "m.png") == 0
    assert "m.png: conv@" in capsys.readouterr().out
    with runtime.compile(netdef.load("shades.net", "test", batch_size=1), keep="activations") as exe:
        exe.load_weights("w.caffemodel")
        exe.forward()
        maps = exe.blob("conv")[0]
    least, most = maps.min(), maps.max()
    expected = np.rint((maps[0] - least) * (255 / (most - least)))
    picture = np.asarray(Image.open("m.png").convert("L"))
    side = picture.shape[0] // 13 if picture.shape[0] % 13 == 0 else picture.shape[0] // 6
    np.testing.assert_allclose(picture[side // 2 : 6 * side : side, side // 2 : 6 * side : side][:6, :6], expected, atol=1)


def test_options_without_effect_are_named(capsys):
    assert show("-o", "x.html", "--threads", "1", "--occlusion", "0", "--among", "images", "--scale", "2") == 0
    said = capsys.readouterr().err
    for option in ("--threads 1", "--occlusion 0", "--among images", "--scale 2.0"):
        assert f"{option} has no effect: no IMAGE is given" in said
    assert show("--layer", "conv", BRIGHT, "-o", "m.png", "--occlusion", "5") == 0
    assert "--occlusion 5 has no effect: a .png has feature maps alone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "x.gif"], "x.gif: what a net shows is a .html or a .png"),
        (["-o", "x.png"], "x.png: a .png is of one layer; none is named"),
        (["--layer", "conv", "images", "-o", "x.png"], "a .png is of one image"),
        (["--layer", "cnov"], "has no layer 'cnov'"),
        (["--layer", "fc"], "the weights of fc are no pictures: 2 x 144"),
        (["--layer", "loss", BRIGHT], "loss makes no maps of each image"),
        (["solver.txt"], "solver.txt: not a readable image"),
        ([BRIGHT, "--among", "missing.png"], "missing.png: there is no such file"),
        (["-o", "nowhere/x.html"], "there is no folder nowhere"),
        ([BRIGHT, "--mean", "1,2,3"], "subtracts a mean of its own"),
    ],
)
def test_wrong_arguments(arguments, message, capsys):
    before = sorted(Path().rglob("*"))
    assert show(*arguments) == 2
    assert message in capsys.readouterr().err
    assert sorted(Path().rglob("*")) == before


def test_weights_that_are_not_finite(capsys):
    with runtime.compile(netdef.load("shades.net", "test"), backward=False) as exe:
        weights = exe.param("conv", 0)
        weights[0, 0, 0, 0] = 1e38
        exe.set_param("conv", 0, weights)
        exe.save_weights("w.caffemodel")
    assert show(BRIGHT, "-o", "x.html", "--set", "data.transform_param.scale=100") == 2
    assert "conv of images/bright/00.png is not finite: the first output that is not finite is of" in capsys.readouterr().err
    assert not Path("x.html").exists()


def test_a_net_without_classes_has_maps(capsys):
    text = 'layer data: ImageData -> data, label { source: "images" batch_size: 4 new_height: 8 new_width: 8 }\n'
    Path("maps.net").write_text(f"{text}layer conv: Convolution(data) {{ num_output: 1 kernel_size: 3 }}\n")
    with runtime.compile(netdef.load("maps.net", "test"), seed=1, backward=False) as exe:
        exe.save_weights("maps.caffemodel")
    assert show(BRIGHT, "-o", "x.html", net="maps.net", weights="maps.caffemodel") == 0
    assert "note: maps.net has no classes: feature maps alone are shown" in capsys.readouterr().err
    page = Path("x.html").read_text()
    assert "<summary>conv<span>" in page and "depends on" not in page and "Nearest" not in page


def test_options_that_a_net_has_no_use_for_are_named(capsys):
    data = 'layer data: ImageData -> data, label { source: "images" batch_size: 4 new_height: 8 new_width: 8 }\n'
    Path("linear.net").write_text(f"{data}layer fc: InnerProduct(data) {{ num_output: 2 }}\nlayer prob: Softmax(fc)\n")
    Path("maps.net").write_text(f"{data}layer conv: Convolution(data) {{ num_output: 1 kernel_size: 3 }}\n")
    for name in ("linear", "maps"):
        with runtime.compile(netdef.load(f"{name}.net", "test"), seed=1, backward=False) as exe:
            exe.save_weights(f"{name}.caffemodel")
        assert show(BRIGHT, "--among", DARK, "--occlusion", "3", net=f"{name}.net", weights=f"{name}.caffemodel") == 0
    said = capsys.readouterr().err
    assert f"--among {DARK} has no effect: linear.net has no hidden layer before its classes" in said
    assert f"--among {DARK} has no effect: maps.net has no classes" in said
    assert said.count("--occlusion 3 has no effect: maps.net has no classes") == 1


def test_a_layer_of_two_blobs(capsys):
    data = 'layer data: ImageData -> data, label { source: "images" batch_size: 4 new_height: 8 new_width: 8 }\n'
    Path("two.net").write_text(
        f"{data}layer cut: Slice(data) -> a, b {{ slice_point: 1 }}\n"
        "layer conv: Convolution(a) { num_output: 1 kernel_size: 3 }\n"
    )
    with runtime.compile(netdef.load("two.net", "test"), seed=1, backward=False) as exe:
        exe.save_weights("two.caffemodel")
    arguments = {"net": "two.net", "weights": "two.caffemodel"}
    assert show("--layer", "cut", BRIGHT, "-o", "x.png", **arguments) == 2
    assert "cut makes 2 blobs, a .png shows one" in capsys.readouterr().err
    assert show("--layer", "cut", BRIGHT, "-o", "x.html", **arguments) == 0
    assert Path("x.html").read_text().count("<summary>cut<span>") == 2


def test_a_net_for_one_image_at_a_time(capsys):
    """Nine images, one after the other: each has the maps that it has alone."""
    text = DEPLOY.replace("layer prob: Softmax(fc)", "layer one: Reshape(fc) { shape { dim: [1, 2] } }\nlayer prob: Softmax(one)")
    Path("one.net").write_text(text)
    arguments = {"net": "one.net", "weights": "deploy.caffemodel"}
    assert show("images", "--occlusion", "2", "-o", "x.html", **arguments) == 0
    assert show("images/dark/12.png", "--occlusion", "2", "-o", "y.html", **arguments) == 0
    assert "6 images" in capsys.readouterr().out
    many, alone = (Path(name).read_text().split('<section class="image">') for name in ("x.html", "y.html"))
    assert len(many) == 1 + 6
    maps = [page[-1].split("Feature maps")[1].split("</section>")[0] for page in (many, alone)]
    assert maps[0] == maps[1]


@pytest.mark.slow
def test_in_a_browser(browse):
    """A tile under the mouse and by keyboard; no complaint about the policy; dark, and as wide as a phone."""
    assert show(BRIGHT, "-o", "x.html", "--occlusion", "2", net="deploy.net", weights="deploy.caffemodel") == 0
    page = Path("x.html").resolve()
    script = """
      const image = document.querySelector("img.tiles"), lens = document.getElementById("lens"), said = [];
      const say = () => said.push(lens.hidden ? "-" : lens.querySelector("p").textContent);
      addEventListener("load", () => {
        say();
        const box = image.getBoundingClientRect();
        image.dispatchEvent(new MouseEvent("mousemove", { clientX: box.right - 2, clientY: box.bottom - 2 })); say();
        const key = (name) => image.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
        key("ArrowLeft"); say(); key("ArrowUp"); say(); key("Escape"); say();
        said.push(document.documentElement.scrollWidth <= innerWidth ? "fits" : "too wide");
        said.push(getComputedStyle(document.body).backgroundColor);
        document.title = said.join("; ");
      });"""
    text = page.read_text()
    text = re.sub(r"script-src 'sha256-[^']+'", "script-src 'unsafe-inline'", text)
    page.write_text(text.replace("</body>", f"<script>{{ {script} }}</script></body>"))
    shown, complaints = browse(page, "--dump-dom", "--window-size=500,800", "--blink-settings=preferredColorScheme=0")
    assert complaints == ""
    assert "<title>-; filter 3; filter 2; filter 0; -; fits; rgb(15, 23, 42)</title>" in shown
