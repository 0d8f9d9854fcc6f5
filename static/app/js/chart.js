// Curves by uPlot, drawn from the JSON beside them: theme aware, marks, a tip at the pointer, a table behind.
import { each } from "./dom.js";
import { number } from "./format.js";

const UPLOT = new URL("../vendor/uplot/uPlot.iife.min.js", import.meta.url);
const UPLOT_CSS = new URL("../vendor/uplot/uPlot.min.css", import.meta.url);
const FONT = '11px "Inter Variable", system-ui, sans-serif';
const charts = new Map();
let loading = null;

/** uPlot comes only to pages that have a chart; its style first, or the plot would jump. */
function load() {
  loading ??= Promise.all([
    arrive(Object.assign(document.createElement("link"), { rel: "stylesheet", href: UPLOT_CSS })),
    arrive(Object.assign(document.createElement("script"), { src: UPLOT })),
  ]).then(() => window.uPlot);
  return loading;
}

function arrive(element) {
  return new Promise((resolve, reject) => {
    element.onload = resolve;
    element.onerror = () => reject(new Error("the chart library did not load"));
    document.head.append(element);
  });
}

/** A token's colour in the present theme; the canvas knows no custom properties. */
function colour(name) {
  const probe = document.createElement("i");
  probe.hidden = true;
  probe.style.setProperty("color", `var(--${name})`); // through the CSSOM, which the CSP allows
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const faded = (rgb, part) => rgb.replace(/^rgba?\(([^)]+)\)$/, (_, parts) => `rgb(${parts.split(",").slice(0, 3).join(" ").trim()} / ${part})`);

function columns({ x, series, stacked }) {
  if (!stacked) return [x, ...series.map((one) => one.values)];
  const sums = x.map(() => 0);
  const layers = series.map((one) => one.values.map((value, at) => (sums[at] += value ?? 0)));
  return [x, ...layers];
}

function options(chart, width, height) {
  const { data } = chart;
  const [line, ink] = [colour("line-soft"), colour("ink-3")];
  const axis = { stroke: ink, font: FONT, ticks: { show: false }, grid: { stroke: line, width: 1 } };
  const drawn = data.series.map((one) => {
    const stroke = colour(one.tone === "accent" ? "accent" : one.tone || "accent");
    return { label: one.label, stroke, width: 1.5, fill: faded(stroke, data.stacked ? 0.24 : 0.11), points: { show: data.x.length < 3, size: 5 } };
  });
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    padding: [8, 16, 0, 0],
    scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [
      { ...axis, grid: { show: false }, size: 26, space: 64, values: (_plot, splits, _axis, _space, step) => splits.map((at) => (Number.isInteger(at) ? hour(at, step) : null)) },
      { ...axis, size: 46, space: 34, gap: 8, values: (_plot, splits) => splits.map(short) },
    ],
    series: [{}, ...drawn],
    bands: data.stacked ? data.series.slice(1).map((_, at) => ({ series: [at + 2, at + 1] })) : [],
    hooks: { draw: [(plot) => marks(plot, data.marks ?? [])], setCursor: [(plot) => tip(chart, plot)] },
  };
}

const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const second = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

function hour(at, step) {
  const date = new Date(at * 1000);
  const isMidnight = date.getHours() + date.getMinutes() + date.getSeconds() === 0;
  if (step >= 86_400 || (isMidnight && step >= 900)) return day.format(date);
  return (step < 60 ? second : minute).format(date);
}

function short(value) {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (Math.abs(value) >= size) return `${+(value / (size === 1e4 ? 1e3 : size)).toFixed(1)} ${unit}`;
  }
  return number(+value.toFixed(2));
}

/** Deploys and incidents: a dashed line with its word. */
function marks(plot, found) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.font = FONT.replace("11px", `${11 * devicePixelRatio}px`);
  for (const mark of found) {
    const left = Math.round(plot.valToPos(mark.x, "x", true));
    if (left < bbox.left || left > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = colour(mark.tone || "held");
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(left, bbox.top);
    ctx.lineTo(left, bbox.top + bbox.height);
    ctx.stroke();
    const isNearEnd = left > bbox.left + bbox.width * 0.8;
    ctx.textAlign = isNearEnd ? "right" : "left";
    ctx.fillText(mark.label, left + (isNearEnd ? -5 : 5) * devicePixelRatio, bbox.top + 10 * devicePixelRatio);
  }
  ctx.restore();
}

function tip(chart, plot) {
  const { idx, left } = plot.cursor;
  chart.tip.hidden = idx == null || left < 0;
  if (chart.tip.hidden) return;
  const { data } = chart;
  const when = document.createElement("span");
  when.className = "muted";
  when.textContent = new Date(data.x[idx] * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const list = document.createElement("dl");
  for (const one of data.series) {
    const [name, value] = [document.createElement("dt"), document.createElement("dd")];
    name.textContent = one.label;
    value.textContent = one.values[idx] == null ? "–" : `${number(one.values[idx])}${data.unit ? ` ${data.unit}` : ""}`;
    list.append(name, value);
  }
  chart.tip.replaceChildren(when, list);
  const over = plot.over.getBoundingClientRect();
  const frame = chart.figure.getBoundingClientRect();
  const at = over.left - frame.left + left;
  const isRight = at + chart.tip.offsetWidth + 16 > frame.width;
  const x = isRight ? at - chart.tip.offsetWidth - 12 : at + 12;
  chart.tip.style.setProperty("transform", `translate(${Math.max(0, x)}px, ${over.top - frame.top + 4}px)`);
}

function table(chart) {
  const { data, figure } = chart;
  const place = figure.querySelector(".chart-table > div");
  if (!figure.querySelector(".chart-table").open) return;
  const made = document.createElement("table");
  made.className = "table";
  const head = made.createTHead().insertRow();
  for (const name of ["Time", ...data.series.map((one) => one.label)]) {
    const cell = Object.assign(document.createElement("th"), { scope: "col", textContent: name });
    if (head.cells.length) cell.className = "numeric";
    head.append(cell);
  }
  const body = made.createTBody();
  data.x.forEach((x, at) => {
    const row = body.insertRow();
    row.insertCell().textContent = new Date(x * 1000).toLocaleString();
    for (const one of data.series) {
      const cell = row.insertCell();
      cell.className = "numeric";
      cell.textContent = one.values[at] == null ? "–" : number(one.values[at]);
    }
  });
  place.replaceChildren(made);
}

/** One point is no curve: its axis would span years. The page may keep the room for more until there is a second. */
function isCurve({ figure, data }) {
  return figure.toggleAttribute("data-many", data.x.length > 1);
}

function draw(chart, uPlot) {
  if (!isCurve(chart)) return table(chart);
  const place = chart.figure.querySelector(".chart-plot");
  chart.plot?.destroy();
  chart.plot = new uPlot(options(chart, place.clientWidth, place.clientHeight), columns(chart.data), place);
  table(chart);
}

/** Only the width follows the page; the height is the style's, or the plot would push its own frame. */
function fit(chart, place) {
  const width = place.clientWidth;
  if (chart.plot && width && width !== chart.plot.width) chart.plot.setSize({ width, height: chart.plot.height });
}

function update(chart, data) {
  const isSameShape = data.series.length === chart.data.series.length && Boolean(data.stacked) === Boolean(chart.data.stacked);
  chart.data = data;
  if (chart.plot && isSameShape && isCurve(chart)) {
    chart.plot.setData(columns(data));
    table(chart);
  } else load().then((uPlot) => draw(chart, uPlot));
}

async function fetchData(figure) {
  const answer = await fetch(figure.dataset.chartSrc, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  return answer.json();
}

function fail(figure) {
  const place = figure.querySelector(".chart-plot");
  if (place.childElementCount === 0) place.textContent = "The curve could not be loaded. Reload the page to try again.";
}

async function start(figure) {
  for (const [old, chart] of charts) if (!old.isConnected) stop(old, chart);
  const inline = figure.querySelector("script[type='application/json']");
  try {
    const data = inline ? JSON.parse(inline.textContent) : await fetchData(figure);
    const uPlot = await load();
    if (!figure.isConnected) return;
    const tipElement = Object.assign(document.createElement("div"), { className: "chart-tip", hidden: true });
    figure.append(tipElement);
    const chart = { figure, data, tip: tipElement };
    charts.set(figure, chart);
    draw(chart, uPlot);
    const place = figure.querySelector(".chart-plot");
    chart.observer = new ResizeObserver(() => fit(chart, place));
    chart.observer.observe(place);
    figure.querySelector(".chart-table").addEventListener("toggle", () => table(chart));
    if (figure.dataset.chartSrc) figure.addEventListener("live", () => fetchData(figure).then((fresh) => update(chart, fresh), () => fail(figure)));
  } catch {
    fail(figure); // said where the curve would be
  }
}

function stop(figure, chart) {
  chart.observer?.disconnect();
  chart.plot?.destroy();
  charts.delete(figure);
}

function repaint() {
  load().then((uPlot) => charts.forEach((chart) => draw(chart, uPlot)));
}

each("[data-chart]", start);
document.addEventListener("themechange", () => charts.size && repaint());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.size && repaint());
