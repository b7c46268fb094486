"""Memory and processor time of each published service and each found one: ``python -m benchmarks.memory``.

Beside python-zeroconf, each in a process of its own on a host of a test network (root, Linux). Memory is what
the process has, measured after a collection. ``--where`` tells where ours goes instead, by `tracemalloc`.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import tracemalloc
from pathlib import Path
from random import Random

from benchmarks.browse import OURS, ZEROCONF, Crowd, Figures, compile_source, discover, table
from benchmarks.responder import Server
from mcast.dnssd.service import Service
from mcast.node.node import Node
from mcast.testing import SimulatedLan
from tests.hostile.machine import resident
from tests.interop.programs import Program
from tests.network.lan import Host, Lan

PUBLISHERS = Path(__file__).resolve().parent / "publishers.py"

KINDS = (OURS, ZEROCONF)

REST = 5.0
"""Seconds until a program is at rest."""

PUBLISH_TIMEOUT = 120.0
"""Our choice: seconds for thousands of services to be announced; what takes longer is a failure."""


def published(host: Host, kind: str, count: int) -> tuple[float, float]:
    """Return the KiB of memory and the milliseconds of processor time that a service takes."""
    name = "mcast" if kind == OURS else "zeroconf"
    with Program(host.command(sys.executable, str(PUBLISHERS), name, host.ipv4(), str(count))) as program:
        index = program.wait_for("{", PUBLISH_TIMEOUT)
        told = json.loads(program.lines[index])
    return told["memory"] / count / 1024, told["cpu"] / count * 1000


def found(lan: Lan, kind: str, count: int, cores: tuple[int, int]) -> float:
    """Return the KiB that a found service takes, each on a host of its own."""
    figures = Figures()
    discover(lan, kind, Crowd(count, count), cores, figures)
    return figures.memory[0] / max(1.0, figures.found[0]) / 1024


def at_rest(host: Host, kind: str) -> float:
    """Return the MiB that a program has which publishes one service."""
    server = Server(kind, host, 1)
    try:
        _rest()
        return server.memory / 2**20
    finally:
        server.close()


def bare(host: Host, *words: str) -> float:
    """Return the MiB of a program that does nothing."""
    with Program(host.command(sys.executable, "-c", *words)) as program:
        _rest()
        return resident(program.pid) / 1024


def _rest() -> None:
    import time

    time.sleep(REST)


REACTOR = "from twisted.internet import reactor; reactor.run()"
"""Twisted's own."""

PYTHON = "import time; time.sleep(60)"


def where(count: int) -> None:
    """Print where the memory of published services goes: octets for each, by file."""
    lan = SimulatedLan(1)
    node = Node(lan.clock, network=lan.host("near"), rng=Random(2), ipv6=False)
    node.startService()
    node.publish(Service("First", "_first._tcp", 1))
    lan.advance(5)
    gc.collect()
    tracemalloc.start()
    for one in range(count):
        node.publish(Service(f"Service {one:04}", f"_s{one:04}._tcp", 8000, txt={"path": "/", "ver": "1"}))
    lan.advance(5)
    lan.packets.clear()
    gc.collect()
    taken = tracemalloc.take_snapshot().statistics("filename")
    rows = [
        [one.traceback[0].filename.partition("/mcast/")[2] or "other", f"{one.size / count:,.0f}"]
        for one in taken
        if one.size / count >= 16
    ]
    rows.append(["all", f"{sum(one.size for one in taken) / count:,.0f}"])
    table(["octets for each service in", ""], rows)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--services", type=int, default=2000)
    parser.add_argument("--where", action="store_true")
    options = parser.parse_args()
    if options.where:
        where(options.services)
        return
    compile_source()
    lan = Lan(2, 1)
    try:
        report(lan, options.services, options.rounds)
    finally:
        lan.close()


def report(lan: Lan, count: int, rounds: int) -> None:
    """Measure both programs in turn, and print the tables."""
    near = lan.hosts[0]
    memory: dict[str, list[float]] = {kind: [] for kind in KINDS}
    cpu: dict[str, list[float]] = {kind: [] for kind in KINDS}
    browsed: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for turn in range(rounds):
        for kind in KINDS[:: -1 if turn % 2 else 1]:
            kib, ms = published(near, kind, count)
            memory[kind].append(kib)
            cpu[kind].append(ms)
            browsed[kind].append(found(lan, kind, count, (0, 1)))
    median = statistics.median
    rows = [
        [
            title,
            *(f"{median(of[kind]):.2f}" for kind in KINDS),
            f"{median(of[OURS]) / median(of[ZEROCONF]):.2f}",
        ]
        for title, of in (
            ("KiB for each published service", memory),
            ("ms of CPU for each, to claim and announce", cpu),
            ("KiB for each found service", browsed),
        )
    ]
    print(f"### {count:,} services, {rounds} rounds\n")
    table(["", *KINDS, f"{OURS} / {ZEROCONF}"], rows)
    ours, theirs = at_rest(near, OURS), at_rest(near, ZEROCONF)
    twisted = bare(near, REACTOR) - bare(near, PYTHON)
    print("### MiB at rest, with one service\n")
    table(
        ["twist mcast mdns", ZEROCONF, "Twisted's own", f"{OURS} / both"],
        [[f"{ours:.1f}", f"{theirs:.1f}", f"{twisted:.1f}", f"{ours / (theirs + twisted):.2f}"]],
    )


if __name__ == "__main__":
    main()
