// Numbers and times as the templates write them (accounts/templatetags/signalbox.py).

const NARROW = "\u202f";
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const STEPS = [[60, "s", 1], [3600, "min", 60], [86400, "h", 3600], [86400 * 30, "d", 86400]];

export function number(value) {
  const [whole, rest] = String(value).split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, NARROW) + (rest ? `.${rest}` : "");
}

export function bytes(count) {
  let size = count;
  for (const unit of UNITS.slice(0, -1)) {
    if (Math.abs(size) < 999.95) return `${unit === "B" ? size.toFixed(0) : size.toFixed(1)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} ${UNITS.at(-1)}`;
}

export function relative(then, now) {
  const seconds = (now - then) / 1000;
  if (Math.abs(seconds) < 5) return "just now";
  for (const [limit, unit, size] of STEPS) {
    if (Math.abs(seconds) < limit) {
      const amount = `${Math.floor(Math.abs(seconds) / size)} ${unit}`;
      return seconds > 0 ? `${amount} ago` : `in ${amount}`;
    }
  }
  return then.toISOString().slice(0, 10);
}

export function clock(moment) {
  return moment.toTimeString().slice(0, 8);
}

/** What a live counter shows: numbers grouped, words as they are. */
export function live(value, how) {
  if (typeof value !== "number") return String(value);
  return how === "bytes" ? bytes(value) : number(value);
}
