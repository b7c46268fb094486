// The network as a map: for each interface a bus with its hosts, each in a place that it keeps.

import { el, matches, morph, number, rate, svg } from "./dom.js";
import { hostLabel } from "./tables.js";

const CARD = { width: 196, height: 84, gap: 16 };
const MOST = 250;
const HEAD = 54;
const BUS = 26;
const SHOWN_TYPES = 3;
const MOST_CHIP = 72;
const MAX_CARDS = 400;
const MAX_FITTED = 4000;
// As view.css has them.
const NAME_FONT = "600 14px";
const ABOUT_FONT = "12.5px";
const CHIP_FONT = "11.5px";
// Places outlive the page: whoever comes back finds everyone where they were.
const places = new Map();

export function mapPage(view, root) {
  const { store } = view;
  const scene = el("div", { class: "map" });
  const note = el("p", { class: "empty" });
  root.append(el("h2", {}, "Map"), scene, note);
  let width = 0;
  const observer = new ResizeObserver(() => {
    if (Math.abs(scene.clientWidth - width) > 1) update(null);
  });
  observer.observe(scene);

  function interfaceOf(host, services) {
    return host.links[0]?.replace(/\/IPv[46]$/, "") ?? services[0]?.interfaces[0] ?? "";
  }

  function assign(groups) {
    for (const name of [...places.keys()]) if (!groups.has(name)) places.delete(name);
    for (const [name, hosts] of groups) {
      const kept = places.get(name) ?? new Map();
      const there = new Set(hosts.map((host) => host.id));
      for (const id of [...kept.keys()]) if (!there.has(id)) kept.delete(id);
      const taken = new Set(kept.values());
      let next = 0;
      for (const host of hosts) {
        if (kept.has(host.id)) continue;
        while (taken.has(next)) next += 1;
        kept.set(host.id, next);
        taken.add(next);
      }
      places.set(name, kept);
    }
  }

  function update(changes) {
    if (changes !== null && !changes.hosts && !changes.services && !changes.links) return;
    const { hosts, services, links } = store.state;
    const own = new Map();
    for (const service of services.values()) {
      if (service.gone === null && service.host_id !== null) own.set(service.host_id, [...(own.get(service.host_id) ?? []), service]);
    }
    const groups = new Map();
    for (const link of links.values()) groups.set(link.interface, []);
    for (const host of [...hosts.values()].slice(0, MAX_CARDS)) {
      const name = interfaceOf(host, own.get(host.id) ?? []);
      groups.set(name, [...(groups.get(name) ?? []), host]);
    }
    assign(groups);
    width = scene.clientWidth;
    const room = width - BUS - 2;
    const columns = Math.max(1, Math.floor(room / (196 + CARD.gap)));
    CARD.width = Math.max(150, Math.min(columns === 1 ? 420 : MOST, Math.floor(room / columns) - CARD.gap));
    let y = 0;
    const parts = [];
    for (const [name, members] of groups) {
      const { elements, height } = section(name, members, own, columns, y);
      parts.push(...elements);
      y += height;
    }
    morph(scene, [svg("svg", { viewBox: `0 0 ${Math.max(1, width)} ${Math.max(1, y)}`, width: Math.max(1, width), height: Math.max(1, y), role: "group", "aria-label": `Map of ${hosts.size} hosts` }, parts)]);
    note.hidden = hosts.size > 0 && hosts.size <= MAX_CARDS;
    note.textContent = hosts.size ? `${number(hosts.size - MAX_CARDS)} further hosts are not on the map; the page of hosts has all.` : "No host has been heard yet. Questions have gone out; answers take some seconds.";
  }

  function section(name, members, own, columns, top) {
    const kept = places.get(name);
    const rows = Math.ceil((Math.max(-1, ...kept.values()) + 1) / columns);
    const links = [...store.state.links.values()].filter((link) => link.interface === name);
    const elements = [];
    const packets = links.reduce((sum, link) => sum + link.rate[0], 0);
    const down = links.filter((link) => !link.working).map((link) => link.family);
    const about = [links.map((link) => link.family).sort().join(" + ") || "not heard", `${number(members.length)} host${members.length === 1 ? "" : "s"}`, packets ? `${rate(packets)} packets/s` : "quiet"];
    const cardTop = (row) => top + HEAD + row * (CARD.height + CARD.gap);
    const end = rows ? cardTop(rows - 1) + CARD.height / 2 : top + 22;
    elements.push(svg("path", { class: down.length ? "bus down" : "bus", d: `M 12 ${top + 22} V ${end}` }));
    elements.push(svg("circle", { class: "plug", cx: 12, cy: top + 22, r: 7 }));
    elements.push(svg("text", { class: "link", x: 30, y: top + 27 }, name || "elsewhere", svg("tspan", { class: "about", dx: 10 }, about.join(" · ") + (down.length ? ` · ${down.join(", ")} carries nothing` : ""))));
    for (let row = 0; row < rows; row += 1) {
      const last = Math.max(...[...kept.values()].filter((place) => Math.floor(place / columns) === row).map((place) => place % columns), -1);
      if (last < 0) continue;
      const middle = cardTop(row) + CARD.height / 2;
      elements.push(svg("path", { class: "wire", d: `M 12 ${middle} H ${BUS + CARD.gap + last * (CARD.width + CARD.gap)}` }));
    }
    const ordered = members.slice().sort((a, b) => kept.get(a.id) - kept.get(b.id));
    for (const host of ordered) {
      const place = kept.get(host.id);
      elements.push(card(host, own.get(host.id) ?? [], BUS + CARD.gap + (place % columns) * (CARD.width + CARD.gap), cardTop(Math.floor(place / columns))));
    }
    return { elements, height: HEAD + rows * (CARD.height + CARD.gap) + 18 };
  }

  function card(host, services, x, y) {
    const label = hostLabel(host);
    const address = host.addresses.find((each) => !each.includes(":")) ?? host.addresses[0];
    const about = address && address !== label ? address : host.vendor ?? host.mac ?? (host.self ? "this host" : "no name known");
    const types = [...new Set(services.map((service) => service.type.replace(/^_/, "").replace(/\._(tcp|udp)$/, "")))];
    const shown = types.slice(0, SHOWN_TYPES).map((type) => fit(type, MOST_CHIP, CHIP_FONT));
    if (types.length > SHOWN_TYPES) shown.push(`+${types.length - SHOWN_TYPES}`);
    const found = !view.words.length || matches(view.words, host.names, host.addresses, host.vendor, services.map((service) => [service.name, service.type]));
    const state = ["card", host.flooding && "flooding", host.silent && "silent", host.self && "self", !found && "dim", view.isOpen(host.id) && "open"].filter(Boolean).join(" ");
    const words = `${label}, ${host.addresses[0] ?? "no address"}, ${services.length} services, ${rate(host.rate[0])} packets a second${host.breaches ? `, ${host.breaches} breaches` : ""}${host.flooding ? ", floods" : ""}${host.silent ? ", silent" : ""}`;
    const open = () => view.open("hosts", host.id);
    const chips = [];
    let at = 12;
    for (const type of shown) {
      const breadth = breadthOf(type, CHIP_FONT) + 14;
      if (at + breadth > CARD.width - 8) break;
      chips.push(svg("rect", { class: "chip", x: at, y: 56, width: breadth, height: 18, rx: 9 }), svg("text", { class: "chip", x: at + breadth / 2, y: 69, "text-anchor": "middle" }, type));
      at += breadth + 5;
    }
    const busy = Math.min(1, Math.log10(1 + host.rate[0]) / 2);
    return svg("g", { class: state, "data-id": host.id, transform: `translate(${x} ${y})`, role: "button", tabindex: "0", "aria-label": words, onclick: open, onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); } } },
      svg("title", {}, words),
      svg("rect", { class: "box", width: CARD.width, height: CARD.height, rx: 9 }),
      svg("rect", { class: "busy", x: 9, y: CARD.height - 4, width: Math.round(busy * (CARD.width - 18)), height: 4, rx: 2 }),
      svg("text", { class: "name", x: 12, y: 24 }, fit(label, CARD.width - 24 - (host.breaches ? 38 : 0), NAME_FONT)),
      svg("text", { class: "about", x: 12, y: 43 }, fit(about, CARD.width - 24, ABOUT_FONT)),
      host.breaches ? badge(host.breaches > 99 ? "99+" : String(host.breaches)) : null,
      chips.length ? chips : svg("text", { class: "about", x: 12, y: 69 }, host.self && about !== "this host" ? "this host" : "no service"),
    );
  }
  return { update, close: () => observer.disconnect() };
}

/** How often a host broke a rule, in the corner of its card. */
function badge(text) {
  const breadth = 13 + text.length * 7;
  const right = CARD.width - 8;
  return [
    svg("rect", { class: "badge", x: right - breadth, y: 9, width: breadth, height: 20, rx: 10 }),
    svg("text", { class: "badge", x: right - breadth / 2, y: 23, "text-anchor": "middle" }, text),
  ];
}

/** As much of a text as has room; whole characters, whatever the script. SVG neither wraps nor cuts. */
const segmenter = new Intl.Segmenter();
const pen = document.createElement("canvas").getContext("2d");
const fitted = new Map();
function fit(text, room, font) {
  const key = `${font} ${Math.round(room)} ${text}`;
  const known = fitted.get(key);
  if (known !== undefined) return known;
  if (fitted.size >= MAX_FITTED) fitted.clear();
  pen.font = `${font} ${getComputedStyle(document.documentElement).fontFamily}`;
  let result = text;
  if (pen.measureText(text).width > room) {
    const whole = [...segmenter.segment(text.slice(0, 200))].map((each) => each.segment);
    let [least, most] = [0, whole.length];
    while (least < most) {
      const middle = Math.ceil((least + most) / 2);
      if (pen.measureText(`${whole.slice(0, middle).join("")}…`).width <= room) least = middle;
      else most = middle - 1;
    }
    result = `${whole.slice(0, least).join("")}…`;
  }
  fitted.set(key, result);
  return result;
}

function breadthOf(text, font) {
  pen.font = `${font} ${getComputedStyle(document.documentElement).fontFamily}`;
  return pen.measureText(text).width;
}
