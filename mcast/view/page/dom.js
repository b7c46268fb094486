// Elements, made of text alone: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * Make the children of an element those given, and keep what stays the same: a button that is being pressed, a text
 * that is being selected. What has a listener has a `data-key` (or `data-id`): one of another key is another thing.
 */
export function morph(parent, children) {
  const keyed = new Map([...parent.childNodes].map((child) => [keyOf(child), child]));
  const wanted = new Set(children.map(keyOf));
  let next = parent.firstChild;
  for (const child of children) {
    // What has gone is taken out, not moved: a move would take the focus away.
    const key = keyOf(child);
    const isDone = (node) => (keyOf(node) === undefined ? keyed.has(key) && key !== undefined : !wanted.has(keyOf(node)));
    while (next && isDone(next)) next = without(next);
    const there = key === undefined ? (next && keyOf(next) === undefined ? next : undefined) : keyed.get(key);
    if (there === undefined) {
      parent.insertBefore(child, next);
      continue;
    }
    if (there === next) next = next.nextSibling;
    else parent.insertBefore(there, next);
    become(there, child);
  }
  while (next) next = without(next);
}

function without(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function become(there, child) {
  if (there.isEqualNode(child)) return;
  if (there.nodeType !== 1 || there.nodeName !== child.nodeName) {
    there.replaceWith(child);
    return;
  }
  for (const name of there.getAttributeNames()) if (!child.hasAttribute(name)) there.removeAttribute(name);
  for (const name of child.getAttributeNames()) if (there.getAttribute(name) !== child.getAttribute(name)) there.setAttribute(name, child.getAttribute(name));
  morph(there, [...child.childNodes]);
}

function keyOf(node) {
  return node.dataset?.key ?? node.dataset?.id;
}

/** Text from the network: its direction is its own, and reaches no further. */
export function bdi(text, attributes = {}) {
  return el("bdi", attributes, text ?? "");
}

// Made once: toLocaleString makes one each time.
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function number(value) {
  return whole.format(value);
}

export function rate(value) {
  if (value === 0) return "–";
  return value < 10 ? value.toFixed(1) : number(value);
}

export function octets(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  while (value >= 1000 && place < units.length - 1) {
    value /= 1000;
    place += 1;
  }
  return `${place && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[place]}`;
}

export function milliseconds(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const ms = seconds * 1000;
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`;
}

export function ago(seconds) {
  if (seconds < 1.5) return "now";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** How long ago a moment was, kept right by `refreshTimes`. */
export function since(store, at, prefix = "") {
  if (at === null || at === undefined) return el("span", { class: "quiet" }, "–");
  const date = store.date(at);
  return el(
    "time",
    { "data-at": at, "data-prefix": prefix, datetime: date?.toISOString(), title: date ? moment.format(date) : null },
    prefix + ago(store.now - at),
  );
}

export function refreshTimes(store, root) {
  for (const element of root.querySelectorAll("time[data-at]")) {
    const text = element.dataset.prefix + ago(store.now - Number(element.dataset.at));
    if (element.textContent !== text) element.textContent = text;
  }
}

/** Whether every word of a search is somewhere in the texts. */
export function matches(words, ...texts) {
  if (!words.length) return true;
  const all = texts.flat(2).filter(Boolean).join("\n").toLowerCase();
  return words.every((word) => all.includes(word));
}
