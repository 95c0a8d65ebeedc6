// pytest-html opens a row on a click on its cell itself: a click on what is in the cell is passed on to it.
document.addEventListener("click", (event) => {
  const cell = event.target.closest(".collapsible > td");
  if (!cell || cell === event.target) return;
  event.stopPropagation();
  cell.click();
}, true);

// It knows no keyboard: Enter and Space do what a click does. It then draws the table anew, so the focus is set
// again on the cell that stands in the old one's place.
document.addEventListener("keydown", (event) => {
  const cell = event.target;
  if (!["Enter", " "].includes(event.key) || !cell.matches("#results-table [tabindex]")) return;
  event.preventDefault();
  const row = cell.parentElement.dataset.id;
  cell.click();
  (row ? document.querySelector(`tr[data-id="${row}"] [tabindex]`) : cell)?.focus();
});
