"use strict";
// Groups of a drawing that fold into a bar with their sums: what is below them in their column moves up, and wires follow.
function foldable(picture, stages, links, changed) {
  const tall = 34; // of a bar
  const lead = 16; // from a stage to the first bend of its wire, as the drawing has it
  const tops = new Map(stages.map((stage) => [stage.dataset.stage, stage.getBBox()]));
  const column = (stage) => stage.dataset.column || "0";
  const stageOf = new Map(stages.map((stage) => [stage.dataset.stage, stage]));
  const { width, height } = picture.viewBox.baseVal;

  const groups = [...picture.querySelectorAll(".group")].map((element) => {
    const panel = element.querySelector(".panel"), label = element.querySelector("text"), box = panel.getBBox();
    const members = new Set(element.dataset.members.split(" "));
    const group = { element, panel, label, members, y: box.y, height: box.height, folded: false, text: label.textContent };
    group.column = column(stageOf.get([...members][0]));
    return group;
  }).filter(({ members, y, height: high, column: own }) => stages.every((stage) => {
    // A group with others beside it stays as it is: they would be folded too.
    const box = tops.get(stage.dataset.stage);
    return members.has(stage.dataset.stage) || column(stage) !== own || box.y + box.height <= y || box.y >= y + high;
  }));
  const holder = (stage) => groups.find((group) => group.folded && group.members.has(stage.dataset.stage));

  // Where a height of a column is drawn now.
  function moved(y, of) {
    let up = 0;
    for (const group of groups) {
      if (group.folded && group.column === of) up += Math.min(1, Math.max(0, (y - group.y) / group.height)) * (group.height - tall);
    }
    return y - up;
  }

  const wires = links.map((link) => {
    const [from, to] = [stageOf.get(link.dataset.from), stageOf.get(link.dataset.to)];
    const paths = [...link.querySelectorAll("path")].map((path) => ({ path, words: path.getAttribute("d").match(/[A-Z]|-?[\d.]+/g) }));
    return { link, from, to, paths };
  });

  // The heights in a wire: near its beginning those of the column where it begins, then those of the one where it ends.
  function bent({ from, to, paths }) {
    const box = tops.get(from.dataset.stage), bottom = box.y + box.height, same = column(from) === column(to);
    for (const { path, words } of paths) {
      let numbers = 0;
      path.setAttribute("d", words.map((word, at) => {
        if (/[A-Z]/.test(word)) return word;
        numbers += 1;
        if (numbers % 2) return word;
        const y = Number(word), first = at < words.length / 2 && y >= bottom - 1 && y <= bottom + lead;
        return moved(y, same || first ? column(from) : column(to)).toFixed(2);
      }).join(" "));
    }
  }

  function draw() {
    for (const stage of stages) {
      const { y } = tops.get(stage.dataset.stage);
      stage.toggleAttribute("hidden", Boolean(holder(stage)));
      stage.setAttribute("transform", `translate(0 ${(moved(y, column(stage)) - y).toFixed(2)})`);
    }
    for (const wire of wires) {
      const inside = holder(wire.from);
      wire.link.toggleAttribute("hidden", Boolean(inside) && inside === holder(wire.to));
      bent(wire);
    }
    for (const group of groups) {
      const { element, panel, label, folded, text } = group, name = text.replace(/^[▾▸] /, "");
      element.setAttribute("transform", `translate(0 ${(moved(group.y, group.column) - group.y).toFixed(2)})`);
      element.setAttribute("aria-expanded", String(!folded));
      element.classList.toggle("folded", folded);
      panel.setAttribute("height", folded ? tall : group.height);
      label.textContent = folded ? `▸ ${element.dataset.name}  ·  ${element.dataset.numbers}` : `▾ ${name}`;
      if (folded && label.getComputedTextLength() > panel.getBBox().width - 20) label.textContent = `▸ ${element.dataset.name}`;
      label.setAttribute("y", group.y + (folded ? 21 : 16));
      if (folded) element.parentNode.append(element); // above the wires that end in it
      else stages[0].parentNode.insertBefore(element, links[0] || stages[0]);
    }
    const ends = stages.map((stage) => { const { y, height: own } = tops.get(stage.dataset.stage); return [y + own, column(stage)]; });
    const before = Math.max(...ends.map(([end]) => end)), now = Math.max(...ends.map(([end, of]) => moved(end, of)));
    picture.setAttribute("viewBox", `0 0 ${width} ${height - before + now}`);
    picture.setAttribute("height", height - before + now);
    changed();
  }

  function toggle(group, folded = !group.folded) {
    group.folded = folded;
    draw();
  }

  for (const group of groups) {
    const { element } = group;
    for (const [name, value] of [["role", "button"], ["tabindex", 0], ["aria-label", `${element.dataset.name}: ${element.dataset.about}`]]) {
      element.setAttribute(name, value);
    }
    element.append(Object.assign(document.createElementNS(element.namespaceURI, "title"), { textContent: element.dataset.about }));
    element.classList.add("foldable");
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      toggle(group);
      element.focus();
    });
  }
  if (groups.length) draw();

  return {
    groups,
    clicked: (target) => {
      const group = groups.find(({ element, label, folded }) => target === label || (folded && element.contains(target)));
      if (group) toggle(group);
      return Boolean(group);
    },
    all: () => {
      const folded = groups.some((group) => !group.folded);
      for (const group of groups) group.folded = folded;
      draw();
    },
    reveal: (stage) => { const group = holder(stage); if (group) toggle(group, false); },
    shown: (stage) => { const group = holder(stage); return group ? group.element : stage; },
    shift: (stage) => moved(tops.get(stage.dataset.stage).y, column(stage)) - tops.get(stage.dataset.stage).y,
  };
}
