// Copies an id, a code block or a secret, and says that it did.
import { on } from "./dom.js";
import { toast } from "./toast.js";

on("click", "[data-copy], [data-copy-text]", async (button) => {
  const text = button.dataset.copyText ?? document.querySelector(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text.trim());
  } catch {
    toast("The browser did not allow copying. Select the text and copy it by hand.", "bad");
    return;
  }
  button.classList.add("is-done");
  toast("Copied", "ok");
  setTimeout(() => button.classList.remove("is-done"), 1500);
});
