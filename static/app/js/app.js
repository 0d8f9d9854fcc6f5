// Starts every behaviour of the page; each is a module of its own.
import "./keys.js";
import "./jump.js";
import "./menu.js";
import "./dialog.js";
import "./copy.js";
import "./filters.js";
import "./reltime.js";
import "./toast.js";
import "./log.js";
import "./chart.js";
import "./tabs.js";
import "./swap.js";
import "./live.js";
