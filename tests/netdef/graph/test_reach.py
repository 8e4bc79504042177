"""Files that nets and solvers name outside of their folder: said once, or refused; links are followed."""

import json
import os
import warnings
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netdef
import runtime
from netdef import NetdefError
from netdef.check.run import check
from netdef.cli.main import run
from netdef.language.diagnostics import Remark
from netdef.language.reach import outside
from netdef.weights import read_weights
from runtime.data import open_source
from runtime.data.hdf5_data import files_at
from runtime.data.listing import read_list
from runtime.data.window_file import read_windows
from runtime.images.trained_pixels import trained_pixels
from runtime.solver.nets import load_net
from runtime.solver.pixels import FORM

NET = """
layer data: ImageData -> data, label { source: "SOURCE" batch_size: 2 new_height: 4 new_width: 4 shuffle: true }
layer fc: InnerProduct(data) { num_output: 2 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
SOLVER = 'net: "x.net" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 random_seed: 1 snapshot_prefix: "PREFIX"'
NOTE = "source of layer data leads to {}, outside of {}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """nets/ and images/ side by side, and a link to images/ in nets/."""
    for number in range(4):
        path = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (60 * number, 0, 0)).save(path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "link").symlink_to(tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(source, prefix="x"):
    Path("nets/x.net").write_text(NET.replace("SOURCE", source))
    Path("nets/solver.txt").write_text(SOLVER.replace("PREFIX", prefix))


@pytest.mark.parametrize("source", ["images", "../images", "link", "link/a", "{here}/images"])
def test_data_elsewhere(source, folder):
    write(source.format(here=folder))
    real = os.path.realpath(folder / "images") + ("/a" if source.endswith("/a") else "")
    (note,) = (one for one in check("nets/x.net").findings if one.code == "ND405")
    assert (note.severity, note.message) == ("note", NOTE.format(real, "nets"))
    assert (note.position.line, note.position.column) == (2, 48)
    with netdef.only_inside(), pytest.raises(NetdefError, match=r"x\.net:2:48: error: source of layer data leads to"):
        netdef.load("nets/x.net")
    netdef.load("nets/x.net")


@pytest.mark.parametrize("source", ["nothing", "builtin:digits", "inner", "../nets/inner", "./inner/inner", "x\\0y", "y" * 5000])
def test_data_inside_or_nowhere(source, folder):
    (folder / "nets" / "inner").symlink_to(folder / "nets")
    write(source)
    assert not [one for one in check("nets/x.net").findings if one.code == "ND405"]


def test_a_run_says_it_once_and_refuses_it_with_inside(folder, capsys):
    write("link", prefix=f"{folder}/else/x")
    words = ["train", "nets/solver.txt", "--devices", "cpu:0", "--threads", "1"]
    assert run([*words, "--out", "run", "--inside"]) == 2
    err = capsys.readouterr().err
    assert "nets/solver.txt:1:" in err and "error: snapshot_prefix leads to" in err
    assert not Path("run").exists() and not Path("else").exists()
    assert run([*words, "--out", "run"]) == 0
    err = capsys.readouterr().err
    assert err.count("snapshot_prefix leads to") == err.count("source of layer data leads to") == 1
    assert Path("else/x_iter_1.caffemodel").exists()


def test_a_link_in_the_directory_of_a_run(folder):
    write("builtin:digits", prefix="sub/x")
    (folder / "run").mkdir()
    (folder / "run" / "sub").symlink_to(folder / "images")
    with netdef.only_inside(), pytest.raises(NetdefError, match=r"snapshot_prefix sub/x leads to .*images, outside of"):
        runtime.Solver("nets/solver.txt", out="run", devices="cpu:0", threads=1)


def test_what_the_caller_names_may_be_anywhere(folder, capsys):
    write("inner")
    Path("weights.caffemodel").write_bytes(b"")
    words = ["train", "nets/solver.txt", "--dry-run", "--devices", "cpu:0", "--threads", "1", "--inside"]
    assert run([*words, "--data", "images"]) == 0
    assert "outside" not in capsys.readouterr().err
    with netdef.only_inside():
        netdef.load("nets/x.net", overrides={"data.source": "images"})


@pytest.mark.parametrize("field", ["net", "weights"])
def test_what_a_solver_names(field, folder):
    write("builtin:digits")
    Path("else.net").write_text(Path("nets/x.net").read_text())
    text = Path("nets/solver.txt").read_text().replace('net: "x.net"', f'net: "{"../else.net" if field == "net" else "x.net"}"')
    Path("nets/solver.txt").write_text(text + (' weights: "a.caffemodel,../b.caffemodel"' if field == "weights" else ""))
    (note,) = (one for one in check("nets/solver.txt").findings if one.code == "ND405")
    assert note.message.startswith(f"{field} leads to ") and note.message.endswith("outside of nets")
    with netdef.only_inside(), pytest.raises(NetdefError, match=f"error: {field} leads to"):
        netdef.load_solver("nets/solver.txt")


def test_an_include(folder):
    write("builtin:digits")
    Path("base.net").write_text(Path("nets/x.net").read_text())
    Path("nets/y.net").write_text('include "../base.net"\n')
    with pytest.warns(Remark, match=r"y\.net:1:9: include leads to .*base\.net, outside of nets"):
        netdef.load("nets/y.net")
    assert [one.severity for one in check("nets/y.net").findings if one.code == "ND405"] == ["note"]
    with netdef.only_inside():
        with pytest.raises(NetdefError, match=r"y\.net:1:9: error: include leads to"):
            netdef.load("nets/y.net")
        Path("nets/y.net").write_text('include "x.net"\nremove layer loss\n')
        Path("z.net").write_text('include "lenet.net"\n')
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            netdef.load("nets/y.net")
            netdef.load("z.net")  # a model of the package


def test_outside_follows_links_and_takes_no_prefix_of_a_name(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "ab").mkdir()
    (tmp_path / "a" / "b").symlink_to(tmp_path / "ab")
    assert (
        outside(tmp_path / "ab", tmp_path / "a") == outside(tmp_path / "a" / "b", tmp_path / "a") == Path(tmp_path / "ab").resolve()
    )
    assert outside(tmp_path / "a", tmp_path / "a") is outside(tmp_path / "a" / "new", tmp_path / "a") is None


@pytest.mark.parametrize("name", ["--inc.net", "<override>.net"])
def test_a_file_with_the_name_of_an_option_is_no_callers(name, folder):
    write(f"{folder}/images")
    os.replace("nets/x.net", name)
    Path("nets/inc").mkdir()
    os.chdir("nets/inc")
    os.replace(f"../../{name}", name)
    Path("y.net").write_text(f'include "{name}"\n')
    with netdef.only_inside(), pytest.raises(NetdefError, match="source of layer data leads to"):
        netdef.load("y.net")


@pytest.mark.parametrize(
    "source", ['ImageData -> data, label { source: "inner"', 'Data -> data, label { source: "gone" backend: LMDB']
)
def test_what_one_call_names_is_no_other_files(source, folder):
    size = "new_height: 4 new_width: 4 " if source.startswith("Image") else ""
    size += "batch_size: 2 transform_param { crop_size: 4 } }"
    Path("nets/own.net").write_text(f"layer data: {source} {size}\n")
    write("images")
    with netdef.only_inside(), warnings.catch_warnings():
        warnings.simplefilter("error")
        net = load_net("nets/own.net", "train", data="images")
        open_source(net.layer("data"), 1, workers=1).close()
        with pytest.raises(NetdefError, match="source of layer data leads to"):
            netdef.load("nets/x.net")


def test_a_net_beside_the_solver_comes_first(folder, capsys):
    """It is what a training reads, although a model of the package, or a file in the current folder, has the same name."""
    write("builtin:digits")
    os.replace("nets/x.net", "own.net")
    solver = Path("nets/solver.txt")
    solver.write_text(solver.read_text().replace("x.net", "lenet.net"))
    with netdef.only_inside():
        netdef.load_solver(solver)  # the model
        Path("nets/lenet.net").symlink_to("../own.net")
        with pytest.raises(NetdefError, match=r"error: net leads to .*own\.net, outside of nets"):
            netdef.load_solver(solver)
        assert [one.severity for one in check(str(solver)).findings if one.code == "ND405"] == ["error"]
        Path("nets/lenet.net").unlink()
        Path("nets/own.net").write_text(Path("own.net").read_text())
        solver.write_text(solver.read_text().replace("lenet.net", "own.net"))
        netdef.load_solver(solver)
    assert run(["check", str(solver), "--inside"]) == 0
    assert "leads to" not in capsys.readouterr().out


@pytest.mark.parametrize("field", ["net", "weights"])
def test_a_solver_names_nothing_that_can_be_opened(field, folder):
    write("builtin:digits")
    text = Path("nets/solver.txt").read_text().replace('net: "x.net"', f'net: "{"y" * 5000 if field == "net" else "x.net"}"')
    Path("nets/solver.txt").write_text(text + (f' weights: "{"y" * 5000},none"' if field == "weights" else ""))
    assert not [one for one in check("nets/solver.txt").findings if one.code == "ND405"]


def test_a_binary_net_has_a_folder_too(folder):
    write("private")
    Path("private").symlink_to("images")
    message = netdef.load("nets/x.net", "train").message
    Path("nets/y.caffemodel").write_bytes(message.SerializeToString())
    says = "source of layer data leads to .*images, outside of nets"
    with pytest.warns(Remark, match=rf"^nets/y\.caffemodel: {says}"):
        open_source(netdef.load("nets/y.caffemodel").layer("data"), 1, workers=1).close()
    with netdef.only_inside():
        with pytest.raises(NetdefError, match=says):
            netdef.load("nets/y.caffemodel")
        message.layer[0].image_data_param.source = "nets/inner"
        Path("nets/y.caffemodel").write_bytes(message.SerializeToString())
        Path("nets/inner").mkdir()
        netdef.load("nets/y.caffemodel")


def test_a_file_that_a_run_writes(folder):
    """From the current folder, whether it is there or not."""
    layers = 'layer x: Input -> x, y { shape { dim: 1 } }\nlayer out: HDF5Output(x, y) { file_name: "FILE" }\n'
    Path("nets/h.net").write_text(layers.replace("FILE", "sub/new.h5"))
    with netdef.only_inside(), pytest.raises(NetdefError, match=r"file_name of layer out leads to .*/sub/new\.h5, outside of nets"):
        netdef.load("nets/h.net")
    Path("nets/h.net").write_text(layers.replace("FILE", "nets/sub/new.h5"))
    with netdef.only_inside():
        netdef.load("nets/h.net")


def test_a_matrix_of_a_loss(folder):
    np.save("h.npy", np.eye(3, dtype=np.float32))
    layers = "layer x: Input -> x { shape { dim: [1, 3] } }\nlayer y: Input -> y { shape { dim: 1 } }\n"
    Path("nets/i.net").write_text(layers + 'layer loss: InfogainLoss(x, y) { source: "h.npy" }\n')
    says = r"nets/i\.net:3:\d+: .*source of layer loss leads to .*/h\.npy, outside of nets"
    with pytest.warns(Remark, match=says):
        runtime.compile(netdef.load("nets/i.net"), threads=1).close()
    with netdef.only_inside(), pytest.raises(NetdefError, match=says):
        netdef.load("nets/i.net")


def test_a_net_inside_a_solver_has_its_folder(folder):
    """Its paths start there where nothing is in the current folder, and may not lead out of it."""
    Path("private").symlink_to("images")
    solver = SOLVER.replace('net: "x.net"', f"net_param {{ {NET} }}").replace("PREFIX", "x")
    Path("nets/solver.txt").write_text(solver.replace("SOURCE", "private"))
    says = r"nets/<message>:\d+:\d+: error: source of layer data leads to .*images, outside of nets"
    with netdef.only_inside(), pytest.raises(NetdefError, match=says):
        runtime.Solver("nets/solver.txt", devices="cpu:0", threads=1)
    os.unlink("nets/link")
    os.rename("images", "nets/beside")
    Path("nets/solver.txt").write_text(solver.replace("SOURCE", "beside"))
    with netdef.only_inside(), runtime.Solver("nets/solver.txt", devices="cpu:0", threads=1) as one:
        assert one.nets.train.layer("data").source == "beside"


def test_what_netdef_wrote_is_not_remarked_on(folder, monkeypatch, capsys):
    """The texts of a user's own run and of `init`; what is copied or changed is a text like others, and `--inside` refuses all."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    write("../images")
    assert run(["train", "nets/solver.txt", "--threads", "1", "--out", "run"]) == 0
    Path("nets/y.net").write_text(NET.replace("SOURCE", "builtin:photos"))
    assert run(["init", "images", "--from", "nets/y.net", "-o", "made"]) == 0
    assert "outside of nets" in capsys.readouterr().err
    for own in ("run/net.net", "run/solver.txt", "made/images.net"):
        assert not [one for one in check(own).findings if one.code == "ND405"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", Remark)
        load_net("run", "train")
        netdef.load("made/images.net")
    assert run(["check", "run/net.net", "--inside"]) == run(["check", "made/images.net", "--inside"]) == 1
    os.rename("run", "other")
    Path("made/images.net").write_text("# mine\n" + Path("made/images.net").read_text())
    for other in ("other/net.net", "made/images.net"):
        assert [one.code for one in check(other).findings if one.code == "ND405"]
    assert run(["train", "other", "--resume", "latest", "--iterations", "8", "--threads", "1"]) == 0  # written again, for others
    assert [one.code for one in check("other/net.net").findings if one.code == "ND405"]


OUT = "OUT/b/1.png"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (f"0.png 0\n{OUT} 1\n", read_list),
        (f"0.png 0.5\n{OUT} 0.5\n", lambda path: read_list(path, label_size=1)),
        (f"# 0\n{OUT}\n3\n4\n4\n1\n1 1 0 0 3 3\n", lambda path: read_windows(path, "", 0.5, 0.5)),
        (f"x.h5\n{OUT}\n", lambda path: files_at(Path(path))),
    ],
)
@pytest.mark.parametrize("out", ["images", "../images", "nets/link", "{here}/images", "nets/../images"])
def test_what_a_list_names(text, read, out, folder):
    for name in ("nets/0.png", "nets/x.h5"):
        Path(name).write_bytes(b"")
    text = text.replace("OUT", out.format(here=folder)).replace("0.png", "nets/0.png").replace("x.h5", "nets/x.h5")
    if out == "../images":
        text = text.replace("nets/", "")
    Path("nets/list.txt").write_text(text)
    read("nets/list.txt")
    with (
        netdef.only_inside(),
        pytest.raises(NetdefError, match=r"nets/list\.txt:2:1: error: .*1\.png leads to .*, outside of nets"),
    ):
        read("nets/list.txt")


def test_a_list_whose_paths_start_elsewhere(folder):
    """Where the net says so, which is looked at by itself."""
    Path("nets/list.txt").write_text("a/0.png 0\nb/1.png 1\n")
    with netdef.only_inside():
        read_list("nets/list.txt", "images")
        Path("nets/list.txt").write_text("a/0.png 0\n../nets/list.txt 1\n")
        with pytest.raises(NetdefError, match="outside of images"):
            read_list("nets/list.txt", "images")


@pytest.mark.parametrize("kind", ["link", "virtual", "stored", "none"])
def test_an_h5_file_with_numbers_elsewhere(kind, folder):
    h5py = pytest.importorskip("h5py")
    with h5py.File("other.h5", "w") as file:
        file["data"] = np.ones((1, 1), "f4")
    with h5py.File("nets/x.h5", "w") as file:
        group = file.create_group("data").create_group("fc")
        group["again"] = file["data"]  # a circle
        if kind == "link":
            group["0"] = h5py.ExternalLink("other.h5", "/data")
        elif kind == "virtual":
            layout = h5py.VirtualLayout((1, 1), "f4")
            layout[:] = h5py.VirtualSource("other.h5", "data", (1, 1))
            group.create_virtual_dataset("0", layout)
        elif kind == "stored":
            group.create_dataset("0", (1, 1), "f4", external=[("other.h5", 0, 4)])
        else:
            group["0"] = np.ones((1, 1), "f4")
    with (
        netdef.only_inside(),
        nullcontext() if kind == "none" else pytest.raises(NetdefError, match="0 in /data/fc lies in"),
    ):
        read_weights("nets/x.h5")


def test_the_mean_of_weights(folder):
    """As the side file names it, by its whole path."""
    mean = str(folder / "images" / "mean.npy")
    pixels = dict.fromkeys(FORM, 0) | {"mean_value": [], "mean_file": mean}
    Path("nets/w.netdef.json").write_text(json.dumps({"format": 1, "pixels": pixels}))
    Path("nets/w.caffemodel").write_bytes(b"")
    assert trained_pixels("nets/w.caffemodel")[0]["mean_file"] == mean
    with netdef.only_inside(), pytest.raises(NetdefError, match=r"mean_file of nets/w.netdef.json leads to .*/mean.npy"):
        trained_pixels("nets/w.caffemodel")
