// The declared form: settings come and go with what they depend on; a stored credential closes its dialog.
import { each, on } from "./dom.js";

function refresh(form) {
  for (const field of form.querySelectorAll("[data-depends-on]")) {
    const other = form.elements[field.dataset.dependsOn];
    const value = other.type === "checkbox" ? (other.checked ? "True" : "False") : other.value;
    field.toggleAttribute("data-off", !JSON.parse(field.dataset.dependsValues).includes(value));
  }
}

each("[data-declared]", refresh);
on("change", "[data-declared]", refresh);

// Without scripts the link goes to a page of its own.
on("click", "a[data-dialog]", (link, event) => {
  event.preventDefault();
  document.getElementById(link.dataset.dialog)?.dispatchEvent(new CustomEvent("opened"));
});
each("[data-credential-stored]", (done) => done.closest("dialog")?.close());
