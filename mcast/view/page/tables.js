// The tables of services and of hosts: rows are kept, and only what changed is drawn again.

import { bdi, el, matches, milliseconds, morph, number, octets, rate, since } from "./dom.js";
import { urlOf } from "./urls.js";

const FIRST_ROWS = 300;

/**
 * A table over one collection.
 * columns: {name, title, value (for sorting), cell (content), number, wide}
 */
export function table(view, root, options) {
  const { collection, columns, texts, name, order } = options;
  let sorted = order;
  let limit = FIRST_ROWS;
  const rows = new Map();
  const head = el("tr");
  const body = el("tbody");
  const note = el("p", { class: "empty" });
  const more = el("button", { type: "button", class: "more", onclick: () => { limit += FIRST_ROWS; update(null); } }, "Show more");
  const heads = new Map();
  for (const column of columns) {
    const button = el("button", { type: "button", onclick: () => sort(column) }, column.title);
    const cell = el("th", { scope: "col", class: column.class, "aria-sort": "none" }, button);
    heads.set(column.name, cell);
    head.append(cell);
  }
  root.append(
    el("div", { class: "scroll" }, el("table", { class: options.class }, el("caption", { class: "hidden" }, name), el("thead", {}, head), body)),
    note,
    more,
  );

  function sort(column) {
    const down = sorted.name === column.name ? !sorted.down : Boolean(column.down);
    sorted = { name: column.name, down };
    update(null);
  }

  function row(entry) {
    const cells = columns.map((column, place) =>
      el(place === 0 ? "th" : "td", { class: column.class, scope: place === 0 ? "row" : null, "data-title": column.title }, column.cell(entry)),
    );
    const there = rows.get(entry.id);
    const element = there?.element ?? el("tr", { "data-id": entry.id, onclick: (event) => opened(event, entry.id) });
    morph(element, cells);
    element.classList.toggle("gone", Boolean(entry.gone));
    element.classList.toggle("bad", Boolean(entry.flooding || entry.silent));
    return element;
  }

  function opened(event, id) {
    if (event.target.closest("a")) return;
    view.open(collection, id, event.target.closest("button"));
  }

  function update(changes) {
    const entries = [...view.store.state[collection].values()].filter((entry) => matches(view.words, texts(entry)));
    const column = columns.find((each) => each.name === sorted.name);
    const sign = sorted.down ? -1 : 1;
    entries.sort((a, b) => sign * compare(column.value(a), column.value(b)) || compare(a.label ?? a.name, b.label ?? b.name) || compare(a.id, b.id));
    for (const [key, cell] of heads) cell.setAttribute("aria-sort", key === sorted.name ? (sorted.down ? "descending" : "ascending") : "none");
    const shown = entries.slice(0, limit);
    const kept = new Set(shown.map((entry) => entry.id));
    for (const [id, { element }] of rows) {
      if (!kept.has(id)) {
        element.remove();
        rows.delete(id);
      }
    }
    let before = null;
    for (const entry of shown) {
      const there = rows.get(entry.id);
      const isNew = !there;
      if (isNew || changes === null || changes[collection]?.has(entry.id)) {
        rows.set(entry.id, { element: row(entry) });
        if (isNew && changes !== null) rows.get(entry.id).element.classList.add("fresh");
      }
      const { element } = rows.get(entry.id);
      element.classList.toggle("open", view.isOpen(entry.id));
      const place = before === null ? body.firstChild : before.nextSibling;
      if (place !== element) body.insertBefore(element, place);
      before = element;
    }
    const total = view.store.state[collection].size;
    note.textContent = entries.length ? "" : total ? "Nothing matches the search." : options.empty;
    note.hidden = entries.length > 0;
    head.closest("table").hidden = entries.length === 0;
    more.hidden = entries.length <= limit;
    more.textContent = `Show more (${number(Math.max(0, entries.length - limit))} left)`;
  }
  return { update };
}

// Made once: a comparison by name makes one each time.
const collator = new Intl.Collator(undefined, { numeric: true });

function compare(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  return typeof a === "string" ? collator.compare(a, b) : a - b;
}

export function opener(id, label, attributes = {}) {
  return el("button", { type: "button", class: "name", "data-key": id, ...attributes }, bdi(label));
}

export function hostLabel(host) {
  return host.name ?? host.addresses[0] ?? host.id;
}

export function openLink(service) {
  const url = urlOf(service);
  return url && el("a", { class: "open", href: url, rel: "noopener noreferrer external", target: "_blank" }, `Open ${new URL(url).protocol.slice(0, -1)}`);
}

export function servicesPage(view, root) {
  const { store } = view;
  root.append(el("h2", {}, "Services"));
  return table(view, root, {
    collection: "services",
    name: "Services",
    class: "services",
    order: { name: "name", down: false },
    empty: "No service has been found yet.",
    texts: (each) => [each.name, each.type, each.host, each.addresses, each.txt.flat(), each.interfaces],
    columns: [
      { name: "name", title: "Name", value: (each) => each.name.toLowerCase(), cell: (each) => [opener(each.id, each.name), each.gone !== null ? el("span", { class: "tag" }, "gone") : null] },
      { name: "type", title: "Type", value: (each) => each.type, cell: (each) => el("code", {}, bdi(each.type)) },
      { name: "host", title: "Host", value: (each) => each.host, cell: (each) => (each.host === null ? el("span", { class: "quiet" }, "not resolved") : el("span", { class: "whole" }, bdi(each.host), el("span", { class: "quiet" }, `:${each.port}`))) },
      { name: "address", title: "Address", class: "extra", value: (each) => each.addresses[0], cell: (each) => [each.addresses[0] ?? "–", each.addresses.length > 1 ? el("span", { class: "quiet" }, ` +${each.addresses.length - 1}`) : null] },
      { name: "since", title: "Since", down: true, value: (each) => each.gone ?? each.since, cell: (each) => (each.gone === null ? since(store, each.since) : since(store, each.gone, "gone ")) },
      { name: "open", title: "Open", value: (each) => (urlOf(each) ? 0 : 1), cell: (each) => openLink(each) ?? el("span", { class: "quiet" }, "–") },
    ],
  });
}

export function hostsPage(view, root) {
  const { store } = view;
  root.append(el("h2", {}, "Hosts"));
  const count = (name, title, extra = {}) => ({ name, title, class: "number", down: true, value: (each) => each[name], cell: (each) => (each[name] ? number(each[name]) : el("span", { class: "quiet" }, "–")), ...extra });
  return table(view, root, {
    collection: "hosts",
    name: "Hosts",
    class: "hosts",
    order: { name: "rate", down: true },
    empty: "No host has been heard yet.",
    texts: (each) => [each.names, each.addresses, each.mac, each.vendor, each.links],
    columns: [
      { name: "label", title: "Name", value: (each) => hostLabel(each).toLowerCase(), cell: (each) => [opener(each.id, hostLabel(each)), ...tags(each)] },
      { name: "addresses", title: "Address", value: (each) => each.addresses[0], cell: (each) => [each.addresses[0] ?? "–", each.addresses.length > 1 ? el("span", { class: "quiet" }, ` +${each.addresses.length - 1}`) : null] },
      { name: "links", title: "Links", class: "extra", value: (each) => each.links.join(), cell: (each) => el("span", {}, each.links.join(" ") || "–") },
      { name: "vendor", title: "Vendor", class: "extra", value: (each) => each.vendor ?? each.mac, cell: (each) => (each.vendor ? bdi(each.vendor) : each.mac ? el("span", { class: "whole" }, each.mac) : el("span", { class: "quiet" }, "–")) },
      { ...count("services", "Services") },
      { name: "rate", title: "Packets/s", class: "number", down: true, value: (each) => each.rate[0], cell: (each) => (each.rate[0] ? rate(each.rate[0]) : el("span", { class: "quiet" }, "–")) },
      { ...count("packets", "Packets") },
      { name: "octets", title: "Sent", class: "number extra", down: true, value: (each) => each.octets, cell: (each) => octets(each.octets) },
      { name: "rtt", title: "Round trip", class: "number", value: (each) => each.rtt?.mean ?? null, cell: (each) => (each.rtt?.mean ? milliseconds(each.rtt.mean) : el("span", { class: "quiet" }, "–")) },
      { ...count("breaches", "Lint") },
      { name: "last", title: "Heard", class: "extra", down: true, value: (each) => each.last, cell: (each) => since(store, each.last) },
    ],
  });
}

export function tags(host) {
  const words = [];
  if (host.self) words.push(["this host", "tag"]);
  if (host.flooding) words.push(["floods", "tag bad"]);
  if (host.silent) words.push(["silent", "tag bad"]);
  return words.map(([text, name]) => el("span", { class: name }, text));
}
