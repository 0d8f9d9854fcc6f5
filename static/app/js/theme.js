// Sets the stored theme before the first paint; a classic script in the head, so that nothing flashes.
(() => {
  const order = ["system", "light", "dark"];
  const root = document.documentElement;
  const stored = () => {
    try {
      const name = localStorage.getItem("theme");
      return order.includes(name) ? name : "system";
    } catch {
      return "system"; // a browser may forbid storage; the system's theme is right then
    }
  };
  const apply = (name) => {
    if (name === "system") delete root.dataset.theme;
    else root.dataset.theme = name;
    for (const word of document.querySelectorAll("[data-theme-word]")) word.textContent = name;
  };
  apply(stored());
  document.addEventListener("DOMContentLoaded", () => apply(stored()));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const next = order[(order.indexOf(stored()) + 1) % order.length];
    try {
      localStorage.setItem("theme", next);
    } catch {
      // See above: the choice holds for this page alone.
    }
    apply(next);
    document.dispatchEvent(new Event("themechange"));
  });
})();
