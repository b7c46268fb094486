"""Measure a node with thousands of services: ``python -m benchmarks.many_services`` (root, Linux, two cores).

On one host of a test network runs ``twist mcast mdns --services FILE``; a person on another host asks for its
address every 20 ms, all the while. Measured are the time and the processor time until all services are
published, and from SIGTERM until the last goodbye and until the process has ended; and for each of both times
how long the person waited for an answer at most. The table that it prints is Markdown.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.hostile.machine import processor_time, resident
from tests.interop.probe import GROUP4, PORT, Sniffer
from tests.interop.programs import Program
from tests.interop.wire import A, Question, labels, query
from tests.network.lan import Host, Lan

HOST = "larder"

PUBLISH_TIMEOUT = 120.0
"""Our choice: seconds for all services to be published; what takes longer is a failure."""

ASK_INTERVAL = 0.02
"""Seconds between two questions of the person. Our choice: a gap is known to that."""


class Asker:
    """Asks for the address of a host, again and again, and takes down when it was answered."""

    def __init__(self, host: Host) -> None:
        self.answered: list[float] = []
        self._socket = host.udp_socket(interface="eth0")
        self._socket.settimeout(ASK_INTERVAL)
        self._question = query(Question(labels(f"{HOST}.local"), A), id=7).encode()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asked = 0.0
        while not self._ended.is_set():
            if time.time() - asked >= ASK_INTERVAL:
                asked = time.time()
                self._socket.sendto(self._question, (GROUP4, PORT))
            try:
                self._socket.recv(9000)
            except TimeoutError:
                continue
            self.answered.append(time.time())

    def gap(self, start: float, end: float) -> float:
        """Return the longest time without an answer between two moments."""
        times = [start, *[at for at in list(self.answered) if start < at < end], end]
        return max(after - before for before, after in pairwise(times))

    def close(self) -> None:
        """Ask no more."""
        self._ended.set()
        self._thread.join()
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Result:
    """What one run has shown, in seconds."""

    services: int
    published: float
    """From the start of the program to the last service."""
    used: float
    """Of the processor, until then."""
    gap_publishing: float
    goodbyes: float
    """From SIGTERM to the last goodbye."""
    ended: float
    """From SIGTERM to the end of the process."""
    used_ending: float
    """Of the processor, from SIGTERM on."""
    gap_ending: float
    """From SIGTERM on, until the last goodbye."""
    missing: int
    """Services without a goodbye."""
    memory: int
    """MiB, when all were published."""

    def row(self) -> str:
        """Return a row of the table."""
        return (
            f"| {self.services:,} | {self.published:.1f} | {self.used:.1f} "
            f"| {1000 * self.gap_publishing:.0f} | {self.goodbyes:.2f} | {self.ended:.2f} "
            f"| {self.used_ending:.2f} | {1000 * self.gap_ending:.0f} | {self.missing} | {self.memory} |"
        )


HEADER = """\
| services | published in s | processor s | longest gap of answers, ms | last goodbye s | ended s \
| processor s | longest gap, ms | without a goodbye | MiB |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


def services_file(folder: Path, number: int) -> Path:
    """Write a file of services."""
    path = folder / "services.toml"
    path.write_text(
        "\n".join(f'[[service]]\nname = "Web {n}"\ntype = "_http._tcp"\nport = 80\n' for n in range(number))
    )
    return path


def goodbyes(sniffer: Sniffer, since: float) -> dict[bytes, float]:
    """Return when each record was said goodbye to last, by both families."""
    found: dict[bytes, float] = {}
    for packet in sniffer.poll():
        if packet.at >= since and packet.multicast and packet.payload[2] & 0x80:
            for record in packet.message.answers:
                if record.ttl == 0 and record.name == labels("_http._tcp.local"):
                    found[packet.source.encode() + record.rdata] = packet.at
    return found


def _of_children() -> float:
    """Return the processor time of the programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(lan: Lan, folder: Path, number: int, program: tuple[str, ...]) -> Result:
    """Run once."""
    ours, there = lan.hosts
    file = services_file(folder, number)
    words = (*program, "--log-format=text", "mcast", "mdns", "--hostname", HOST, "--services", str(file))
    asker, sniffer = Asker(there), Sniffer(there)
    began = time.time()
    with Program(ours.command(sys.executable, *words)) as running:
        try:
            running.wait_for(f"published {HOST}", 60.0)
            claimed = time.time()
            running.wait_for(lambda line: f"published Web {number - 1}." in line, PUBLISH_TIMEOUT)
            while sum("published Web" in line for line in list(running.lines)) < number:
                time.sleep(0.01)
            published = time.time()
            used, memory = processor_time(running.pid), resident(running.pid)
            time.sleep(2.0)  # the second announcements
            before = processor_time(running.pid) + _of_children()
            asked = time.time()
            running.send_signal(signal.SIGTERM)
            running.wait(60.0)
            ended = time.time()
            last = goodbyes(sniffer, asked)
            said = max(last.values(), default=ended)
            families = 2
            return Result(
                number,
                published - began,
                used,
                asker.gap(claimed, published + 2.0),
                said - asked,
                ended - asked,
                _of_children() - before,
                asker.gap(asked, max(said, asked + ASK_INTERVAL)),
                families * number - len(last),
                memory // 1024,
            )
        finally:
            asker.close()
            sniffer.close()


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("numbers", type=int, nargs="*", default=[2000, 4000, 10_000])
    parser.add_argument("--program", default="-m twisted", help="what Python runs")
    options = parser.parse_args()
    program = tuple(options.program.split())
    print(HEADER)
    with tempfile.TemporaryDirectory(prefix="mcast-many-") as folder:
        lan = Lan(hosts=2)
        try:
            for number in options.numbers:
                print(measure(lan, Path(folder), number, program).row(), flush=True)
        finally:
            lan.close()


if __name__ == "__main__":
    main()
