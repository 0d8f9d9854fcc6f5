// Tells the parts of the page that an event concerns: a `live` event for htmx and charts, counters set at once.
import { live } from "./format.js";

const CALM = 400;
const last = new WeakMap();
const waiting = new Set();
let timer = 0;

/** Whether a topic of data-live ("run:<id>", "run:*", "run") names this event. */
function concerns(topic, event) {
  const [name, object = "*"] = topic.split(":");
  if (object !== "*" && name === "run" && event.run === object) return true;
  return name === event.topic && (object === "*" || event.object === object);
}

/** Whether one of an element's topics names this event, whose kind is none that data-live-but leaves out. */
function isMeant(element, event) {
  const words = (text = "") => text.split(/\s+/).filter(Boolean);
  const { live: topics, liveBut } = element.dataset;
  return !words(liveBut).includes(event.kind) && words(topics).some((topic) => concerns(topic, event));
}

export function hand(events) {
  for (const element of document.querySelectorAll("[data-live]")) {
    if (events.some((event) => isMeant(element, event))) waiting.add(element);
  }
  events.forEach(setCounters);
  flush();
}

function setCounters(event) {
  if (!event.data) return;
  for (const object of new Set([event.object, event.run].filter(Boolean))) {
    for (const element of document.querySelectorAll(`[data-live-object="${CSS.escape(object)}"]`)) {
      const { liveText, liveValue, liveFormat } = element.dataset;
      if (liveText in event.data) element.textContent = live(event.data[liveText], liveFormat);
      if (liveValue in event.data) element.value = event.data[liveValue];
    }
  }
}

/** At most one per 400 ms (or per data-live-calm) for an element, none while the tab is hidden; what was held back comes later. */
function flush() {
  clearTimeout(timer);
  if (document.hidden) return;
  const now = performance.now();
  let next = Infinity;
  for (const element of waiting) {
    const calm = Number(element.dataset.liveCalm ?? CALM);
    const due = (last.get(element) ?? -calm) + calm;
    if (!element.isConnected) inherit(element);
    else if (element.classList.contains("htmx-request")) continue;
    else if (due > now) next = Math.min(next, due);
    else {
      waiting.delete(element);
      last.set(element, now);
      element.dispatchEvent(new CustomEvent("live"));
    }
  }
  if (next < Infinity) timer = setTimeout(flush, next - now);
}

/** What an event said to a region that was replaced meanwhile, it says to the one in its place. */
function inherit(element) {
  waiting.delete(element);
  const heir = element.id && document.getElementById(element.id);
  if (heir?.dataset.live !== undefined) waiting.add(heir);
}

document.addEventListener("visibilitychange", flush);

// An event that arrived while a region was being asked for may be newer than the answer: it is asked for once more.
document.addEventListener("htmx:afterSettle", () => setTimeout(flush, 0));
document.addEventListener("htmx:afterRequest", ({ detail }) => detail.successful || setTimeout(flush, 0));

// A region whose own request failed keeps what it shows and asks again.
for (const failed of ["htmx:sendError", "htmx:responseError"]) {
  document.addEventListener(failed, ({ detail }) => {
    const element = detail.requestConfig?.elt ?? detail.elt;
    const status = detail.xhr?.status ?? 0;
    if (element.dataset?.live === undefined || (status >= 400 && status < 500)) return;
    setTimeout(() => {
      waiting.add(element);
      flush();
    }, 2000);
  });
}
