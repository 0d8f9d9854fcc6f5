// Keys: g then a letter goes to a page, ? lists them, arrows walk through a table's rows.
import { isTyping, on } from "./dom.js";

const WAIT = 1200;
let leader = 0;

function go(letter) {
  const link = document.querySelector(`.nav-link[data-key="${CSS.escape(letter)}"]`);
  link?.click();
  return Boolean(link);
}

function rowLink(row) {
  return row?.querySelector("a[href]");
}

function walk(event, step) {
  const table = event.target.closest?.("table[data-rows]") ?? (event.target === document.body ? document.querySelector("table[data-rows]") : null);
  if (!table) return;
  const rows = [...table.tBodies[0].rows].filter(rowLink);
  const at = rows.indexOf(event.target.closest?.("tr"));
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step];
  if (!next) return;
  event.preventDefault();
  rowLink(next).focus();
}

function showKeys() {
  const dialog = document.getElementById("keys");
  const list = dialog.querySelector("[data-key-list]");
  list.replaceChildren(...[...document.querySelectorAll(".nav-link[data-key]")].map((link) => {
    const row = document.createElement("div");
    const keys = document.createElement("dt");
    const name = document.createElement("dd");
    for (const key of ["g", link.dataset.key]) {
      const cap = document.createElement("kbd");
      cap.textContent = key;
      keys.append(cap, " ");
    }
    name.textContent = link.textContent.trim();
    row.append(keys, name);
    return row;
  }));
  dialog.showModal();
}

const actions = {
  "?": () => showKeys(),
  g: (event) => (leader = event.timeStamp),
  ArrowDown: (event) => walk(event, 1),
  ArrowUp: (event) => walk(event, -1),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (leader && event.timeStamp - leader < WAIT && go(event.key)) {
    leader = 0;
    event.preventDefault();
    return;
  }
  leader = 0;
  actions[event.key]?.(event);
});

on("click", "[data-keys-open]", showKeys);
