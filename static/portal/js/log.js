// Adds the lines of a run to an open log the moment they come. Text of engines is untrusted: text
// nodes only, control characters shown, no links made of it. The server's own rendering follows.
const MOST_LINES = 1000;
const MARKS = new Set(["resource_began", "resource_done"]);
const TONES = { error: "t-bad", warning: "t-warn" };

export const visible = (text) =>
  // eslint-disable-next-line no-control-regex
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu, "␛");

// operation → what its beginning and its end are called; the server's templates say the same.
const STEPS = {
  create: ["creating", "created"],
  update: ["updating", "updated"],
  replace: ["replacing", "replaced"],
  "create-replacement": ["creating the replacement", "replacement created"],
  "delete-replaced": ["deleting the replaced one", "replaced one deleted"],
  delete: ["deleting", "deleted"],
  same: ["unchanged", "unchanged"],
  refresh: ["reading", "read back"],
};

const from = (item) => {
  const parts = item.payload.urn.split("::");
  if (parts.length < 4) return item.kind;
  return visible(`${parts[2].split("$").pop().split(":").pop()} ${parts.slice(3).join("::")}`);
};

const words = (item) => {
  const said = item.payload;
  if (said.message) return visible(said.message);
  const [began, done] = STEPS[said.operation] || [];
  const known = { running: began, done, planned: began && `plan: ${said.operation}` };
  return known[said.status] || `${said.operation} ${said.status}`.trim() || item.kind;
};

const part = (tag, css, text) => {
  const made = document.createElement(tag);
  if (css) made.className = css;
  made.textContent = text;
  return made;
};

// `1:02.345` since the start; the server's templates say the same.
export const since = (at, started) => {
  const passed = Math.max(0, Math.round(Date.parse(at) - Date.parse(started)));
  if (Number.isNaN(passed)) return "";
  const [hours, minutes] = [Math.floor(passed / 3_600_000), Math.floor(passed / 60_000) % 60];
  const seconds = ((passed % 60_000) / 1000).toFixed(3).padStart(6, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
};

export const line = (item, started) => {
  const said = item.payload;
  const row = document.createElement("li");
  row.id = `L${item.sequence}`;
  row.className = (item.kind !== "output" || said.severity !== "error") && TONES[said.severity] || "";
  if (MARKS.has(item.kind)) row.classList.add("is-mark");
  const number = part("a", "", String(item.sequence));
  number.href = `#L${item.sequence}`;
  const at = part("span", "op-at", "");
  const time = part("time", "", item.at.slice(11, 19));
  time.dateTime = item.at;
  at.append(part("span", "op-since", since(item.at, started)), time);
  row.append(
    number,
    at,
    part("span", "op-from", from(item)),
    part("span", "op-msg", words(item)),
  );
  return row;
};

// `list` is the log of a whole page; it ends at line `items[0].sequence - 1` or nothing is added.
export const addLines = (list, items) => {
  const last = [...list.children].findLast((row) => row.id.startsWith("L"));
  const shown = last ? Number(last.id.slice(1)) : 0;
  const fresh = items.filter((item) => item.sequence > shown);
  if (fresh.length === 0 || fresh[0].sequence !== shown + 1) return;
  if (!last) list.replaceChildren();
  const room = document.scrollingElement;
  const follows = room.scrollHeight - room.scrollTop - room.clientHeight < 60;
  list.append(...fresh.map((item) => line(item, list.dataset.started)));
  while (list.children.length > MOST_LINES) list.firstElementChild.remove();
  if (follows) room.scrollTop = room.scrollHeight;
};
