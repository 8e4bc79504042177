"""What `netdef check` prints, and how it exits."""

import json

from netdef.check import CODES
from netdef.check.run import check
from netdef.cli.main import run

WARNING = """layer data: Input -> data, label { shape { dim: [4, 8] } shape { dim: 4 } }
layer fc: InnerProduct(data) { num_output: 5 }
layer loss: SoftmaxWithLoss(fc, label)
"""


def test_exit_codes(file, capsys):
    name = file(WARNING)
    assert run(["check", "alexnet"]) == 0
    assert capsys.readouterr().out == "1 file checked, nothing found\n"
    assert run(["check", name]) == 0
    assert run(["check", "--strict", name]) == 1
    assert run(["check", file("layer a: ReLU(x)", "y.net")]) == 1
    assert run(["check", name, "y.net", "missing.net"]) == 2
    assert run(["check"]) == 2


def test_text(file, capsys):
    run(["check", file(WARNING)])
    assert capsys.readouterr().out == (
        "x.net:2:7: warning: all weights of InnerProduct fc start at 0 in the train phase [ND209]\n"
        "    2 | layer fc: InnerProduct(data) { num_output: 5 }\n"
        "      |       ^^\n"
        '    its neurons never become different: add weight_filler { type: "xavier" }, say\n'
        "1 file checked: no errors, 1 warning; `netdef explain CODE` says more\n"
    )


def test_errors_and_warnings_of_several_files(file, capsys):
    run(["check", file(WARNING), file("layer a: ReLU(x)\nlayer b: RLU(a)", "y.net")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("2 files checked: 2 errors, 1 warning")
    assert [line.rsplit(" ", 1)[1] for line in lines if line.endswith("]")] == ["[ND209]", "[ND101]", "[ND002]"]


def test_json(file, capsys):
    run(["check", file(WARNING), "--format", "json"])
    (one,) = json.loads(capsys.readouterr().out)
    assert one == {
        "code": "ND209",
        "severity": "warning",
        "title": CODES["ND209"][0],
        "message": "all weights of InnerProduct fc start at 0 in the train phase",
        "reason": 'its neurons never become different: add weight_filler { type: "xavier" }, say',
        "file": "x.net",
        "line": 2,
        "column": 7,
        "length": 2,
        "notes": [],
    }


def test_sarif(file, capsys):
    """The fields of SARIF that code hosts require."""
    both = WARNING + "layer r: ReLU(data) -> fc\n"
    run(["check", file(WARNING), file(both, "y.net"), "--format", "sarif"])
    log = json.loads(capsys.readouterr().out)
    assert log["version"] == "2.1.0"
    (only,) = log["runs"]
    rules = only["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["ND103", "ND209"]
    assert all(rule["shortDescription"]["text"] and rule["help"]["text"] for rule in rules)
    first, second = only["results"]
    assert (first["ruleId"], first["level"], rules[first["ruleIndex"]]["id"]) == ("ND209", "warning", "ND209")
    location = first["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "x.net"
    assert location["region"] == {"startLine": 2, "startColumn": 7, "endLine": 2, "endColumn": 9}
    assert second["relatedLocations"][0]["message"]["text"] == "layer fc writes it first"


def test_a_folder_is_checked_file_by_file(file, capsys, tmp_path):
    file(WARNING), file('net: "x.net" base_lr: 1 lr_policy: "fixed" max_iter: 9', "solver.txt"), file("words", "notes.txt")
    assert run(["check", "."]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("2 files checked")
    (tmp_path / "empty").mkdir()
    assert run(["check", "empty"]) == 2


def test_old_formats_are_notes_not_warnings(file, capsys):
    name = file("input: 'data' input_dim: [1, 3, 8, 8]\nlayer { name: 'r' type: 'ReLU' bottom: 'data' top: 'r' }", "x.prototxt")
    assert run(["check", "--strict", name]) == 0
    out = capsys.readouterr().out
    assert "x.prototxt:1:1: note: the network's input data was read as a layer of type Input [ND224]" in out
    inputs = "input: 'a' input: 'b' input_dim: [1, 3, 8, 8, 1, 3, 8, 8]\n"
    assert run(["check", file(inputs + "layer { name: 's' type: 'Silence' bottom: 'a' bottom: 'b' }")]) == 0
    assert "note: the network's inputs a, b were read as a layer of type Input" in capsys.readouterr().out


def test_colours_do_not_change_the_text(file):
    """Only on a terminal (run() decides that); the words are the same."""
    import click

    from netdef.check import check, render

    report = check(file(WARNING))
    plain, coloured = render([report]), render([report], colour=True)
    assert "\x1b[" not in plain
    assert click.style("warning:", fg="yellow", bold=True) in coloured and click.style("[ND209]", dim=True) in coloured
    assert click.unstyle(coloured) == plain


def test_a_deploy_net_with_layers_for_testing_only_is_no_training_net(tmp_path, capsys):
    """Without a loss nobody trains it; with one, the layer that the training net lacks is an error."""
    text = """input: "data" input_shape { dim: [1, 8] }
    layer { name: "r" type: "Reshape" bottom: "data" top: "r" reshape_param { shape { dim: [1, 8] } } include { phase: TEST } }
    layer { name: "fc" type: "InnerProduct" bottom: "r" top: "fc" inner_product_param { num_output: 2 weight_filler { std: 1 } } }
    """
    path = tmp_path / "deploy.prototxt"
    path.write_text(text)
    assert check(str(path)).errors == 0
    assert run(["diff", str(path), str(path)]) == 0
    assert "no differences in test phase" in capsys.readouterr().out
    path.write_text(text + 'layer { name: "loss" type: "EuclideanLoss" bottom: "fc" bottom: "fc" top: "loss" }')
    assert [one.code for one in check(str(path)).findings if one.severity == "error"] == ["ND101"]
