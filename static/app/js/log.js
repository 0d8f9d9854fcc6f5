// The level filter of a log, and staying at its end while new lines come.
import { each, on } from "./dom.js";

on("click", "[data-log-level]", (button) => {
  document.getElementById(button.dataset.log).dataset.level = button.dataset.logLevel;
  for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(other === button));
});

each(".log", (log) => {
  let isAtEnd = true;
  const toEnd = () => isAtEnd && log.scrollTo(log.scrollLeft, log.scrollHeight);
  log.addEventListener("scroll", () => (isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8));
  new MutationObserver(toEnd).observe(log, { childList: true });
  toEnd();
});
