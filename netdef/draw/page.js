"use strict";
(() => {
  const known = JSON.parse(document.getElementById("facts").textContent);
  const view = document.querySelector("main");
  const picture = view.querySelector("svg");
  const card = document.querySelector("aside");
  const stages = [...picture.querySelectorAll(".stage")];
  const links = [...picture.querySelectorAll(".link")];
  const { width } = picture.viewBox.baseVal;
  let { height } = picture.viewBox.baseVal; // less where groups are folded
  const framed = parent !== window; // in a page that shows more than this, and leaves less room
  const readable = framed ? 0.7 : 1; // the least zoom to begin with: a large net is then scrolled, not shrunk to a line
  const largest = 1.6; // the most to begin with
  let zoom = 1;
  let pinned = null;
  let shown = null;
  let from = null; // where a drag began
  let dragged = false;

  // The titles are for viewers of the bare SVG; here they would show beside the card.
  for (const stage of stages) {
    stage.setAttribute("role", "button");
    stage.setAttribute("aria-label", known[stage.dataset.stage].map((section) => `${section.name}: ${section.type}`).join(", "));
    stage.querySelector("title").remove();
  }

  const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });

  // Bars of how often values of equal ranges occur, and the smallest and the largest value.
  function histogram({ counts, low, high, text }) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), most = Math.max(...counts, 1);
    svg.setAttribute("viewBox", `0 0 ${counts.length} 100`);
    svg.setAttribute("preserveAspectRatio", "none");
    counts.forEach((count, place) => {
      const bar = document.createElementNS(svg.namespaceURI, "rect"), tall = 100 * count / most;
      for (const [key, value] of Object.entries({ x: place + 0.06, y: 100 - tall, width: 0.88, height: tall })) bar.setAttribute(key, value);
      svg.append(bar);
    });
    const figure = element("figure", "");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", text);
    figure.append(svg, element("figcaption", `${text}, from ${low} to ${high}`));
    return figure;
  }

  function filters({ source, text }) {
    const figure = element("figure", ""), image = Object.assign(document.createElement("img"), { src: source, alt: text });
    image.addEventListener("load", () => image.classList.toggle("wide", image.naturalWidth > 60));
    figure.append(image, element("figcaption", text));
    return figure;
  }

  function fill(index) {
    const close = Object.assign(element("button", "×"), { className: "close", title: "Close (Esc)" });
    close.addEventListener("click", hide);
    card.replaceChildren(close);
    for (const section of known[index]) {
      const head = element("h2", section.name);
      head.append(element("span", section.type));
      const list = document.createElement("dl");
      for (const [key, value] of section.rows) list.append(element("dt", key), element("dd", value));
      card.append(head, list);
      if (section.filters) card.append(filters(section.filters));
      for (const one of section.histograms || []) card.append(histogram(one));
    }
  }

  // Beside what lies from left to right, on the side that has room.
  function place(left, right, y) {
    card.hidden = false;
    const box = card.getBoundingClientRect();
    const x = right + 18 + box.width < innerWidth ? right + 18 : left - 18 - box.width;
    card.style.left = `${Math.max(12, Math.min(x, innerWidth - box.width - 12))}px`;
    card.style.top = `${Math.max(12, Math.min(y - 20, innerHeight - box.height - 12))}px`;
  }

  function show(stage, left, right, y) {
    const index = stage.dataset.stage;
    if (shown !== stage) fill(index);
    shown = stage;
    place(left, right, y);
    const near = new Set([index]);
    for (const link of links) {
      const touches = link.dataset.from === index || link.dataset.to === index;
      link.classList.toggle("near", touches);
      if (touches) near.add(link.dataset.from).add(link.dataset.to);
    }
    for (const other of stages) other.classList.toggle("near", near.has(other.dataset.stage));
    picture.classList.add("focused");
  }

  function hide() {
    pinned = null;
    shown = null;
    card.hidden = true;
    card.classList.remove("pinned");
    picture.classList.remove("focused");
    watch();
  }

  // Docks what is known of a stage at the side, and keeps the stage in view.
  function pin(stage) {
    hide();
    groups.reveal(stage);
    show(stage, 0, 0, 0);
    pinned = stage;
    card.classList.add("pinned");
    card.removeAttribute("style");
    card.scrollTop = 0;
    stage.scrollIntoView({ block: "nearest", inline: "nearest" });
    watch();
    report({ netdef: "layer", name: known[stage.dataset.stage][0].name });
  }

  const toggle = (stage) => (pinned === stage ? hide() : pin(stage));
  for (const stage of stages) {
    stage.addEventListener("mousemove", (event) => pinned || show(stage, event.clientX, event.clientX, event.clientY));
    stage.addEventListener("mouseleave", () => pinned || hide());
    stage.addEventListener("focus", () => stage.matches(":focus-visible") && pin(stage));
    stage.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      toggle(stage);
    });
  }
  view.addEventListener("click", (event) => {
    if (dragged || groups.clicked(event.target)) return; // the end of a drag, not a choice
    const stage = event.target.closest(".stage");
    if (stage) toggle(stage);
    else hide();
  });

  function resize(wanted, x = view.clientWidth / 2, y = view.clientHeight / 2) {
    const before = zoom;
    zoom = Math.min(4, Math.max(0.1, wanted));
    picture.style.width = `${width * zoom}px`;
    view.scrollLeft = (view.scrollLeft + x) * (zoom / before) - x;
    view.scrollTop = (view.scrollTop + y) * (zoom / before) - y;
    watch();
  }
  const whole = () => Math.min(view.clientWidth / width, view.clientHeight / height);
  const fit = () => resize(whole());
  const across = () => resize(view.clientWidth / width);
  const steps = { in: () => resize(zoom * 1.25), out: () => resize(zoom / 1.25), fit, width: across, groups: () => groups.all() };
  for (const button of document.querySelectorAll("nav button")) button.addEventListener("click", steps[button.dataset.zoom]);
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    resize(zoom * Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
  }, { passive: false });
  addEventListener("keydown", (event) => {
    if (event.target === finder) return;
    if (event.key === "Escape") hide();
    else if (event.key === "/") { event.preventDefault(); finder.focus(); }
    else if (event.key === "9") across();
    else if (event.key === "g" && !event.ctrlKey && !event.metaKey) groups.all();
    else if (event.key === "+" || event.key === "=") steps.in();
    else if (event.key === "-") steps.out();
    else if (event.key === "0") fit();
  });

  // A mouse drags the picture; fingers do so by themselves.
  view.addEventListener("pointerdown", (event) => {
    dragged = false;
    if (event.pointerType === "mouse") from = [event.clientX, event.clientY, view.scrollLeft, view.scrollTop];
  });
  addEventListener("pointerup", () => { from = null; view.classList.remove("dragged"); });
  addEventListener("pointermove", (event) => {
    if (!from || event.buttons !== 1) return;
    const [right, down] = [event.clientX - from[0], event.clientY - from[1]];
    if (!dragged && Math.hypot(right, down) < 4) return;
    dragged = true;
    view.classList.add("dragged");
    view.scrollLeft = from[2] - right;
    view.scrollTop = from[3] - down;
  });

  // page.html#conv2 opens at that layer.
  function open() {
    const name = decodeURIComponent(location.hash.slice(1));
    const index = known.findIndex((sections) => sections.some((section) => section.name === name));
    if (index < 0) return;
    const stage = stages.find((other) => Number(other.dataset.stage) === index);
    stage.scrollIntoView({ block: "center", inline: "center" });
    pin(stage);
  }
  addEventListener("hashchange", open);

  // Layers whose names or types have what is typed; Enter goes from one to the next.
  const finder = document.querySelector("nav input"), counted = document.querySelector("nav output");
  let found = [], at = -1;
  finder.addEventListener("input", () => {
    const wanted = finder.value.trim().toLowerCase();
    const has = (stage) => known[stage.dataset.stage].some(({ name, type }) => `${name} ${type}`.toLowerCase().includes(wanted));
    found = wanted ? stages.filter(has) : [];
    at = -1;
    picture.classList.toggle("searched", Boolean(wanted));
    for (const stage of stages) stage.classList.toggle("found", found.includes(stage));
    counted.textContent = wanted ? String(found.length) : "";
    if (found.length) groups.shown(found[0]).scrollIntoView({ block: "center", inline: "center" });
  });
  finder.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && found.length) {
      at = (at + (event.shiftKey ? found.length - 1 : 1)) % found.length;
      pin(found[at]);
      found[at].scrollIntoView({ block: "center", inline: "center" });
    } else if (event.key === "Escape") {
      finder.value = "";
      finder.dispatchEvent(new Event("input"));
      finder.blur();
    }
  });

  // A map of a picture that is larger than the window: the stages, and the region that is in view.
  const map = document.getElementById("map");
  const frame = document.createElementNS(map.namespaceURI, "rect");
  frame.setAttribute("class", "view");
  function drawMap() {
    const side = Math.min(1, 200 / Math.max(width, height));
    map.setAttribute("viewBox", `0 0 ${width} ${height}`);
    map.setAttribute("width", width * side);
    map.setAttribute("height", height * side);
    map.replaceChildren();
    for (const stage of stages) {
      if (stage.hasAttribute("hidden")) continue;
      const box = stage.getBBox(), mark = document.createElementNS(map.namespaceURI, "rect");
      box.y += groups ? groups.shift(stage) : 0;
      for (const key of ["x", "y", "width", "height"]) mark.setAttribute(key, box[key]);
      map.append(mark);
    }
    map.append(frame);
  }

  const folder = document.querySelector("[data-zoom=groups]");
  let groups = null;
  groups = foldable(picture, stages, links, () => {
    height = picture.viewBox.baseVal.height;
    if (!groups) return;
    folder.textContent = groups.groups.every((group) => group.folded) ? "unfold" : "fold";
    drawMap();
    watch();
  });
  folder.hidden = !groups.groups.length;
  drawMap();

  function watch() {
    if (!frame.parentNode) return;
    report({ netdef: "view", zoom, left: view.scrollLeft, top: view.scrollTop });
    map.toggleAttribute("hidden", view.scrollWidth <= view.clientWidth + 1 && view.scrollHeight <= view.clientHeight + 1);
    const left = Math.max(0, (view.clientWidth - width * zoom) / 2);
    frame.setAttribute("x", Math.max(0, (view.scrollLeft - left) / zoom));
    frame.setAttribute("y", view.scrollTop / zoom);
    frame.setAttribute("width", Math.min(width, view.clientWidth / zoom));
    frame.setAttribute("height", Math.min(height, view.clientHeight / zoom));
  }
  const go = (event) => {
    const box = map.getBoundingClientRect();
    view.scrollLeft = (event.clientX - box.left) / box.width * width * zoom - view.clientWidth / 2;
    view.scrollTop = (event.clientY - box.top) / box.height * height * zoom - view.clientHeight / 2;
  };
  map.addEventListener("pointerdown", (event) => { map.setPointerCapture(event.pointerId); go(event); });
  map.addEventListener("pointermove", (event) => event.buttons === 1 && go(event));
  view.addEventListener("scroll", watch);
  addEventListener("resize", watch);

  // In a frame of another page: it is sent what is looked at, and sends where to look.
  function report(what) {
    if (framed) parent.postMessage(what, "*");
  }
  const stageOf = (name) => stages.find((stage) => known[stage.dataset.stage].some((section) => section.name === name));
  addEventListener("message", ({ source, data }) => {
    if (!framed || source !== parent || !data) return;
    if (data.netdef === "at") {
      const named = stageOf(data.name), stage = named && groups.shown(named), outside = view.getBoundingClientRect();
      for (const other of picture.querySelectorAll(".stage, .group")) other.classList.toggle("at", other === stage);
      const box = stage && stage.getBoundingClientRect();
      if (box && (box.bottom < outside.top || box.top > outside.bottom || box.right < outside.left || box.left > outside.right)) {
        stage.scrollIntoView({ block: "center", inline: "center" });
      }
    } else if (data.netdef === "view") {
      resize(data.zoom, 0, 0);
      view.scrollTo(data.left, data.top);
    }
  });
  addEventListener("keydown", (event) => {
    if (!framed || event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    report({ netdef: "save" });
  });

  resize(Math.min(largest, Math.max(readable, whole())), 0, 0);
  open();
})();
