"""Measure what the live view costs above the node it watches: ``python -m benchmarks.live``.

Needs root on Linux; the table it prints is Markdown. On one host of a test link 200 addresses play 1,000
services and send 300 packets a second, announcements and questions; on the other runs a node that browses all
types, then `twist mcast view` with no, ten and a hundred browsers (streams that are read and thrown away).
Shares are of one core. Then Chromium opens the page, when it is there.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

from mcast.dns import records as make
from mcast.dns.codes import QUERY_FLAGS, RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from tests.interop.browser import Chromium
from tests.interop.programs import Program
from tests.network.lan import Host, Lan

HOSTS = 200
SERVICES = 1000
TYPES = 20
RATE = 300
"""Packets a second."""

WARM_UP = 8.0
"""Seconds before a measurement. Our choice: all is found and shown by then."""

GROUP = ("224.0.0.251", 5353)
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Crowd:
    """Hosts that send, each from an address of its own."""

    def __init__(self, host: Host) -> None:
        for number in range(HOSTS):
            host.ip("addr", "add", f"10.77.0.{number + 20}/24", "dev", "eth0")
        self._sockets = []
        for number in range(HOSTS):
            address = f"10.77.0.{number + 20}"
            one = host.open_socket(socket.AF_INET)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind((address, 5353))
            one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
            one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
            self._sockets.append(one)
        self._announcements = [_announcement(number) for number in range(HOSTS)]
        self._questions = [_question(number) for number in range(TYPES)]
        self._is_ended = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def start(self) -> None:
        """Announce everything, and go on sending."""
        self._thread.start()

    def end(self) -> None:
        self._is_ended.set()
        self._thread.join()

    def _send(self) -> None:
        began = time.monotonic()
        for count in range(10**9):
            # Every other packet is a question: the hosts take turns by halves, so that each announces.
            number = (count if count < HOSTS else count // 2) % HOSTS
            is_question = count >= HOSTS and count % 2
            payload = self._questions[count % TYPES] if is_question else self._announcements[number]
            self._sockets[number].sendto(payload, GROUP)
            delay = began + count / RATE - time.monotonic()
            if self._is_ended.wait(max(0.0, delay)):
                return


def _announcement(number: int) -> bytes:
    host = Name.parse(f"host{number}.local")
    records = [make.address(host, f"10.77.0.{number + 20}", 120, cache_flush=True)]
    for each in range(number, SERVICES, HOSTS):
        kind = Name.parse(f"_type{each % TYPES}._tcp.local")
        name = kind.prefixed(f"Service {each}")
        records += [
            make.pointer(kind, name, 4500),
            make.service(name, 0, 0, 1000 + each, host, 120, cache_flush=True),
            make.text(name, [b"path=/", b"note=on the second floor"], 4500, cache_flush=True),
        ]
    return encode(Message(0, RESPONSE_FLAGS, (), records))


def _question(number: int) -> bytes:
    asked = Question(Name.parse(f"_type{number}._tcp.local"), RecordType.PTR)
    return encode(Message(0, QUERY_FLAGS, (asked,)))


def browse() -> None:
    """Be a node that browses all types, and nothing else (a process of its own)."""
    from twisted.internet import reactor

    from mcast import Node, TypeAdded

    node = Node(reactor)
    node.startService()
    browsers = []

    def found(change: Any) -> None:
        if isinstance(change, TypeAdded):
            browsers.append(node.browse(change.type))
            browsers[-1].add_listener(lambda change: None)

    types = node.browse_types()
    types.add_listener(found)
    for number in range(TYPES):
        node.browse(f"_type{number}._tcp").add_listener(lambda change: None)
    reactor.run()


def seconds_of(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as stream:
        fields = stream.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_of(pid: int) -> float:
    """Return the resident memory in MB."""
    with open(f"/proc/{pid}/statm") as stream:
        return int(stream.read().split()[1]) * PAGE / 1e6


def share(pid: int, length: float) -> float:
    """Return the share of a core that a process takes, in per cent."""
    before, began = seconds_of(pid), time.monotonic()
    time.sleep(length)
    return 100 * (seconds_of(pid) - before) / (time.monotonic() - began)


@contextmanager
def browsers(host: Host, count: int) -> Iterator[list[int]]:
    """Read so many streams; gives the octets that each got."""
    got = [0] * count
    with host.inside():
        connections = [socket.create_connection(("127.0.0.1", 8765)) for _ in range(count)]

    def read(number: int) -> None:
        connections[number].sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:8765\r\n\r\n")
        try:
            while octets := connections[number].recv(1 << 20):
                got[number] += len(octets)
        except OSError:
            return

    for number in range(count):
        threading.Thread(target=read, args=(number,), daemon=True).start()
    try:
        yield got
    finally:
        for each in connections:
            each.shutdown(socket.SHUT_RDWR)
            each.close()


def measure(lan: Lan, length: float) -> None:
    here, there = lan.hosts
    crowd = Crowd(there)
    crowd.start()
    print("| what | share of a core | memory |\n| --- | ---: | ---: |", flush=True)
    with Program(here.command(sys.executable, "-m", "benchmarks.live", "--browse")) as node:
        time.sleep(WARM_UP)
        base = share(node.pid, length)
        print(f"| a node that browses all types | {base:.1f} % | {memory_of(node.pid):.0f} MB |", flush=True)
    with Program(here.command(sys.executable, "-m", "twisted", "mcast", "view")) as view:
        time.sleep(WARM_UP)
        for count in (0, 10, 100):
            with browsers(here, count) as got:
                time.sleep(3.0)
                before = sum(got)
                took = share(view.pid, length)
                each = (sum(got) - before) / max(1, count) / length / 1000
                print(
                    f"| the view, {count} browsers ({each:.0f} kB/s each) | {took:.1f} % "
                    f"({took - base:+.1f}) | {memory_of(view.pid):.0f} MB |",
                    flush=True,
                )
        if find_spec("playwright") is not None:
            paint(here)
    crowd.end()


def paint(here: Host) -> None:
    """Print when Chromium shows the page, and all that is in it."""
    first, whole = [], []
    with ExitStack() as stack:
        chromium = Chromium(here, stack)
        for part in ("map", "services") * 3:
            page = chromium.page(viewport={"width": 1280, "height": 800})
            page.goto(f"http://127.0.0.1:8765/#{part}")
            page.locator(".card, tbody tr").first.wait_for()
            whole.append(page.evaluate("performance.now()"))
            first.append(
                page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
            )
            page.context.close()
    print(f"\nFirst paint after {statistics.median(first):.0f} ms, with all data after "
          f"{statistics.median(whole):.0f} ms (medians of {len(first)}).")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each measurement")
    parser.add_argument("--browse", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.browse:
        browse()
        return
    lan = Lan(2, 1)
    try:
        measure(lan, arguments.seconds)
    finally:
        lan.close()


if __name__ == "__main__":
    main()
