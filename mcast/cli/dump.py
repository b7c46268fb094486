"""Print every multicast DNS packet, one line a record.

With --lint only what breaks RFC 6762 is printed, and which host does it. Live packets are those sent to the
groups 224.0.0.251 and ff02::fb on the chosen interfaces; --pcap reads a capture file instead.

exit status: 0 packets were seen (with --lint: and none broke a rule), 1 none was seen (with --lint: a rule
was broken), 2 error
"""

from __future__ import annotations

import argparse
import base64
import time
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from mcast.cli.command import (
    FAILED,
    GOOD,
    NOT_ALL,
    CommandError,
    Output,
    add_interface_argument,
    decimal,
    one_line,
    whole,
)
from mcast.dns.messages import Message, Question, decode
from mcast.dns.presentation import show_data
from mcast.dns.records import show_type
from mcast.errors import MalformedMessage
from mcast.mdns.constants import MDNS_PORT
from mcast.mdns.lint import Breach, Linter
from mcast.neighbours import SocketAddress
from mcast.node.network import SocketNetwork
from mcast.sockets.interface import Interface, select_interfaces

_SECTIONS = (("answers", "an"), ("authorities", "au"), ("additionals", "ad"))


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mcast dump``."""
    add_interface_argument(parser)
    parser.add_argument("--pcap", metavar="FILE", help="read a pcap or pcapng file instead of the network")
    parser.add_argument("--lint", action="store_true", help="print breaches of RFC 6762 instead of packets")
    parser.add_argument("-c", "--count", type=whole(1), help="end after so many packets")
    parser.add_argument("-w", "--wait", type=decimal(0), metavar="SECONDS", help="end after so many seconds")
    parser.add_argument("--no-ipv4", action="store_true", help="IPv6 only")
    parser.add_argument("--no-ipv6", action="store_true", help="IPv4 only")


async def run(reactor: Any, arguments: argparse.Namespace, output: Output) -> int:
    """Run ``mcast dump``; return the exit status."""
    dump = Dump(output, lint=arguments.lint, count=arguments.count)
    if arguments.pcap is not None:
        _read_file(arguments.pcap, dump)
    else:
        await _watch(reactor, arguments, dump)
    return dump.status


def _read_file(path: str, dump: Dump) -> None:
    # dpkt takes a tenth of a second to import: only who reads a capture waits for it.
    from mcast.cli.capture import read_capture

    try:
        with open(path, "rb") as stream:
            for datagram in read_capture(stream):
                multicast = ip_address(datagram.destination).is_multicast
                dump.packet(
                    datagram.payload,
                    (datagram.source, datagram.source_port),
                    "",
                    datagram.ipv6,
                    multicast,
                    datagram.at,
                    datagram.hop_limit,
                )
                if dump.is_done:
                    return
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from None


async def _watch(reactor: Any, arguments: argparse.Namespace, dump: Dump) -> None:
    if arguments.no_ipv4 and arguments.no_ipv6:
        raise CommandError("--no-ipv4 and --no-ipv6 together leave nothing to look at")
    network = SocketNetwork(reactor)
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
        timer = None if arguments.wait is None else reactor.callLater(arguments.wait, _fire, done)
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
    network: SocketNetwork, ipv6: bool, chosen: Sequence[Interface], dump: Dump, done: Deferred[None]
) -> Any:
    names = {interface.index: interface.name for interface in chosen}

    def received(datagram: bytes, source: SocketAddress, index: int, multicast: bool) -> None:
        if multicast and index in names and not dump.is_done:
            dump.packet(datagram, source, names[index], ipv6, True, time.time(), None)
            if dump.is_done:
                _fire(done)

    port = network.open(ipv6, received)
    joined = 0
    refusal: OSError | None = None
    for interface in chosen:
        try:
            port.join(interface)
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

    def __init__(self, output: Output, *, lint: bool, count: int | None) -> None:
        self._output = output
        self._lint = lint
        self._left = count
        self._packets = 0
        self._breaches = 0
        self._linters: dict[tuple[str, bool], Linter] = {}

    @property
    def is_done(self) -> bool:
        return self._left == 0

    @property
    def status(self) -> int:
        if not self._packets:
            return NOT_ALL if not self._lint else FAILED
        return NOT_ALL if self._breaches else GOOD

    def packet(
        self,
        payload: bytes,
        source: Sequence[Any],
        interface: str,
        ipv6: bool,
        multicast: bool,
        at: float,
        hop_limit: int | None,
    ) -> None:
        self._packets += 1
        if self._left is not None:
            self._left -= 1
        try:
            message = decode(payload)
        except MalformedMessage as error:
            self._malformed(error, source, interface, at, len(payload))
            return
        if not self._lint:
            self._print(message, source, interface, at, len(payload), multicast)
        elif multicast:
            linter = self._linters.setdefault((interface, ipv6), Linter(ipv6=ipv6))
            for breach in linter.examine(message, len(payload), source[0], source[1], at, hop_limit):
                self._print_breach(breach, interface, at)

    def _malformed(
        self, error: MalformedMessage, source: Sequence[Any], interface: str, at: float, size: int
    ) -> None:
        if self._lint:
            self._print_breach(Breach("malformed", "RFC 1035 §4", source[0], str(error)), interface, at)
            return
        self._output.text(f"{_clock(at)} {interface or '-'} {source[0]} malformed: {error} ({size} octets)")
        self._output.event(
            event="malformed", time=at, interface=interface, source=source[0], size=size, reason=str(error)
        )

    def _print_breach(self, breach: Breach, interface: str, at: float) -> None:
        self._breaches += 1
        self._output.text(
            f"{_clock(at)} {interface or '-'} {breach.source} {breach.rule} ({breach.section}): "
            f"{breach.detail}"
        )
        self._output.event(
            event="breach",
            time=at,
            interface=interface,
            source=breach.source,
            rule=breach.rule,
            section=breach.section,
            detail=breach.detail,
        )

    def _print(
        self, message: Message, source: Sequence[Any], interface: str, at: float, size: int, multicast: bool
    ) -> None:
        kind = "response" if message.is_response else "query"
        marks = "".join(
            f" {mark}" for mark, is_set in (("TC", message.truncated), ("unicast", not multicast)) if is_set
        )
        port = "" if source[1] == MDNS_PORT else f":{source[1]}"
        head = f"{_clock(at)} {interface or '-'} {source[0]}{port} {kind}{marks}"
        common = {"time": at, "interface": interface, "source": source[0], "port": source[1], "size": size}
        common |= {"kind": kind, "id": message.id, "flags": message.flags, "multicast": multicast}
        if not (message.questions or message.answers or message.authorities or message.additionals):
            self._output.text(f"{head} empty ({size} octets)")
            self._output.event(event="empty", **common)
        for question in message.questions:
            self._output.text(
                f"{head} qu {question.name} {show_type(question.type)}{_question_marks(question)}"
            )
            self._output.event(
                event="question",
                **common,
                name=str(question.name),
                type=show_type(question.type),
                **{"class": question.rclass},
                unicast=question.unicast,
            )
        for section, short in _SECTIONS:
            for record in getattr(message, section):
                flush = " flush" if record.cache_flush else ""
                what = f"{record.name} {show_type(record.type)} {record.ttl}{flush}"
                self._output.text(f"{head} {short} {what} {show_data(record)}")
                self._output.event(
                    event="record",
                    **common,
                    section=section,
                    name=str(record.name),
                    type=show_type(record.type),
                    **{"class": record.rclass},
                    ttl=record.ttl,
                    cache_flush=record.cache_flush,
                    data=show_data(record),
                    rdata_base64=base64.b64encode(record.rdata).decode(),
                )


def _clock(at: float) -> str:
    fraction = int(at % 1 * 1000)
    return time.strftime("%H:%M:%S", time.localtime(at)) + f".{fraction:03d}"


def _question_marks(question: Question) -> str:
    marks = " QU" if question.unicast else ""
    return marks if question.rclass == 1 else f"{marks} class {question.rclass}"
