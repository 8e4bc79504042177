"""The page in a real browser: what one writes is checked, drawn, compared and saved."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from netdef.edit import page as page_module
from tests.netdef.edit.conftest import NET

pytestmark = pytest.mark.slow  # each starts a browser

BAD = NET.replace("InnerProduct", "InerProduct")
REAL_TIME = ("--virtual-time-budget=9000", "--disable-features=IsolateSandboxedIframes")
ACT = """
<script nonce="{nonce}">
(async () => {{
  const said = [], $ = (query) => document.querySelector(query), view = CodeMirror.EditorView.findFromDOM($("#text"));
  const write = (text) => view.dispatch({{ changes: {{ from: 0, to: view.state.doc.length, insert: text }} }});
  const wait = async (what) => {{
    for (let tries = 0; tries < 60; tries += 1) {{
      if (what()) return;
      await new Promise((next) => setTimeout(next, 50));
    }}
    said.push(`waited in vain for ${{what}}`);
  }};
  const press = (key, more = {{}}) => $(".cm-content").dispatchEvent(
    new KeyboardEvent("keydown", {{ key, keyCode: key.toUpperCase().charCodeAt(0), bubbles: true, cancelable: true, ...more }}));
  const framed = [];
  addEventListener("message", (event) => framed.push(event.data.netdef));
  {script}
  document.body.append(Object.assign(document.createElement("pre"), {{ id: "said", textContent: said.join("|") }}));
}})();
</script>
"""


@pytest.fixture
def act(serve, browse, monkeypatch):
    """A function that serves a text, does in the page what a script says, and returns what that has said.

    `then` is done once the page is made.
    """

    def run(script, *options, name=None, then=lambda: None):
        page = serve() if name is None else serve(None, name)

        def with_script(edited, token, nonce):
            made = page_module.page(edited, token, nonce).replace("</body>", ACT.format(nonce=nonce, script=script) + "</body>")
            then()
            return made

        monkeypatch.setattr("netdef.edit.server.page", with_script)
        address = SimpleNamespace(as_uri=lambda: page.server.url)
        shown, complaints = browse(address, "--dump-dom", *REAL_TIME, *(options or ("--window-size=1400,800",)))
        assert complaints == ""
        return shown.split('<pre id="said">', 1)[1].split("</pre>", 1)[0].replace("&gt;", ">").split("|")

    return run


def test_what_is_written_is_checked_drawn_and_compared(act):
    said = act(f"""
      await wait(() => $("#drawing iframe") && framed.includes("view"));
      said.push($("#stale").hidden, $(".message").textContent, $("#state").textContent);
      write({BAD!r});
      await wait(() => $(".message.error"));
      said.push($("#stale").textContent, $(".message").textContent.split("\\n")[0], $("#state").textContent,
        document.querySelectorAll("#drawing iframe").length, Boolean($(".cm-lintRange-error")));
      write({NET.replace("num_output: 5", "num_output: 7")!r});
      await wait(() => $(".message.none"));
      $("[data-view=table]").click();
      await wait(() => $("#table td"));
      said.push($("#table").innerText.includes("7 x 192 + 7"), $("#stale").hidden);
      $("[data-phase=test]").click();
      await wait(() => $("#table") && !$("#table").innerText.includes("drop"));
      said.push($("[data-phase=test]").ariaPressed);
      $("#table button").click();
      said.push(view.hasFocus || view.state.selection.main.head);
      $("[data-view=changes]").click();
      await wait(() => $("#changes .new"));
      said.push($("#changes .new").textContent.trim(), $("#changes .gone").textContent.trim(), Boolean($("#changes iframe")));
    """)
    assert said.pop(11) in ("true", "0")
    assert said == [
        "true", "no findings", "saved",
        "The text has errors: this is the net as it was without them.", "x.net:2:11: error: unknown layer type 'InerProduct'",
        "not saved", "1", "true", "true", "true", "true",
        "+layer fc: InnerProduct(data) { num_output: 7 }", "-layer fc: InnerProduct(data) { num_output: 5 }", "true",
    ]  # fmt: skip


def test_it_is_saved_by_the_keyboard_and_not_over_another_text(act):
    said = act("""
      write("# one\\n");
      for (let times = 0; times < 3; times += 1) {
        write(`# one, ${times}\\n`);
        press("s", { ctrlKey: true });
      }
      await wait(() => $("#state").textContent === "saved");
      said.push($("#notice").hidden);
      await fetch("/save", { method: "POST", headers: { "X-Netdef-Token": JSON.parse($("#data").textContent).token },
        body: JSON.stringify({ text: "# of somebody else\\n", over: true }) });
      write("# two\\n");
      press("s", { ctrlKey: true });
      await wait(() => !$("#notice").hidden);
      said.push($("#notice span").textContent, $("#state").textContent);
      [...document.querySelectorAll("#notice button")].find((one) => one.textContent === "Load it").click();
      await wait(() => $("#notice").hidden);
      said.push(view.state.doc.toString().trim(), $("#state").textContent);
    """)
    assert said[0] == "true"
    assert "x.net has changed on disk" in said[1]
    assert said[2:] == ["not saved", "# of somebody else", "saved"]
    assert Path("x.net").read_text() == "# of somebody else\n"


def test_a_file_that_is_gone_or_not_there_yet_is_said(act):
    gone = """
      await wait(() => !$("#notice").hidden);
      const buttons = [...document.querySelectorAll("#notice button")];
      said.push($("#notice span").textContent, buttons.map((one) => one.textContent).join());
    """
    Path("x.net").write_text(NET)
    assert act(gone, name="x.net", then=lambda: Path("x.net").unlink()) == [
        "x.net is no longer on disk.", "Show what differs,Keep this text,Close",
    ]  # fmt: skip
    assert act('await wait(() => $(".message")); said.push($("#state").textContent, $("#notice").hidden);', name="lenet") == [
        "not saved yet", "true",
    ]  # fmt: skip


def test_a_phone_shows_the_text_or_the_net_and_names_of_markup_run_nothing(act):
    text = NET.replace(" fc:", " '<img src=x onerror=document.title=1>':").replace("(fc) -> fc", "(data) -> data")
    script = f"""
      const seen = () => [$("#writing"), $("#showing"), $("#divider")].map((one) => Boolean(one.offsetParent));
      await wait(() => $(".message"));
      said.push(document.body.dataset.view, ...seen(), document.documentElement.scrollWidth <= innerWidth);
      $("[data-view=table]").click();
      await wait(() => $("#table td"));
      said.push(...seen());
      write({text!r});
      await wait(() => $("#table").innerText.includes("<img"));
      said.push(document.querySelectorAll("#table img").length, document.title);
    """
    assert act(script, "--window-size=500,850") == [
        "text", "true", "false", "false", "true", "false", "true", "false", "0", "• x.net",
    ]  # fmt: skip
