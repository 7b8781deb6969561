// A long log in a small page: the lines near what is looked at are here, the others come as the page
// is scrolled to its ends. Without this the links at both ends page through.
import { line } from "./log.js";

const PAGE = 500;
const MOST_LINES = 2000;
const WATCHED = "[data-gap]";
let busy = false;

const list = () => document.querySelector(".op-log[data-window]");
const gap = (side) => document.querySelector(`[data-gap="${side}"]`);
const rows = (log) => [...log.children].filter((row) => row.id.startsWith("L"));
const number = (row) => Number(row.id.slice(1));

const fetchLines = async (log, after, limit) => {
  const address = `${log.dataset.window}?after=${after}&limit=${limit}`;
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const made = document.createDocumentFragment();
  const { results } = await answer.json();
  const started = log.dataset.started;
  made.append(...results.map((event) => line({ ...event, payload: event }, started)));
  return made;
};

// What is looked at stays where it is while lines come and go above it.
const keepPlace = (row, change) => {
  const before = row.getBoundingClientRect().top;
  change();
  document.scrollingElement.scrollTop += row.getBoundingClientRect().top - before;
};

const showGaps = (log) => {
  const shown = rows(log);
  const [first, last] = [number(shown[0]), number(shown[shown.length - 1])];
  const newest = Number(log.dataset.newest);
  gap("before").hidden = first <= 1;
  gap("before").querySelector("[data-words]").textContent =
    `lines 1 to ${first - 1} are not on this page`;
  gap("after").hidden = last >= newest;
  gap("after").querySelector("[data-words]").textContent =
    `lines ${last + 1} to ${newest} are not on this page`;
  // The stream leaves alone what was scrolled to; at its newest line the log takes lines again.
  for (const part of [log, gap("before"), gap("after")]) {
    part.toggleAttribute("data-held", last < newest || shown.length > PAGE);
  }
};

const earlier = async (log) => {
  const first = rows(log)[0];
  const from = Math.max(0, number(first) - 1 - PAGE);
  const made = await fetchLines(log, from, number(first) - 1 - from);
  keepPlace(first, () => {
    first.before(made);
    for (const row of rows(log).slice(MOST_LINES)) row.remove();
  });
};

const later = async (log) => {
  const shown = rows(log);
  const last = shown[shown.length - 1];
  const made = await fetchLines(log, number(last), PAGE);
  keepPlace(last, () => {
    last.after(made);
    for (const row of rows(log).slice(0, -MOST_LINES)) row.remove();
  });
};

const load = async (side) => {
  const log = list();
  if (busy || !log || gap(side).hidden || rows(log).length === 0) return;
  busy = true;
  try {
    await (side === "before" ? earlier(log) : later(log));
    showGaps(log);
  } catch {
    // The links at the ends still lead there.
  }
  busy = false;
  // Still in sight: the next page of lines.
  if (isNear(gap(side))) requestAnimationFrame(() => load(side));
};

const isNear = (part) => {
  if (part.hidden) return false;
  const { top, bottom } = part.getBoundingClientRect();
  return bottom > -800 && top < window.innerHeight + 800;
};

if (list() && gap("before") && gap("after")) {
  const watch = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) if (entry.isIntersecting) load(entry.target.dataset.gap);
    },
    { rootMargin: "800px 0px" },
  );
  // At the start the page stands where the server put it; only a hand on it asks for more.
  const begin = () => {
    for (const part of document.querySelectorAll(WATCHED)) watch.observe(part);
  };
  for (const kind of ["scroll", "wheel", "touchmove", "keydown"]) {
    window.addEventListener(kind, begin, { once: true, passive: true });
  }
}
