"""Join groups and print what arrives.

Exit status: 0 when something arrived (with --count: as many as wanted), 1 when fewer did, 2 when
nothing did or something is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

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
from mcast.cli.flows import Flows, Place, show_period, show_summary
from mcast.cli.groups import parse_channels
from mcast.clock import clock_of
from mcast.neighbours import SocketAddress
from mcast.showing import shown
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface, interfaces, select_interfaces
from mcast.sockets.listen import GroupListener, listen_group, reads_descriptors
from mcast.sockets.protocol import GroupProtocol
from mcast.sockets.settings import PortSettings

SOCKETS_OF_A_MEMBERSHIP = 2
"""A group on an interface is received by a socket that is bound to it, beside one that could send."""

SPARE_DESCRIPTORS = 64
"""Open files beside the sockets of groups. Our choice: the program and its reactor have about twenty."""

STREAM_PERIOD = 1.0
"""Seconds between two tables of streams when --stats does not say. Our choice: what a person can follow."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "channels",
        metavar="GROUP[:PORT]",
        nargs="+",
        type=parse_channels,
        help="such as 224.0.0.123:7645; 239.1.2.0/28 or 239.1.2.3+5 for many, SOURCE,GROUP for one source",
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
        help="print a table of sources and groups in place of datagrams: rates, and of streams the loss, "
        "reordering, duplicates and jitter",
    )
    parser.add_argument(
        "--rtp", action="store_true", help="take all that can be RTP for it, and print the table every second"
    )
    parser.add_argument(
        "--clock-rate",
        type=whole(1, 1_000_000_000),
        metavar="HZ",
        help="timestamp units a second of RTP payload types that have no fixed rate, for the jitter",
    )


async def run(reactor: Any, arguments: argparse.Namespace, output: Output) -> int:
    """Print until the count is reached or the user interrupts."""
    done: Deferred[None] = Deferred()
    if arguments.rtp and arguments.hex:
        raise CommandError("--hex prints datagrams, and --rtp a table: give one of them")
    period = arguments.stats or (STREAM_PERIOD if arguments.rtp else None)
    printer = Table(arguments, output, done) if period else Printer(arguments, output, done)
    settings = PortSettings(arrivals=reads_descriptors(reactor))
    listeners: list[GroupListener] = []
    try:
        heard = ears(arguments, printer)
        # Mistakes in the names are told by what joins.
        places = len(select_interfaces(arguments.interfaces, interfaces(), strict=False))
        make_room(places * sum(len(ear.groups) for ear in heard))
        for ear in heard:
            listeners.append(listen_group(reactor, ear, settings))
    except BaseException as error:
        for listener in listeners:
            listener.stopListening()
        if isinstance(error, ValueError):
            raise CommandError(str(error)) from None
        raise
    ticking = LoopingCall(printer.tick)
    ticking.clock = clock_of(reactor)
    ticking.start(period or STREAM_PERIOD, now=False)
    with suppress(CancelledError):  # Ctrl-C
        await done
    ticking.stop()
    printer.end()
    for listener in listeners:
        await listener.stopListening()
    if not printer.received:
        tell("listen", "nothing arrived")
        return FAILED
    return GOOD if printer.received >= (arguments.count or 1) else NOT_ALL


def make_room(memberships: int) -> None:
    """Let this process open as many sockets as groups on interfaces take.

    :raises CommandError: the system does not allow as many.
    """
    if sys.platform == "win32" or resource is None:
        return
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = SOCKETS_OF_A_MEMBERSHIP * memberships + SPARE_DESCRIPTORS
    if least == resource.RLIM_INFINITY or needed <= least:
        return
    if most != resource.RLIM_INFINITY and needed > most:
        raise CommandError(
            f"{memberships} groups on interfaces take {needed} open files, and the limit is {most} "
            "(ulimit -n); name fewer groups, or interfaces by -I"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))


class Ear(GroupProtocol):
    """Hears the groups that are received from the same sources, and hands all on to what prints."""

    def __init__(
        self, groups: Iterable[Group], printer: Printer, *, interfaces: Sequence[str], sources: Sequence[str]
    ) -> None:
        super().__init__(groups, interfaces=interfaces, sources=sources)
        self.group_joined = printer.group_joined  # type: ignore[method-assign]
        self.datagram_arrived = printer.datagram_arrived  # type: ignore[method-assign]


def ears(arguments: argparse.Namespace, printer: Printer) -> list[Ear]:
    """Return what hears the channels of the command line, one for each set of sources.

    :raises ValueError: sources and groups that do not fit.
    """
    sources_of: dict[Group, list[str]] = {}
    for channel in chain.from_iterable(arguments.channels):
        own = sources_of.setdefault(channel.group, [])
        if channel.source is not None and channel.source not in own:
            own.append(channel.source)
    together: dict[tuple[str, ...], list[Group]] = {}
    for group, sources in sources_of.items():
        together.setdefault(tuple(sources) or tuple(arguments.sources), []).append(group)
    return [
        Ear(groups, printer, interfaces=arguments.interfaces, sources=sources)
        for sources, groups in together.items()
    ]


class Printer:
    """Prints each datagram."""

    takes_unicast = False  # it may watch a group whose port another program of this host has

    def __init__(self, arguments: argparse.Namespace, output: Output, done: Deferred[None]) -> None:
        self.received = 0
        self._output = output
        self._hex = arguments.hex
        self._left: int | None = arguments.count
        self._done = done
        self._names: dict[int, str] = {}

    def group_joined(self, group: Group, interface: Interface) -> None:
        """Say that a group is received now."""
        self._names[interface.index] = interface.name
        self._output.text(f"LISTEN {group} on {interface.name}")

    def datagram_arrived(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        """Count a datagram, and print it or note it."""
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

    def end(self) -> None:
        """Sum up."""

    def name_of(self, index: int) -> str:
        """Return the name of an interface on which a group is joined."""
        return self._names.get(index, str(index))

    def source(self, address: SocketAddress) -> str:
        """Return the source with the zone of a link-local address."""
        if len(address) > 3 and address[3]:
            return f"{address[0]}%{self.name_of(address[3])}"
        return str(address[0])


class Table(Printer):
    """Prints what each source sends to each group, once in a period."""

    def __init__(self, arguments: argparse.Namespace, output: Output, done: Deferred[None]) -> None:
        super().__init__(arguments, output, done)
        self._flows = Flows(rtp=arguments.rtp, clock_rate=arguments.clock_rate)
        self._since = time.monotonic()

    def take(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        place = Place(
            self.name_of(arrival.interface), self.source(address), address[1], arrival.destination or "?"
        )
        self._flows.take(place, data, time.monotonic())

    def tick(self) -> None:
        """Print the rates since the last time."""
        now = time.monotonic()
        seconds, self._since = max(now - self._since, 1e-6), now
        show_period(self._flows, seconds, self._output)

    def end(self) -> None:
        self.tick()
        show_summary(self._flows, self._output)
