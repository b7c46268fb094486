"""Join groups and print what arrives.

Exit status: 0 when something arrived (with --count: as many as wanted), 1 when fewer did, 2 when
nothing did or something is wrong.
"""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall

from mcast.cli.command import (
    FAILED,
    GOOD,
    NOT_ALL,
    CommandError,
    Output,
    add_interface_argument,
    decimal,
    tell,
    whole,
)
from mcast.cli.groups import parse_group
from mcast.clock import clock_of
from mcast.neighbours import SocketAddress
from mcast.showing import shown
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface
from mcast.sockets.listen import listen_group, reads_descriptors
from mcast.sockets.protocol import GroupProtocol
from mcast.sockets.settings import PortSettings

MAX_FLOWS = 4096
"""Sources told apart in one period of --stats. Our choice: more than a person reads; others are added up."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "groups", metavar="GROUP[:PORT]", nargs="+", type=parse_group, help="such as 224.0.0.123:7645"
    )
    add_interface_argument(parser)
    parser.add_argument("-c", "--count", type=whole(1), help="end after this many datagrams")
    parser.add_argument(
        "--source",
        dest="sources",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="receive from this sender only; may be repeated",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--hex", action="store_true", help="print payloads in hexadecimal")
    shown.add_argument(
        "--stats",
        type=decimal(0.1),
        metavar="SECONDS",
        help="print packets and octets a second for each source and group, in place of datagrams",
    )


async def run(reactor: Any, arguments: argparse.Namespace, output: Output) -> int:
    """Print until the count is reached or the user interrupts."""
    done: Deferred[None] = Deferred()
    try:
        printer: Printer = (
            Summer(arguments, output, done) if arguments.stats else Printer(arguments, output, done)
        )
        listener = listen_group(reactor, printer, PortSettings(arrivals=reads_descriptors(reactor)))
    except ValueError as error:
        raise CommandError(str(error)) from None
    ticking = LoopingCall(printer.tick)
    ticking.clock = clock_of(reactor)
    ticking.start(arguments.stats or 1.0, now=False)
    with suppress(CancelledError):  # Ctrl-C
        await done
    ticking.stop()
    printer.tick()
    await listener.stopListening()
    if not printer.received:
        tell("listen", "nothing arrived")
        return FAILED
    return GOOD if printer.received >= (arguments.count or 1) else NOT_ALL


class Printer(GroupProtocol):
    """Prints each datagram."""

    def __init__(self, arguments: argparse.Namespace, output: Output, done: Deferred[None]) -> None:
        super().__init__(arguments.groups, interfaces=arguments.interfaces, sources=arguments.sources)
        self.received = 0
        self._output = output
        self._hex = arguments.hex
        self._left: int | None = arguments.count
        self._done = done
        self._names: dict[int, str] = {}

    def group_joined(self, group: Group, interface: Interface) -> None:
        self._names[interface.index] = interface.name
        self._output.text(f"LISTEN {group} on {interface.name}")

    def datagram_arrived(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        if self._left == 0:
            return
        self.received += 1
        self.take(data, address, arrival)
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._done.callback(None)

    def take(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        """Print one datagram."""
        now = time.time()
        interface = self.name_of(arrival.interface)
        source = self.source(address)
        self._output.event(
            event="datagram",
            time=round(now, 6),
            interface=interface,
            source=source,
            port=address[1],
            destination=arrival.destination,
            ttl=arrival.hop_limit,
            size=len(data),
            **({"hex": data.hex()} if self._hex else {"payload": data.decode("utf-8", "backslashreplace")}),
        )
        payload = data.hex(" ") if self._hex else shown(data)
        clock = time.strftime("%H:%M:%S", time.localtime(now)) + f".{int(now % 1 * 1e6):06}"
        ttl = "?" if arrival.hop_limit is None else arrival.hop_limit
        self._output.text(
            f"{clock} {interface} {source} port {address[1]} > {arrival.destination or '?'} "
            f"ttl={ttl} size={len(data)}: {payload}"
        )

    def tick(self) -> None:
        """Do what is due once in a period; nothing here."""

    def name_of(self, index: int) -> str:
        """Return the name of an interface on which a group is joined."""
        return self._names.get(index, str(index))

    def source(self, address: SocketAddress) -> str:
        """Return the source with the zone of a link-local address."""
        if len(address) > 3 and address[3]:
            return f"{address[0]}%{self.name_of(address[3])}"
        return str(address[0])


class Summer(Printer):
    """Prints the rates of each source and group."""

    def __init__(self, arguments: argparse.Namespace, output: Output, done: Deferred[None]) -> None:
        super().__init__(arguments, output, done)
        self._flows: dict[tuple[str, str, str], list[int]] = {}
        self._since = time.monotonic()

    def take(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        flow = (self.source(address), arrival.destination or "?", self.name_of(arrival.interface))
        if flow not in self._flows and len(self._flows) >= MAX_FLOWS:
            flow = ("others", "", "")
        counts = self._flows.setdefault(flow, [0, 0])
        counts[0] += 1
        counts[1] += len(data)

    def tick(self) -> None:
        """Print the rates since the last time."""
        now = time.monotonic()
        seconds, self._since = max(now - self._since, 1e-6), now
        flows, self._flows = self._flows, {}
        for (source, destination, interface), (packets, octets) in sorted(flows.items()):
            self._output.event(
                event="stats",
                source=source,
                destination=destination,
                interface=interface,
                packets=packets,
                octets=octets,
                packets_per_second=round(packets / seconds, 1),
                octets_per_second=round(octets / seconds, 1),
            )
            self._output.text(
                f"{interface} {source} > {destination}: {packets / seconds:.1f} packets/s, "
                f"{octets / seconds:.1f} octets/s"
            )
        if not flows:
            self._output.text("nothing arrived")
