const SLICE = 100;
const place = document.getElementById("results-table");
const rows = [...place.querySelectorAll("tbody")];
const box = (row) => document.getElementById(row.className.replace("verdict", "show"));
const slice = place.firstElementChild.cloneNode(true);
slice.querySelectorAll("tbody").forEach((row) => row.remove());
let sorted = { by: "verdict", down: false };

function mark() {
  for (const head of place.querySelectorAll("th")) {
    const named = head.dataset.columnType === sorted.by;
    head.classList.toggle("asc", named && !sorted.down);
    head.classList.toggle("desc", named && sorted.down);
  }
}

// The rows whose boxes are checked, in order, in new tables.
function draw() {
  const key = (cell) => cell.firstElementChild?.value ?? cell.textContent;
  const keys = new Map(rows.map((row) => [row, key(row.querySelector(`.col-${sorted.by}`))]));
  const compare = (one, other) => (keys.get(one) < keys.get(other) ? -1 : keys.get(one) > keys.get(other) ? 1 : 0);
  const shown = rows.filter((row) => box(row).checked).sort(compare);
  if (sorted.down) shown.reverse();
  const slices = [];
  do {
    const next = slice.cloneNode(true);
    next.firstElementChild.append(...shown.splice(0, SLICE));
    slices.push(next);
  } while (shown.length);
  place.replaceChildren(...slices);
  mark();
}

function act(target) {
  const head = target.closest("th");
  const row = target.closest(".collapsible");
  if (head) {
    const by = head.dataset.columnType;
    sorted = { by, down: by === sorted.by && !sorted.down };
    draw();
    place.querySelector(`th[data-column-type="${by}"]`).focus();
  } else if (row) {
    row.ariaExpanded = row.ariaExpanded === "false";
  }
}

place.addEventListener("click", (event) => act(event.target));
place.addEventListener("keydown", (event) => {
  if (!["Enter", " "].includes(event.key) || !event.target.matches("[tabindex]")) return;
  event.preventDefault();
  act(event.target);
});
for (const [id, open] of [["show_all_details", true], ["hide_all_details", false]]) {
  document.getElementById(id).addEventListener("click", () => {
    for (const row of rows) row.rows[0].ariaExpanded = open;
  });
}

// What is left out cannot be shown.
const boxes = new Set(rows.map(box));
for (const each of document.querySelectorAll(".show input")) each.disabled = !boxes.has(each);
document.querySelector(".show").addEventListener("change", draw);
mark();
