"""Measure our responder beside avahi-daemon and python-zeroconf: ``python benchmarks/responder.py``.

Needs root on Linux with two cores, gcc and avahi-daemon; the tables it prints are Markdown. Each responder
runs alone on one host of a test link, pinned to one core; a load generator in C runs on the other host and
core. All publish the same services, each of a type of its own: a question for a shared type is answered with
all services of the type, and is then a measure of its own size. The order of the responders turns with each
round; medians are shown.

What is asked, by legacy unicast queries (RFC 6762 §6.7) and by QU questions (§5.4), all sent to the group:
PTR of a service type, SRV of a service, A of the host. The time of an answer is taken at a fixed rate, far
below saturation.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from tests.interop.peers import AvahiHost, avahi_service_file
from tests.interop.probe import GROUP4, Sniffer
from tests.interop.programs import Program
from tests.interop.wire import IN, PTR, SRV, TOP_BIT, A, Labels, Question, labels, query
from tests.network.lan import Host, Lan

FOLDER = Path(__file__).resolve().parent
GENERATOR = FOLDER / "build" / "mdns_load"

ANNOUNCE_TIMEOUT = 60.0
"""Our choice: seconds for a thousand services to be announced; what takes longer is a failure."""

LATENCY_RATE = 1000
"""Our choice: queries a second while latency is measured: brisk, and no responder is near its limit."""

OURS, AVAHI, ZEROCONF = "mcast", "avahi-daemon", "python-zeroconf"
SERVERS = (OURS, AVAHI, ZEROCONF)

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Load:
    """One kind of query."""

    title: str
    rtype: int
    unicast: bool
    """Asked with the QU bit from port 5353, else as a legacy query from another port."""
    windows: tuple[int, ...]
    """Queries under way; the best of several counts."""
    patience: int
    """Milliseconds until a query is given up."""
    merged: bool = False
    """Whether an answer without id is for all queries under way that ask the same."""

    def questions(self, count: int) -> list[bytes]:
        top = TOP_BIT if self.unicast else 0
        names: list[Labels] = [HOST_NAME]
        if self.rtype == PTR:
            names = [labels(f"{service_type(number)}.local") for number in range(count)]
        elif self.rtype == SRV:
            names = [labels(service_name(number), f"{service_type(number)}.local") for number in range(count)]
        return [query(Question(name, self.rtype, IN | top)).encode() for name in names]


HOST_NAME = labels("bench.local")

LOADS = (
    Load("PTR, legacy", PTR, False, (128,), 300),
    Load("SRV, legacy", SRV, False, (128,), 300),
    Load("A, legacy", A, False, (128,), 300),
    # Answers to a shared question wait up to 120 ms (RFC 6762 §6), and one may then serve several queries.
    Load("PTR, QU", PTR, True, (192, 2048, 16384), 300, merged=True),
    # Answers that were multicast (avahi-daemon does it twice a second for each name) hold their place until
    # they are given up; a unique record comes within 10 ms.
    Load("SRV, QU", SRV, True, (192,), 20),
    Load("A, QU", A, True, (192,), 20),
)


def service_name(number: int) -> str:
    return f"Service {number:04}"


def service_type(number: int) -> str:
    return f"_s{number:04}._tcp"


@dataclass
class Figures:
    """What was measured of one responder with one number of services, a value for each round."""

    rate: dict[str, list[float]] = field(default_factory=dict)
    read: dict[str, list[float]] = field(default_factory=dict)
    p50: dict[str, list[float]] = field(default_factory=dict)
    p99: dict[str, list[float]] = field(default_factory=dict)
    loss: dict[str, list[float]] = field(default_factory=dict)
    records: dict[str, list[float]] = field(default_factory=dict)
    announced: list[float] = field(default_factory=list)
    packets: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def compile_generator() -> None:
    GENERATOR.parent.mkdir(exist_ok=True)
    source = FOLDER / "mdns_load.c"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", str(GENERATOR), str(source)], check=True)


class Server:
    """A responder publishing ``count`` services on a host."""

    def __init__(self, kind: str, host: Host, count: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mcast-bench-")
        self._avahi: AvahiHost | None = None
        self.started_at = 0.0
        if kind == AVAHI:
            files = {
                f"{number:04}.service": avahi_service_file(
                    service_name(number), service_type(number), 8000 + number, txt=["path=/", "ver=1"]
                )
                for number in range(count)
            }
            self._avahi = AvahiHost(host, "bench", dbus=False, ipv6=False, services=files, wait=False)
            self._program = self._avahi.daemon
        elif kind == ZEROCONF:
            file = Path(self._folder.name) / "services.json"
            services = [
                {
                    "name": service_name(number),
                    "type": service_type(number),
                    "port": 8000 + number,
                    "txt": {"path": "/", "ver": "1"},
                }
                for number in range(count)
            ]
            file.write_text(json.dumps(services), encoding="utf-8")
            script = str(FOLDER / "zeroconf_responder.py")
            self._program = Program(host.command(sys.executable, script, host.ipv4(), str(file)))
        else:
            file = Path(self._folder.name) / "services.toml"
            tables = [
                f'[[service]]\nname = "{service_name(number)}"\ntype = "{service_type(number)}"\n'
                f'port = {8000 + number}\ntxt = {{ path = "/", ver = "1" }}\n'
                for number in range(count)
            ]
            file.write_text("\n".join(tables), encoding="utf-8")
            options = ["--interface", "eth0", "--no-ipv6", "--hostname", "bench", "--max-rate", "0"]
            self._program = Program(
                host.command(
                    sys.executable, "-m", "twisted", "mcast", "mdns", *options, "--services", str(file)
                )
            )
        self.started_at = time.time()

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far, as the scheduler counts them."""
        return int(Path(f"/proc/{self._program.pid}/schedstat").read_text().split()[0]) / 1e9

    @property
    def memory(self) -> int:
        """Resident octets."""
        return int(Path(f"/proc/{self._program.pid}/statm").read_text().split()[1]) * PAGE

    @property
    def output(self) -> str:
        return self._program.output

    def close(self) -> None:
        if self._avahi is not None:
            self._avahi.close()
        else:
            self._program.end()
        self._folder.cleanup()


def watch_announcements(sniffer: Sniffer, server: Server, count: int, address: str) -> tuple[float, int]:
    """Return the seconds until each service was announced twice (RFC 6762 §8.3), and the packets by then."""
    missing = {service_name(number).encode(): 2 for number in range(count)}
    seen = 0
    deadline = time.monotonic() + ANNOUNCE_TIMEOUT
    while missing:
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(missing)} services were never announced:\n{server.output[-2000:]}")
        time.sleep(0.005)
        packets = sniffer.poll()
        for packet in packets[seen:]:
            if packet.source == address and packet.payload[2] & 0x80:
                for name in set(re.findall(rb"Service \d{4}", packet.payload)) & missing.keys():
                    missing[name] -= 1
                    if not missing[name]:
                        del missing[name]
                if not missing:
                    sent = sum(one.source == address for one in packets)
                    return packet.at - server.started_at, sent
        seen = len(packets)
    return 0.0, 0


def saturate(
    lan: Lan, server: Server, core: int, load: Load, queries: Path, seconds: float, window: int
) -> dict[str, float]:
    """Have a responder answer as fast as it can, and return what the load generator tells.

    And ``read``: how many queries were read in a second of the responder's processor time. The time before
    the generator counts is left out, when each answer is made and multicast for the first time.
    """
    near, far = lan.hosts
    words = generator(far, load, queries, seconds, window, 0)
    program = subprocess.Popen(
        far.command("taskset", "-c", str(core), *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stderr is not None
    program.stderr.readline()
    read, spent = received(near), server.cpu
    output, errors = program.communicate()
    if program.returncode:
        raise SystemExit(f"{GENERATOR}: {errors}")
    run: dict[str, float] = json.loads(output)
    run["read"] = (received(near) - read) / max(server.cpu - spent, 0.001)
    return run


def generate(
    host: Host, core: int, load: Load, queries: Path, seconds: float, window: int, rate: int
) -> dict[str, float]:
    """Run the load generator once and return what it tells."""
    words = generator(host, load, queries, seconds, window, rate)
    found: dict[str, float] = json.loads(host.run("taskset", "-c", str(core), *words))
    return found


def generator(
    host: Host, load: Load, queries: Path, seconds: float, window: int, rate: int
) -> tuple[str, ...]:
    """Return the command line of the load generator."""
    words = [str(queries), host.ipv4(), "5353" if load.unicast else "0", GROUP4, "5353"]
    words += [str(seconds), str(window), str(rate), str(load.patience), str(int(load.merged))]
    return str(GENERATOR), *words


@contextlib.contextmanager
def queries_file(load: Load, count: int) -> Iterator[Path]:
    """Write the queries of a load for the generator, and give the file."""
    with tempfile.NamedTemporaryFile(suffix=".queries") as file:
        for one in load.questions(count):
            file.write(len(one).to_bytes(2, "big") + one)
        file.flush()
        yield Path(file.name)


def received(host: Host) -> int:
    """Return how many datagrams programs on the host have read so far."""
    lines = [line.split() for line in host.run("cat", "/proc/net/snmp").splitlines() if line[:4] == "Udp:"]
    return int(lines[1][lines[0].index("InDatagrams")])


def start(kind: str, host: Host, count: int, core: int) -> Server:
    """Start a responder on a core."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # children inherit it
    try:
        return Server(kind, host, count)
    finally:
        os.sched_setaffinity(0, everywhere)


def take_turns(
    loads: dict[tuple[str, int], Sequence[str]], rounds: int, seconds: float, cores: tuple[int, int]
) -> dict[tuple[str, int], dict[str, list[float]]]:
    """Return the queries read in a second of processor time, a value for each round.

    All responders run all the time, each on a link of its own, and take turns within each round and load: a
    machine that changes its speed changes it for all of them.

    :param loads: the titles of the loads for each responder and number of services.
    """
    read: dict[tuple[str, int], dict[str, list[float]]] = {which: {} for which in loads}
    with contextlib.ExitStack() as stack:
        running: dict[tuple[str, int], tuple[Lan, Server]] = {}
        for kind, count in loads:
            lan = Lan(2, 1)
            stack.callback(lan.close)
            near, far = lan.hosts
            with contextlib.closing(Sniffer(far)) as sniffer:
                server = start(kind, near, count, cores[0])
                stack.callback(server.close)
                watch_announcements(sniffer, server, count, near.ipv4())
            running[kind, count] = lan, server
        time.sleep(2.0)  # a third announcement, if any, and what follows it
        for turn in range(rounds):
            for load in LOADS:
                order = [which for which, titles in loads.items() if load.title in titles]
                for which in order[:: -1 if turn % 2 else 1]:
                    lan, server = running[which]
                    with queries_file(load, which[1]) as path:
                        run = saturate(lan, server, cores[1], load, path, seconds, load.windows[-1])
                    if run["read"]:  # on a busy machine it may get no time at all in a round
                        read[which].setdefault(load.title, []).append(run["read"])
    return read


def measure(
    lan: Lan, kind: str, count: int, seconds: float, cores: tuple[int, int], figures: Figures
) -> None:
    """Run one responder once, and add to its figures."""
    near, far = lan.hosts
    sniffer = Sniffer(far)
    server = start(kind, near, count, cores[0])
    try:
        announced, packets = watch_announcements(sniffer, server, count, near.ipv4())
        sniffer.close()
        figures.announced.append(announced)
        figures.packets.append(packets)
        figures.cpu.append(server.cpu)
        time.sleep(2.0)  # a third announcement, if any, and what follows it
        figures.memory.append(server.memory)
        for load in LOADS:
            with queries_file(load, count) as path:
                calm = generate(far, cores[1], load, path, seconds / 2, 16384, LATENCY_RATE)
                runs = [
                    saturate(lan, server, cores[1], load, path, seconds, window) for window in load.windows
                ]
            busy = max(runs, key=lambda run: run["rate"])
            figures.read.setdefault(load.title, []).append(busy["read"])
            figures.rate.setdefault(load.title, []).append(busy["rate"])
            figures.loss.setdefault(load.title, []).append(calm["lost"] / max(1, calm["counted"]) * 100)
            figures.p50.setdefault(load.title, []).append(calm["p50"])
            figures.p99.setdefault(load.title, []).append(calm["p99"])
            figures.records.setdefault(load.title, []).append(busy["records"])
    finally:
        server.close()


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print("| " + " | ".join(head) + " |")
    print("| " + " | ".join(["---", *["---:"] * (len(head) - 1)]) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def report_rates(
    results: dict[tuple[str, int], Figures], counts: Sequence[int], servers: Sequence[str], which: str
) -> None:
    """Print the rates, and how ours compares with each of the others."""
    others = [one for one in servers if one != OURS]
    rows = []
    for load in LOADS:
        for count in counts:
            rates = {one: median(getattr(results[one, count], which)[load.title]) for one in servers}
            row = [load.title, str(count), *(f"{rates[one]:,.0f}" for one in servers)]
            row += [
                f"{rates[OURS] / rates[one]:.2f}" if rates[one] else "–" for one in others if OURS in rates
            ]
            rows.append(row)
    table(["query", "services", *servers, *(f"{OURS} / {one}" for one in others if OURS in servers)], rows)


def report(results: dict[tuple[str, int], Figures], counts: Sequence[int], servers: Sequence[str]) -> None:
    print("### Answered queries a second\n")
    report_rates(results, counts, servers, "rate")
    print("### Queries read in a second of the responder's processor time\n")
    print("The better measure on a machine that does other things as well, and for PTR, QU, where an answer")
    print("that waited serves queries that were lost on the way, too.\n")
    report_rates(results, counts, servers, "read")
    if len(counts) > 1:
        print(f"### Rate with {counts[-1]} services, as a part of that with {counts[0]}\n")
        rows = []
        for load in LOADS:
            parts = []
            for one in servers:
                first = median(results[one, counts[0]].rate[load.title])
                last = median(results[one, counts[-1]].rate[load.title])
                parts.append(f"{last / first:.2f}" if first else "–")
            rows.append([load.title, *parts])
        table(["query", *servers], rows)
    print(f"### Time of an answer at {LATENCY_RATE:,} queries a second\n")
    print("p50 / p99 in ms (% lost, or answered by multicast instead), records in an answer.\n")
    rows = []
    for load in LOADS:
        for count in counts:
            row = [load.title, str(count)]
            for one in servers:
                found = results[one, count]
                p50, p99 = median(found.p50[load.title]) / 1000, median(found.p99[load.title]) / 1000
                lost, records = median(found.loss[load.title]), median(found.records[load.title])
                row.append(f"{p50:.2f} / {p99:.2f} ({lost:.1f}), {records:.1f}")
            rows.append(row)
    table(["query", "services", *servers], rows)
    print(
        "### From start to each service announced twice: seconds, packets sent, CPU seconds, resident MiB\n"
    )
    rows = []
    for count in counts:
        row = [str(count)]
        for one in servers:
            found = results[one, count]
            row.append(
                f"{median(found.announced):.2f}, {median(found.packets):,.0f}, "
                f"{median(found.cpu):.2f}, {median(found.memory) / 2**20:.1f}"
            )
        rows.append(row)
    table(["services", *servers], rows)
    if len(counts) > 1:
        print(f"### For each service, from {counts[0]} to {counts[-1]}: ms of CPU to announce, KiB\n")
        more = counts[-1] - counts[0]
        row = []
        for one in servers:
            first_figures, last_figures = results[one, counts[0]], results[one, counts[-1]]
            cpu = (median(last_figures.cpu) - median(first_figures.cpu)) / more * 1000
            memory = (median(last_figures.memory) - median(first_figures.memory)) / more / 1024
            row.append(f"{cpu:.2f}, {memory:.1f}")
        table(["", *servers], [["a service", *row]])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure mDNS responders side by side.")
    parser.add_argument("--quick", action="store_true", help="one short round with 1 and 100 services")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement at saturation")
    parser.add_argument("--services", type=int, nargs="*", default=[1, 100, 1000])
    parser.add_argument("--only", choices=SERVERS, nargs="*", default=list(SERVERS))
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.services = 1, 0.5, [1, 100]
    compile_generator()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two cores are needed: one for the responder, one for the load generator")
    results = {(server, count): Figures() for server in options.only for count in options.services}
    lan = Lan(2, 1)
    try:
        for turn in range(options.rounds):
            order = options.only[turn % len(options.only) :] + options.only[: turn % len(options.only)]
            for count in options.services:
                for server in order:
                    print(f"round {turn + 1}, {count} services, {server}", file=sys.stderr)
                    figures = results[server, count]
                    measure(lan, server, count, options.seconds, (cores[0], cores[1]), figures)
    finally:
        lan.close()
    print(
        f"Python {platform.python_version()}, Twisted {version('twisted')}, zeroconf {version('zeroconf')},"
    )
    print(f"Linux {platform.release()}; {options.rounds} rounds of {options.seconds} s.\n")
    report(results, options.services, options.only)


if __name__ == "__main__":
    main()
