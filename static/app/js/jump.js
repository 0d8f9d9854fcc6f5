// The jump box: the pages of the sidebar by name, an id by pasting it, and a search in the lists.
const box = document.querySelector("[data-jump]");

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function targets(text, list) {
  const words = text.trim().toLowerCase();
  const pages = [...document.querySelectorAll(".nav-link")]
    .map((link) => ({ href: link.href, title: link.textContent.trim(), hint: "Page" }))
    .filter((page) => page.title.toLowerCase().includes(words));
  if (!words) return pages;
  if (UUID.test(words) && list.dataset.runs) return [{ href: `${list.dataset.runs}${words}/`, title: words, hint: "Run" }];
  const query = `?q=${encodeURIComponent(text.trim())}`;
  const searches = [["integrations", "Integrations"], ["runs", "Runs"], ["deadLetters", "Dead letters"]]
    .filter(([key]) => list.dataset[key])
    .map(([key, name]) => ({ href: list.dataset[key] + query, title: `“${text.trim()}”`, hint: `Search ${name.toLowerCase()}` }));
  return [...pages, ...searches];
}

function option({ href, title, hint }, index) {
  const link = document.createElement("a");
  link.className = "menu-item";
  link.id = `jump-${index}`;
  link.href = href;
  link.role = "option";
  link.tabIndex = -1;
  const name = document.createElement("span");
  name.className = "clip";
  name.textContent = title;
  const note = document.createElement("span");
  note.className = "faint small";
  note.textContent = hint;
  link.append(name, note);
  return link;
}

function start(form) {
  const input = form.querySelector("input");
  const list = form.querySelector(".jump-list");
  let chosen = 0;

  const mark = (to) => {
    const options = [...list.children];
    chosen = Math.max(0, Math.min(to, options.length - 1));
    options.forEach((item, index) => item.setAttribute("aria-selected", String(index === chosen)));
    if (options.length) input.setAttribute("aria-activedescendant", options[chosen].id);
    options[chosen]?.scrollIntoView({ block: "nearest" });
  };
  const show = (open) => {
    list.hidden = !open;
    input.setAttribute("aria-expanded", String(open));
    if (!open) return;
    list.replaceChildren(...targets(input.value, list).map(option));
    mark(0);
  };
  input.addEventListener("focus", () => show(true));
  input.addEventListener("input", () => show(true));
  form.addEventListener("focusout", (event) => form.contains(event.relatedTarget) || show(false));
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the box keeps the focus until the click
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.children[chosen]?.click();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      mark(chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Escape") {
      input.value = "";
      input.blur();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable], dialog")) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
}

if (box) start(box);
