// The panel beside the page: all that is known of one service or host.

import { bdi, el, milliseconds, morph, number, octets, rate, since } from "./dom.js";
import { hostLabel, openLink, tags } from "./tables.js";
import { urlOf } from "./urls.js";

export function details(store, panel) {
  let shown = null;
  let from = null;
  let origin = null;

  function open(collection, id, button) {
    from = button ?? document.activeElement;
    origin = from?.closest("[data-id]")?.dataset.id ?? null;
    shown = { collection, id };
    draw();
    panel.hidden = false;
    document.body.classList.add("with-details");
    panel.querySelector("button.close")?.focus({ preventScroll: true });
    for (const row of document.querySelectorAll("[data-id]")) row.classList.toggle("open", row.dataset.id === id);
  }

  function close() {
    shown = null;
    panel.hidden = true;
    panel.replaceChildren();
    document.body.classList.remove("with-details");
    for (const row of document.querySelectorAll(".open[data-id]")) row.classList.remove("open");
    // What was pressed may have been drawn anew since.
    const place = from?.isConnected ? from : document.querySelector(`#main [data-id="${origin}"]`);
    (place?.matches("tr") ? place.querySelector("button") : place)?.focus({ preventScroll: true });
  }

  function update(changes) {
    if (shown === null) return;
    const touched = changes === null || ["services", "hosts", "breaches", "findings"].some((name) => changes[name]?.size);
    if (touched) draw();
  }

  function draw() {
    // A host may turn out to be another one while it is shown.
    const entry = shown.collection === "hosts" ? store.host(shown.id) : store.state[shown.collection].get(shown.id);
    if (entry) shown.id = entry.id;
    const content = entry ? (shown.collection === "services" ? service(entry) : host(entry)) : [el("h2", {}, "Gone"), el("p", { class: "quiet" }, "It is not known any more.")];
    morph(panel, [el("button", { type: "button", class: "close", "aria-label": "Close details", "data-key": "close", onclick: close }, "×"), ...content.flat().filter(Boolean)]);
  }

  function fact(name, ...value) {
    return [el("dt", {}, name), el("dd", {}, ...value)];
  }

  function list(values) {
    return values.length ? el("ul", {}, values.map((each) => el("li", {}, bdi(each)))) : "–";
  }

  function link(collection, id, label) {
    return el("button", { type: "button", class: "name", "data-key": id, onclick: () => open(collection, id, from) }, bdi(label));
  }

  function service(each) {
    const known = each.host_id !== null && store.state.hosts.has(each.host_id);
    const txt = each.txt.map(([key, value]) => el("tr", {}, el("th", { scope: "row" }, bdi(key)), el("td", {}, value === null ? el("span", { class: "quiet" }, "no value") : bdi(value))));
    const canConnect = each.gone === null && each.type.endsWith("._tcp") && each.port && each.addresses.length;
    return [
      el("h2", {}, bdi(each.name)),
      el("p", {}, el("code", {}, bdi(each.type)), each.gone === null ? null : el("span", { class: "tag" }, "gone")),
      el("p", { class: "actions" }, openLink(each), canConnect ? el("button", { type: "button", "data-key": `connect ${each.id}`, onclick: () => connect(each.id) }, "Try to connect") : null),
      each.connect ? el("p", { class: each.connect.state === "open" ? "good" : "warn", role: "status" }, { open: "takes connections", refused: "refuses connections", timeout: "does not answer", failed: "cannot be reached" }[each.connect.state] ?? each.connect.state, ` (${milliseconds(each.connect.seconds)}, `, since(store, each.connect.at), ")") : null,
      el("dl", {},
        fact("Host", each.host === null ? "not resolved" : known ? link("hosts", each.host_id, each.host) : bdi(each.host)),
        fact("Port", each.port ?? "–"),
        fact("Addresses", list(each.addresses)),
        fact("Interfaces", each.interfaces.join(", ") || "–"),
        each.subtypes.length ? fact("Subtypes", list(each.subtypes)) : [],
        fact("Here since", since(store, each.since)),
        each.changes ? fact("Changed", since(store, each.changed), ` (${each.changes} times)`) : [],
        each.gone === null ? [] : fact("Gone", since(store, each.gone)),
        urlOf(each) ? fact("Address to open", el("code", {}, bdi(urlOf(each)))) : [],
        fact("Full name", el("code", {}, bdi(each.full_name))),
      ),
      el("h3", {}, "TXT"),
      txt.length ? el("table", { class: "txt" }, el("tbody", {}, txt)) : el("p", { class: "quiet" }, "No attributes."),
    ];
  }

  function host(each) {
    const { services, breaches, findings } = store.state;
    const own = [...services.values()].filter((entry) => entry.host_id === each.id);
    const broken = [...breaches.values()].filter((entry) => entry.host_id === each.id);
    const found = [...findings.values()].filter((entry) => entry.host_id === each.id);
    return [
      el("h2", {}, bdi(hostLabel(each))),
      el("p", {}, tags(each)),
      el("dl", {},
        each.names.length > 1 ? fact("Names", list(each.names)) : [],
        fact("Addresses", list(each.addresses)),
        fact("MAC", each.mac ?? "–", each.vendor ? [" ", bdi(each.vendor)] : null),
        fact("Heard on", each.links.join(", ") || "nothing yet"),
        fact("Heard", since(store, each.last)),
        fact("Known for", since(store, each.first)),
        fact("Sent", `${number(each.packets)} packets, ${octets(each.octets)}`),
        fact("Now", `${rate(each.rate[0])} packets/s, ${octets(each.rate[1])}/s`),
        fact("Records", `${number(each.records)}, questions ${number(each.questions)}`),
        each.rtt ? fact("Round trip", `${milliseconds(each.rtt.mean)} (best ${milliseconds(each.rtt.best)}), ${each.rtt.lost} of ${each.rtt.asked} lost`) : [],
      ),
      el("h3", {}, "Services"),
      own.length ? el("ul", { class: "links" }, own.map((entry) => el("li", { class: entry.gone === null ? null : "gone" }, link("services", entry.id, entry.name), " ", el("code", {}, bdi(entry.type)), " ", openLink(entry)))) : el("p", { class: "quiet" }, "None."),
      broken.length || found.length ? el("h3", {}, "Lint") : null,
      broken.length || found.length ? el("ul", { class: "links" }, found.map((entry) => el("li", {}, el("b", {}, entry.kind), " ", bdi(entry.detail))), broken.map((entry) => el("li", {}, el("b", {}, `${entry.rule} ×${number(entry.count)}`), " ", bdi(entry.detail)))) : null,
    ];
  }

  async function connect(id) {
    try {
      const response = await fetch(`api/v1/connect/${id}`, { method: "POST", headers: { "X-Mcast-View": "1" } });
      if (response.ok) await response.json();
    } catch {
      // The status at the top tells that the connection to this host is lost.
    }
  }

  return { open, close, update, get id() { return shown?.id ?? null; } };
}
