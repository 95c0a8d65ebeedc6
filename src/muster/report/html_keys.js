// pytest-html opens rows and sorts on a click only: Enter and Space do the same. It then draws the table anew,
// so the focus is set again on the cell that stands in the old one's place.
document.addEventListener("keydown", (event) => {
  const cell = event.target;
  if (!["Enter", " "].includes(event.key) || !cell.matches("#results-table [tabindex]")) return;
  event.preventDefault();
  const row = cell.parentElement.dataset.id;
  cell.click();
  (row ? document.querySelector(`tr[data-id="${row}"] [tabindex]`) : cell)?.focus();
});
