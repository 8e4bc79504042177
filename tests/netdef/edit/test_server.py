"""Who may ask the server, and what it answers."""

import json
import socket
from pathlib import Path

import pytest

from netdef.edit import Server
from netdef.edit.page import policy
from netdef.language.diagnostics import NetdefError
from netdef.language.find import models_folder
from tests.netdef.edit.conftest import NET

BAD = NET.replace("InnerProduct", "InerProduct")


def test_only_the_page_with_the_token_is_answered(serve):
    page = serve()
    token, host = page.server.token, page.server.names[0]
    assert page.ask("GET", f"/?token={token}")[0] == 200
    assert page.ask("POST", "/look", {"text": NET})[0] == 200
    for wrong in (None, "", token[:-1], token + "x", "\xe9", "é".encode().decode("latin-1")):
        assert page.ask("POST", "/save", {"text": "", "over": True}, X_Netdef_Token=wrong)[0] == 403
    assert page.ask("GET", "/")[0] == page.ask("GET", "/?token=x")[0] == 403
    for wrong in (None, "evil.example", f"evil.example:{page.server.server_port}", "127.0.0.1"):
        assert page.ask("POST", "/save", {"text": "", "over": True}, Host=wrong)[0] == 403
    for origin in ("null", "http://evil.example", f"https://{host}", f"http://{host}.evil.example"):
        assert page.ask("POST", "/save", {"text": "", "over": True}, Origin=origin)[0] == 403
    assert page.ask("POST", "/look", {"text": NET}, Origin=f"http://{host}")[0] == 200
    assert Path("x.net").read_text() == NET
    assert page.server.server_address[0] == "127.0.0.1"


def test_no_path_is_opened_and_no_question_is_unknown(serve):
    page = serve()
    for path in ("/x.net", "/../x.net", "/page.js", "//etc/passwd", "/%2e%2e/x.net"):
        status, text = page.ask("GET", f"{path}?token={page.server.token}")
        assert (status, "layer" in text) == (404, False)
    for path, body in (
        ("/nothing", {}),
        ("/_look", {"text": ""}),
        ("/look", {}),
        ("/look", {"text": 3}),
        ("/hover", {"text": "", "at": [1]}),
        ("/hover", {"text": "", "at": [-1, 0]}),
        ("/hover", {"text": "", "at": [True, 0]}),
        ("/save", {"text": "x"}),
        ("/look", []),
        ("/look", b"{"),
        ("/look", b"[" * 100_000),
        ("/look", b"\xff"),
    ):
        status, answer = page.ask("POST", path, body)
        assert (status, list(answer)) == (400, ["error"]), (path, body)
    assert page.ask("POST", "/look", b"", Content_Length=None)[0] == 411
    assert page.ask("POST", "/look", b"", Content_Length="-1")[0] == 411
    assert page.ask("POST", "/look", b"", Content_Length=str(1 << 40))[0] == 413


def test_the_page_may_run_its_own_scripts_and_nothing_else(serve):
    page = serve("# </script><script>boom()</script>\n" + NET, "a<b>.net")
    status, text = page.ask("GET", f"/?token={page.server.token}")
    assert status == 200
    assert "boom()</script>" not in text
    assert "<title>a&lt;b&gt;.net</title>" in text
    rules = policy("N")
    assert "default-src 'none'" in rules
    assert "script-src 'nonce-N' 'sha256-" in rules
    assert "unsafe" not in rules.split("style-src")[0]


def test_findings_have_marks_carets_and_the_phases_that_are_whole(serve):
    page = serve()
    answer = page.ask("POST", "/look", {"text": BAD})[1]
    assert answer["messages"][0]["text"].splitlines()[1:3] == [
        "    2 | layer fc: InerProduct(data) { num_output: 5 }",
        "      |           ^^^^^^^^^^^",
    ]
    assert (answer["messages"][0]["line"], answer["phases"]) == (2, [])
    assert [(one["from"], one["to"], one["severity"]) for one in answer["marks"]] == [([1, 10], [1, 21], "error")]
    good = page.ask("POST", "/look", {"text": NET})[1]
    assert set(good["phases"]) == {"train", "test"}
    assert page.ask("POST", "/look", {"text": ""})[1]["messages"] == []
    wrong_train = NET.replace("Dropout(fc) -> fc", "Dropout(nothing)")
    assert page.ask("POST", "/look", {"text": wrong_train})[1]["phases"] == ["test"]


def test_a_file_that_is_included_is_read_again(serve):
    Path("inner.net").write_text(NET)
    page = serve('include "inner.net"\n', "outer.net")
    text = Path("outer.net").read_text()
    assert page.ask("POST", "/look", {"text": text})[1]["messages"] == []
    Path("inner.net").write_text(BAD)
    answer = page.ask("POST", "/look", {"text": text})[1]
    assert "inner.net:2:11: error" in answer["messages"][0]["text"]
    assert answer["messages"][0]["line"] == 1


def test_columns_count_as_in_javascript(serve):
    page = serve()
    text = 'name: "\N{GRINNING FACE}" nme: 3\n' + NET
    assert page.ask("POST", "/look", {"text": text})[1]["marks"][0]["from"] == [0, 11]
    assert page.ask("POST", "/hover", {"text": text, "at": [2, 12]})[1]["from"] == [2, 10]


def test_each_phase_has_a_drawing_and_a_table_with_lines(serve):
    page = serve()
    train, test = (page.ask("POST", "/phase", {"text": NET, "phase": phase})[1] for phase in ("train", "test"))
    assert [(row["cells"][0], row["line"]) for row in train["table"]["rows"]] == [("data", 1), ("fc", 2), ("drop", 3)]
    assert [row["cells"][0] for row in test["table"]["rows"]] == ["data", "fc"]
    assert train["table"]["rows"][1]["cells"] == ["fc", "InnerProduct", "5", "5 x 192 + 5", "965", "960", "80 B"]
    assert train["table"]["totals"][4:6] == ["965", "960"]
    assert '<svg xmlns="http://www.w3.org/2000/svg"' in train["picture"]
    assert page.ask("POST", "/phase", {"text": BAD, "phase": "test"})[1]["error"].startswith("error: the text has no whole net")


def test_hover_and_completion_are_those_of_editors(serve):
    page = serve()
    assert "5 x 192 + 5: 965 parameters" in page.ask("POST", "/hover", {"text": NET, "at": [1, 7]})[1]["text"]
    half = NET.replace("num_output: 5", "num_o")
    found = page.ask("POST", "/complete", {"text": half, "at": [1, 36]})[1]["items"]
    named = next(one for one in found if one["label"] == "num_output")
    assert (named["insert"], named["from"], named["to"]) == ("num_output: ", [1, 31], [1, 36])
    assert page.ask("POST", "/hover", {"text": "", "at": [7, 7]})[1] is None


def test_a_text_is_saved_only_over_the_file_that_it_was_made_from(serve):
    page = serve()
    seen = page.ask("POST", "/load", {})[1]["seen"]
    Path("x.net").write_text("# other\n")
    assert page.ask("POST", "/look", {"text": NET})[1]["disk"] != seen
    answer = page.ask("POST", "/save", {"text": "# mine\n", "seen": seen})[1]
    assert "has changed on disk" in answer["changed"]
    assert Path("x.net").read_text() == "# other\n"
    assert page.ask("POST", "/save", {"text": "# mine\n", "seen": seen, "over": True})[1].keys() == {"seen"}
    assert Path("x.net").read_text() == "# mine\n"


def test_differences_are_lines_and_those_of_the_nets(serve):
    page = serve()
    same = page.ask("POST", "/diff", {"text": NET})[1]
    assert (same["lines"], same["page"], same["why"]) == ([], "", "The text is that of x.net on disk.")
    changed = page.ask("POST", "/diff", {"text": NET.replace("5 }", "7 }")})[1]
    assert "-layer fc: InnerProduct(data) { num_output: 5 }" in changed["lines"]
    assert "x.net on disk" in changed["page"]
    assert "num_output" in changed["page"]
    assert "has errors" in page.ask("POST", "/diff", {"text": BAD})[1]["why"]
    Path("x.net").unlink()
    gone = page.ask("POST", "/diff", {"text": NET})[1]
    assert "an empty x.net" in gone["page"] + gone["why"] and len(gone["lines"]) == 4
    solver = page.ask("POST", "/diff", {"text": "base_lr: 0.1\nlr_policy: 'fixed'\n"})[1]
    assert (solver["page"], "Only lines" in solver["why"] or "has errors" in solver["why"]) == ("", True)


def test_a_copy_is_compared_with_what_it_is_made_from(serve):
    page = serve(None, "lenet")
    text = page.ask("POST", "/load", {})[1]["text"]
    found = page.ask("POST", "/diff", {"text": text.replace("num_output: 500", "num_output: 400")})[1]
    assert "lenet.net on disk" not in found["page"] and str(models_folder() / "lenet.net") in found["page"]


def test_a_solver_is_edited_alike(serve):
    Path("n.net").write_text(NET)
    page = serve('net: "n.net"\nbase_lr: 0.1\nlr_policy: "fixed"\nmax_iter: 3\n', "solver.txt")
    answer = page.ask("POST", "/look", {"text": Path("solver.txt").read_text() + "gama: 1\n"})[1]
    assert "gama" in answer["messages"][0]["text"]
    changed = page.ask("POST", "/diff", {"text": Path("solver.txt").read_text().replace("0.1", "0.2")})[1]
    assert "base_lr" in changed["page"]


def test_formatting_is_that_of_fmt(serve):
    page = serve()
    answer = page.ask("POST", "/format", {"text": "layer a:Input{shape{dim:1}}"})[1]
    assert answer["text"] == "layer a: Input { shape { dim: 1 } }\n"
    assert "error" in page.ask("POST", "/format", {"text": BAD})[1]


def test_a_fault_of_ours_is_an_answer_and_the_server_goes_on(serve, monkeypatch, caplog):
    page = serve()
    monkeypatch.setattr("netdef.edit.session.phase", lambda *_: 1 / 0)
    assert page.ask("POST", "/phase", {"text": NET, "phase": "test"}) == (
        500, {"error": "netdef failed: ZeroDivisionError: division by zero; the terminal of netdef edit says more"}
    )  # fmt: skip
    assert "/phase failed" in caplog.text
    assert page.ask("POST", "/look", {"text": NET})[0] == 200


def test_a_port_that_is_taken_is_said(serve):
    page = serve()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(NetdefError, match=r"cannot serve at port \d+: Address already in use"):
            Server(page.session, taken.getsockname()[1])


def test_the_text_in_the_page_is_the_file_s(serve):
    page = serve()
    text = page.ask("GET", f"/?token={page.server.token}")[1]
    data = json.loads(text.split('id="data">', 1)[1].split("</script>", 1)[0])
    assert (data["text"], data["name"]) == (NET, "x.net")
