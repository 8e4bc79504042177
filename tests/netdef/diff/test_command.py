"""`netdef diff` as it is called: kinds of files, forms of output, exit codes."""

import contextlib
import fcntl
import io
import json
import math
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from netdef import schema
from netdef.cli.main import run
from netdef.cli.shell import coloured
from netdef.diff import html
from netdef.diff.text import render_findings
from netdef.diff.weights import describe, two_files

GOLDENS = "tests/goldens/files"


def test_exit_codes(capsys):
    assert run(["diff", "alexnet", "alexnet"]) == 0
    assert capsys.readouterr().out == "alexnet -> alexnet: no differences in test and train phases\n"
    assert run(["diff", "alexnet", "caffenet", "--phase", "train"]) == 1
    assert "alexnet -> caffenet, train phase\n" in capsys.readouterr().out
    assert run(["diff", "alexnet", "nonesuch"]) == 2
    assert "nonesuch" in capsys.readouterr().err


def test_statistics_are_no_parameters(tmp_path, capsys):
    text = "layer data: Input { shape { dim: [2, 4, 8, 8] } }"
    (tmp_path / "a.net").write_text(text)
    (tmp_path / "b.net").write_text(f"{text} layer bn: BatchNorm(data)")
    nets = [str(tmp_path / name) for name in ("a.net", "b.net")]
    assert run(["diff", *nets]) == 1
    rows = [line.split() for line in capsys.readouterr().out.partition("Totals")[2].splitlines()]
    assert ["parameters", "0", "->", "0", "the", "same"] in rows
    assert ["statistics", "0", "->", "8", "+8"] in rows
    assert run(["diff", *nets, "--format", "json"]) == 1
    totals = json.loads(capsys.readouterr().out)["phases"]["test"]["totals"]
    assert [totals[side]["statistics"] for side in ("before", "after")] == [0, 8]
    assert run(["diff", *nets, "--format", "html"]) == 1
    assert "<h3>statistics" in capsys.readouterr().out


def test_json(capsys):
    assert run(["diff", "alexnet", "caffenet", "--format", "json"]) == 1
    reported = json.loads(capsys.readouterr().out)
    assert (reported["before"], reported["after"], reported["same"]) == ("alexnet", "caffenet", False)
    assert [one["kind"] for one in reported["findings"]] == ["merged", "swapped", "constant", "initialiser"]
    assert reported["findings"][0]["costs"]["parameters"] == 1_413_120
    test = reported["phases"]["test"]
    assert test["totals"]["after"]["parameters"] == 62_378_344
    conv2 = next(layer for layer in test["layers"] if layer["before"] == ["conv2"])
    assert {"what": "group", "kind": "setting", "before": 2, "after": 1} in conv2["changes"]


class Page(HTMLParser):
    """Whether every element is closed in turn, and the texts."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.texts = [], [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in ("meta", "rect", "path", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_html(tmp_path):
    out = tmp_path / "x.html"
    assert run(["diff", "alexnet", "caffenet", "--format", "html", "-o", str(out)]) == 1
    page = Page()
    page.feed(out.read_text())
    assert page.open == []
    text = " ".join(page.texts)
    assert "Towers merged: conv2, conv4 and conv5" in text
    assert "62,378,344" in text
    boxes = [attributes for tag, attributes in page.seen if "data-card" in attributes]
    assert {box["data-layer"] for box in boxes} >= {"conv1", "norm1", "pool1", "fc7"}
    assert not [1 for tag, attributes in page.seen if "src" in attributes or "href" in attributes]  # all in one file


def test_html_of_names_that_look_like_html(tmp_path):
    file = tmp_path / "x.net"
    file.write_text('layer "<b>&": Input { shape { dim: 2 } }\nlayer "\\"x": TanH("<b>&")')
    out = tmp_path / "x.html"
    assert run(["diff", str(file), "lenet", "--format", "html", "-o", str(out)]) == 1
    page = Page()
    page.feed(out.read_text())
    assert page.open == []
    assert "b" not in [tag for tag, attributes in page.seen if attributes == {}] or "<b>&" in " ".join(page.texts)


@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium here")
def test_html_in_a_browser(tmp_path):
    """The script runs: pointing at a layer shows its card, and lights the findings about it."""
    out = tmp_path / "x.html"
    run(["diff", "alexnet", "caffenet", "--format", "html", "-o", str(out)])
    point = "document.querySelector('g[data-layer=norm1]').dispatchEvent(new MouseEvent('mouseenter'));"
    tell = (
        "document.title = [document.getElementById('card').innerText, document.querySelectorAll('article.lit').length].join('|');"
    )
    out.write_text(out.read_text().replace("</body>", f"<script>{point}{tell}</script></body>"))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    shown = subprocess.run(["chromium", *flags, f"file://{out}"], capture_output=True, text=True, timeout=60, check=False).stdout
    title = shown[shown.index("<title>") + 7 : shown.index("</title>")]
    assert title.startswith("norm1: LRN(conv1)")
    assert "alpha" in title
    assert title.endswith("|2")


def test_solvers(capsys, tmp_path):
    assert run(["diff", "solver", "solver"]) == 0
    file = tmp_path / "s.txt"
    file.write_text('net: "alexnet.net" # of one\'s own\nbase_lr: 0.1 lr_policy: "fixed" momentum: .9 type: "SGD" iter_size: 1')
    other = tmp_path / "t.txt"
    other.write_text('base_lr: .1 lr_policy: "step" gamma: 0.5 net: "alexnet.net" momentum: 0.9 stepsize: 10')
    capsys.readouterr()
    assert run(["diff", str(file), str(other)]) == 1
    assert capsys.readouterr().out.splitlines()[2:] == [
        "Learning rate",
        '  lr_policy  "fixed" -> "step"',
        "  gamma      none    -> 0.5",
        "  stepsize   none    -> 10",
    ]
    assert run(["diff", str(file), str(other), "--format", "json"]) == 1
    changes = json.loads(capsys.readouterr().out)["changes"]
    assert changes[1] == {"section": "Learning rate", "what": "gamma", "before": None, "after": "0.5"}
    assert run(["diff", "alexnet", str(file)]) == 2
    assert "alexnet is a net and" in capsys.readouterr().err


def test_weights(capsys, tmp_path):
    net, held = f"{GOLDENS}/tiny.prototxt", f"{GOLDENS}/snap_iter_4.caffemodel"
    for file in (held, f"{held}.h5"):
        assert run(["diff", net, file]) == 0
        assert "weights of 3 of 3 layers fit" in capsys.readouterr().out
        assert run(["diff", held, file]) == 0
        capsys.readouterr()
    changed = tmp_path / "x.prototxt"
    changed.write_text(Path(net).read_text().replace('name: "conv2"', 'name: "conv_two"').replace("num_output: 5", "num_output: 6"))
    assert run(["diff", str(changed), held]) == 1
    out = capsys.readouterr().out
    assert "Other shapes\n  fc  weights  6 x 150 + 6 -> 5 x 150 + 5\n" in out
    assert "Alike in shape, perhaps renamed: conv_two and conv2" in out
    assert run(["diff", str(changed), held, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["perhaps_renamed"] == [{"before": "conv_two", "after": "conv2"}]


def test_files_of_weights_with_other_values(tmp_path, capsys):
    held = f"{GOLDENS}/snap_iter_4.caffemodel"
    model = schema.NetParameter.FromString(Path(held).read_bytes())
    next(layer for layer in model.layer if layer.name == "conv2").blobs[0].data[0] += 0.5
    other = tmp_path / "other.caffemodel"
    other.write_bytes(model.SerializeToString())
    for file in (held, f"{held}.h5"):
        assert run(["diff", file, str(other)]) == 1
        out = capsys.readouterr().out
        assert "Other values, of one shape\n  conv2\n  changed most, |b - a| / |a| of the weights: conv2 " in out
    assert run(["diff", f"{GOLDENS}/tiny.prototxt", str(other)]) == 0  # a net has only shapes


def weights_file(path, *arrays):
    """A file whose layer fc, and one of a name of markup, have these arrays."""
    model = schema.NetParameter()
    for name in ("fc", "<b>"):
        layer = model.layer.add(name=name, type="InnerProduct")
        for array in arrays:
            layer.blobs.add(data=array).shape.dim.extend([len(array)])
    path.write_bytes(model.SerializeToString())
    return str(path)


def test_norms_and_relative_changes_of_weights(tmp_path, capsys):
    a = weights_file(tmp_path / "a.caffemodel", [3.0, 4.0], [0.0], [1.0])
    b = weights_file(tmp_path / "b.caffemodel", [3.0, 5.0], [2.0], [1.0])
    assert run(["diff", a, b, "--format", "json"]) == 1
    norms = json.loads(capsys.readouterr().out)["norms"][:3]
    assert norms[0] == {"layer": "fc", "index": 0, "before": 5.0, "after": pytest.approx(34**0.5), "relative_change": 0.2}
    assert [(one["after"], one["relative_change"]) for one in norms[1:]] == [(2.0, None), (1.0, 0.0)]
    out = tmp_path / "x.html"
    assert run(["diff", a, b, "--format", "html", "-o", str(out)]) == 1
    page = Page()
    page.feed(out.read_text())
    texts = [text for text in page.texts if text.strip()]
    at = texts.index("fc", texts.index("Norms of the weights"))
    assert texts[at : at + 14] == ["fc", "0", "5", "5.831", "4.123", "20 %", "1", "0", "2", "2", "from 0", "2", "1", "1"]
    assert texts[at + 14 : at + 17] == ["1", "0 %", "<b>"]


def test_weights_that_are_not_finite_are_named_first():
    """Files with such numbers are refused when they are read; arrays of a program of one's own are not."""

    def of(*values):
        return {f"l{number}": [np.array([value, 1.0], np.float32)] for number, value in enumerate(values)}

    before, after = of(1, 1, 1, 0, 1, 1, math.inf), of(1.1, math.nan, 1.9, 1.2, 1.8, math.inf, math.inf)
    found = two_files(before, after, ("a", "b"))
    text = " ".join(render_findings(found).split())
    assert "weights: l1 not finite, l5 not finite, l6 not finite, l3 120 %, l2 63.6 %" in text
    assert "NaN or infinity in a l6 NaN or infinity in b l1, l5, l6" in text
    assert "NaN or infinity in b" in html.render_findings(found)
    data = describe(found)
    assert (data["not_finite_before"], data["not_finite_after"]) == (["l6"], ["l1", "l5", "l6"])


def test_solvers_and_weights_as_pages(tmp_path):
    out = tmp_path / "x.html"
    held = f"{GOLDENS}/snap_iter_4.caffemodel"
    for a, b, text in (("solver", "imagenet_solver", "lr_policy"), ("lenet", held, "20 x 1 x 5 x 5 + 20")):
        assert run(["diff", a, b, "--format", "html", "-o", str(out)]) == 1
        page = Page()
        page.feed(out.read_text())
        assert page.open == []
        assert text in page.texts


def test_spelled_out_defaults_are_no_difference(tmp_path, capsys):
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    files[0].write_text('net: "x.net" base_lr: 0.1 lr_policy: "fixed"')
    files[1].write_text('net: "x.net" base_lr: 0.1 lr_policy: "fixed" momentum: 0 weight_decay: 0 display: 0 iter_size: 1')
    assert run(["diff", *map(str, files)]) == 0
    assert capsys.readouterr().out.endswith(": no differences\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["solver", "imagenet_solver", "--phase", "train"],
        ["solver", "imagenet_solver", "--set", "a.b=1"],
        [f"{GOLDENS}/snap_iter_4.caffemodel", f"{GOLDENS}/snap_iter_4.caffemodel", "--phase", "train"],
        ["lenet", f"{GOLDENS}/snap_iter_4.caffemodel", "--set", "conv1.num_output=3"],
        ["lenet", f"{GOLDENS}/snap_iter_4.caffemodel", "--batch", "3"],
    ],
)
def test_options_without_effect_are_rejected(arguments, capsys):
    assert run(["diff", *arguments]) == 2
    assert f"{arguments[2]}: of no use where" in capsys.readouterr().err


def test_weights_of_one_phase(tmp_path, capsys):
    file = tmp_path / "x.net"
    file.write_text(
        "layer d: Input { shape { dim: 2 dim: 3 } }\nlayer a: InnerProduct(d) { num_output: 5 }\n"
        "train layer b: InnerProduct(a) { num_output: 5 }"
    )
    model = schema.NetParameter()
    for num, shape in (("a", (5, 3)), ("b", (5, 5))):
        layer = model.layer.add(name=num, type="InnerProduct")
        for extents in (shape, (5,)):
            layer.blobs.add(data=[0.5] * math.prod(extents)).shape.dim.extend(extents)
    held = tmp_path / "x.caffemodel"
    held.write_bytes(model.SerializeToString())
    assert run(["diff", str(file), str(held)]) == 0
    assert run(["diff", str(file), str(held), "--phase", "test"]) == 1
    assert "b  5 x 5 + 5" in capsys.readouterr().out


def test_colours_only_on_terminals_that_have_them(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert coloured(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not coloured(Terminal())
    assert not coloured(io.StringIO())


def on_a_terminal(columns, **environment):
    """What `netdef diff alexnet caffenet` writes to a terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    known = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    command = [sys.executable, "-m", "netdef", "diff", "alexnet", "caffenet"]
    with subprocess.Popen(command, stdout=slave, env={**known, "TERM": "xterm", **environment}) as process:
        os.close(slave)
        text = b""
        with contextlib.suppress(OSError):  # what Linux says at the end
            while piece := os.read(master, 65536):
                text += piece
    os.close(master)
    assert process.returncode == 1
    return text.decode().replace("\r\n", "\n")


@pytest.mark.slow
def test_on_a_terminal(capsys):
    wide = on_a_terminal(120)
    assert "\x1b[31m" in wide
    assert run(["diff", "alexnet", "caffenet"]) == 1
    piped = capsys.readouterr().out
    assert re.sub(r"\x1b\[\d+m", "", wide) == piped
    assert on_a_terminal(120, NO_COLOR="1") == piped
    narrow = on_a_terminal(80, NO_COLOR="1")
    assert max(map(len, narrow.splitlines())) <= 80


def test_old_files_of_weights_state_four_extents(tmp_path, capsys):
    model = schema.NetParameter()
    layer = model.layer.add(name="fc", type="InnerProduct")
    for num, channels, height, width in ((1, 1, 5, 3), (1, 1, 1, 5)):
        data = [0.5] * (height * width)
        layer.blobs.add(num=num, channels=channels, height=height, width=width, data=data)
    (tmp_path / "x.caffemodel").write_bytes(model.SerializeToString())
    (tmp_path / "x.net").write_text("layer d: Input { shape { dim: 2 dim: 3 } }\nlayer fc: InnerProduct(d) { num_output: 5 }")
    assert run(["diff", str(tmp_path / "x.net"), str(tmp_path / "x.caffemodel")]) == 0


def test_two_files_fit_where_loading_takes_one_for_the_other(tmp_path):
    def file(name, *shapes):
        model = schema.NetParameter()
        layer = model.layer.add(name="fc", type="InnerProduct")
        for shape in shapes:
            layer.blobs.add(data=[0.5] * int(np.prod(shape))).shape.dim.extend(shape)
        (tmp_path / name).write_bytes(model.SerializeToString())
        return str(tmp_path / name)

    a, old, row = (
        file(f"{name}.caffemodel", *shapes)
        for name, shapes in {"a": ((1, 4), (4,)), "old": ((1, 1, 1, 4), (1, 4, 1, 1)), "row": ((4,), (4,))}.items()
    )
    assert run(["diff", a, old]) == run(["diff", old, a]) == 0
    assert run(["diff", a, row]) == run(["diff", row, a]) == 1


def test_a_phase_that_one_net_lacks(tmp_path, capsys):
    file = tmp_path / "x.net"
    file.write_text("train layer d: Input { shape { dim: 2 } }")
    assert run(["diff", str(file), "lenet"]) == 1
    out = capsys.readouterr().out
    assert "train phase\n" in out
    assert "is not compared in the test phase: " in out


def test_states_of_solvers_are_written_as_the_language_writes_them(tmp_path, capsys):
    head = 'net: "lenet" base_lr: 0.1 lr_policy: "fixed" max_iter: 9 test_interval: 5\n'
    a, b = tmp_path / "a.txt", tmp_path / "b.txt"
    a.write_text(head + 'test_iter: 1 test_state { stage: "on  train" }')
    b.write_text(head + 'test_iter: [1, 1] train_state { level: 2 } test_state { stage: "x" stage: "y" } test_state { }')
    assert run(["diff", str(a), str(b)]) == 1
    reported = capsys.readouterr().out
    assert "  train_state  none                   -> { level: 2 }\n" in reported
    assert '  test_state   { stage: "on  train" } -> { stage: "x" stage: "y" }, { }\n' in reported


def test_a_page_of_a_net_and_a_file_says_why_it_shows_no_change(tmp_path):
    (tmp_path / "x.net").write_text("layer x: Input { shape { dim: [1, 3, 1, 1] } }\nlayer fc: PReLU(x)")
    b, out = weights_file(tmp_path / "b.caffemodel", [1.0, 2.0, 2.0]), tmp_path / "x.html"
    assert run(["diff", str(tmp_path / "x.net"), b, "--format", "html", "-o", str(out)]) == 1
    assert ">3<" in out.read_text() and "there is no change to show: give two files" in out.read_text()
