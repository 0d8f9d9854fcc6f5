// The three things that every behaviour here needs.

/** Listen on the document for events within elements that match, also those that htmx brings later. */
export function on(type, selector, handle) {
  document.addEventListener(type, (event) => {
    const element = event.target instanceof Element ? event.target.closest(selector) : null;
    if (element) handle(element, event);
  });
}

/** Run once for every match now, and for each that htmx swaps in. */
export function each(selector, run) {
  const done = new WeakSet();
  const once = (element) => {
    if (done.has(element)) return;
    done.add(element);
    run(element);
  };
  const within = (root) => {
    if (root.matches?.(selector)) once(root);
    root.querySelectorAll(selector).forEach(once);
  };
  within(document.body);
  document.addEventListener("htmx:load", (event) => within(event.detail.elt));
}

/** Whether keys go into a field now. */
export function isTyping(element) {
  return element instanceof Element && element.closest("input, textarea, select, [contenteditable]") !== null;
}
