"use strict";
// The tile of a picture that the mouse is over, or that arrow keys have reached, enlarged.
(() => {
  const lens = document.getElementById("lens"), canvas = lens.querySelector("canvas"), label = lens.querySelector("p");
  const pen = canvas.getContext("2d"), side = canvas.width;
  pen.imageSmoothingEnabled = false;

  function facts(image) {
    return Object.fromEntries(Object.entries(image.dataset).map(([key, value]) => [key, key === "what" ? value : Number(value)]));
  }

  // The corner of a tile in the picture's own pixels.
  function corner(one, index) {
    const own = one.count / one.towers, tower = Math.floor(index / own), inside = index % own;
    const row = Math.floor(inside / one.columns), rows = Math.ceil(own / one.columns);
    return [(inside % one.columns) * (one.width + one.gap), (tower * rows + row) * (one.height + one.gap) + tower * one.between];
  }

  // The tile below a point of the picture; -1 for none.
  function tileAt(one, x, y) {
    const own = one.count / one.towers, rows = Math.ceil(own / one.columns), high = rows * (one.height + one.gap) + one.between;
    const tower = Math.floor(y / high), row = Math.floor((y - tower * high) / (one.height + one.gap));
    const column = Math.floor(x / (one.width + one.gap)), inside = row * one.columns + column;
    const valid = tower >= 0 && tower < one.towers && column >= 0 && column < one.columns && row >= 0 && inside < own;
    return valid ? tower * own + inside : -1;
  }

  function show(image, index, x, y) {
    const one = facts(image), [left, top] = corner(one, index), zoom = side / Math.max(one.width, one.height);
    pen.clearRect(0, 0, side, side);
    const wide = one.width * zoom, high = one.height * zoom;
    pen.drawImage(image, left, top, one.width, one.height, (side - wide) / 2, (side - high) / 2, wide, high);
    image.dataset.at = index;
    const own = one.count / one.towers;
    const where = one.towers > 1 ? `, tower ${Math.floor(index / own) + 1}` : "";
    label.textContent = `${one.what} ${index}${where}`;
    lens.hidden = false;
    const box = lens.getBoundingClientRect();
    lens.style.left = `${Math.max(8, x + 18 + box.width > innerWidth ? x - 18 - box.width : x + 18)}px`;
    lens.style.top = `${Math.max(8, Math.min(y + 18, innerHeight - box.height - 8))}px`;
  }

  function hide() { lens.hidden = true; }

  for (const image of document.querySelectorAll("img.tiles")) {
    image.addEventListener("mousemove", (event) => {
      const box = image.getBoundingClientRect(), ratio = image.naturalWidth / box.width;
      const index = tileAt(facts(image), (event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio);
      if (index < 0) hide();
      else show(image, index, event.clientX, event.clientY);
    });
    image.addEventListener("mouseleave", hide);
    image.addEventListener("blur", hide);
    image.addEventListener("keydown", (event) => {
      const one = facts(image), moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -one.columns, ArrowDown: one.columns };
      if (event.key === "Escape") return hide();
      if (!(event.key in moves)) return;
      event.preventDefault();
      const at = Number(image.dataset.at || 0), index = Math.max(0, Math.min(one.count - 1, lens.hidden ? at : at + moves[event.key]));
      const box = image.getBoundingClientRect(), ratio = box.width / image.naturalWidth, [left, top] = corner(one, index);
      show(image, index, box.left + (left + one.width) * ratio, box.top + (top + one.height) * ratio);
    });
  }
})();
