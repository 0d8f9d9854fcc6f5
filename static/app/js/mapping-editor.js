// The rows of the mapping editor: add, remove and move without a round trip, by buttons and by keys.
import { on } from "./dom.js";

const list = () => document.querySelector("[data-rule-list]");
const rowOf = (element) => element.closest("[data-rule]");
let lastExpression = null;

/** The preview listens to this. */
function changed() {
  document.body.dispatchEvent(new CustomEvent("rules-changed"));
}

function freeId() {
  for (let number = 0; ; number += 1) if (!document.querySelector(`[data-rule="r${number}"]`)) return `r${number}`;
}

function add(after) {
  const id = freeId();
  const row = document.getElementById("rule-template").content.firstElementChild.cloneNode(true);
  for (const element of [row, ...row.querySelectorAll("*")])
    for (const attribute of element.attributes) attribute.value = attribute.value.replaceAll("rNEW", id);
  if (after) after.after(row);
  else list().append(row);
  row.querySelector("input:not([type=hidden])").focus();
  changed();
}

function move(row, up) {
  const other = up ? row.previousElementSibling : row.nextElementSibling;
  if (!other) return;
  const focused = document.activeElement;
  if (up) other.before(row);
  else other.after(row);
  if (row.contains(focused)) focused.focus();
  changed();
}

function remove(row) {
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  (next?.querySelector("input:not([type=hidden])") ?? document.querySelector('[data-rule-do="add"]')).focus();
  changed();
}

on("click", "[data-rule-do]", (button, event) => {
  event.preventDefault();
  const act = button.dataset.ruleDo;
  if (act === "add") add(null);
  else if (act === "remove") remove(rowOf(button));
  else move(rowOf(button), act === "up");
});

on("keydown", "[data-rule]", (row, event) => {
  if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    event.preventDefault();
    move(row, event.key === "ArrowUp");
  } else if (event.ctrlKey && event.key === "Enter") {
    event.preventDefault();
    add(row);
  }
});

on("focusin", "[data-expression]", (field) => (lastExpression = field));

on("click", "[data-fill]", (chip) => {
  const field = document.getElementById(chip.dataset.fill);
  field.value = chip.dataset.value;
  field.dispatchEvent(new Event("change", { bubbles: true }));
});

on("click", "[data-column]", (chip) => {
  const field = lastExpression?.isConnected ? lastExpression : document.querySelector("[data-expression]");
  if (!field) return;
  const name = chip.dataset.column;
  field.setRangeText(/^[a-z_][a-z0-9_]*$/i.test(name) ? name : `"${name.replaceAll('"', '""')}"`, field.selectionStart, field.selectionEnd, "end");
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

on("click", "[data-preview-again]", changed);

// The preview is swapped while it is read: what was opened or closed by hand stays so.
const opened = new Map();
on("click", ".record > summary", (summary) => opened.set(summary.parentElement.id, !summary.parentElement.open));

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "preview") return;
  for (const record of event.detail.target.querySelectorAll(".record")) {
    if (opened.has(record.id)) record.open = opened.get(record.id);
  }
});
