"use strict";
// A cell of the matrix lists its images below; arrow keys go from cell to cell.
(() => {
  const known = JSON.parse(document.getElementById("data").textContent);
  const panel = document.getElementById("cell"), [title, list, note] = panel.children;
  const buttons = [...document.querySelectorAll("#matrix button")];

  function open(button) {
    const images = known.cells[button.dataset.cell];
    for (const other of buttons) other.setAttribute("aria-pressed", other === button);
    title.textContent = button.title;
    list.replaceChildren(...images.map(([name, sure, picture]) => {
      const figure = document.createElement("figure"), caption = document.createElement("figcaption");
      if (picture in known.pictures) {
        const image = document.createElement("img");
        image.src = known.pictures[picture];
        image.alt = "";
        figure.append(image);
      }
      caption.textContent = `${name}, ${(100 * sure).toFixed(1)}%`;
      figure.append(caption);
      return figure;
    }));
    const more = Number(button.dataset.count) - images.length;
    note.textContent = more > 0 ? `and ${more} more` : "";
    panel.hidden = false;
  }

  function beside(button, right, down) {
    let [row, column] = [button.closest("tr").rowIndex, button.closest("td").cellIndex];
    const rows = button.closest("table").rows;
    for (;;) {
      row += down;
      column += right;
      const cell = rows[row] && rows[row].cells[column];
      if (!cell || row < 1 || column < 1) return null;
      const found = cell.querySelector("button");
      if (found) return found;
    }
  }

  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  for (const button of buttons) {
    button.addEventListener("click", () => open(button));
    button.addEventListener("keydown", (event) => {
      if (!(event.key in moves)) return;
      event.preventDefault();
      const next = beside(button, ...moves[event.key]);
      if (next) next.focus();
    });
  }
})();
