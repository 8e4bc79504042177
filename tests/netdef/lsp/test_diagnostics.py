"""What an editor is shown while one writes, over stdio."""

import pytest
from lsprotocol.types import DiagnosticSeverity, DiagnosticTag, PositionEncodingKind

from netdef.language.find import models_folder

DATA = "layer data: Input { shape { dim: [1, 3, 8, 8] } }\n"
GOOD = DATA + "layer conv: Convolution(data) { num_output: 4 kernel_size: 3 }\n"


def shown(found):
    """(line from 1, first column, column past the end, severity, code, first line of the message) of each."""
    return [
        (
            one.range.start.line + 1,
            one.range.start.character + 1,
            one.range.end.character + 1,
            one.severity.name.lower(),
            one.code,
            one.message.split("\n")[0],
        )
        for one in found
    ]


def test_errors_appear_and_disappear(editor):
    assert editor.open("a.net", GOOD) == ()
    found = editor.change("a.net", GOOD.replace("kernel_size", "kernl_size"))
    assert ("kernl_size" in found[0].message, "did you mean kernel_size?" in found[0].message) == (True, True)
    assert shown(found)[0][:5] == (2, 47, 57, "error", "ND002")
    assert found[0].source == "netdef"
    assert editor.change("a.net", GOOD) == ()


def test_all_kinds_of_findings(editor):
    text = GOOD + "layer {\nlayer relu: ReLU(cov)\ndefaults LRN { k: 1 }\n"
    found = shown(editor.open("kinds.net", text))
    assert (3, 7, 8, "error", "ND001", "'{' of layer is not closed") in found
    found = shown(editor.change("kinds.net", text.replace("layer {\n", "")))
    assert found == [(3, 18, 21, "error", "ND101", "layer relu reads blob cov, which no layer makes"),
                     (4, 10, 13, "warning", "ND221", "no layer uses defaults LRN")]  # fmt: skip
    found = editor.change("kinds.net", text.replace("layer {\n", "").replace("cov", "conv"))
    assert [(one.severity, one.tags) for one in found] == [(DiagnosticSeverity.Warning, (DiagnosticTag.Unnecessary,))]


def test_columns_are_utf16(editor):
    text = DATA + "layer a: ReLU('dätä') # ü\nlayer '🐍🐍': ReLU(nope)\n"
    assert [one[:3] for one in shown(editor.open("utf16.net", text))] == [(2, 15, 21), (3, 20, 24)]


def test_columns_in_the_encoding_of_the_editor(plain_editor):
    assert plain_editor.initialized.capabilities.position_encoding == PositionEncodingKind.Utf8
    found = plain_editor.open("utf8.net", DATA + "layer 'é🐍': ReLU(nope)\n")
    assert [one[:3] for one in shown(found)] == [(2, 22, 26)]


def test_notes_are_related_information(editor):
    found = editor.open("twice.net", GOOD + "layer conv: ReLU(data) -> x\n")
    one = next(one for one in found if one.code == "ND102")
    (related,) = one.related_information
    assert (related.message, related.location.uri) == ("the first one", editor.uri("twice.net"))
    assert related.location.range.start.line == 1


def test_notes_are_in_the_message_without_related_information(plain_editor):
    found = plain_editor.open("twice.net", GOOD + "layer conv: ReLU(data) -> x\n")
    one = next(one for one in found if one.code == "ND102")
    assert one.related_information is None
    assert one.message.endswith("twice.net:2:7") and "the first one" in one.message


def test_caffes_form_and_old_formats(editor):
    text = (
        'layers {\n  name: "ip"\n  type: INNER_PRODUCT\n  bottom: "data"\n  top: "ip"\n  inner_product_param { num_output: 2 } }\n'
    )
    found = editor.open("old.prototxt", 'input: "data"\ninput_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n' + text)
    assert {(one.severity, one.code) for one in found} == {(DiagnosticSeverity.Information, "ND224")}
    text = 'layer {\n  name: "r"\n  type: "ReLU"\n  bottom: "daat"\n  top: "r"\n}\n'
    data = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 } } }\n'
    found = editor.open("deploy.prototxt", data + text)
    assert shown(found) == [(5, 11, 17, "error", "ND101", "layer r reads blob daat, which no layer makes")]


def test_solvers(editor):
    (editor.folder / "net.net").write_text(GOOD)
    text = '# a solver\nnet: "net.net"\nbase_lr: 0.01\nlr_policy: "stepp"\nmax_iter: 10\n'
    found = shown(editor.open("solver.prototxt", text))
    assert (4, 12, 19, "error", "ND301", "unknown lr_policy 'stepp'") in found
    found = shown(editor.change("solver.prototxt", text.replace("stepp", "fixed").replace("max_iter", "max_itr")))
    assert found[0][:5] == (5, 1, 8, "error", "ND002")
    found = shown(editor.change("solver.prototxt", text.replace("stepp", "fixed").replace("net.net", "no.net")))
    assert (2, 6, 14, "error", "ND301") in [one[:5] for one in found]


def test_the_net_of_a_solver_is_noted_in_the_solver(editor):
    (editor.folder / "bad.net").write_text("layer a: ReLU(nope)\n")
    found = editor.open("solver2.prototxt", 'net: "bad.net"\nbase_lr: 0.01\nlr_policy: "fixed"\nmax_iter: 10\n')
    (one,) = [one for one in found if "bad.net" in one.message]
    assert shown([one])[0][:3] == (1, 7, 14)
    assert shown(editor.published[editor.uri("bad.net")])[0][0] == 1


def test_included_files(editor):
    """Errors stand in the file that has them; the one that includes it says so; what is in the editor counts."""
    (editor.folder / "base.net").write_text("layer never: Read(this)\n")
    editor.open("base.net", GOOD)
    assert editor.open("top.net", '# ü 🐍\ninclude "base.net"\nlayer relu: ReLU(conv)\n') == ()
    before = editor.count[editor.uri("top.net")]
    editor.change("base.net", GOOD.replace("kernel_size: 3", "kernel_size: 30"))
    (one,) = editor.news(editor.uri("top.net"), before)
    assert shown([one]) == [(2, 9, 19, "error", None, "base.net has 1 error")]
    (related,) = one.related_information
    assert (related.location.uri, related.location.range.start.line) == (editor.uri("base.net"), 1)
    assert len(editor.published[editor.uri("base.net")]) == 1  # found twice, in either file
    editor.change("base.net", GOOD)
    assert editor.until("top.net", lambda found: not found) == ()
    assert editor.until("base.net", lambda found: not found) == ()


def test_closing_an_included_file_leaves_what_is_on_disk(editor):
    (editor.folder / "disk.net").write_text("layer a: ReLU(nope)\n")
    editor.open("disk.net", GOOD)
    assert editor.open("upper.net", 'include "disk.net"\n') == ()
    editor.close("disk.net")
    found = editor.until("upper.net", bool)
    assert found[0].message.startswith("disk.net has")
    assert editor.published[editor.uri("disk.net")][0].related_information[-1].message == "included from here"
    editor.close("upper.net")
    assert editor.until("disk.net", lambda found: not found) == ()


def test_a_missing_include(editor):
    found = shown(editor.open("missing.net", 'include "nowhere.net"\n'))
    assert found[0][:5] == (1, 9, 22, "error", "ND005")


def test_a_text_without_a_file(editor):
    found = editor.open("Untitled-1", "layer a: ReLU(b)\n", uri="untitled:Untitled-1")
    assert shown(found)[0][:3] == (1, 15, 16)
    assert editor.open("new.net", GOOD + "layer a: ReLU(b)\n")[0].range.start.line == 2  # never saved


@pytest.mark.parametrize("text", ["", "\n  \n"])
def test_an_empty_text_has_no_errors(editor, text):
    assert editor.open(f"empty{len(text)}.net", text) == ()


BROKEN = [
    "}" * 300,
    "{" * 300,
    '"' * 99,
    "layer " * 50,
    "\x00\x01",
    "\ud800",
    "x" * 100_000,
    "include 'a\x00b'",
    "a: 1e999",
    "\x0c{",
]


@pytest.mark.parametrize("text", BROKEN)
def test_broken_texts(editor, text):
    assert editor.open(f"broken{hash(text)}.net", text)


def test_the_models_are_clean(editor):
    for name in ("alexnet.net", "googlenet.net"):
        found = editor.open(name, (models_folder() / name).read_text())
        assert [one for one in shown(found) if one[3] == "error"] == []


def test_closing_removes_the_findings(editor):
    assert editor.open("gone.net", "layer a: ReLU(b)\n")
    assert editor.close("gone.net") == ()


def test_only_the_last_of_many_changes_is_checked(plain_editor):
    editor = plain_editor  # whose server waits for a pause as long as any user's
    editor.open("fast.net", GOOD)
    before = editor.count[editor.uri("fast.net")]
    for number in range(20):
        editor.change("fast.net", GOOD + f"layer a: ReLU(b{number})\n", wait=False)
    (one,) = editor.until("fast.net", bool)
    assert "blob b19" in one.message
    assert editor.count[editor.uri("fast.net")] == before + 1
