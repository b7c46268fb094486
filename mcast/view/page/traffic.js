// Traffic over time: bars for each step, in colours for hosts, types or links; the numbers beside it.

import { bdi, el, morph, number, octets, svg } from "./dom.js";
import { hostLabel, opener } from "./tables.js";

const STEPS = [["1", "the last minute"], ["10", "ten minutes"], ["60", "an hour"]];
const BY = [["hosts", "by host"], ["types", "by type"], ["links", "by link"]];
const UNITS = [["0", "packets"], ["1", "octets"]];
const COLUMNS = 60;
const COLOURS = 8;
const HEIGHT = 220;

export function trafficPage(view, root) {
  const { store } = view;
  const chosen = { step: "1", by: "hosts", unit: "0" };
  const colours = new Map();
  const plot = el("figure", { class: "plot" });
  const legend = el("div", { class: "scroll" });
  root.append(
    el("h2", {}, "Traffic"),
    el("div", { class: "choices" }, choice("step", "Time", STEPS), choice("by", "Series", BY), choice("unit", "Unit", UNITS)),
    el("div", { class: "traffic" }, plot, legend),
  );
  const observer = new ResizeObserver(() => update(null));
  observer.observe(plot);

  function choice(name, label, values) {
    return el("label", {}, el("span", {}, label), el("select", { onchange: (event) => { chosen[name] = event.target.value; colours.clear(); update(null); } }, values.map(([value, text]) => el("option", { value }, text))));
  }

  function label(key) {
    if (key === "") return "others";
    if (chosen.by !== "hosts") return key;
    const host = store.host(key);
    return host ? hostLabel(host) : "a host that is gone";
  }

  /** The numbers of a column; those of a host that turned out to be another one are the other one's. */
  function series(column) {
    const sums = new Map();
    for (const [id, counts] of Object.entries(column[chosen.by])) {
      const key = chosen.by === "hosts" && id !== "" ? store.host(id)?.id ?? id : id;
      sums.set(key, (sums.get(key) ?? 0) + counts[Number(chosen.unit)]);
    }
    return sums;
  }

  // A series keeps its colour while it is among the most.
  function assign(keys) {
    for (const key of [...colours.keys()]) if (!keys.includes(key)) colours.delete(key);
    const free = Array.from({ length: COLOURS }, (_, place) => place).filter((place) => ![...colours.values()].includes(place));
    for (const key of keys) if (!colours.has(key)) colours.set(key, free.shift());
  }

  function update(changes) {
    if (changes !== null && !changes.history) return;
    const step = Number(chosen.step);
    const unit = Number(chosen.unit);
    const last = Math.floor(store.state.now / step) - 1;
    const columns = store.state.history[chosen.step].filter((column) => column.at / step > last - COLUMNS);
    const sums = new Map();
    const columnsNow = columns.map((column) => ({ at: column.at, series: series(column) }));
    for (const column of columnsNow) for (const [key, value] of column.series) sums.set(key, (sums.get(key) ?? 0) + value);
    const ordered = [...sums].filter(([key]) => key !== "").sort((a, b) => b[1] - a[1]).map(([key]) => key);
    const top = ordered.slice(0, COLOURS);
    assign(top);
    const drawn = top.slice().sort((a, b) => colours.get(a) - colours.get(b));
    draw(columnsNow, drawn, step, unit, last);
    table(sums, ordered, step, unit);
  }

  function draw(columns, drawn, step, unit, last) {
    const width = Math.max(280, plot.clientWidth);
    const left = unit ? 58 : 44;
    const bottom = 24;
    const total = (column) => [...column.series.values()].reduce((sum, value) => sum + value, 0) / step;
    const most = nice(Math.max(1, ...columns.map(total)));
    const x = (n) => left + ((n - (last - COLUMNS + 1)) * (width - left)) / COLUMNS;
    const y = (value) => HEIGHT - bottom - (value / most) * (HEIGHT - bottom - 14);
    const breadth = (width - left) / COLUMNS;
    const show = unit ? (value) => octets(value) : (value) => (value < 10 && value % 1 ? value.toFixed(1) : number(value));
    const grid = [0, 0.5, 1].map((part) => [
      svg("line", { class: "grid", x1: left, x2: width, y1: y(part * most), y2: y(part * most) }),
      svg("text", { class: "axis", x: left - 6, y: y(part * most) + 4, "text-anchor": "end" }, show(part * most)),
    ]);
    const names = { 1: "s", 10: "s", 60: "min" };
    const marks = [COLUMNS, COLUMNS / 2, 0].map((back) => {
      const value = step === 60 ? back : back * step;
      return svg("text", { class: "axis", x: Math.min(width - 2, x(last + 1 - back)), y: HEIGHT - 6, "text-anchor": back === 0 ? "end" : back === COLUMNS ? "start" : "middle" }, back === 0 ? "now" : step === 10 ? `−${value / 60} min` : `−${value} ${names[step]}`);
    });
    const bars = columns.map((column) => {
      let base = 0;
      const n = column.at / step;
      const parts = [...drawn.map((key) => [key, column.series.get(key) ?? 0]), [null, 0]];
      parts.at(-1)[1] = total(column) * step - parts.reduce((sum, [, value]) => sum + value, 0);
      return parts.filter(([, value]) => value > 0).map(([key, value]) => {
        const from = base;
        base += value / step;
        return svg("rect", { class: key === null ? "others" : `series${colours.get(key)}`, x: x(n) + 0.5, width: Math.max(1, breadth - 1), y: y(base), height: Math.max(0.5, y(from) - y(base)) });
      });
    });
    const words = `${unit ? "Octets" : "Packets"} a second ${BY.find(([key]) => key === chosen.by)[1]}, ${STEPS.find(([key]) => key === chosen.step)[1]}`;
    morph(plot, [
      el("figcaption", {}, words),
      svg("svg", { role: "img", "aria-label": `${words}; the table has the numbers`, viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT }, grid.flat(), bars.flat(), marks),
    ]);
  }

  function table(sums, ordered, step, unit) {
    const rows = [...ordered.slice(0, 20), ...(sums.has("") ? [""] : [])];
    const seconds = COLUMNS * step;
    const show = unit ? octets : (value) => (value < 10 ? value.toFixed(2) : number(value));
    if (!rows.length) {
      morph(legend, [el("p", { class: "empty" }, "Nothing was heard in this time.")]);
      return;
    }
    morph(legend, [
      el("table", { class: "legend" },
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, BY.find(([key]) => key === chosen.by)[1].slice(3)), el("th", { scope: "col", class: "number" }, unit ? "octets" : "packets"), el("th", { scope: "col", class: "number" }, "a second"))),
        el("tbody", {}, rows.map((key) => {
          const known = chosen.by === "hosts" && store.state.hosts.has(key);
          const name = known ? opener(key, label(key), { onclick: (event) => view.open("hosts", key, event.currentTarget) }) : bdi(label(key));
          return el("tr", {}, el("th", { scope: "row" }, el("i", { class: `swatch ${colours.has(key) ? `series${colours.get(key)}` : "others"}`, "aria-hidden": "true" }), name), el("td", { class: "number" }, unit ? octets(sums.get(key)) : number(sums.get(key))), el("td", { class: "number" }, show(sums.get(key) / seconds)));
        })),
      ),
    ]);
  }

  return { update, close: () => observer.disconnect() };
}

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= value);
}
