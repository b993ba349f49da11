"use strict";
// Sorting: a click on a heading, again for the other direction; the first column brings the order of params.yaml back.
document.querySelectorAll("table.sortable").forEach(function (table) {
  var heads = Array.from(table.tHead.rows[0].cells), body = table.tBodies[0];
  heads.forEach(function (head, column) {
    var button = head.querySelector("button"), text = head.dataset.sort === "text";
    if (!button) return;
    button.addEventListener("click", function () {
      var before = head.getAttribute("aria-sort"), first = text || column === 0 ? "ascending" : "descending";
      var now = before === null ? first : before === "ascending" ? "descending" : "ascending";
      heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", now);
      Array.from(body.rows).sort(function (a, b) {
        var x = a.cells[column].dataset.v, y = b.cells[column].dataset.v;
        var d = text ? (x < y ? -1 : x > y ? 1 : 0) : parseFloat(x) - parseFloat(y);
        return now === "descending" ? -d : d;
      }).forEach(function (row) { body.appendChild(row); });
    });
  });
});
// Without a script every row's panel is shown; with one, the chosen row's.
document.querySelectorAll("select[data-panels]").forEach(function (select) {
  var panels = document.querySelectorAll('[data-panel="' + select.dataset.panels + '"]');
  function show() { panels.forEach(function (panel) { panel.hidden = panel.dataset.row !== select.value; }); }
  select.addEventListener("change", show);
  show();
});
document.querySelectorAll("select[data-map]").forEach(function (select) {
  var map = document.getElementById(select.dataset.map);
  var colours = JSON.parse(document.getElementById(select.dataset.map + "-colours").textContent);
  function show() {
    var row = colours[select.value];
    map.querySelectorAll("[data-mark^='value-']").forEach(function (mark) {
      var name = mark.dataset.mark.slice(6), found = row[name];
      var shape = map.querySelector('[data-mark="' + name + '"] path');
      mark.querySelector("text").textContent = found ? found[0] : "";
      shape.style.fill = found && found[1] ? found[1] : "none";
    });
  }
  select.addEventListener("change", show);
  show();
});
// A link to a row opens it.
function openTarget() {
  var target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
}
window.addEventListener("hashchange", openTarget);
openTarget();
