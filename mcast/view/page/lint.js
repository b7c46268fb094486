// What hosts do wrong: findings, and breaches of RFC 6762 by host.

import { bdi, el, matches, morph, number, since } from "./dom.js";
import { hostLabel, opener } from "./tables.js";

const KINDS = {
  repeated: "Repeats a record too often",
  conflict: "Name conflict",
  reflector: "Reflector",
  "one-family": "Heard on one family only",
};

export function lintPage(view, root) {
  const { store } = view;
  const content = el("div");
  root.append(el("h2", {}, "Lint"), content);

  function label(entry) {
    const host = store.state.hosts.get(entry.host_id);
    return host ? hostLabel(host) : entry.host ?? "a host that is gone";
  }

  function named(entry) {
    const there = store.state.hosts.has(entry.host_id);
    return there ? opener(entry.host_id, label(entry), { onclick: (event) => view.open("hosts", entry.host_id, event.target) }) : bdi(label(entry));
  }

  function update(changes) {
    if (changes !== null && !changes.breaches && !changes.findings) return;
    const { breaches, findings } = store.state;
    const found = [...findings.values()].filter((each) => matches(view.words, label(each), each.kind, each.detail));
    const broken = [...breaches.values()].filter((each) => matches(view.words, label(each), each.rule, each.section, each.detail));
    const groups = new Map();
    for (const each of broken) groups.set(each.host_id, [...(groups.get(each.host_id) ?? []), each]);
    const sum = (entries) => entries.reduce((total, each) => total + each.count, 0);
    const ordered = [...groups.values()].sort((a, b) => sum(b) - sum(a));
    const parts = [];
    if (found.length) {
      parts.push(
        el("h3", {}, "Findings"),
        el("ul", { class: "cards" }, found.map((each) => el("li", {}, el("b", {}, KINDS[each.kind] ?? each.kind), named(each), el("span", {}, bdi(each.detail)), el("span", { class: "quiet" }, `${number(each.count)}×, `, since(store, each.last))))),
      );
    }
    if (ordered.length) {
      parts.push(el("h3", {}, "Breaches of RFC 6762, by host"));
      for (const entries of ordered.slice(0, 100)) {
        entries.sort((a, b) => b.count - a.count);
        parts.push(
          el("section", { class: "group" },
            el("h4", {}, named(entries[0]), el("span", { class: "quiet" }, ` ${number(sum(entries))}`)),
            el("div", { class: "scroll" },
              el("table", { class: "lint" },
                el("thead", {}, el("tr", {}, ["Rule", "Section", "Count", "Last", "What was seen last"].map((title, place) => el("th", { scope: "col", class: place === 2 ? "number" : null }, title)))),
                el("tbody", {}, entries.map((each) => el("tr", {}, el("th", { scope: "row" }, each.rule), el("td", {}, each.section), el("td", { class: "number" }, number(each.count)), el("td", {}, since(store, each.last)), el("td", { class: "long" }, bdi(each.detail))))),
              ),
            ),
          ),
        );
      }
      if (ordered.length > 100) parts.push(el("p", { class: "empty" }, `${ordered.length - 100} further hosts; search for them.`));
    }
    if (!parts.length) {
      const any = breaches.size || findings.size;
      parts.push(el("p", { class: "empty" }, any ? "Nothing matches the search." : "No rule of RFC 6762 was broken so far."));
    }
    morph(content, parts);
  }
  return { update };
}
