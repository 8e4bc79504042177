"""`netdef test -o`: confusions on the terminal, a page, a table of predictions."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netdef
import runtime
from netdef.cli.main import run
from runtime.solver.nets import load_net
from tests.netdef.cli import levels

NAMES = ["<i>zero", "one", "two"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Nine images of three classes, two more in the folder of a class whose shade they do not have, and one that is damaged."""
    monkeypatch.chdir(tmp_path)
    levels.make(tmp_path, NAMES)
    for index in range(2):
        Image.fromarray(np.full((5, 6), levels.shade(2), np.uint8)).save(f"digits/<i>zero/wrong{index}.png")


def report(*arguments, net="levels.net"):
    return run(["test", net, "--weights", "w.caffemodel", *arguments])


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_the_numbers_are_those_of_a_test_without_a_report(capsys):
    assert report() == 0
    plain = capsys.readouterr().out.splitlines()
    assert report("-o", "x.html", "-o", "x.csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == plain[:2] and lines[1] == "accuracy  81.82%"
    assert lines[2].split(", ")[0] == plain[2].split(", ")[0] == "over 11 images of 11 in all"
    assert lines[3:] == [
        "worst confusions:",
        "      2 of     5 (40.0%)  <i>zero taken for two",
        "x.html: 11 images",
        "x.csv: 11 images",
    ]


@pytest.mark.parametrize("batch", ["3", "11", "12"])
def test_every_image_is_in_the_table_once(batch):
    assert report("-o", "x.csv", "--batch", batch) == 0
    rows = list(csv.DictReader(Path("x.csv").read_text().splitlines()))
    wrong = [f"digits/<i>zero/wrong{index}.png" for index in range(2)]
    right = [f"digits/{name}/{index}.png" for name in NAMES for index in range(3)]
    assert sorted(row["image"] for row in rows) == sorted([*wrong, *right])
    for row in rows:
        assert row["truth_name"] == row["image"].split("/")[1] == NAMES[int(row["truth"])]
        assert row["guess_name"] == ("two" if row["image"] in wrong else row["truth_name"]) == NAMES[int(row["guess"])]
        assert float(row["probability"]) >= float(row["truth_probability"])


def test_cells_list_their_images_and_mistakes_have_pictures():
    assert report("-o", "x.html") == 0
    page = Path("x.html").read_text()
    known = data_of(page)
    assert {cell: len(images) for cell, images in known["cells"].items()} == {"0,0": 3, "0,2": 2, "1,1": 3, "2,2": 3}
    titles = {title for title, _, _ in known["cells"]["0,2"]}
    assert titles == {f"digits/<i>zero/wrong{index}.png" for index in range(2)}
    assert {str(picture) for _, _, picture in known["cells"]["0,2"]} == set(known["pictures"])
    assert all(picture == -1 for _, _, picture in known["cells"]["1,1"])
    assert re.findall(r"<figcaption>(.*?)</figcaption>", page) == ["&lt;i&gt;zero taken for two, 100.0%"] * 2
    assert "<i>zero" not in page and re.search(r"<th>accuracy</th><td[^>]*>81.82%", page)


def test_images_that_cannot_be_read_are_counted(capsys):
    Path("digits/one/0.png").write_bytes(b"no image")
    assert report("-o", "x.html", "-o", "x.csv") == 0
    assert "1 image could not be read" in capsys.readouterr().out
    assert '<th>could not be read</th><td class="n">1</td>' in Path("x.html").read_text()
    assert len(Path("x.csv").read_text().splitlines()) == 1 + 10


def test_votes_have_a_report_too(capsys):
    assert report(net="levels.net") == 0
    pair = "levels.net:w.caffemodel"
    assert run(["test", pair, pair, "-o", "x.html", "-o", "x.csv"]) == 0
    out = capsys.readouterr().out
    assert "<i>zero taken for two" in out and "x.csv: 11 images" in out
    assert data_of(Path("x.html").read_text())["cells"]["0,2"][0][0].startswith("digits/<i>zero/wrong")


def test_nothing_wrong_is_said_so(capsys):
    for index in range(2):
        Path(f"digits/<i>zero/wrong{index}.png").unlink()
    assert report("-o", "x.html") == 0
    assert "no image is taken for another class" in capsys.readouterr().out
    assert "There are none." in Path("x.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "x.png"], "x.png: a report is a .html, a table of predictions a .csv"),
        (["-o", "nowhere/x.csv"], "there is no folder nowhere"),
        (["-o", "x.csv", "--iterations", "2"], "a report is of all images: --iterations has no place in it"),
        (["-o", "x.csv", "--crops", "10", "--iterations", "2"], "--iterations has no place in"),
    ],
)
def test_wrong_arguments(arguments, message, capsys):
    assert report(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not Path("x.csv").exists()


@pytest.mark.slow
def test_in_a_browser(browse):
    """A cell by click and by keyboard; dark, and as wide as a phone."""
    assert report("-o", "x.html") == 0
    page = Path("x.html").resolve()
    script = """
      const cell = document.getElementById("cell"), buttons = [...document.querySelectorAll("#matrix button")], said = [];
      said.push(cell.hidden);
      buttons[0].focus();
      document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
      said.push(document.activeElement.dataset.cell);
      document.activeElement.click();
      said.push(cell.querySelector("h3").textContent, cell.querySelectorAll("img").length, cell.querySelectorAll("i").length);
      said.push(document.documentElement.scrollWidth <= innerWidth ? "fits" : "too wide");
      said.push(getComputedStyle(document.body).backgroundColor);
      document.title = said.join("; ");"""
    text = re.sub(r"script-src 'sha256-[^']+'", "script-src 'unsafe-inline'", page.read_text())
    page.write_text(text.replace("</body>", f"<script>{{ {script} }}</script></body>"))
    shown, complaints = browse(page, "--dump-dom", "--window-size=500,800", "--blink-settings=preferredColorScheme=0")
    assert complaints == ""
    assert "<title>true; 0,2; &lt;i&gt;zero taken for two: 2 of 5 (40.0%); 2; 0; fits; rgb(15, 23, 42)</title>" in shown


def test_images_with_a_label_that_is_ignored(capsys):
    """They count in neither the accuracy nor the confusions."""
    text = Path("levels.net").read_text().replace("num_output: 3", 'num_output: 2 weight_filler { type: "xavier" }')
    text = text.replace("loss: SoftmaxWithLoss(fc, label)", "loss: SoftmaxWithLoss(fc, label) { loss_param { ignore_label: 2 } }")
    Path("two.net").write_text(text.replace("Accuracy(fc, label)", "Accuracy(fc, label) { ignore_label: 2 }"))
    with runtime.compile("two.net", "cpu") as exe:
        exe.save_weights("two.caffemodel")
    assert run(["test", "two.net", "--weights", "two.caffemodel", "-o", "x.csv", "-o", "x.html"]) == 0
    out = capsys.readouterr().out
    assert "3 images left out: their label is one that the net ignores" in out and "x.csv: 8 images" in out
    rows = list(csv.DictReader(Path("x.csv").read_text().splitlines()))
    right = sum(row["truth"] == row["guess"] for row in rows)
    assert len(rows) == 8 and f"{right / 8:.2%}" in out and "the net ignores</th>" in Path("x.html").read_text()


ROWS = """
layer d: HDF5Data -> data, label { source: "rows.txt" batch_size: 2 }
layer fc: InnerProduct(data) { num_output: 3 }
layer loss: SoftmaxWithLoss(fc, label)
test layer accuracy: Accuracy(fc, label)
"""


def test_rows_of_arrays_have_a_report_without_pictures(capsys):
    h5py = pytest.importorskip("h5py")
    with h5py.File("rows.h5", "w") as file:
        file["data"] = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]
        file["label"] = np.array([0, 1, 2, 2, 2], np.float32)[:, None]
    Path("rows.txt").write_text("rows.h5\n")
    Path("rows.net").write_text(ROWS)
    net = "layer data: Input { shape { dim: [1, 3] } } layer fc: InnerProduct(data) { num_output: 3 }"
    with runtime.compile(netdef.parse(net), backward=False) as executable:
        executable.set_param("fc", 0, np.eye(3, dtype=np.float32))
        executable.set_param("fc", 1, np.zeros(3, np.float32))
        executable.save_weights("rows.caffemodel")
    assert run(["test", "rows.net", "--weights", "rows.caffemodel", "-o", "x.html", "-o", "x.csv"]) == 0
    assert "x.html: 5 images" in capsys.readouterr().out
    rows = list(csv.DictReader(Path("x.csv").read_text().splitlines()))
    assert [(row["image"], row["truth"], row["guess"]) for row in rows] == [
        ("row 0", "0", "0"), ("row 1", "1", "1"), ("row 2", "2", "2"), ("row 3", "2", "0"), ("row 4", "2", "1"),
    ]  # fmt: skip
    page = Path("x.html").read_text()
    assert "<tr><th>row 3</th><td>class 2 taken for class 0, 57.6%</td></tr>" in page
    assert data_of(page)["pictures"] == {}
    assert data_of(page)["cells"]["2,1"] == [["row 4", 0.5761, -1]]


TASKS = """
layer d: HDF5Data -> data, la, lb { source: "rows.txt" batch_size: 2 }
layer fa: InnerProduct(data) { num_output: 3 }
layer fb: InnerProduct(data) { num_output: 3 }
layer sa: SoftmaxWithLoss(fa, la)
"""
B = "layer sb: SoftmaxWithLoss(fb, lb)\n"
LA, LB = [0, 1, 0], [1, 2, 2]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (B, LB),
        (B + "test layer prob: Softmax(fb)", LB),
        (B + "test layer acc: Accuracy(fa, la)", LA),
        ("layer lr: Reshape(lb) { shape { dim: [0, 1] } } layer sb: SoftmaxWithLoss(fb, lr)", LB),
        ("test layer sum: Eltwise(fa, fb) test layer prob: Softmax(sum) test layer unread: Silence(lb)", LA),
        (B + "test layer acc: Accuracy(fb, la)", "the labels of fb are not known: it is compared with la and lb"),
        (B + "layer fc: InnerProduct(data) { num_output: 3 } test layer prob: Softmax(fc)", "compared with none of la and lb"),
        ("layer lp: Power(lb) layer sb: SoftmaxWithLoss(fb, lp)", "it is compared with lp"),
    ],
    ids=range(8),
)
def test_the_labels_are_those_that_the_scores_are_compared_with(layers, expected, capsys):
    h5py = pytest.importorskip("h5py")
    with h5py.File("rows.h5", "w") as file:
        file["data"], file["la"], file["lb"] = np.eye(3, dtype=np.float32), np.float32(LA), np.float32(LB)
    Path("rows.txt").write_text("rows.h5\n")
    Path("tasks.net").write_text(TASKS + layers)
    with runtime.compile(load_net("tasks.net", "test"), backward=False) as executable:
        executable.save_weights("tasks.caffemodel")
    code = run(["test", "tasks.net", "--weights", "tasks.caffemodel", "-o", "x.csv"])
    if isinstance(expected, str):
        assert code == 2 and expected in capsys.readouterr().err and not Path("x.csv").exists()
    else:
        rows = list(csv.DictReader(Path("x.csv").read_text().splitlines()))
        assert code == 0 and [int(row["truth"]) for row in rows] == expected
