// The log of events, the latest first.

import { bdi, el, matches, number } from "./dom.js";

const SIGNS = { came: "+", went: "−", changed: "~", renamed: "→", conflict: "!", flood: "!", silence: "?" };
const SHOWN = 300;

export function eventsPage(view, root) {
  const { store } = view;
  const kinds = new Set();
  const buttons = Object.keys(SIGNS).map((kind) =>
    el("button", { type: "button", "aria-pressed": "false", onclick: (event) => toggle(kind, event.currentTarget) }, kind),
  );
  const list = el("ol", { class: "events", "aria-label": "Events, the latest first" });
  const note = el("p", { class: "empty" });
  root.append(el("h2", {}, "Events"), el("div", { class: "choices", role: "group", "aria-label": "Kinds of events; none pressed means all" }, buttons), list, note);

  function toggle(kind, button) {
    if (!kinds.delete(kind)) kinds.add(kind);
    button.setAttribute("aria-pressed", String(kinds.has(kind)));
    update(null);
  }

  function item(event) {
    const collection = { service: "services", host: "hosts" }[event.what];
    const ref = event.what === "host" ? store.host(event.ref)?.id : event.ref;
    const there = collection && store.state[collection].has(ref);
    const date = store.date(event.at);
    const name = there ? el("button", { type: "button", class: "name", onclick: (click) => view.open(collection, ref, click.currentTarget) }, bdi(event.name)) : bdi(event.name);
    return el("li", { "data-event": event.id, class: event.kind },
      el("time", { datetime: date?.toISOString(), title: date?.toLocaleString() }, date ? date.toLocaleTimeString("en-GB") : `${event.at.toFixed(0)} s`),
      el("span", { class: "kind" }, el("i", { "aria-hidden": "true" }, SIGNS[event.kind] ?? "·"), ` ${event.kind}`),
      el("span", { class: "what" }, event.what),
      el("span", { class: "text" }, name, event.detail ? el("span", { class: "quiet" }, " ", bdi(event.detail)) : null),
    );
  }

  function update(changes) {
    if (changes !== null && !changes.events) return;
    const { events } = store.state;
    const wanted = events.filter((event) => (!kinds.size || kinds.has(event.kind)) && matches(view.words, event.kind, event.what, event.name, event.detail));
    const latest = wanted.slice(-SHOWN).reverse();
    // What stands there stays, untouched: taking it out, if only for a moment, would take the focus away.
    const wantedNow = new Set(latest.map((event) => String(event.id)));
    for (const element of [...list.children]) if (changes === null || !wantedNow.has(element.dataset.event)) element.remove();
    let next = list.firstChild;
    for (const event of latest) {
      if (next?.dataset.event === String(event.id)) {
        next = next.nextSibling;
        continue;
      }
      const element = item(event);
      if (changes !== null) element.classList.add("fresh");
      list.insertBefore(element, next);
    }
    list.hidden = !latest.length;
    note.hidden = latest.length > 0 && wanted.length <= SHOWN;
    note.textContent = latest.length ? `${number(wanted.length - SHOWN)} earlier ones are not shown; search for them.` : events.length ? "Nothing matches." : "Nothing has happened yet.";
  }
  return { update };
}
