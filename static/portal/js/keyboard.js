// Keys that only move: "/" to the search or filter, "?" to the list of keys, "g h" home, "g d"
// deployments, "j" and "k" through rows, "f" to the end of a log, which then follows.
let before = "";

const typing = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;

const first = (...selectors) =>
  selectors.map((selector) => document.querySelector(selector)).find((found) => found);

const moveRow = (step) => {
  const links = [...document.querySelectorAll("#result_list tbody th a, .op-table tbody th a")];
  const now = links.indexOf(document.activeElement);
  const next = links[Math.min(links.length - 1, Math.max(0, now + step))];
  if (next) next.focus();
};

const go = (selector) => {
  const link = document.querySelector(selector);
  if (link) window.location.assign(link.href);
};

const MOVES = {
  "/": () => first("#searchbar", "#q", "#nav-filter")?.focus(),
  "?": () => first("#footer")?.scrollIntoView(),
  f: () => first(".op-log-tail")?.scrollIntoView({ block: "end" }),
  j: () => moveRow(1),
  k: () => moveRow(-1),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (before === "g" && event.key === "h") go("#site-name a");
  else if (before === "g" && event.key === "d") go('a[href$="/deployments/deployment/"]');
  else if (MOVES[event.key]) {
    if (event.key === "/") event.preventDefault();
    MOVES[event.key]();
  }
  before = event.key;
});
