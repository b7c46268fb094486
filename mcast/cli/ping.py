"""Send numbered probes to a group, and show who answers, on which interface, and how fast.

Exit status: 0 when as many responders answered as expected (one, or --expect), 1 when some but
fewer did, 2 when none did or something is wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError

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
    whole,
)
from mcast.cli.groups import add_sending_arguments, parse_group, sending_interfaces
from mcast.cli.writing import writable
from mcast.echo.asker import Target
from mcast.echo.client import EchoClient, Pace
from mcast.echo.counters import Drop
from mcast.echo.probe import DEFAULT_PROBE_SIZE, MAX_PROBE_SIZE, PROBE_HEADER_SIZE
from mcast.echo.responder import GROUP_MAX_RATE
from mcast.echo.session import EchoReply, HeardResponder, Session
from mcast.sockets.settings import PortSettings

if TYPE_CHECKING:
    from mcast.cli.ping_plot import PingPlot

MIN_INTERVAL = 0.0001
"""Seconds. Our choice: ten thousand probes a second are what one responder answers by default."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "group", metavar="GROUP[:PORT]", type=parse_group, help="such as 224.0.0.123:7645 or ff02::123%%eth0"
    )
    parser.add_argument("-c", "--count", type=whole(1), help="probes to send (default: until Ctrl-C)")
    parser.add_argument(
        "-i", "--interval", type=decimal(MIN_INTERVAL), default=1.0, help="seconds between two (default: 1)"
    )
    parser.add_argument(
        "-s",
        "--size",
        type=whole(0, MAX_PROBE_SIZE),
        default=DEFAULT_PROBE_SIZE,
        help=f"octets of a probe, 0-{MAX_PROBE_SIZE} (default: {DEFAULT_PROBE_SIZE})",
    )
    parser.add_argument(
        "-w",
        "--wait",
        type=decimal(0, 3600),
        default=1.0,
        help="seconds to wait for the last answers; later ones are late (default: 1)",
    )
    add_interface_argument(parser)
    add_sending_arguments(parser)
    parser.add_argument(
        "--both",
        action="store_true",
        help='show whether multicast comes back, too; responders answer the group with "--answer-group"',
    )
    parser.add_argument("--source", default="", metavar="ADDRESS", help="send from this address of this host")
    parser.add_argument("--expect", type=whole(1), default=1, metavar="N", help="responders expected")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the summary only")
    parser.add_argument(
        "--plot", metavar="FILE.svg", type=checked(writable), help="draw round-trip times and losses"
    )


async def run(reactor: Any, arguments: argparse.Namespace, output: Output) -> int:
    """Ping until the count is reached or the user interrupts."""
    group = arguments.group
    if arguments.both:
        _check_both(arguments)
    interfaces = sending_interfaces(group, arguments.interfaces, arguments.source)
    names = {each.index: each.name for each in interfaces}
    report = Report(output, names, port=group.port, quiet=arguments.quiet)
    settings = PortSettings(hop_limit=arguments.ttl, loopback=not arguments.no_loopback)
    client = EchoClient(
        reactor,
        Target(group, interfaces, arguments.source, settings),
        Pace(arguments.count, arguments.interval, arguments.size, arguments.wait, arguments.both),
        report.answer,
    )
    plot = None if arguments.plot is None else _plot(arguments.plot, client.session, report)
    report.plot = plot
    output.text(f"PING {group}: {arguments.size} octets by {', '.join(names.values())}")
    with suppress(CancelledError):  # Ctrl-C: what was heard until now is summed up
        await client.start()
    report.summary(client.session)
    if arguments.both:
        report.groups(client.session)
    report.dropped(client.dropped)
    if plot is not None:
        plot.write(f"mcast ping {group}", arguments.interval, arguments.size)
    if client.refused and not client.session.total_sent:
        raise CommandError(f"{group}: no probe could be sent by any interface: {client.refusal.value}")
    heard = len(client.session.responders)
    if heard == 0:
        return FAILED
    return GOOD if heard >= arguments.expect else NOT_ALL


def _plot(path: str, session: Session, report: Report) -> PingPlot:
    from mcast.cli.ping_plot import PingPlot  # few draw

    return PingPlot(path, session, report.place)


def _check_both(arguments: argparse.Namespace) -> None:
    if arguments.interval * GROUP_MAX_RATE < 1:
        raise CommandError(
            f"--interval {arguments.interval}: with --both not below {1 / GROUP_MAX_RATE}, since a responder "
            f"answers the group {GROUP_MAX_RATE} times a second at most"
        )
    if arguments.size < PROBE_HEADER_SIZE:
        raise CommandError(f"--size {arguments.size}: with --both not below {PROBE_HEADER_SIZE}")
    if arguments.group.source_specific:
        raise CommandError(
            f"--both: {arguments.group} is source-specific, so no responder can be heard in it"
        )


NOBODY = '"mcast interfaces --check" tells, on each of the two hosts, what keeps multicast from working'
"""What a person reads where nobody answered."""


class Report:
    """Prints answers and the summary.

    :param names: of the interfaces, by index.
    :param port: the group's; a responder that answers from another is shown with that.
    """

    def __init__(self, output: Output, names: dict[int, str], *, port: int, quiet: bool) -> None:
        self._output = output
        self._names = names
        self._port = port
        self._quiet = quiet
        self.plot: PingPlot | None = None
        """What draws the answers, too."""

    def answer(self, answer: EchoReply) -> None:
        """Print one answer."""
        if self.plot is not None:
            self.plot.answer(answer)
        if self._quiet:
            return
        interface = self._interface(answer.interface)
        milliseconds = round(answer.time * 1000, 3)
        marks = [
            mark
            for mark, holds in (
                ("duplicate", answer.duplicate),
                ("late", answer.late),
                ("reordered", answer.reordered),
                ("to the group", answer.to_group),
            )
            if holds
        ]
        self._output.text(
            f"{self._place(answer.responder, answer.port)}: if={interface} seq={answer.number} "
            f"size={answer.size} ttl={'?' if answer.hops is None else answer.hops} ms={milliseconds:.3f}"
            + (f" ({', '.join(marks)})" if marks else "")
        )
        self._output.event(
            event="answer",
            responder=self._place(answer.responder, answer.port),
            interface=interface,
            seq=answer.number,
            size=answer.size,
            ttl=answer.hops,
            ms=milliseconds,
            duplicate=answer.duplicate,
            late=answer.late,
            to_group=answer.to_group,
        )

    def summary(self, session: Session) -> None:
        """Print the table of responders."""
        rows = [self._row(session, each) for each in session.responders]
        for row in rows:
            self._output.event(event="summary", **row)
        self._output.text(
            f"--- {counted(session.total_sent, 'probe')} sent, {counted(len(rows), 'responder')}"
        )
        if not rows and session.total_sent:
            # Silence has several causes, and here is the way to tell them apart.
            self._output.text(NOBODY)
        if rows:
            cells = _table(rows)
            numbers = range(_WORDS, len(_HEADINGS))
            for part in [cells] if self._output.holds(cells, numbers) else _halves(cells):
                self._output.table(part, lead=len(part[0]), numbers=numbers)
        for row in rows:
            if row["duplicates"] >= row["received"] > 0:
                self._output.text(
                    f"{row['responder']} answers each probe more than once: several responders run on it, or "
                    "the network copies"
                )
        if session.foreign:
            self._output.text(f"{counted(session.foreign, 'datagram')} answered no probe of ours")
        if session.overflow:
            self._output.text(f"{counted(session.overflow, 'answer')} of more responders than are told apart")

    def groups(self, session: Session) -> None:
        """Print of each responder what of its answers to the group came back."""
        rows = [["responder", "if", "to the group", "recv", "loss%", "first ms"]]
        silent = []
        for each in session.responders:
            place, promised = self._place(each.host, each.port), each.group_promised
            interface = self._interface(each.interface)
            loss = round(100 * (promised - each.group_received) / promised, 2) if promised else None
            first = None if each.group_first_after is None else round(each.group_first_after * 1000, 3)
            self._output.event(
                event="group",
                responder=place,
                interface=interface,
                promised=promised,
                received=each.group_received,
                loss=loss,
                first=first,
            )
            if promised:
                shown_first = "-" if first is None else f"{first:.3f}"
                counts = [str(promised), str(each.group_received), str(loss), shown_first]
                rows.append([place, interface, *counts])
            else:
                silent.append(place)
        if len(rows) > 1:
            self._output.table(rows, lead=2, numbers=range(2, 6))
        for row in rows[1:]:
            if row[3] == "0":
                self._output.text(f"{row[0]}: its unicast arrives and its multicast does not")
        for place in silent:
            self._output.text(f"{place}: no answer to the group: it runs without --answer-group, or is busy")

    def dropped(self, causes: Mapping[Drop, int]) -> None:
        """Tell what came back and was no answer of one host."""
        for cause, count in causes.items():
            self._output.event(event="dropped", cause=cause.value, count=count)
            self._output.text(f"{counted(count, 'datagram')} dropped: {cause.value}")

    def place(self, responder: HeardResponder) -> str:
        """Return what a responder is called, with its interface."""
        return f"{self._place(responder.host, responder.port)} by {self._interface(responder.interface)}"

    def _row(self, session: Session, responder: HeardResponder) -> dict[str, Any]:
        sent, times = session.sent_to(responder), responder.times
        median, p95 = times.percentiles(0.5, 0.95)
        return {
            "responder": self._place(responder.host, responder.port),
            "interface": self._interface(responder.interface),
            "sent": sent,
            "received": responder.received,
            "loss": round(100 * (sent - responder.received) / sent, 2) if sent else 0.0,
            "duplicates": responder.duplicates,
            "reordered": responder.reordered,
            "late": responder.late,
            "min": round(times.minimum * 1000, 3),
            "median": round(median * 1000, 3),
            "p95": round(p95 * 1000, 3),
            "max": round(times.maximum * 1000, 3),
            "first": round(responder.first_after * 1000, 3),
        }

    def _interface(self, index: int) -> str:
        return self._names.get(index, str(index))

    def _place(self, host: str, port: int) -> str:
        address, zone, index = host.partition("%")
        if zone:
            address = f"{address}%{self._interface(int(index))}"
        if port == self._port:
            return address
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


_HEADINGS = {
    "responder": "responder",
    "interface": "if",
    "sent": "sent",
    "received": "recv",
    "loss": "loss%",
    "duplicates": "dup",
    "reordered": "reord",
    "late": "late",
    "min": "min",
    "median": "median",
    "p95": "p95",
    "max": "max ms",
    "first": "first ms",
}


def _table(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Return the rows under their headings."""
    cells = [list(_HEADINGS.values())]
    for row in rows:
        cells.append([f"{row[key]:.3f}" if key in _MILLISECONDS else str(row[key]) for key in _HEADINGS])
    return cells


def _halves(cells: list[list[str]]) -> list[list[list[str]]]:
    """Return the table of all numbers as two, with the counts and with the times of each responder."""
    times = len(_HEADINGS) - len(_MILLISECONDS)
    return [[row[:times] for row in cells], [row[:_WORDS] + row[times:] for row in cells]]


_WORDS = 2
"""Columns of words before those of numbers."""

_MILLISECONDS = ("min", "median", "p95", "max", "first")
