// The page: which part is shown, the search, the head, and the clock that keeps times right.

import { details } from "./details.js";
import { ago, el, number, octets, rate, refreshTimes } from "./dom.js";
import { eventsPage } from "./events.js";
import { lintPage } from "./lint.js";
import { mapPage } from "./map.js";
import { Store } from "./store.js";
import { hostsPage, servicesPage } from "./tables.js";
import { trafficPage } from "./traffic.js";

const PAGES = { map: mapPage, services: servicesPage, hosts: hostsPage, traffic: trafficPage, lint: lintPage, events: eventsPage };
const store = new Store();
const main = document.getElementById("main");
const filter = document.getElementById("filter");
const panel = details(store, document.getElementById("details"));
let page = null;
let shown = null;
let waiting = false;
let isPressed = false;

const view = {
  store,
  words: [],
  open: (collection, id, from) => panel.open(collection, id, from),
  isOpen: (id) => panel.id === id,
};

function route() {
  const name = location.hash.slice(1);
  const wanted = Object.hasOwn(PAGES, name) ? name : "map";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${wanted}`) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else link.removeAttribute("aria-current");
  }
  document.title = `${wanted[0].toUpperCase()}${wanted.slice(1)} – mcast view`;
  shown = wanted;
  page?.close?.();
  page = null;
  if (store.state) begin();
}

function begin() {
  main.replaceChildren();
  main.dataset.page = shown;
  page = PAGES[shown](view, main);
  page.update(null);
}

/** Draw at most once a frame, with all that has changed since; null stands for everything. */
let pending = {};
function soon(changed) {
  if (changed === null) pending = null;
  for (const [name, ids] of Object.entries((pending && changed) ?? {})) {
    pending[name] = ids === true ? true : new Set([...(pending[name] ?? []), ...ids]);
  }
  if (waiting || isPressed) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    if (isPressed) return;
    const changes = pending;
    pending = {};
    head();
    if (page === null) begin();
    else page.update(changes);
    panel.update(changes);
  });
}

// What is pressed must still be there when it is let go: nothing is drawn meanwhile, for a few seconds at most.
const PRESSED_LIMIT = 5000;
let release = 0;
function pressed() {
  isPressed = true;
  clearTimeout(release);
  release = setTimeout(released, PRESSED_LIMIT);
}
function released() {
  clearTimeout(release);
  // The click comes after the pointer is up.
  release = setTimeout(() => {
    isPressed = false;
    if (store.state && page !== null) soon({});
  }, 0);
}
addEventListener("pointerdown", pressed, { capture: true });
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, released, { capture: true });
// Of the window: each element that loses the focus has a blur of its own.
addEventListener("blur", released);

function head() {
  const { state } = store;
  const watcher = state.about.get("watcher");
  const totals = state.about.get("totals");
  document.getElementById("watcher").textContent = watcher?.name ? `on ${watcher.name}` : "";
  const trouble = document.getElementById("trouble");
  trouble.hidden = !watcher?.trouble;
  if (trouble.textContent !== (watcher?.trouble ?? "")) trouble.textContent = watcher?.trouble ?? "";
  const there = [...state.services.values()].filter((service) => service.gone === null).length;
  const counts = { services: there, hosts: state.hosts.size, breaches: state.breaches.size + state.findings.size };
  for (const badge of document.querySelectorAll("[data-count]")) badge.textContent = number(counts[badge.dataset.count]);
  if (!totals) return;
  const facts = [
    ["packets/s", rate(totals.rate[0])],
    ["octets/s", octets(totals.rate[1])],
    ["packets", number(totals.packets)],
  ];
  if (totals.malformed) facts.push(["malformed", number(totals.malformed)]);
  document.getElementById("totals").replaceChildren(...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function status() {
  const element = document.getElementById("status");
  const words = { waiting: "connecting", live: "live", lost: "reconnecting" };
  element.dataset.state = store.connection;
  const text = words[store.connection];
  if (element.textContent !== text) element.textContent = text;
  element.title = store.state ? `data of ${ago(store.now - store.state.now)} ago` : "";
}

const SCHEMES = ["auto", "light", "dark"];
const LABELS = { auto: "Colours: as the system has them", light: "Colours: light", dark: "Colours: dark" };
function scheme(name) {
  document.documentElement.dataset.scheme = name;
  document.getElementById("theme").setAttribute("aria-label", LABELS[name]);
  document.getElementById("theme").title = LABELS[name];
}
function remembered() {
  try {
    return localStorage.getItem("scheme");
  } catch {
    return null;
  }
}
document.getElementById("theme").addEventListener("click", () => {
  const next = SCHEMES[(SCHEMES.indexOf(document.documentElement.dataset.scheme) + 1) % SCHEMES.length];
  scheme(next);
  try {
    localStorage.setItem("scheme", next);
  } catch {
    // Not remembered where the browser keeps nothing.
  }
});
scheme(SCHEMES.includes(remembered()) ? remembered() : "auto");

document.getElementById("search").addEventListener("submit", (event) => event.preventDefault());
filter.addEventListener("input", () => {
  view.words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  page?.update(null);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "")) {
    event.preventDefault();
    filter.focus();
  } else if (event.key === "Escape" && panel.id !== null) panel.close();
});

store.addEventListener("snapshot", () => soon(null));
store.addEventListener("delta", (event) => soon(event.detail));
store.addEventListener("connection", status);
addEventListener("hashchange", () => {
  route();
  main.focus({ preventScroll: true });
});
setInterval(() => {
  status();
  if (store.state && !document.hidden) refreshTimes(store, document);
}, 1000);
// For tests and for the curious: the state as it is.
globalThis.mcastView = store;
route();
store.open();
