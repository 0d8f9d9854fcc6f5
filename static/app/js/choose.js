// Rows that are ticked: all of a page, how many, and what stays ticked when the live page brings the rows anew.
import { each, on } from "./dom.js";
import { number } from "./format.js";

const chosen = new Map(); // the list's name -> the values that are ticked

const ticks = (form) => [...form.querySelectorAll("input[type=checkbox][value]:not([data-choose-everything])")];
const setOf = (form) => chosen.get(form.dataset.choose) ?? chosen.set(form.dataset.choose, new Set()).get(form.dataset.choose);

function show(form) {
  const everything = form.querySelector("[data-choose-everything]");
  const boxes = ticks(form);
  const ticked = boxes.filter((box) => box.checked);
  const all = everything?.checked ? Number(everything.dataset.chooseEverything) : ticked.length;
  const count = everything?.checked ? Number(everything.dataset.chooseRecords) : ticked.filter((box) => "record" in box.dataset).length;
  for (const box of boxes) box.disabled = Boolean(everything?.checked);
  for (const button of form.querySelectorAll("[data-choose-needs]")) button.disabled = (button.dataset.chooseNeeds === "records" ? count : all) === 0;
  for (const words of form.querySelectorAll("[data-choose-words]")) {
    const [one, many, none] = words.dataset.chooseWords.split("|");
    words.textContent = (count === 0 ? none : count === 1 ? one : many).replace("{n}", number(count));
  }
  const page = form.querySelector("[data-choose-page]");
  if (!page) return;
  page.checked = boxes.length > 0 && ticked.length === boxes.length;
  page.indeterminate = !page.checked && ticked.length > 0;
}

on("change", "[data-choose] input[type=checkbox]", (box) => {
  const form = box.form;
  if (box.matches("[data-choose-page]")) ticks(form).forEach((tick) => (tick.checked = box.checked));
  const found = setOf(form);
  for (const tick of ticks(form)) found[tick.checked ? "add" : "delete"](tick.value);
  found[form.querySelector("[data-choose-everything]")?.checked ? "add" : "delete"]("everything");
  show(form);
});

each("[data-choose]", (form) => {
  const found = setOf(form);
  for (const tick of ticks(form)) tick.checked = found.has(tick.value);
  const everything = form.querySelector("[data-choose-everything]");
  if (everything) everything.checked = found.has("everything");
  show(form);
});
