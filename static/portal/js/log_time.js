// Whether a log shows the time since its start or the clock. The links work without this; with it
// the page is not read again, and the choice is remembered.
const KEY = "portal.log_time";
const KINDS = ["since", "clock"];

const remembered = () => {
  try {
    return window.localStorage.getItem(KEY);
  } catch {
    return null; // storage is switched off: the server's choice stands
  }
};

const choose = (kind) => {
  document.documentElement.dataset.logTime = kind;
  for (const link of document.querySelectorAll("[data-log-time-link]")) {
    if (link.dataset.logTimeLink === kind) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
};

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-log-time-link]");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  choose(link.dataset.logTimeLink);
  try {
    window.localStorage.setItem(KEY, link.dataset.logTimeLink);
  } catch {
    // Chosen for this page only.
  }
});

const asked = new URLSearchParams(window.location.search).get("time");
const kind = KINDS.includes(asked) ? asked : remembered();
if (document.querySelector("[data-log-time-link]")) {
  if (KINDS.includes(kind)) choose(kind);
  // A part that was read again has the server's mark on its links.
  new MutationObserver(() => {
    const now = document.documentElement.dataset.logTime;
    const wrong = now && document.querySelector(
      `[data-log-time-link][aria-current]:not([data-log-time-link="${now}"])`,
    );
    if (wrong) choose(now);
  }).observe(document.body, { subtree: true, attributeFilter: ["aria-current"] });
}
