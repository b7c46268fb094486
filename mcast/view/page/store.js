// The state of the network as the server tells it: a snapshot, and deltas that change it (docs/view.md).

const MAX_EVENTS = 500;
const MAX_COLUMNS = 60;
const RETRY = 3000;

function extend(list, added, limit) {
  list.push(...added);
  if (list.length > limit) list.splice(0, list.length - limit);
}

export function applyDelta(state, delta) {
  if (delta.seq !== state.seq + 1) throw new Error(`delta ${delta.seq} after ${state.seq}`);
  const changed = {};
  for (const head of ["seq", "now", "time"]) state[head] = delta[head];
  for (const [name, entries] of Object.entries(delta.set ?? {})) {
    changed[name] ??= new Set();
    for (const [id, fields] of Object.entries(entries)) {
      const there = state[name].get(id);
      if (there) Object.assign(there, fields);
      else state[name].set(id, { id, ...fields });
      changed[name].add(id);
    }
  }
  for (const [name, ids] of Object.entries(delta.gone ?? {})) {
    changed[name] ??= new Set();
    for (const id of ids) {
      state[name].delete(id);
      changed[name].add(id);
    }
  }
  if (delta.events) {
    extend(state.events, delta.events, MAX_EVENTS);
    changed.events = true;
  }
  for (const [step, columns] of Object.entries(delta.history ?? {})) {
    extend(state.history[step], columns, MAX_COLUMNS);
    changed.history = true;
  }
  return changed;
}

export function readSnapshot(snapshot) {
  const state = { ...snapshot };
  for (const name of ["about", "links", "hosts", "services", "types", "breaches", "findings"]) {
    // Maps: an identifier from the network may be "__proto__".
    state[name] = new Map(Object.entries(snapshot[name]).map(([id, fields]) => [id, { id, ...fields }]));
  }
  return state;
}

export class Store extends EventTarget {
  state = null;
  connection = "waiting";
  gaps = 0;
  #received = 0;
  #source = null;

  open() {
    const source = new EventSource("api/v1/events");
    this.#source = source;
    source.addEventListener("open", () => this.#connected("live"));
    source.addEventListener("error", () => {
      this.#connected("lost");
      if (source.readyState === EventSource.CLOSED) {
        // An answer that is no stream: the browser does not try again by itself.
        setTimeout(() => this.open(), RETRY);
      }
    });
    source.addEventListener("snapshot", (event) => {
      this.state = readSnapshot(JSON.parse(event.data));
      this.#received = performance.now();
      this.#tell("snapshot", null);
    });
    source.addEventListener("delta", (event) => {
      let changed;
      try {
        changed = applyDelta(this.state, JSON.parse(event.data));
      } catch {
        // Cannot be while both sides keep to the format; a new stream begins with a snapshot.
        this.gaps += 1;
        source.close();
        this.open();
        return;
      }
      this.#received = performance.now();
      this.#tell("delta", changed);
    });
  }

  /** The host of an identifier, also of one that turned out to be another host. */
  host(id) {
    const host = this.state.hosts.get(id);
    return host ?? [...this.state.hosts.values()].find((each) => each.formerly.includes(id));
  }

  /** Seconds on the clock of the server, now. */
  get now() {
    if (!this.state) return 0;
    return this.state.now + (performance.now() - this.#received) / 1000;
  }

  /** The Date of a time on the clock of the server; null when unknown. */
  date(at) {
    if (at === null || this.state.time === null) return null;
    return new Date((this.state.time - (this.state.now - at)) * 1000);
  }

  #connected(connection) {
    if (connection !== this.connection) {
      this.connection = connection;
      this.#tell("connection", null);
    }
  }

  #tell(kind, changed) {
    this.dispatchEvent(new CustomEvent(kind, { detail: changed }));
  }
}
