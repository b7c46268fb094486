"""A device on a real cable: the interface that was named, the device on its link, and what is left behind."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from typing import Any

from mcast.conform.bench import Bench
from mcast.conform.devices import BrowsingDevice, Device
from mcast.conform.hooks import Hooks
from mcast.conform.links import InterfaceLink
from mcast.conform.packets import Packet, Sender
from mcast.conform.subjects import Names
from mcast.conform.verdicts import NotRunError
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.records import Record
from mcast.showing import one_line
from mcast.sockets.interface import Interface, interfaces, select_interfaces
from mcast.sockets.packets import open_packet_socket

MEET_TIMEOUT = 10.0
"""Seconds that a device is looked for. Our choice: some questions, in case one is lost."""

LEFT = 15.0
"""Seconds that a record of ours must have left to live to be taken back. Our choice: what ends soon anyway,
such as that of a flood, is no matter to anybody."""

AT_ONCE = 15
"""Records that are taken back by one packet. Our choice: some fifty octets each, far below 1500."""


def require_frames(interface: str) -> None:
    """Do nothing where whole frames of an interface can be seen.

    :raises NotRunError: they cannot; in one line.
    """
    try:
        select_interfaces([interface], interfaces())
        open_packet_socket(interface, receives=False).close()
    except PermissionError:
        raise NotRunError("whole frames are seen by root only: run it with sudo") from None
    except (OSError, ValueError) as error:
        raise NotRunError(f"{interface}: {one_line(error)}") from None


class CablePlace:
    """An interface of this host and a device on its link."""

    def __init__(
        self,
        reactor: Any,
        interface: str,
        names: Names,
        hooks: Hooks,
        dice: random.Random,
        ipv6: bool = False,
    ) -> None:
        self._reactor = reactor
        self._interface = interface
        self._names = names
        self._hooks = hooks
        self._dice = dice
        self._ipv6 = ipv6
        self._link: InterfaceLink | None = None
        self._bench: Bench | None = None

    async def open(self) -> Bench:
        """Look at the interface, and meet the device.

        A querier whose host name was not told is met by its first question.
        """
        try:
            (interface,) = select_interfaces([self._interface], interfaces())
            self._link = InterfaceLink(self._reactor, interface.name, [our_addresses(interface)], nullcontext)
        except (OSError, ValueError) as error:
            raise NotRunError(f"{self._interface}: {one_line(error)}") from None
        link = self._link
        subject: Device | BrowsingDevice
        if self._names.browses:
            subject = BrowsingDevice(self._reactor, self._names, self._hooks, link, self._ipv6)
        else:
            subject = Device(self._reactor, str(self._names.host), self._hooks, link.view)
        self._subject = subject
        bench = self._bench = Bench(link.view, link, subject, self._names, self._dice)
        bench.ipv6 = self._ipv6
        if self._names.is_told:
            found = await self._meet(bench)
            if found is None:
                raise NotRunError(f"nobody answers for {self._names.host} on {interface.name}")
            self._hooks.meet(found.datagram)
            link.adopt(found.datagram.source_mac)
            bench.meet(found)
            await bench.view.quiet(2.0)
        elif self._hooks.met_mac:
            link.adopt(self._hooks.met_mac)
        return bench

    async def _meet(self, bench: Bench) -> Packet | None:
        end = bench.now + MEET_TIMEOUT
        host = self._names.host
        while bench.now < end:
            mark = bench.ask(Question(host, RecordType.A), Question(host, RecordType.AAAA))
            found = await bench.view.first(
                lambda each: (
                    each.sender is not Sender.JUDGE
                    and each.is_ipv6 == bench.ipv6
                    and bool(each.answers_of(host))
                ),
                1.5,
                mark,
            )
            if found is not None:
                return found
        return None

    @property
    def lost(self) -> int:
        """Packets of our own that were lost there."""
        return 0 if self._link is None else self._link.lost

    async def close(self) -> None:
        """Take back what we told, and close what was opened; the device is left as it is."""
        if self._bench is not None and self._link is not None:
            await self._subject.close()
            told = list(still_told(self._bench.view.packets, self._bench.now, self._names))
            for start in range(0, len(told), AT_ONCE):
                self._bench.respond(*(each.with_ttl(0) for each in told[start : start + AT_ONCE]))
        if self._link is not None:
            self._link.close()


def still_told(packets: Iterable[Packet], now: float, names: Names) -> Iterator[Record]:
    """Yield the records that we told to all hosts and that they still believe.

    What we said of the names of the device is left alone: a goodbye of ours might be taken for its own.
    """
    ends: dict[object, tuple[float, Record]] = {}
    for packet in packets:
        if packet.sender is Sender.JUDGE and packet.is_response and packet.is_multicast:
            for record in packet.records:
                ends[record.identity, packet.is_ipv6] = (packet.at + record.ttl, record)
    own = {names.host, names.service}
    instance = names.service.wire if names.service is not None else None
    for at, record in ends.values():
        if at > now + LEFT and record.ttl and record.name not in own and record.rdata != instance:
            yield record


def our_addresses(interface: Interface) -> tuple[str, str]:
    """Return an IPv4 and an IPv6 address of an interface.

    :raises ValueError: it has no IPv4 address.
    """
    ipv4 = [each.address for each in interface.ipv4]
    ipv6 = [each.address for each in interface.ipv6]
    if not ipv4:
        raise ValueError("it has no IPv4 address")
    chosen = ""
    with suppress(StopIteration):
        chosen = str(next(each for each in ipv6 if each.is_link_local))
    return str(ipv4[0]), chosen.partition("%")[0]
