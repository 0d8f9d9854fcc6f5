// What the status page needs: its theme, relative times, and staying true. No keys, no jumping: strangers read it.
import "./reltime.js";
import "./swap.js";
import "./live.js";
