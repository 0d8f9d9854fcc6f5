// Keeps "3 min ago" true: every second while something is younger than a minute, else every 15 s.
import { relative } from "./format.js";

function tick() {
  const now = new Date();
  let isYoung = false;
  for (const element of document.querySelectorAll("time[data-reltime]")) {
    const then = new Date(element.dateTime);
    const text = relative(then, now);
    if (element.textContent !== text) element.textContent = text;
    isYoung ||= Math.abs(now - then) < 60_000;
  }
  setTimeout(tick, isYoung ? 1000 : 15_000);
}

tick();
document.addEventListener("visibilitychange", () => document.hidden || document.querySelectorAll("time[data-reltime]").forEach((element) => {
  element.textContent = relative(new Date(element.dateTime), new Date());
}));
