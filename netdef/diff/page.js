"use strict";
const card = document.getElementById("card");
const boxes = [...document.querySelectorAll("[data-layer]")];
const findings = [...document.querySelectorAll("[data-layers]")];
const light = (element, on) => element.classList.toggle("lit", on);

// A finding lights the layers that it is about, a layer the findings about it.
for (const finding of findings) {
  const names = new Set(finding.dataset.layers.split("\n"));
  const own = boxes.filter((box) => names.has(box.dataset.layer));
  finding.addEventListener("mouseenter", () => own.forEach((box) => light(box, true)));
  finding.addEventListener("mouseleave", () => own.forEach((box) => light(box, false)));
}
for (const box of boxes) {
  const about = findings.filter((finding) => finding.dataset.layers.split("\n").includes(box.dataset.layer));
  const same = boxes.filter((other) => other.dataset.layer === box.dataset.layer);
  box.addEventListener("mouseenter", () => { [...about, ...same].forEach((one) => light(one, true)); show(box); });
  box.addEventListener("mouseleave", () => { [...about, ...same].forEach((one) => light(one, false)); card.hidden = true; });
}

// The card of a layer: its head, and what changed.
function show(box) {
  if (!box.dataset.card) return;
  const [head, ...lines] = box.dataset.card.split("\n");
  const title = document.createElement("b");
  title.textContent = head;
  const table = document.createElement("table");
  for (const line of lines) {
    const [what, before, after] = line.split("\t");
    const row = table.insertRow();
    const cells = before === undefined ? [["", what]] : [["", what], ["a", before], ["to", "→"], ["b", after]];
    for (const [kind, text] of cells) {
      const cell = row.insertCell();
      cell.className = kind;
      cell.textContent = text;
    }
  }
  card.replaceChildren(title, table);
  card.hidden = false;
  const place = box.getBoundingClientRect();
  const left = Math.min(place.left, document.documentElement.clientWidth - card.offsetWidth - 16);
  card.style.left = `${Math.max(8, left + scrollX)}px`;
  card.style.top = `${place.bottom + scrollY + 6}px`;
}
