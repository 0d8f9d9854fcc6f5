// Keeps the page true: follows the workspace's events, tells the regions, shows the transport in the badge.
import { Connection } from "./connection.js";
import { clock } from "./format.js";
import { hand } from "./regions.js";

const badge = document.querySelector("[data-live-badge]");
const { liveCursor, liveWorkspace, liveBase } = document.body.dataset;
let beat = 0;

function paths() {
  const base = liveBase ?? `/w/${liveWorkspace}/`;
  const events = `${base}events/`;
  // The status page's socket has no "events/" in its address.
  const socket = new URL(liveBase ? `/ws${base}` : `/ws${events}`, location.href);
  socket.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return { socket: socket.href, stream: `${events}stream/`, poll: events };
}

function show(tone, word, via, title) {
  if (!badge) return;
  badge.dataset.tone = tone;
  badge.title = title;
  badge.querySelector("[data-live-word]").textContent = word;
  badge.querySelector("[data-live-via]").textContent = via;
}

function report(transport, since, hasEnded) {
  document.body.dataset.liveState = transport ?? (hasEnded ? "ended" : "lost");
  if (transport) show("ok", "Live", `· ${transport}`, `This page follows what happens, by ${transport}.`);
  else if (hasEnded) show("warn", "Not live", "· reload", "You are signed out, or may no longer read this. Reload the page.");
  else show("warn", `Reconnecting since ${clock(since)}`, "", "What you see may be old. Nothing is missed: it goes on where it stopped.");
}

function receive(events) {
  hand(events);
  if (!badge) return;
  badge.classList.add("is-fresh");
  clearTimeout(beat);
  beat = setTimeout(() => badge.classList.remove("is-fresh"), 900);
}

if (liveCursor !== undefined && (liveBase || liveWorkspace)) {
  const connection = new Connection({ paths: paths(), cursor: liveCursor, receive, report });
  connection.start();
  addEventListener("offline", () => connection.lose());
  addEventListener("online", () => connection.hurry());
  document.addEventListener("visibilitychange", () => document.hidden || connection.hurry());
  addEventListener("pagehide", () => connection.stop());
  addEventListener("pageshow", (event) => event.persisted && connection.start());
}
