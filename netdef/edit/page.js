"use strict";
(() => {
  const CM = CodeMirror;
  const known = JSON.parse(document.getElementById("data").textContent);
  const [state, notice, stale, messages] = ["state", "notice", "stale", "messages"].map((id) => document.getElementById(id));
  const pause = 250; // milliseconds without a change before the text is checked
  const wide = matchMedia("(min-width: 801px)");
  let seen = known.seen; // the digest of the file that the text was made from; "" where there is none yet
  let saved = known.text;
  let kept = null; // the digest of a file on disk that the writer has chosen not to load
  let phase = "";
  let looked = null; // the last answer about the text, and the text
  let rows = []; // of the last table: where each layer is declared
  let view = null;

  const element = (name, text = "", more = {}) => Object.assign(document.createElement(name), { textContent: text }, more);
  const button = (text, act) => { const made = element("button", text); made.addEventListener("click", act); return made; };
  const text = () => view.state.doc.toString();

  // ---- the server

  async function ask(question, data) {
    let answer;
    try {
      const headers = { "Content-Type": "application/json", "X-Netdef-Token": known.token };
      answer = await (await fetch(`/${question}`, { method: "POST", headers, body: JSON.stringify(data) })).json();
    } catch {
      say("netdef edit has ended, or cannot be reached. The text is still here: copy it, or start the command again and reload.");
      throw new Error("no answer");
    }
    if (answer && answer.error) throw new Error(answer.error);
    return answer;
  }

  function say(about, ...buttons) {
    notice.hidden = !about;
    notice.replaceChildren(element("span", about), ...buttons);
    if (about) notice.append(button("Close", () => say("")));
  }

  // ---- the text

  const at = (offset) => { const line = view.state.doc.lineAt(offset); return [line.number - 1, offset - line.from]; };
  function offset([line, column], doc = view.state.doc) {
    if (line >= doc.lines) return doc.length;
    const found = doc.line(line + 1);
    return Math.min(found.from + column, found.to);
  }

  async function hover(_, pos) {
    let about;
    try { about = await ask("hover", { text: text(), at: at(pos) }); } catch { return null; }
    if (!about) return null;
    const create = () => ({ dom: element("pre", about.text, { className: "hover" }) });
    return { pos: offset(about.from), end: offset(about.to), above: true, create };
  }

  async function complete(context) {
    const before = context.state.sliceDoc(context.state.doc.lineAt(context.pos).from, context.pos);
    if (!context.explicit && !/[\w:"'(,>./-]$/.test(before)) return null;
    if (/^[^"']*#/.test(before)) return null; // in a comment
    let found;
    try { found = await ask("complete", { text: context.state.doc.toString(), at: at(context.pos) }); } catch { return null; }
    if (!found.items.length || context.aborted) return null;
    const doc = context.state.doc, first = found.items[0], rest = Math.max(0, offset(first.to, doc) - context.pos);
    const options = found.items.map(({ label, detail, about, kind, insert }, rank) => ({
      label, detail, info: about || undefined, type: kind, boost: -rank,
      apply: (editor, _, from, to) => editor.dispatch({
        changes: { from, to: Math.min(to + rest, editor.state.doc.length), insert }, selection: { anchor: from + insert.length }, userEvent: "input.complete",
      }),
    }));
    return { from: Math.min(offset(first.from, doc), context.pos), options, validFor: found.more ? undefined : /^[\w./-]*$/ };
  }

  function mark(marks) {
    const found = marks.map(({ from, to, severity, message, code }) => {
      const start = offset(from);
      return { from: start, to: Math.max(start, offset(to)), severity, message: code ? `${message} (${code})` : message };
    });
    view.dispatch(CM.setDiagnostics(view.state, found));
  }

  function list(found, trouble) {
    messages.replaceChildren(...found.map(({ severity, text: about, line }) => {
      const entry = line ? button(about, () => go(line)) : element("div", about);
      entry.className = `message ${severity}`;
      return entry;
    }));
    if (trouble) messages.prepend(element("div", trouble, { className: "message error" }));
    if (!messages.childElementCount) messages.append(element("div", "no findings", { className: "message none" }));
  }

  function go(line) {
    const found = view.state.doc.line(Math.min(line, view.state.doc.lines));
    if (!wide.matches) show("text");
    view.dispatch({ selection: { anchor: found.from }, effects: CM.EditorView.scrollIntoView(found.from, { y: "center" }) });
    view.focus();
  }

  function put(whole) {
    view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: whole }, selection: { anchor: Math.min(view.state.selection.main.head, whole.length) } });
  }

  // ---- checks: one at a time, of the newest text

  let timer = 0, running = false, again = false;
  function later() { clearTimeout(timer); timer = setTimeout(look, pause); }
  async function look() {
    clearTimeout(timer);
    if (running) { again = true; return; }
    running = true;
    try {
      const asked = text(), before = moves, found = await ask("look", { text: asked });
      if (asked === text()) {
        looked = { ...found, text: asked };
        mark(found.marks);
        list(found.messages, found.trouble);
        if (moves === before && !saving && found.disk !== seen && found.disk !== kept && !found.trouble) changed(found.disk);
        await refresh();
      } else again = true;
    } catch (error) { if (notice.hidden) say(error.message); } finally {
      running = false;
      if (again) { again = false; later(); }
    }
  }

  // Shows what is in view, of the text as it was checked last.
  async function refresh() {
    if (!looked) return;
    const wanted = document.body.dataset.view;
    if (!looked.phases.includes(phase) && looked.phases.length && !pictures[phase]) phase = looked.phases[0];
    for (const one of document.querySelectorAll("[data-phase]")) one.setAttribute("aria-pressed", String(one.dataset.phase === phase));
    if (wanted === "changes") return changes();
    const current = looked.phases.includes(phase);
    if (current && (!pictures[phase] || pictures[phase].text !== looked.text)) {
      const asked = looked.text, asking = phase;
      const found = await ask("phase", { text: asked, phase: asking });
      pictures[asking] = { ...found, text: asked };
    }
    const shown = pictures[phase];
    const failing = looked.messages.some(({ severity }) => severity === "error");
    stale.hidden = current;
    stale.textContent = shown ? "The text has errors: this is the net as it was without them."
      : failing ? "There is no net to show yet: the text has errors." : `The text has no net in the ${phase || "train"} phase.`;
    if (!shown) return;
    rows = shown.table.rows;
    if (wanted === "table") table(shown.table);
    else frame(document.getElementById("drawing"), shown.picture, "Drawing of the net");
    follow();
  }

  // ---- what is shown

  const pictures = {}; // by phase: the last drawing and table, and the text that they are of
  let position = null; // of the drawing: zoom and scrolling
  function frame(holder, page, title) {
    const old = holder.querySelector("iframe");
    if (old && old.page === page) return;
    const made = element("iframe", "", { title, srcdoc: page, page });
    made.setAttribute("sandbox", "allow-scripts");
    made.addEventListener("load", () => {
      if (position && holder.id === "drawing") made.contentWindow.postMessage({ netdef: "view", ...position }, "*");
      for (const other of [...holder.querySelectorAll("iframe")]) if (other !== made) other.remove();
      follow();
    });
    holder.append(made);
  }

  function table({ rows: found, totals }) {
    const made = element("table"), head = element("tr");
    for (const name of ["layer", "type", "output", "weights + biases", "parameters", "MACs/image", "activations"]) head.append(element("th", name, { scope: "col" }));
    const body = found.map(({ cells, line }) => {
      const row = element("tr"), [name, ...others] = cells, first = element("th", "", { scope: "row" });
      first.append(line ? button(name, () => go(line)) : element("span", name));
      row.append(first, ...others.map((cell) => element("td", cell)));
      row.dataset.line = line;
      return row;
    });
    const sum = element("tr", "", { className: "sum" });
    sum.append(...totals.map((cell) => element("td", cell)));
    made.append(head, ...body, sum);
    document.getElementById("table").replaceChildren(made);
  }

  async function changes() {
    const holder = document.getElementById("changes"), found = await ask("diff", { text: text() });
    const lines = element("pre", "", { className: "lines" });
    for (const line of found.lines) lines.append(element("span", `${line}\n`, { className: { "+": "new", "-": "gone", "@": "where" }[line[0]] || "" }));
    if (found.more) lines.append(element("span", `and ${found.more} more lines\n`));
    const pages = element("div", "", { className: "page" });
    holder.replaceChildren(...(found.why ? [element("p", found.why)] : []), ...(found.page ? [pages] : []), ...(found.lines.length ? [lines] : []));
    if (found.page) frame(pages, found.page, "What differs");
    stale.hidden = true;
  }

  // The layer at the cursor is marked in the drawing and in the table.
  let marked = 0;
  function follow() {
    clearTimeout(marked);
    marked = setTimeout(() => {
      const line = view.state.doc.lineAt(view.state.selection.main.head).number;
      const above = rows.filter((row) => row.line && row.line <= line).sort((a, b) => b.line - a.line)[0];
      const shown = document.querySelector("#drawing iframe");
      if (shown && shown.contentWindow) shown.contentWindow.postMessage({ netdef: "at", name: above ? above.cells[0] : "" }, "*");
      for (const row of document.querySelectorAll("#table tr")) row.classList.toggle("at", Boolean(above) && Number(row.dataset.line) === above.line);
    }, 120);
  }

  addEventListener("message", (event) => {
    const shown = document.querySelector("#drawing iframe:last-of-type");
    if (!shown || event.source !== shown.contentWindow || !event.data) return;
    if (event.data.netdef === "view") position = event.data;
    else if (event.data.netdef === "save") save();
    else if (event.data.netdef === "layer") {
      const row = rows.find(({ cells }) => cells[0] === event.data.name);
      if (row && row.line && wide.matches) {
        const found = view.state.doc.line(Math.min(row.line, view.state.doc.lines));
        view.dispatch({ selection: { anchor: found.from }, effects: CM.EditorView.scrollIntoView(found.from, { y: "center" }) });
      }
    }
  });

  function show(wanted) {
    document.body.dataset.view = wanted;
    for (const tab of document.querySelectorAll("[role=tab]")) {
      const chosen = tab.dataset.view === wanted;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
    if (wanted !== "text") refresh().catch((error) => say(error.message));
  }

  // ---- the file

  function status() {
    const dirty = text() !== saved || seen === "";
    state.textContent = seen === "" ? "not saved yet" : dirty ? "not saved" : "saved";
    state.classList.toggle("dirty", dirty);
    document.title = `${dirty ? "• " : ""}${known.name}`;
    return dirty;
  }

  let saving = null; // the save that is on its way
  let moves = 0; // how often the file was written or loaded: a look that was asked before the last of them may know an older file

  function changed(digest) {
    const keep = () => { kept = digest; say(""); };
    say(digest ? `${known.name} has changed on disk.` : `${known.name} is no longer on disk.`, ...(digest ? [button("Load it", load)] : []), button("Show what differs", () => { keep(); show("changes"); }), button("Keep this text", keep));
  }

  async function load() {
    try {
      const found = await ask("load", {});
      [seen, saved, kept] = [found.seen, found.text, null];
      moves += 1;
      put(found.text);
      say("");
    } catch (error) { say(error.message); }
    status();
    look();
  }

  // One at a time: the next is of the file that this one writes.
  async function save(over = false) {
    while (saving) await saving;
    saving = write(over).finally(() => { saving = null; });
    await saving;
  }

  async function write(over) {
    const whole = text();
    try {
      moves += 1;
      const answer = await ask("save", { text: whole, seen, over: over === true });
      if (answer.changed) {
        say(`${answer.changed}. Nothing was written.`, button("Write over it", () => save(true)), button("Load it", load),
          button("Show what differs", () => show("changes")));
        return;
      }
      [seen, saved, kept] = [answer.seen, whole, null];
      moves += 1;
      say("");
    } catch (error) { say(error.message); }
    status();
    if (document.body.dataset.view === "changes") show("changes");
  }

  async function format() {
    try {
      const found = await ask("format", { text: text() });
      if (found.text !== text()) put(found.text);
    } catch (error) { say(`Not formatted: ${error.message.split("\n")[0]}`); }
  }

  // ---- the page

  const theme = new CM.Compartment(), dark = matchMedia("(prefers-color-scheme: dark)");
  const themed = () => CM.EditorView.theme({}, { dark: dark.matches });
  const keys = [
    { key: "Mod-s", run: () => { save(); return true; }, preventDefault: true },
    { key: "Shift-Alt-f", run: () => { format(); return true; } },
    ...CM.closeBracketsKeymap, ...CM.defaultKeymap, ...CM.searchKeymap, ...CM.historyKeymap, ...CM.completionKeymap, ...CM.lintKeymap, CM.indentWithTab,
  ];
  view = new CM.EditorView({
    doc: known.text,
    parent: document.getElementById("text"),
    extensions: [
      CM.lineNumbers(), CM.lintGutter(), CM.highlightSpecialChars(), CM.history(), CM.drawSelection(), CM.indentOnInput(), CM.bracketMatching(),
      CM.closeBrackets(), CM.highlightActiveLine(), CM.highlightActiveLineGutter(), CM.highlightSelectionMatches(), CM.search({ top: true }),
      CM.indentUnit.of("  "), netdefLanguage.language, CM.syntaxHighlighting(netdefLanguage.colours), theme.of(themed()),
      CM.autocompletion({ override: [complete] }), CM.hoverTooltip(hover, { hoverTime: 400 }), CM.keymap.of(keys),
      CM.EditorView.contentAttributes.of({ "aria-label": `${known.name}; Escape and then Tab leaves the text` }),
      CM.EditorView.updateListener.of((update) => {
        if (update.docChanged) { status(); later(); } else if (update.selectionSet) follow();
      }),
    ],
  });
  dark.addEventListener("change", () => view.dispatch({ effects: theme.reconfigure(themed()) }));

  document.getElementById("save").addEventListener("click", () => save());
  document.getElementById("format").addEventListener("click", format);
  for (const tab of document.querySelectorAll("[role=tab]")) tab.addEventListener("click", () => show(tab.dataset.view));
  document.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move) return;
    const tabs = [...document.querySelectorAll("[role=tab]")].filter((tab) => tab.offsetParent);
    const next = tabs[(tabs.indexOf(event.target) + move + tabs.length) % tabs.length];
    next.focus();
    show(next.dataset.view);
  });
  for (const one of document.querySelectorAll("[data-phase]")) {
    one.addEventListener("click", () => { phase = one.dataset.phase; show(document.body.dataset.view); });
  }
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "s" && !event.defaultPrevented) { event.preventDefault(); save(); }
  });
  addEventListener("focus", () => {
    if (!looked) return;
    for (const drawn of Object.values(pictures)) drawn.text = null; // an included file may have changed
    look();
  });
  addEventListener("beforeunload", (event) => { if (text() !== saved) event.preventDefault(); });

  const divider = document.getElementById("divider");
  function divide(share) {
    const width = Math.min(80, Math.max(20, share));
    document.body.style.setProperty("--text", `${width}%`);
    divider.setAttribute("aria-valuenow", String(Math.round(width)));
  }
  divider.addEventListener("pointerdown", (event) => { divider.setPointerCapture(event.pointerId); document.body.classList.add("dragged"); });
  divider.addEventListener("pointermove", (event) => { if (event.buttons === 1) divide(100 * event.clientX / innerWidth); });
  divider.addEventListener("lostpointercapture", () => document.body.classList.remove("dragged"));
  divider.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 2, ArrowLeft: -2 }[event.key];
    if (move) divide(Number(divider.getAttribute("aria-valuenow")) + move);
  });

  const suit = () => { if (wide.matches === (document.body.dataset.view === "text")) show(wide.matches ? "drawing" : "text"); };
  wide.addEventListener("change", suit);
  status();
  show(wide.matches ? "drawing" : "text");
  look();
})();
