// Tabs that do not fit scroll sideways; the one that is open is brought into sight.
import { each } from "./dom.js";

each(".tabs", (tabs) => {
  const open = tabs.querySelector("[aria-current]");
  if (open) tabs.scrollLeft = open.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - open.offsetWidth) / 2;
});
