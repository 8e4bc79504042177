"use strict";
(() => {
  const known = JSON.parse(document.getElementById("facts").textContent);
  const view = document.querySelector("main");
  const picture = view.querySelector("svg");
  const card = document.querySelector("aside");
  const stages = [...picture.querySelectorAll(".stage")];
  const links = [...picture.querySelectorAll(".link")];
  const width = picture.viewBox.baseVal.width;
  const height = picture.viewBox.baseVal.height;
  let zoom = 1;
  let pinned = null;

  // The titles are for viewers of the bare SVG; here they would show beside the card.
  for (const title of picture.querySelectorAll(".stage > title")) title.remove();

  const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });

  function fill(index) {
    card.replaceChildren();
    for (const section of known[index]) {
      const head = element("h2", section.name);
      head.append(element("span", section.type));
      const list = document.createElement("dl");
      for (const [key, value] of section.rows) list.append(element("dt", key), element("dd", value));
      card.append(head, list);
    }
  }

  function place(x, y) {
    card.hidden = false;
    const box = card.getBoundingClientRect();
    const left = x + 18 + box.width < innerWidth ? x + 18 : x - 18 - box.width;
    card.style.left = `${Math.max(12, left)}px`;
    card.style.top = `${Math.max(12, Math.min(y - 20, innerHeight - box.height - 12))}px`;
  }

  function show(stage, x, y) {
    const index = stage.dataset.stage;
    fill(index);
    place(x, y);
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
    card.hidden = true;
    card.classList.remove("pinned");
    picture.classList.remove("focused");
  }

  function pin(stage) {
    const box = stage.getBoundingClientRect();
    hide();
    show(stage, box.right, box.top + 20);
    pinned = stage;
    card.classList.add("pinned");
  }

  for (const stage of stages) {
    stage.addEventListener("mousemove", (event) => pinned || show(stage, event.clientX, event.clientY));
    stage.addEventListener("mouseleave", () => pinned || hide());
    stage.addEventListener("focus", () => stage.matches(":focus-visible") && pin(stage));
    stage.addEventListener("click", (event) => {
      event.stopPropagation();
      if (pinned === stage) hide();
      else pin(stage);
    });
  }
  view.addEventListener("click", hide);

  function resize(wanted, x = view.clientWidth / 2, y = view.clientHeight / 2) {
    const before = zoom;
    zoom = Math.min(4, Math.max(0.1, wanted));
    picture.style.width = `${width * zoom}px`;
    view.scrollLeft = (view.scrollLeft + x) * (zoom / before) - x;
    view.scrollTop = (view.scrollTop + y) * (zoom / before) - y;
  }
  const fit = () => resize(Math.min(1, view.clientWidth / width));
  const steps = { in: () => resize(zoom * 1.25), out: () => resize(zoom / 1.25), fit };
  for (const button of document.querySelectorAll("nav button")) button.addEventListener("click", steps[button.dataset.zoom]);
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    resize(zoom * Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
  }, { passive: false });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    else if (event.key === "+" || event.key === "=") steps.in();
    else if (event.key === "-") steps.out();
    else if (event.key === "0") fit();
  });

  let from = null;
  view.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY, view.scrollLeft, view.scrollTop]; });
  addEventListener("pointerup", () => { from = null; view.classList.remove("dragged"); });
  addEventListener("pointermove", (event) => {
    if (!from || event.buttons !== 1) return;
    view.classList.add("dragged");
    view.scrollLeft = from[2] - (event.clientX - from[0]);
    view.scrollTop = from[3] - (event.clientY - from[1]);
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
  fit();
  open();
  document.documentElement.dataset.height = String(Math.round(height));
})();
