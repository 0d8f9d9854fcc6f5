// The level filter of a log, and staying at its end while new lines come.
import { on } from "./dom.js";

on("click", "[data-log-level]", (button) => {
  document.getElementById(button.dataset.log).dataset.level = button.dataset.logLevel;
  for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(other === button));
});
