"""Send datagrams to a group: TEXT, a file, or standard input.

Exit status: 0 when all were sent, 1 when some were, 2 when none was or something is wrong.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import DatagramProtocol

from mcast.cli.command import (
    FAILED,
    GOOD,
    NOT_ALL,
    CommandError,
    Output,
    add_interface_argument,
    decimal,
    whole,
)
from mcast.cli.groups import add_sending_arguments, parse_group, sending_interfaces
from mcast.cli.payload import read_payload
from mcast.clock import clock_of
from mcast.echo.probe import MAX_PROBE_SIZE
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface
from mcast.sockets.listen import listen_multicast, reads_descriptors
from mcast.sockets.sending import SendResult
from mcast.sockets.settings import PortSettings
from mcast.streams import numbered_text

FULL_PAUSE = 0.001
"""Seconds to wait when a buffer is full. Our choice: a buffer of 200 kB drains in that at 1.6 Gbit/s."""

BATCH = 64
"""Datagrams sent before the reactor gets its turn. Our choice: under a millisecond."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("group", metavar="GROUP[:PORT]", type=parse_group, help="such as 224.0.0.123:7645")
    parser.add_argument("text", metavar="TEXT", nargs="?", help="the payload (default: standard input)")
    parser.add_argument("-f", "--file", metavar="FILE", help="send what is in this file, as one datagram")
    parser.add_argument("-c", "--count", type=whole(1), default=1, help="datagrams to send (default: 1)")
    parser.add_argument(
        "-r",
        "--rate",
        type=decimal(0.001),
        help="datagrams a second (default: as fast as the system takes them)",
    )
    parser.add_argument(
        "-s",
        "--size",
        type=whole(0, MAX_PROBE_SIZE),
        help="repeat or cut the payload to this many octets (default: as it is)",
    )
    parser.add_argument(
        "--sequence",
        action="store_true",
        help='number the datagrams, for "mcast listen --stats" or mcjoin to tell what is lost',
    )
    add_interface_argument(parser)
    add_sending_arguments(parser)


async def run(reactor: Any, arguments: argparse.Namespace, output: Output) -> int:
    """Send until everything has been sent or the user interrupts."""
    group = arguments.group
    size = arguments.size
    if arguments.sequence:
        if arguments.text is not None or arguments.file is not None:
            raise CommandError("--sequence makes the payload itself: give neither TEXT nor --file")
        payload = numbered_text(os.getpid(), group.host, 0, arguments.rate, size)
    else:
        payload = sized(read_payload(text=arguments.text, file=arguments.file, cut=size is not None), size)
    interfaces = sending_interfaces(group, arguments.interfaces)
    port = listen_multicast(
        reactor,
        0,
        _Deaf(),
        ipv6=group.ipv6,
        settings=PortSettings(
            shared=False,
            reports_full=reads_descriptors(reactor),
            hop_limit=arguments.ttl,
            loopback=not arguments.no_loopback,
        ),
    )
    numbering = os.getpid() if arguments.sequence else None
    load = Load(group, interfaces, payload, arguments.count, arguments.rate, numbering)
    sender = Sender(reactor, port, load)
    with suppress(CancelledError):  # Ctrl-C
        await sender.start()
    await port.stopListening()
    names = ", ".join(each.name for each in interfaces)
    output.text(
        f"sent {sender.sent} of {sender.wanted} datagrams of {len(payload)} octets to {group} by {names}"
        + (f", {sender.refused} refused" if sender.refused else "")
        + (f"; waited {sender.waits} times for a full buffer" if sender.waits else "")
    )
    output.event(
        event="sent",
        group=str(group),
        interfaces=[each.name for each in interfaces],
        size=len(payload),
        sent=sender.sent,
        refused=sender.refused,
        waits=sender.waits,
    )
    if not sender.sent:
        return FAILED
    return GOOD if sender.sent == sender.wanted else NOT_ALL


class _Deaf(DatagramProtocol):
    """Hears nothing: the port only sends."""

    noisy = False


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: one payload to a group, by each interface."""

    group: Group
    interfaces: Sequence[Interface]
    payload: bytes
    count: int
    """Datagrams by each interface."""
    rate: float | None = None
    """Datagrams a second by each interface; None for as fast as the system takes them."""
    numbering: int | None = None
    """Who sends, where the datagrams are numbered and filled up to the size of the payload; else None."""

    def datagram(self, turn: int) -> bytes:
        """Return what is sent by each interface, counted from 0."""
        if self.numbering is None:
            return self.payload
        return numbered_text(self.numbering, self.group.host, turn, self.rate, len(self.payload))


class Sender:
    """Sends a load.

    :param port: a `GroupPort`, or what sends as it does.
    """

    def __init__(
        self,
        reactor: Any,
        port: Any,
        load: Load,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wanted = load.count * len(load.interfaces)
        self.sent = 0
        self.refused = 0
        self.waits = 0
        """How often a buffer was full, and the datagram was sent a little later."""
        self._reactor = reactor
        self._port = port
        self._address = (load.group.host, load.group.port)
        self._indexes = [each.index for each in load.interfaces]
        self._load = load
        self._rate = load.rate
        self._clock = clock
        self._started_at = 0.0
        self._done: Deferred[None] = Deferred(self._cancelled)
        self._timer: Any = None

    def start(self) -> Deferred[None]:
        """Begin; fires when everything was sent or refused. May be cancelled."""
        self._started_at = self._clock()
        self._send_some()
        return self._done

    def _send_some(self) -> None:
        self._timer = None
        delay = 0.0
        for _ in range(BATCH):
            done = self.sent + self.refused
            if done == self.wanted:
                self._done.callback(None)
                return
            turn, place = divmod(done, len(self._indexes))
            if self._rate is not None:
                # Counted from the start: or each delay of ours would slow the rate.
                delay = self._started_at + turn / self._rate - self._clock()
                if delay > 0:
                    break
            if not self._send_one(self._load.datagram(turn), self._indexes[place]):
                delay = FULL_PAUSE
                break
        self._timer = clock_of(self._reactor).callLater(max(delay, 0.0), self._send_some)

    def _send_one(self, data: bytes, interface: int) -> bool:
        """Send or count one datagram; False when it has to be tried again."""
        result = self._port.send(data, self._address, interface)
        if result is SendResult.FULL:
            self.waits += 1
            return False
        if result is SendResult.SENT:
            self.sent += 1
        else:
            self.refused += 1
        return True

    def _cancelled(self, _: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def sized(payload: bytes, size: int | None) -> bytes:
    """Return the payload repeated or cut to a size; zeros when there is nothing to repeat."""
    if size is None:
        return payload
    return ((payload or b"\0") * (size // len(payload or b"\0") + 1))[:size]
