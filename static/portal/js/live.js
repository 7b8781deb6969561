// Keeps a page as the database is. The page is whole without it; this only reads again, when the
// stream says that something moved, and every 15 s when there is no stream.
//
//   data-topic, data-after          what the part shows, and the newest sequence it has seen
//   data-also, data-also-after      a second topic of the same part
//   data-fragment                   its name: the same address with ?fragment=<name> renders it
//   data-from                       another address that renders it, among others
//   data-lines                      a list that shows the lines of a run as they come
import { addLines } from "./log.js";
import { morph, remember } from "./morph.js";

const STALE_AFTER = 20_000;
const READ_EVERY = 15_000;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
const REFRESH_PAUSE = 300;
const SESSION_ENDED = 4401;

const last = new Map(); // topic → the newest sequence seen
const asked = new Map(); // topic → a gap that was asked for once
let socket = null;
let attempts = 0;
let nextTry = null;
let retryAt = 0;
let heardAt = Date.now();
let readAt = Date.now();
let refreshTimer = null;
let reading = null;
let again = false;
let moved = new Set(); // topics that moved since the last reading
let all = false; // read every part, whatever moved

const parts = () => [...document.querySelectorAll("[data-topic][data-fragment]")];

// Of two parts with one topic the older one says from where.
const want = (topics, topic, after) => {
  const from = Number(after) || 0;
  topics.set(topic, Math.min(from, topics.get(topic) ?? from));
};

const wanted = () => {
  const topics = new Map();
  for (const { dataset } of parts()) {
    want(topics, dataset.topic, dataset.after);
    if (dataset.also) want(topics, dataset.also, dataset.alsoAfter);
  }
  return topics;
};

// The socket ------------------------------------------------------------------------------------

const say = (message) => {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
};

const subscribe = (topic) => say({ type: "subscribe", topic, after: last.get(topic) });

const follow = () => {
  const topics = wanted();
  for (const [topic, after] of topics) {
    if (!last.has(topic)) {
      last.set(topic, after);
      subscribe(topic);
    }
  }
  for (const topic of [...last.keys()]) {
    if (!topics.has(topic)) {
      last.delete(topic);
      say({ type: "unsubscribe", topic });
    }
  }
};

const connect = () => {
  clearTimeout(nextTry);
  nextTry = null;
  const scheme = window.location.protocol === "https:" ? "wss" : "ws";
  const own = new WebSocket(`${scheme}://${window.location.host}/ws/live/`);
  socket = own;
  own.addEventListener("open", () => {
    attempts = 0;
    for (const topic of last.keys()) subscribe(topic);
  });
  own.addEventListener("message", (event) => {
    heardAt = Date.now();
    receive(JSON.parse(event.data));
    show();
  });
  own.addEventListener("close", (event) => {
    if (socket !== own) return;
    socket = null;
    if (event.code === SESSION_ENDED) refreshAll();
    reconnect();
  });
};

const reconnect = (delay = null) => {
  if (nextTry !== null) return;
  const ceiling = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** attempts);
  const wait = delay ?? ceiling * (0.5 + Math.random() / 2);
  attempts += 1;
  retryAt = Date.now() + wait;
  nextTry = setTimeout(connect, wait);
};

const receive = (message) => {
  if (message.type === "messages") takeItems(message.topic, message.items);
  if (message.type === "heartbeat") say({ type: "pong" });
  if (message.type === "resync" && last.has(message.topic)) {
    last.set(message.topic, message.after);
    refreshSoon(message.topic);
  }
  // The right ended, or the thing is gone: the page itself says which.
  if (message.type === "refused" && last.has(message.topic)) refreshSoon(message.topic);
  if (message.type === "draining") {
    const own = socket;
    socket = null;
    own.close();
    reconnect(message.delay * 1000);
  }
};

const takeItems = (topic, items) => {
  if (!last.has(topic)) return;
  const seen = last.get(topic);
  const fresh = items.filter((item) => item.sequence > seen);
  if (fresh.length === 0) return;
  const missing = topic.startsWith("run:") && fresh[0].sequence !== seen + 1;
  if (missing && asked.get(topic) !== seen) {
    // Lines of a run have no gaps: ask for these once, then show what there is.
    asked.set(topic, seen);
    subscribe(topic);
    return;
  }
  last.set(topic, fresh[fresh.length - 1].sequence);
  for (const part of parts()) {
    if (part.dataset.topic !== topic && part.dataset.also !== topic) continue;
    for (const list of part.querySelectorAll("[data-lines]")) addLines(list, fresh);
  }
  refreshSoon(topic);
};

// Reading parts again ---------------------------------------------------------------------------

const refreshSoon = (topic) => {
  if (topic) moved.add(topic);
  else all = true;
  if (reading) {
    again = true;
    return;
  }
  refreshTimer ??= setTimeout(refresh, REFRESH_PAUSE * (0.3 + Math.random() * 0.2));
};

const refreshAll = () => {
  all = true;
  return refresh();
};

const addressOf = (part) => {
  if (part.dataset.from) return new URL(part.dataset.from, window.location.href).href;
  const address = new URL(window.location.href);
  address.searchParams.set("fragment", part.dataset.fragment);
  address.hash = "";
  return address.href;
};

const fetchPart = async (address) => {
  const answer = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (answer.redirected || answer.status === 403 || answer.status === 404) {
    // Logged out, or no longer ours to see: the whole page tells.
    window.location.reload();
    return null;
  }
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
};

// Parts of one address are read in one request.
const readPart = async (part, answers) => {
  const address = addressOf(part);
  if (!answers.has(address)) answers.set(address, fetchPart(address));
  const made = await answers.get(address);
  if (made === null) return;
  const fresh = made.querySelector(`[data-fragment="${CSS.escape(part.dataset.fragment)}"]`);
  if (fresh) morph(part, fresh);
};

const stirred = () => {
  const topics = moved;
  const whole = all;
  moved = new Set();
  all = false;
  return parts().filter(
    ({ dataset }) => whole || topics.has(dataset.topic) || topics.has(dataset.also),
  );
};

const refresh = async () => {
  clearTimeout(refreshTimer);
  refreshTimer = null;
  if (reading) {
    again = true;
    return;
  }
  const begun = performance.now();
  const answers = new Map();
  reading = Promise.all(stirred().map((part) => readPart(part, answers)));
  try {
    await reading;
    readAt = Date.now();
    follow();
  } catch {
    // What is shown stays, and the mark says from when it is; the next reading is of everything.
    all = true;
  }
  reading = null;
  show();
  if (again) {
    again = false;
    // A page that is slow to make is asked for less often.
    const pause = Math.max(REFRESH_PAUSE, 2 * (performance.now() - begun));
    refreshTimer ??= setTimeout(refresh, pause);
  }
};

// What the page says about itself ---------------------------------------------------------------

const clock = (moment) => new Date(moment).toISOString().slice(11, 19);
const isStale = () => Date.now() - heardAt > STALE_AFTER;

const show = () => {
  const mark = document.querySelector("[data-live]");
  const stale = isStale();
  const from = Math.max(heardAt, readAt);
  if (mark) {
    mark.classList.toggle("is-stale", stale);
    const text = mark.querySelector(".op-live-text") || mark;
    const words = stale ? `Stale since ${clock(from)}` : `Live · ${clock(heardAt)} UTC`;
    if (text.textContent !== words) text.textContent = words;
  }
  showCall(stale, from);
};

const showCall = (stale, from) => {
  let call = document.querySelector("#live-call");
  if (!stale) {
    if (call) call.remove();
    return;
  }
  if (!call) {
    call = document.createElement("div");
    call.id = "live-call";
    call.className = "op-call t-warn";
    const text = document.createElement("p");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "op-btn is-small";
    button.textContent = "Read now";
    button.addEventListener("click", () => {
      refreshAll();
      if (!socket) connect();
    });
    call.append(text, button);
    const content = document.querySelector("#content");
    const first = content?.querySelector("[data-topic][data-fragment]");
    if (first) first.before(call);
    else content?.prepend(call);
  }
  const seconds = Math.max(0, Math.round((retryAt - Date.now()) / 1000));
  const trying = socket ? "Trying again now" : `Trying again in ${seconds} s`;
  call.querySelector("p").textContent =
    `The live stream stopped at ${clock(heardAt)}. What you see is from ${clock(from)}. ` +
    `${trying}; the page also reads by itself every 15 s.`;
};

const watch = () => {
  if (isStale()) {
    if (Date.now() - readAt > READ_EVERY) refreshAll();
    // An open line that says nothing is a dead one.
    if (socket && socket.readyState === WebSocket.OPEN) {
      const dead = socket;
      socket = null;
      dead.close();
      reconnect();
    }
  }
  show();
};

if (parts().length > 0) {
  remember(document);
  follow();
  connect();
  setInterval(watch, 1000);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    if (!socket) connect();
    if (Date.now() - readAt > READ_EVERY) refreshSoon();
  });
  window.addEventListener("pagehide", () => socket && socket.close());
  window.addEventListener("pageshow", (event) => event.persisted && !socket && connect());
}
