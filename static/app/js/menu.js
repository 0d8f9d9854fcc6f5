// Menus close on a click elsewhere and on Esc; the phone's drawer opens and closes.
import { on } from "./dom.js";

const side = document.getElementById("side");

function drawer(open) {
  document.body.classList.toggle("nav-open", open);
  document.querySelector(".main").inert = open;
  document.querySelectorAll("[data-nav-toggle][aria-controls]").forEach((button) => button.setAttribute("aria-expanded", String(open)));
  (open ? side.querySelector("[data-nav-toggle]") : document.querySelector(".thumb[data-nav-toggle]"))?.focus();
}

const isOpen = () => document.body.classList.contains("nav-open");

on("click", "[data-nav-toggle]", () => drawer(!isOpen()));

function closeOthers(event) {
  document.querySelectorAll("[data-menu][open]").forEach((menu) => menu.contains(event.target) || (menu.open = false));
}

document.addEventListener("focusin", closeOthers);
document.addEventListener("click", (event) => {
  closeOthers(event);
  if (isOpen() && !side.contains(event.target) && !event.target.closest("[data-nav-toggle]")) drawer(false);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelectorAll("[data-menu][open]").forEach((menu) => {
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  if (isOpen()) drawer(false);
});
