// Opens and closes native dialogs; a destructive one waits until the name is typed.
import { each, on } from "./dom.js";

on("click", "[data-dialog]", (button) => document.getElementById(button.dataset.dialog)?.showModal());
on("click", "[data-dialog-close]", (button) => button.closest("dialog").close());
on("click", "dialog", (dialog, event) => event.target === dialog && dialog.close());

each("[data-confirm]", (input) => {
  const button = input.closest("form").querySelector(".dialog-foot [type=submit]");
  const check = () => (button.disabled = input.value !== input.dataset.confirm);
  input.addEventListener("input", check);
  check();
});
