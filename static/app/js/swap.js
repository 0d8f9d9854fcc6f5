// A live region that is swapped keeps what the reader did in it: focus, scroll, open details, a log's level.

const kept = new WeakMap();

function path(root, element) {
  const steps = [];
  for (let at = element; at && at !== root; at = at.parentElement) steps.unshift([...at.parentElement.children].indexOf(at));
  return steps;
}

const follow = (root, steps) => steps.reduce((at, index) => at?.children[index], root);

function remember(root) {
  const active = root.contains(document.activeElement) && document.activeElement !== root ? document.activeElement : null;
  return {
    focus: active && path(root, active),
    scrolls: [...root.querySelectorAll(".table-scroll, .log, .code")].map((element) => [element.scrollTop, element.scrollLeft, element.scrollTop + element.clientHeight >= element.scrollHeight - 4]),
    open: [...root.querySelectorAll("details[open]")].map((element) => path(root, element)),
    levels: [...root.querySelectorAll(".log[id]")].map((element) => [element.id, element.dataset.level]),
  };
}

function restore(root, was) {
  for (const steps of was.open) {
    const element = follow(root, steps);
    if (element?.matches("details")) element.open = true;
  }
  for (const [id, level] of was.levels) document.querySelector(`[data-log="${CSS.escape(id)}"][data-log-level="${level}"]`)?.click();
  [...root.querySelectorAll(".table-scroll, .log, .code")].forEach((element, index) => {
    const [top, left, wasAtEnd] = was.scrolls[index] ?? [0, 0, false];
    element.scrollTo(left, wasAtEnd && element.matches(".log") ? element.scrollHeight : top);
  });
  if (was.focus && document.activeElement === document.body) follow(root, was.focus)?.focus({ preventScroll: true });
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const target = event.detail.target;
  const elt = event.detail.requestConfig.elt;
  if (elt.dataset?.live !== undefined) kept.set(event.detail.xhr, [target.id, remember(target), target]);
});

document.addEventListener("htmx:afterSettle", (event) => {
  const found = kept.get(event.detail.xhr);
  if (!found) return;
  kept.delete(event.detail.xhr);
  const [id, was, target] = found;
  const now = id ? document.getElementById(id) : target;
  if (now?.isConnected) restore(now, was);
});
