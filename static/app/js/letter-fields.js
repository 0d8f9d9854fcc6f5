// Correcting a record: what is typed into a null is no null any more, so its kind follows.
import { on } from "./dom.js";

const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/;

on("input", "[data-letter-field] > textarea", (field) => {
  const kind = field.closest("[data-letter-field]").querySelector("select");
  const text = field.value.trim();
  if (kind.value === "null" && text) {
    kind.value = NUMBER.test(text) ? "number" : "text";
    kind.dataset.guessed = "";
  } else if ("guessed" in kind.dataset && text) {
    kind.value = NUMBER.test(text) ? "number" : "text";
  } else if ("guessed" in kind.dataset) {
    kind.value = "null";
  }
});

on("change", "[data-letter-field] > select", (kind) => delete kind.dataset.guessed);
