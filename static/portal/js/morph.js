// Turns one element into what the server rendered anew, and leaves alone what a person holds: the
// focus, a field that is being filled in, a <details> that was opened or closed by hand.
const servedOpen = new WeakMap();

const key = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.id || null : null);

const same = (one, other) =>
  one.nodeType === other.nodeType && one.nodeName === other.nodeName && key(one) === key(other);

const copyAttributes = (from, to) => {
  const held = to instanceof HTMLDetailsElement ? "open" : null;
  for (const { name } of [...to.attributes]) {
    if (name !== held && !from.hasAttribute(name)) to.removeAttribute(name);
  }
  for (const { name, value } of from.attributes) {
    if (name !== held && to.getAttribute(name) !== value) to.setAttribute(name, value);
  }
  if (held) {
    // What the server opens or closes counts when it changes its mind, not each time it says so.
    const served = from.hasAttribute("open");
    const before = servedOpen.get(to);
    if (before !== undefined && before !== served) to.open = served;
    servedOpen.set(to, served);
  }
};

const isHeld = (node) =>
  (node instanceof Element && node.hasAttribute("data-held")) ||
  node === document.activeElement && node.matches("input, textarea, select, [contenteditable]");

const morphChildren = (from, to) => {
  const named = new Map();
  for (const child of to.children) if (child.id) named.set(child.id, child);
  let now = to.firstChild;
  for (const wanted of [...from.childNodes]) {
    let found = now && same(now, wanted) ? now : null;
    const known = key(wanted) && named.get(key(wanted));
    if (!found && known && same(known, wanted)) {
      // Everything before it has gone; what it still holds stays where it is.
      while (now && now !== known && !(key(now) && from.querySelector(`#${CSS.escape(key(now))}`))) {
        const gone = now;
        now = now.nextSibling;
        gone.remove();
      }
      if (now !== known) to.insertBefore(known, now);
      found = known;
    }
    if (found) {
      morph(found, wanted);
      now = found.nextSibling;
    } else {
      to.insertBefore(document.importNode(wanted, true), now);
    }
  }
  while (now) {
    const gone = now;
    now = now.nextSibling;
    gone.remove();
  }
};

export const morph = (to, from) => {
  if (to.nodeType !== Node.ELEMENT_NODE) {
    if (to.nodeValue !== from.nodeValue) to.nodeValue = from.nodeValue;
    return;
  }
  if (isHeld(to)) return;
  copyAttributes(from, to);
  if (to.isEqualNode(from)) return;
  morphChildren(from, to);
};

// The <details> of the first page, as the server sent them.
export const remember = (root) => {
  for (const part of root.querySelectorAll("details")) {
    if (!servedOpen.has(part)) servedOpen.set(part, part.hasAttribute("open"));
  }
};
