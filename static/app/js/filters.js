// A filter form applies itself: a choice at once, typed text after a pause; empty fields stay out of the address.
import { on } from "./dom.js";

const PAUSE = 250;
const timers = new WeakMap();

function apply(form, wait) {
  clearTimeout(timers.get(form));
  timers.set(form, setTimeout(() => form.requestSubmit(), wait));
}

on("change", "[data-filters] :is(select, [type=checkbox], [type=radio], [type=date])", (field) => apply(field.form, 0));
on("input", "[data-filters] :is([type=search], [type=text])", (field) => apply(field.form, PAUSE));

on("formdata", "[data-filters]", (form, event) => {
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});

document.addEventListener("htmx:configRequest", (event) => {
  if (!event.detail.elt.matches("[data-filters]")) return;
  for (const [name, value] of [...event.detail.formData]) if (value === "") event.detail.formData.delete(name);
});
