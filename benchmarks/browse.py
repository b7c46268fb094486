"""Measure our browser beside python-zeroconf and avahi-browse: ``python benchmarks/browse.py``.

Needs root on Linux with two cores, gcc and avahi-daemon; the tables it prints are Markdown. A packet source
in C plays all services on one host of a test link, and the browser runs alone on the other, each pinned to
one core. The order of the browsers turns with each round; medians are shown.

Found is what was resolved (host, port, TXT and address) within the time limit, after so many seconds; then
come the processor time (with that of avahi-daemon), the query packets it took, and the growth of the peak of
memory.
"""

from __future__ import annotations

import argparse
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
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from benchmarks.cache_memory import announcement, fill_ours, fill_zeroconf, octets_per_record
from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from tests.interop.peers import AvahiHost
from tests.interop.programs import Program
from tests.network.lan import Host, Lan

FOLDER = Path(__file__).resolve().parent
SOURCE = FOLDER / "build" / "mdns_source"

LIMIT = 60.0
"""Our choice: seconds until a browser is given up."""

QUIET = 10.0
"""Our choice: seconds after which nothing more is expected of avahi-browse, which finds a part only."""

RATE = 1000
"""Packets a second of mixed traffic."""

OURS, AVAHI, ZEROCONF = "mcast", "avahi-browse", "python-zeroconf"
BROWSERS = (OURS, AVAHI, ZEROCONF)

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Crowd:
    """What there is to find."""

    count: int
    hosts: int

    def __str__(self) -> str:
        return f"{self.count:,} on {'one host' if self.hosts == 1 else f'{self.hosts:,} hosts'}"


@dataclass
class Figures:
    """What was measured of one browser and one crowd, a value for each round."""

    found: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    queries: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def compile_source() -> None:
    SOURCE.parent.mkdir(exist_ok=True)
    words = ["gcc", "-O2", "-Wall", "-Wextra", "-o", str(SOURCE), str(FOLDER / "mdns_source.c")]
    subprocess.run(words, check=True)


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Have the programs that are started meanwhile run on one core."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)


def processor_time(program: Program) -> float:
    """Return the seconds of processor time of a program so far."""
    fields = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(program: Program) -> int:
    """Return the octets of memory that a program has."""
    return int(Path(f"/proc/{program.pid}/statm").read_text().split()[1]) * PAGE


class Browser:
    """A browser on a host, begun at once.

    :param count: end when so many are resolved; 0 to go on for ``seconds``.
    """

    def __init__(self, kind: str, host: Host, count: int, seconds: float) -> None:
        self._kind = kind
        self._count = count
        self._seconds = seconds
        self._avahi: AvahiHost | None = None
        if kind == AVAHI:
            self._avahi = AvahiHost(host, "bench", ipv6=False)
            self._before = processor_time(self._avahi.daemon), resident(self._avahi.daemon)
            self._began = time.monotonic()
            self._program = self._avahi.follow("-r", "_bench._tcp")
            return
        name = "mcast" if kind == OURS else "zeroconf"
        words = [str(FOLDER / "browsers.py"), name, host.ipv4(), str(count), str(seconds)]
        self._program = Program(host.command(sys.executable, *words))
        self._program.wait_for("ready", 20)

    def result(self) -> dict[str, float]:
        """Wait for the end, and return what was measured."""
        if self._avahi is not None:
            return self._watch(self._avahi)
        index = self._program.wait_for("{", self._seconds + 30)
        found: dict[str, float] = json.loads(self._program.lines[index])
        return found

    def _watch(self, avahi: AvahiHost) -> dict[str, float]:
        resolved: set[str] = set()
        seen = 0
        last_at = self._began
        while time.monotonic() < self._began + self._seconds and (
            not self._count or time.monotonic() < last_at + QUIET
        ):
            lines = self._program.lines
            if len(lines) > seen:
                for line in lines[seen:]:
                    if line.startswith("="):
                        resolved.add(line.split(";")[3])
                seen = len(lines)
                last_at = time.monotonic()
            if self._count and len(resolved) >= self._count:
                break
            time.sleep(0.005)
        cpu = processor_time(avahi.daemon) - self._before[0] + processor_time(self._program)
        memory = resident(avahi.daemon) - self._before[1]
        return {"found": len(resolved), "seconds": last_at - self._began, "cpu": cpu, "memory": memory}

    def close(self) -> None:
        if self._avahi is not None:
            self._avahi.close()
        else:
            self._program.end()


def discover(lan: Lan, kind: str, crowd: Crowd, cores: tuple[int, int], figures: Figures) -> None:
    """Have one browser find everything, and add to its figures."""
    near, far = lan.hosts
    with pinned(cores[1]):
        words = ["answer", far.ipv4(), str(crowd.count), str(crowd.hosts)]
        source = Program(far.command(str(SOURCE), *words))
    try:
        source.wait_for("ready", 5)
        with pinned(cores[0]):
            browser = Browser(kind, near, crowd.count, LIMIT)
        try:
            found = browser.result()
        finally:
            browser.close()
        source.close_input()
        source.wait(5)
        sent = json.loads(source.lines[-1])
    finally:
        source.end()
    figures.found.append(found["found"])
    figures.seconds.append(found["seconds"])
    figures.cpu.append(found["cpu"])
    figures.memory.append(found["memory"])
    figures.queries.append(sent["queries"])


def traffic() -> list[bytes]:
    """Return the mixed packets of a busy link, in a fixed order.

    Of ten: four questions for fifty types, each with up to nine known answers; three announcements of
    services that nobody asked for, two of a hundred that are browsed for, one of a host alone.
    """
    types = [Name.parse(f"_kind{number}._tcp.local.") for number in range(50)]
    packets = []
    for number in range(1000):
        part = number % 10
        other = types[number % len(types)]
        if part < 4:
            known = [announcement(one, other)[0] for one in range(number % 10)]
            message = Message(questions=[Question(other, RecordType.PTR)], answers=known)
        elif part < 7:
            message = Message(flags=RESPONSE_FLAGS, answers=announcement(number, other))
        elif part < 9:
            message = Message(flags=RESPONSE_FLAGS, answers=announcement(number // 10))
        else:
            message = Message(flags=RESPONSE_FLAGS, answers=announcement(number)[3:])
        packets.append(encode(message))
    return packets


def listen(lan: Lan, kind: str, seconds: float, cores: tuple[int, int]) -> float:
    """Return the microseconds of processor time that a browser takes for a packet of mixed traffic."""
    near, far = lan.hosts
    with tempfile.NamedTemporaryFile(suffix=".packets") as file:
        for one in traffic():
            file.write(len(one).to_bytes(2, "big") + one)
        file.flush()
        with pinned(cores[0]):
            browser = Browser(kind, near, 0, seconds + 0.5)
        try:
            with pinned(cores[1]):
                words = ["play", far.ipv4(), file.name, str(RATE), str(seconds)]
                far.run(str(SOURCE), *words, timeout=seconds + 30)
            found = browser.result()
        finally:
            browser.close()
    return found["cpu"] / (RATE * seconds) * 1e6


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print("| " + " | ".join(head) + " |")
    print("| " + " | ".join(["---", *["---:"] * (len(head) - 1)]) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def report(results: dict[tuple[str, Crowd], Figures], crowds: Sequence[Crowd], kinds: Sequence[str]) -> None:
    print("### From the start to all resolved\n")
    rows = []
    for crowd in crowds:
        for kind in kinds:
            figures = results[kind, crowd]
            seconds = median(figures.seconds)
            own = median(results[OURS, crowd].seconds) if OURS in kinds else float("nan")
            rows.append(
                [
                    str(crowd),
                    kind,
                    f"{median(figures.found):,.0f}",
                    f"{seconds:.2f}",
                    f"{median(figures.cpu):.2f}",
                    f"{median(figures.queries):,.0f}",
                    f"{median(figures.memory) / 2**20:.1f}",
                    f"{own / seconds:.2f}" if seconds else "–",
                ]
            )
    head = ["services", "browser", "found", "seconds", "CPU s", "query packets", "MiB", "mcast's time / its"]
    table(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure mDNS browsers side by side.")
    parser.add_argument("--quick", action="store_true", help="one round, without the 5,000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of mixed traffic")
    parser.add_argument("--only", choices=BROWSERS, nargs="*", default=list(BROWSERS))
    options = parser.parse_args()
    counts = [100, 1000] if options.quick else [100, 1000, 5000]
    if options.quick:
        options.rounds, options.seconds = 1, 2.0
    crowds = [Crowd(count, hosts) for count in counts for hosts in (1, count)]
    compile_source()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two cores are needed: one for the browser, one for the packet source")
    both = (cores[0], cores[1])
    results = {(kind, crowd): Figures() for kind in options.only for crowd in crowds}
    loads: dict[str, list[float]] = {kind: [] for kind in options.only}
    lan = Lan(2, 1)
    try:
        for turn in range(options.rounds):
            order = options.only[turn % len(options.only) :] + options.only[: turn % len(options.only)]
            for crowd in crowds:
                for kind in order:
                    print(f"round {turn + 1}, {crowd}, {kind}", file=sys.stderr)
                    discover(lan, kind, crowd, both, results[kind, crowd])
            for kind in order:
                print(f"round {turn + 1}, mixed traffic, {kind}", file=sys.stderr)
                loads[kind].append(listen(lan, kind, options.seconds, both))
    finally:
        lan.close()
    print(
        f"Python {platform.python_version()}, Twisted {version('twisted')}, zeroconf {version('zeroconf')},"
    )
    print(f"{avahi_version()}, Linux {platform.release()}; {options.rounds} rounds.\n")
    report(results, crowds, options.only)
    print(f"### Processor time for a packet of mixed traffic, {RATE:,} a second\n")
    table(["browser", "µs"], [[kind, f"{median(loads[kind]):.0f}"] for kind in options.only])
    print("### Memory for each cached record\n")
    rows = []
    for count in counts:
        ours, records = octets_per_record(fill_ours, count)
        theirs, their_records = octets_per_record(fill_zeroconf, count)
        rows.append(
            [f"{records:,} / {their_records:,}", f"{ours:.0f}", f"{theirs:.0f}", f"{ours / theirs:.2f}"]
        )
    table(["records", f"{OURS}, octets", f"{ZEROCONF}, octets", "ratio"], rows)


def avahi_version() -> str:
    done = subprocess.run(["avahi-daemon", "--version"], capture_output=True, text=True, check=False)
    return re.sub(r"\s+", " ", done.stdout).strip()


if __name__ == "__main__":
    main()
