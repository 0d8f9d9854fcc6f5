// Messages that leave by themselves after a while; errors stay until closed.
import { each, on } from "./dom.js";

const STAY = 6000;
const MOST = 4;

export function toast(text, tone = "info") {
  const place = document.getElementById("toasts");
  const element = document.createElement("div");
  element.className = "toast";
  element.dataset.toast = "";
  element.dataset.tone = tone;
  const words = document.createElement("p");
  words.textContent = text;
  element.append(words);
  place.append(element);
  while (place.children.length > MOST) place.firstElementChild.remove();
  leaveLater(element);
}

function leaveLater(element) {
  if (element.dataset.tone !== "bad") setTimeout(() => element.remove(), STAY);
  else if (!element.querySelector("[data-toast-close]")) element.append(closeButton());
}

function closeButton() {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-quiet button-small";
  button.dataset.toastClose = "";
  button.textContent = "Close";
  return button;
}

each("[data-toast]", leaveLater);
on("click", "[data-toast-close]", (button) => button.closest("[data-toast]").remove());

document.addEventListener("htmx:sendError", () => toast("Signalbox does not answer. What you see is kept; try again.", "bad"));
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.elt.dataset.live !== undefined && event.detail.requestConfig.triggeringEvent?.type === "live") return;
  const found = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html").querySelector("[role=alert]");
  toast(found ? found.textContent.replace(/\s+/g, " ").trim() : `That failed (HTTP ${event.detail.xhr.status}). Try again.`, "bad");
});
