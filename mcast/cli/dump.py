"""Print every multicast DNS packet, one line a record.

With --lint only what breaks RFC 6762 is printed, and which host does it; at the end, how often each host
broke each rule. Live packets are those sent to the groups 224.0.0.251 and ff02::fb on the chosen interfaces;
--pcap reads a capture file instead.

WHAT is the address of a host that sends, a name such as kitchen.local or _http._tcp, which stands for all
names in it and for what leads there, or a type such as SRV. Of several of a kind one is enough.

exit status: 0 packets were seen (with --lint: and none broke a rule), 1 none was seen (with --lint: a rule
was broken), 2 error
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from io import StringIO
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from mcast.cli.breaches import Breaches
from mcast.cli.capture_report import CaptureReport
from mcast.cli.command import (
    FAILED,
    GOOD,
    NOT_ALL,
    CommandError,
    Output,
    add_interface_argument,
    checked,
    counted,
    decimal,
    tell,
    whole,
)
from mcast.cli.pipes import opened
from mcast.cli.progress import Progress
from mcast.cli.record_fields import record_fields
from mcast.cli.seen import SeenPacket
from mcast.cli.wanted import EVERYTHING, Wanted, parse_word
from mcast.cli.writing import writable
from mcast.clock import clock_of
from mcast.dns.codes import RecordClass
from mcast.dns.messages import Message, Question, decode
from mcast.dns.presentation import show_data
from mcast.dns.records import Record, show_type
from mcast.errors import MalformedMessage
from mcast.mdns.constants import MDNS_PORT
from mcast.mdns.lint import Breach
from mcast.neighbours import SocketAddress
from mcast.node.network import Network, SocketNetwork
from mcast.showing import one_line
from mcast.sockets.interface import Interface, select_interfaces

if TYPE_CHECKING:
    from mcast.cli.capture import CapturedDatagram

PAUSE_INTERVAL = 0.1
"""Seconds that a file is read in one go. Our choice: Ctrl-C acts at once, and the pauses cost nothing."""

_SECTIONS = (("answers", "an"), ("authorities", "au"), ("additionals", "ad"))


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mcast dump``."""
    parser.add_argument(
        "wanted",
        metavar="WHAT",
        nargs="*",
        type=checked(parse_word),
        help="show this only: HOST, NAME or TYPE",
    )
    add_interface_argument(parser)
    parser.add_argument("--pcap", metavar="FILE", help="read a pcap or pcapng file instead of the network")
    parser.add_argument("--lint", action="store_true", help="print breaches of RFC 6762 instead of packets")
    parser.add_argument(
        "--report",
        metavar="FILE.html",
        type=checked(writable),
        help="write a page about the packets instead: hosts, types, timeline, breaches with their packets",
    )
    parser.add_argument("-c", "--count", type=whole(1), help="end after this number of packets")
    parser.add_argument("-w", "--wait", type=decimal(0), metavar="SECONDS", help="end after this time")
    parser.add_argument("--no-ipv4", action="store_true", help="IPv6 only")
    parser.add_argument("--no-ipv6", action="store_true", help="IPv4 only")


async def run(
    reactor: Any, arguments: argparse.Namespace, output: Output, network: Network | None = None
) -> int:
    """Run ``mcast dump``; return the exit status."""
    wanted = Wanted.of(arguments.wanted)
    dump: Dump | CaptureReport
    if arguments.report is None:
        dump = Dump(output, lint=arguments.lint, count=arguments.count, wanted=wanted)
    else:
        what = "the network" if arguments.pcap is None else os.path.basename(arguments.pcap)
        dump = CaptureReport(what, lint=arguments.lint, count=arguments.count, wanted=wanted)
    if arguments.pcap is not None:
        # Beside lines on the same terminal a line that replaces itself is no help.
        silent = output.is_terminal and arguments.report is None
        await _read_file(reactor, arguments.pcap, dump, StringIO() if silent else sys.stderr)
    else:
        await _watch(reactor, arguments, dump, network)
    if isinstance(dump, CaptureReport):
        dump.write(arguments.report, lambda seen: packet_lines(seen, wanted))
    else:
        dump.end()
    if not dump.packets:
        where = "" if arguments.pcap is None else f" in {arguments.pcap}"
        which = " of these" if arguments.wanted else ""
        tell("dump", f"no multicast DNS packet{which} was seen{where}")
    return dump.status


async def _read_file(reactor: Any, path: str, dump: Dump | CaptureReport, terminal: TextIO) -> None:
    # dpkt takes a tenth of a second to import, and most dumps are of live packets.
    from mcast.cli.capture import IncompleteCapture, read_capture

    try:
        with opened(path) as stream:
            # What is read from a pipe has no size.
            size = os.fstat(stream.fileno()).st_size if stream.seekable() else None
            with Progress(f"reading {os.path.basename(path)}", size, terminal) as progress:
                await _read_packets(
                    reactor, read_capture(stream), dump, partial(_tell_place, progress, stream)
                )
    except IncompleteCapture as trouble:
        # Whoever interrupts a capture cuts it short: no reason to hide what was seen in it.
        tell("dump", f"{path}: {trouble}")
    except CancelledError:
        tell("dump", f"{path}: not read to its end")
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from None


def _tell_place(progress: Progress, stream: BinaryIO, packets: int) -> None:
    progress.at(stream.tell() if stream.seekable() else 0, f"{packets} packets")


async def _read_packets(
    reactor: Any,
    datagrams: Iterable[CapturedDatagram],
    dump: Dump | CaptureReport,
    tell_place: Callable[[int], object],
) -> None:
    paused_at = time.monotonic()
    for number, datagram in enumerate(datagrams, 1):
        dump.packet(
            SeenPacket(
                datagram.payload,
                datagram.source,
                datagram.source_port,
                datagram.at,
                ipv6=datagram.ipv6,
                multicast=ip_address(datagram.destination).is_multicast,
                hop_limit=datagram.hop_limit,
                interface=datagram.interface,
            )
        )
        if dump.is_done:
            return
        if number % 64 == 0 and time.monotonic() - paused_at >= PAUSE_INTERVAL:
            tell_place(number)
            # The reactor hears Ctrl-C, and cancels us.
            await deferLater(reactor, 0)
            paused_at = time.monotonic()


def packet_lines(packet: SeenPacket, wanted: Wanted = EVERYTHING) -> list[str]:
    """Return what is printed of one packet."""
    stream = StringIO()
    Dump(Output(stream, json_lines=False), lint=False, count=None, wanted=wanted).packet(packet)
    return stream.getvalue().splitlines()


async def _watch(
    reactor: Any, arguments: argparse.Namespace, dump: Dump | CaptureReport, network: Network | None
) -> None:
    if arguments.no_ipv4 and arguments.no_ipv6:
        raise CommandError("--no-ipv4 and --no-ipv6 together leave nothing to look at")
    network = SocketNetwork(reactor) if network is None else network
    try:
        chosen = select_interfaces(arguments.interfaces, network.interfaces())
    except ValueError as error:
        raise CommandError(str(error)) from None
    if not chosen:
        raise CommandError("no interface is up and capable of multicast")
    done: Deferred[None] = Deferred()
    ports = []
    try:
        for ipv6 in (False, True):
            if not (arguments.no_ipv6 if ipv6 else arguments.no_ipv4):
                ports.append(_open(network, ipv6, chosen, dump, done))
        timer = None if arguments.wait is None else clock_of(reactor).callLater(arguments.wait, _fire, done)
        try:
            await done
        except CancelledError:
            return
        finally:
            if timer is not None and timer.active():
                timer.cancel()
    finally:
        for port in ports:
            await port.close()


def _open(
    network: Network,
    ipv6: bool,
    chosen: Sequence[Interface],
    dump: Dump | CaptureReport,
    done: Deferred[None],
) -> Any:
    def received(interface: str, datagram: bytes, source: SocketAddress, multicast: bool) -> None:
        if multicast and not dump.is_done:
            dump.packet(
                SeenPacket(
                    datagram,
                    source[0],
                    source[1],
                    time.time(),
                    interface=interface,
                    ipv6=ipv6,
                    multicast=True,
                )
            )
            if dump.is_done:
                _fire(done)

    port = network.open(ipv6)
    joined = 0
    refusal: OSError | None = None
    for interface in chosen:
        try:
            port.join(interface, partial(received, interface.name))
            joined += 1
        except OSError as error:
            refusal = error
    if not joined and refusal is not None and not ipv6:
        port.close()
        raise CommandError(f"no interface can be joined: {one_line(refusal)}")
    return port


def _fire(done: Deferred[None]) -> None:
    if not done.called:
        done.callback(None)


class Dump:
    """Prints packets, or what is wrong with them, and counts."""

    def __init__(self, output: Output, *, lint: bool, count: int | None, wanted: Wanted = EVERYTHING) -> None:
        self._output = output
        self._wanted = wanted
        self._lint = lint
        self._left = count
        self.packets = 0
        """How many were seen."""
        self._breaches = Breaches()
        """By host, rule and section."""

    @property
    def is_done(self) -> bool:
        """Whether as many packets were seen as were asked for."""
        return self._left == 0

    @property
    def status(self) -> int:
        """The exit status."""
        if not self.packets:
            return NOT_ALL if not self._lint else FAILED
        return NOT_ALL if self._breaches.counts else GOOD

    def packet(self, packet: SeenPacket) -> None:
        """Print one packet, or which rules it breaks."""
        is_host = self._wanted.is_host(packet.source)
        try:
            message = decode(packet.payload)
        except MalformedMessage as error:
            if is_host and self._wanted.is_any_message:
                self._count()
                self._malformed(packet, error)
            return
        is_wanted = self._wanted.is_message(message)
        if is_host and is_wanted:
            self._count()
            if not self._lint:
                self._message(packet, message)
        if self._lint and packet.multicast:
            # All packets, since a rule is broken with regard to those before.
            self._examine(packet, message, is_wanted)

    def end(self) -> None:
        """Print how often each host broke each rule."""
        if not self._lint:
            return
        total = sum(self._breaches.counts.values())
        self._output.text(
            f"--- {counted(self.packets, 'packet')} seen, {total or 'no'} breach{'es' * (total != 1)}"
        )
        rows = [["HOST", "RULE", "SECTION", "COUNT"]]
        for (source, rule, section), count in sorted(self._breaches.counts.items(), key=_by_host):
            rows.append([source, rule, section, str(count)])
            self._output.event(event="summary", source=source, rule=rule, section=section, count=count)
        if total:
            self._output.table(rows, lead=4, numbers=[3])

    def _count(self) -> None:
        self.packets += 1
        if self._left is not None:
            self._left -= 1

    def _malformed(self, packet: SeenPacket, error: MalformedMessage) -> None:
        if self._lint:
            self._breach(packet, Breach("malformed", "RFC 1035 §4", packet.source, str(error)))
            return
        size = len(packet.payload)
        self._output.text(f"{packet.head} malformed: {error} ({size} octets)")
        self._output.event(
            event="malformed",
            time=packet.at,
            interface=packet.interface,
            source=packet.source,
            size=size,
            reason=str(error),
        )

    def _examine(self, packet: SeenPacket, message: Message, is_wanted: bool) -> None:
        for breach in self._breaches.examine(packet, message):
            if is_wanted and self._wanted.is_host(breach.source):
                self._breach(packet, breach)

    def _breach(self, packet: SeenPacket, breach: Breach) -> None:
        self._breaches.count(breach)
        # The source of a breach is the host that broke the rule, and not always that of this packet.
        head = replace(packet, source=breach.source).head
        self._output.text(f"{head} {breach.rule} ({breach.section}): {breach.detail}")
        self._output.event(
            event="breach",
            time=packet.at,
            interface=packet.interface,
            source=breach.source,
            rule=breach.rule,
            section=breach.section,
            detail=breach.detail,
        )

    def _message(self, packet: SeenPacket, message: Message) -> None:
        kind = "response" if message.is_response else "query"
        port = "" if packet.source_port == MDNS_PORT else f":{packet.source_port}"
        truncated = " TC" if message.truncated else ""
        unicast = "" if packet.multicast else " unicast"
        head = f"{packet.head}{port} {kind}{truncated}{unicast}"
        common = {
            "time": packet.at,
            "interface": packet.interface,
            "source": packet.source,
            "port": packet.source_port,
            "size": len(packet.payload),
            "kind": kind,
            "id": message.id,
            "flags": message.flags,
            "multicast": packet.multicast,
        }
        if not (message.questions or message.answers or message.authorities or message.additionals):
            self._output.text(f"{head} empty ({len(packet.payload)} octets)")
            self._output.event(event="empty", **common)
        for question in message.questions:
            if self._wanted.is_part(question):
                self._question(head, common, question)
        for section, short in _SECTIONS:
            for record in getattr(message, section):
                if self._wanted.is_part(record):
                    self._record(f"{head} {short}", common | {"section": section}, record)

    def _question(self, head: str, common: dict[str, Any], question: Question) -> None:
        name, rtype = str(question.name), show_type(question.type)
        unicast = " QU" if question.unicast else ""
        rclass = "" if question.rclass == RecordClass.IN else f" class {question.rclass}"
        self._output.text(f"{head} qu {name} {rtype}{unicast}{rclass}")
        self._output.event(
            event="question",
            **common,
            name=str(question.name),
            type=rtype,
            **{"class": question.rclass},
            unicast=question.unicast,
        )

    def _record(self, head: str, common: dict[str, Any], record: Record) -> None:
        flush = " flush" if record.cache_flush else ""
        what = f"{record.name} {show_type(record.type)} {record.ttl}{flush}"
        self._output.text(f"{head} {what} {show_data(record)}")
        self._output.event(event="record", **common, **record_fields(record))


def _by_host(entry: tuple[tuple[str, str, str], int]) -> tuple[str, int, str]:
    """Sort by host, and what it does most first."""
    (source, rule, _), count = entry
    return source, -count, rule
