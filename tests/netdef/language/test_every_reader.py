"""Whatever a file holds, every command that reads it ends in a result or a message, and in time."""

import contextlib
import io
import os
import random
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netdef
from netdef import schema
from netdef.cli.main import run
from netdef.language import NetdefError, contents, parser, read_text
from netdef.language.diagnostics import Remark
from tools.fuzz_language import KINDS, commands_for, outcome

INPUT = "layer data: Input -> data, label { shape { dim: [4, 3, 16, 16] } shape { dim: 4 } }\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("any")
    (made / "last.net").write_text(INPUT)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_any_input(folder, kind, seed):
    """The inputs of tools/fuzz_language.py, on every command."""
    rng = random.Random(seed)
    name, data = KINDS[kind](rng)
    (folder / name).write_bytes(data)
    for words in commands_for(kind, str(folder / name), data, rng, folder):
        how, report = outcome(words, 30)
        assert how in ("0", "1", "2"), (words, report)


def test_the_fuzz_run_finds_tracebacks(folder, monkeypatch):
    def broken(*_):
        raise KeyError("lost")

    monkeypatch.setattr("netdef.loading.open_net", broken)
    assert outcome(["shapes", "lenet"], 5)[0] == "KeyError"
    monkeypatch.setattr("netdef.loading.open_net", lambda *_: time.sleep(5))
    assert outcome(["shapes", "lenet"], 0.1)[0] == "TooSlowError"


def said(text, name="x.net"):
    with pytest.raises(NetdefError) as caught:
        read_text(text, name, "NetParameter")
    return str(caught.value)


def test_binary_texts_that_are_not_utf8():
    net = schema.NetParameter()
    net.layer.add(name="a", type="ReLU", bottom=["x", "yy"])
    data = net.SerializeToString().replace(b"yy", b"y\xff")
    with pytest.warns(Remark, match=r"x.caffemodel: layer\[0\].bottom\[1\] is not UTF-8; other bytes are read as"):
        found = read_text(data, "x.caffemodel", "NetParameter")
    assert list(found.message.layer[0].bottom) == ["x", "y\N{REPLACEMENT CHARACTER}"]


def test_a_path_that_is_not_utf8_stops_no_command(tmp_path, monkeypatch, capsys):
    """A folder with a Chinese name in GBK, in the Data layer of a trained net."""
    monkeypatch.chdir(tmp_path)
    net = schema.NetParameter(name="n")
    data = net.layer.add(name="data", type="Data", top=["data"])
    data.data_param.source, data.data_param.batch_size, data.transform_param.crop_size = "SOURCE", 2, 8
    net.layer.add(name="relu", type="ReLU", bottom=["data"], top=["y"])
    path = tmp_path / "gbk.binaryproto"
    path.write_bytes(net.SerializeToString().replace(b"SOURCE", "\N{CJK UNIFIED IDEOGRAPH-6570}xyzw".encode("gbk")))
    for command, *more in (["shapes"], ["diff", "gbk.binaryproto"], ["convert", "x.prototxt"]):
        assert run([command, "gbk.binaryproto", *more]) == 0, command
        assert "gbk.binaryproto: layer[0].data_param.source is not UTF-8" in capsys.readouterr().err
    assert "xyzw" in (tmp_path / "x.prototxt").read_text()


@pytest.mark.parametrize(
    "number", ["2147483648", "99999999999999999999", "9" * 5000, "1e400", "-1", "08", "0x1ffffffff", "nan", "-0.5"]
)
def test_numbers_that_do_not_fit(number):
    assert "x.net:1:" in said(f"layer a: Pooling(b) {{ axis: 3 kernel_size: {number}9 }}")


def test_an_enum_of_many_digits():
    assert "pool has no value 999" in said(f"layer a: Pooling(b) {{ pool: {'9' * 5000} }}")


def test_an_index_of_many_digits(capsys):
    assert run(["shapes", "lenet", "--set", f"conv1.param.{'9' * 5000}.lr_mult=1"]) == 2
    assert "which param?" in capsys.readouterr().err


@pytest.mark.parametrize("dims", ["0", "-1", "3, -2"])
def test_dimensions_below_one_or_none(dims):
    with pytest.raises(NetdefError) as caught:
        netdef.parse(f"layer a: Input {{ shape {{ dim: [{dims}] }} }}\nlayer b: InnerProduct(a) {{ num_output: 1 }}")
    assert caught.value.diagnostics[0].position


def test_arrays_too_large_for_any_memory():
    with pytest.raises(NetdefError) as caught:
        netdef.parse(
            INPUT + "layer b: InnerProduct(data) { num_output: 4294967295 }\nlayer c: InnerProduct(b) { num_output: 4294967295 }"
        )
    assert "InnerProduct c: parameter 0 (4294967295 x 4294967295) would have 18,446,744,065,119,617,025 elements" in str(
        caught.value
    )


def test_too_many_axes():
    with pytest.raises(NetdefError, match="blob a would have 4000 axes; at most 32 are possible"):
        netdef.parse(f"layer a: Input {{ shape {{ {'dim: 2 ' * 4000} }} }}\nlayer b: ReLU(a)")


def test_a_large_output_is_printed():
    text = netdef.parse(INPUT + "layer b: InnerProduct(data) { num_output: 2147483647 }")
    assert text.totals.parameters == 769 * 2147483647


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n", b"# \xe2\x80\xae\n"])
def test_byte_order_marks_and_line_ends(before):
    assert len(read_text(before + INPUT.replace("\n", "\r\n").encode(), "x.net", "NetParameter").message.layer) == 1


def test_utf16():
    assert said(INPUT.encode("utf-16")) == "error: x.net is written in UTF-16\n    save it as UTF-8"


def test_a_text_that_is_too_large(monkeypatch, tmp_path):
    monkeypatch.setattr(contents, "MOST_TEXT", 1 << 20)
    assert "x.net holds 1.00 MiB of text; netdef reads 1.00 MiB at most" in said(INPUT + "#" * (1 << 20))
    (tmp_path / "x.net").write_text(INPUT + "#" * (3 << 20))
    with pytest.raises(NetdefError, match=r"x.net holds 3.00 MiB of text; netdef reads 1.00 MiB at most"):
        netdef.load(tmp_path / "x.net")


def test_a_text_of_too_many_words(monkeypatch):
    monkeypatch.setattr(parser, "MOST_TOKENS", 1000)
    assert said("a: 1\n" * 500).startswith("x.net:334:2: error: the text has more than 1,000 words, numbers and marks")


def test_hints_are_limited_but_errors_are_not():
    with pytest.raises(NetdefError) as caught:
        read_text("nmae: 1\n" * 1000, "x.net", "NetParameter")
    found = caught.value.diagnostics
    assert len(found) == 1000
    assert (found[0].hint, found[-1].hint) == ("did you mean name?", "")


# Files that are none.


def test_devices_links_and_pipes(tmp_path, monkeypatch):
    (tmp_path / "loop.net").symlink_to(tmp_path / "loop.net")
    os.mkfifo(tmp_path / "pipe.net")
    monkeypatch.setattr(contents, "PATIENCE", 0.1)
    for name, message in (
        ("/dev/zero", "is a device"),
        (tmp_path / "loop.net", "it is a link to"),
        (tmp_path / "pipe.net", "is a pipe without data for 0.1 seconds"),
        (tmp_path, "is a directory"),
        ("x" * 5000, "there is no file"),
        ("a\0b.net", "there is no file"),
    ):
        with pytest.raises(NetdefError, match=message):
            netdef.load(name)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert run(["check", "x" * 5000]) == 2


def test_a_pipe_with_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe.net")

    def write():
        with open(tmp_path / "pipe.net", "w") as pipe:
            pipe.write(INPUT)
            pipe.flush()
            time.sleep(0.2)
            pipe.write("layer a: ReLU(data)\n")

    writer = threading.Thread(target=write)
    writer.start()
    assert len(netdef.load(tmp_path / "pipe.net").layers) == 2
    writer.join()


@pytest.mark.slow
def test_includes_without_end(tmp_path):
    for level in range(80):
        (tmp_path / f"level{level}.net").write_text(f'include "level{level + 1}.net"')
    (tmp_path / "level80.net").write_text(INPUT)
    with pytest.raises(NetdefError, match="includes nest deeper than 64 files"):
        netdef.load(tmp_path / "level0.net")
    assert netdef.load(tmp_path / "level40.net").layers


@pytest.mark.slow
@pytest.mark.parametrize(
    "layer",
    [
        "layer fc: ReLU(data)\n",
        "layer a{}: ReLU(nothing{})\n",
        "layer a{}: Convolution(data)\n",
        "layer f{}: InnerProduct(data) {{ num_output: 5 }}\nlayer l{}: SoftmaxWithLoss(f{}, label)\n",
        "layer d{}: Dropout(data) -> data\nlayer g{}: InnerProduct(data) {{ num_output: 3 }}\n",
    ],
)
def test_check_takes_time_in_proportion(tmp_path, layer):
    """Many findings, losses or layers in place; each took seconds when every one of them looked at every other."""
    (tmp_path / "x.net").write_text(
        INPUT + "".join(layer.replace("{}", str(index)) for index in range(1200)).replace("{{", "{").replace("}}", "}")
    )
    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        run(["check", str(tmp_path / "x.net")])
    assert time.process_time() - start < 3  # first imports included
