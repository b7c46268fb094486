"""Ask one question, and print every record that answers it.

TYPE is a mnemonic such as PTR, or a number; without one all types are asked for. Names are written as zone
files write them: a dot within a label as \\. and a backslash as \\\\.

The question goes to all on the link, and answers are gathered until the time is up, or a unique record says
that there are no more. With --server it goes to one host alone, which need not be on the link, and its whole
response is printed.

exit status: 0 there were answers, 1 none came in time, 2 error
"""

from __future__ import annotations

import argparse
import socket
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError

from mcast.cli.command import FAILED, GOOD, NOT_ALL, CommandError, Output, checked, decimal, whole
from mcast.cli.finding import add_node_arguments, started_node, tell_not_found
from mcast.cli.record_fields import record_fields
from mcast.dns.codes import Flag, RecordType, ResponseCode
from mcast.dns.names import Name
from mcast.dns.presentation import parse_type, show_data
from mcast.dns.records import Record, show_type
from mcast.errors import NotFound
from mcast.mdns.constants import MDNS_PORT
from mcast.mdns.domains import is_multicast_name
from mcast.node.lookups import LOOKUP_TIMEOUT
from mcast.node.network import Network
from mcast.oneshot import OneShotReply, ask
from mcast.sockets.group import parse_address

_FLAGS = (
    ("aa", Flag.AUTHORITATIVE),
    ("tc", Flag.TRUNCATED),
    ("rd", Flag.RECURSION_DESIRED),
    ("ra", Flag.RECURSION_AVAILABLE),
    ("ad", Flag.AUTHENTIC_DATA),
    ("cd", Flag.CHECKING_DISABLED),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mcast query``."""
    parser.add_argument("name", metavar="NAME", type=checked(Name.parse), help="such as _http._tcp.local")
    parser.add_argument(
        "type",
        metavar="TYPE",
        nargs="?",
        default=int(RecordType.ANY),
        type=checked(parse_type),
        help="such as PTR or 12 (default: ANY)",
    )
    parser.add_argument(
        "-w",
        "--wait",
        type=decimal(0),
        default=LOOKUP_TIMEOUT,
        metavar="SECONDS",
        help=f"gather answers for this time (default: {LOOKUP_TIMEOUT:g})",
    )
    parser.add_argument(
        "--server", metavar="ADDRESS", type=checked(_server), help="ask this host alone, wherever it is"
    )
    parser.add_argument(
        "--port",
        type=whole(1, 65535),
        default=MDNS_PORT,
        help=f"port of the server; 53 for a conventional one (default: {MDNS_PORT})",
    )
    parser.add_argument(
        "--multicast",
        action="store_true",
        help="ask all on the link for a name outside of .local too, for which anybody may answer",
    )
    add_node_arguments(parser)


def _server(text: str) -> str:
    address, _ = parse_address(text)
    if address.is_multicast:
        raise ValueError(f"{text}: a group is no server")
    return text


async def run(
    reactor: Any, arguments: argparse.Namespace, output: Output, network: Network | None = None
) -> int:
    """Run ``mcast query``; return the exit status."""
    report = Report(output)
    try:
        if arguments.server is not None:
            _check_route(arguments.server, arguments.port)
            reply = await ask(
                reactor,
                arguments.name,
                arguments.type,
                arguments.server,
                arguments.port,
                timeout=arguments.wait,
            )
            report.reply(reply)
        else:
            await _ask_link(reactor, arguments, report, network)
    except NotFound as error:
        tell_not_found("query", error)
    except CancelledError:
        return FAILED
    return GOOD if report.found else NOT_ALL


def _check_route(server: str, port: int) -> None:
    """Have the system say in its own words that there is no way to the server; nothing is sent.

    :raises OSError: there is none.
    """
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.connect((server, port))


async def _ask_link(
    reactor: Any, arguments: argparse.Namespace, report: Report, network: Network | None
) -> None:
    if not (arguments.multicast or is_multicast_name(arguments.name)):
        labels = arguments.name.labels
        # A name that ends in its type, or has one label, is mostly meant in .local.
        is_cut = len(labels) == 1 or labels[-1:] in ((b"_tcp",), (b"_udp",))
        meant = f"write {arguments.name}local; " if is_cut else ""
        raise CommandError(
            f"{arguments.name}: outside of .local anybody on the link could answer; {meant}"
            "--multicast asks all the same, --server ADDRESS asks one host"
        )
    node = started_node(reactor, arguments, network, only_asks="query")
    try:
        answers = await node.query(
            arguments.name, arguments.type, arguments.wait, outside_local=arguments.multicast
        )
    finally:
        await node.stopService()
    for answer in answers:
        report.record(answer.record, "answers", answer.source or "", answer.interface)
    report.end()


class Report:
    """Prints records.

    :param now: tells the time, in seconds since 1970.
    """

    def __init__(self, output: Output, now: Callable[[], float] = time.time) -> None:
        self.found = False
        """Whether there was an answer."""
        self._output = output
        self._now = now
        self._rows: list[list[str]] = []

    def record(self, record: Record, section: str, source: str, interface: str) -> None:
        """Take in a record."""
        self.found = self.found or section == "answers"
        self._output.event(
            event="record",
            section=section,
            **record_fields(record),
            source=source,
            interface=interface,
            time=self._now(),
        )
        row = [str(record.name), str(record.ttl), "flush" if record.cache_flush else "-"]
        row += [show_type(record.type), source or "-", interface or "-", show_data(record)]
        if section != "answers":
            row[-1] += f"  ({section})"
        self._rows.append(row)

    def reply(self, reply: OneShotReply) -> None:
        """Print the whole response of a server."""
        message = reply.message
        flags = [name for name, bit in _FLAGS if message.flags & bit]
        try:
            rcode = ResponseCode(message.rcode).name
        except ValueError:
            rcode = f"RCODE{message.rcode}"
        self._output.event(
            event="response",
            source=reply.source,
            id=message.id,
            flags=flags,
            rcode=rcode,
            truncated=message.truncated,
            time=self._now(),
        )
        self._output.text(f"response of {reply.source}: {' '.join([rcode, *flags])}")
        for section in ("answers", "authorities", "additionals"):
            for record in getattr(message, section):
                self.record(record, section, reply.source, "")
        if message.truncated:
            self._output.text("it is truncated: the rest did not fit, and TCP did not bring it either")
        self.end()

    def end(self) -> None:
        """Print the table."""
        if self._rows:
            head = ["NAME", "TTL", "FLAGS", "TYPE", "FROM", "INTERFACE", "DATA"]
            self._output.table([head, *self._rows], lead=len(head) - 1)
