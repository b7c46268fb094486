"""One interface as scenarios see it: every frame on it, frames of ours, ports that are held open."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from ipaddress import ip_address
from typing import Any

from mcast.clock import clock_of
from mcast.conform.bench import OurHost
from mcast.conform.packets import GROUPS, MDNS_PORT, Sender, packet_of
from mcast.conform.view import View
from mcast.sockets.frames import Datagram, FrameReader, write_frame
from mcast.sockets.options import Options
from mcast.sockets.packets import IS_UP, PacketView, hardware_address, interface_flags, open_packet_socket

MAX_PORTS = 64
"""Ports that are held open at once. Our choice: the oldest is closed, long after its answer."""

Inside = Callable[[], AbstractContextManager[None]]


class HeldPorts:
    """Ports that are open, and read by nobody."""

    def __init__(self) -> None:
        self._sockets: dict[tuple[str, int], socket.socket] = {}

    def holds(self, address: str, port: int) -> bool:
        """Tell whether a port is held."""
        return (address, port) in self._sockets

    def hold(self, address: str, port: int) -> None:
        """Open a port, of all addresses of its family; the oldest is closed when there are too many."""
        if self.holds(address, port):
            return
        ipv6 = ":" in address
        opened = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        if ipv6:
            Options(opened, ipv6=True).set_v6only()
        with suppress(OSError):  # taken: then it is open
            opened.bind(("::" if ipv6 else "", port))
        if len(self._sockets) >= MAX_PORTS:
            self._sockets.pop(next(iter(self._sockets))).close()
        self._sockets[address, port] = opened

    def close(self) -> None:
        """Close all."""
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()


class InterfaceLink:
    """An interface of this host or of a namespace.

    :param interface: its name.
    :param addresses: our own addresses on it, IPv4 and IPv6 of each of our hosts.
    :param inside: enters the namespace of the interface.
    :raises OSError: no such interface, or this user may not see its frames.
    """

    def __init__(
        self, reactor: Any, interface: str, addresses: Sequence[tuple[str, str]], inside: Inside
    ) -> None:
        self.view = View(clock_of(reactor))
        self.reactor = reactor
        self.subject_macs: set[bytes] = set()
        """The Ethernet addresses of the subject: what comes from elsewhere is of others."""
        self._inside = inside
        self._reader = FrameReader()
        self._ports = HeldPorts()
        self._sender: socket.socket | None = None
        self._view: PacketView | None = None
        self.send_errors = 0
        """Frames that the system refused, as while the interface is down."""
        self._interface = interface
        try:
            with inside():
                self._view = PacketView(reactor, interface, self._seen)
                self._sender = open_packet_socket(interface, receives=False)
                self._index = socket.if_nametoindex(interface)
                mac = hardware_address(self._sender)
                self.hosts: list[OurHost] = [OurHost(ipv4, ipv6, mac) for ipv4, ipv6 in addresses]
                self._groups = [self._join(group) for group in sorted(GROUPS)]
        except BaseException:
            self.close()
            raise

    def _join(self, group: str) -> socket.socket:
        """Join a group, so that switches let it through, and hold the port."""
        address = ip_address(group)
        ipv6 = address.version == 6
        opened = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        options = Options(opened, ipv6=ipv6)
        options.share_port()
        if ipv6:
            options.set_v6only()
        opened.bind(("::" if ipv6 else "", MDNS_PORT))
        with suppress(OSError):  # an interface may have one family only
            options.join(address, self._index)
        return opened

    @property
    def lost(self) -> int:
        """Packets that we meant to send and did not, or did not see whole: what they show is not known."""
        missed = 0 if self._view is None else self._view.missed
        return self.send_errors + self._reader.dropped + missed

    @property
    def trouble(self) -> str:
        """Why nothing can be sent or seen now; empty when all is well."""
        if self._sender is None:
            return "the link is closed"
        flags = interface_flags(self._sender, self._interface)
        if flags is None:
            return f"{self._interface} is gone"
        return "" if flags & IS_UP else f"{self._interface} is down"

    def within(self) -> AbstractContextManager[None]:
        """Be where the interface is, to open sockets that are there."""
        return self._inside()

    def hold_port(self, address: str, port: int) -> None:
        """Have a port be open, so that what comes to it is not answered by an ICMP error."""
        with self._inside():
            self._ports.hold(address, port)

    def send(self, datagram: Datagram) -> None:
        """Send a datagram as it is."""
        if self._sender is not None:
            try:
                self._sender.send(write_frame(datagram))
            except OSError:
                self.send_errors += 1

    def _seen(self, at: float, wall: float, outgoing: bool, frame: bytes) -> None:
        datagram = self._reader.read(frame)
        if datagram is None or not self._is_ours(datagram, outgoing):
            return
        sender = Sender.OTHER
        if outgoing:
            sender = Sender.JUDGE
        elif datagram.source_mac in self.subject_macs:
            sender = Sender.SUBJECT
        self.view.add(packet_of(at, sender, datagram, frame, wall))

    def adopt(self, mac: bytes) -> None:
        """Know the subject by its Ethernet address from now on, and in what was seen before."""
        if mac not in self.subject_macs:
            self.subject_macs.add(mac)
            self.view.relabel(lambda each: each.datagram.source_mac == mac, Sender.SUBJECT)

    def _is_ours(self, datagram: Datagram, outgoing: bool) -> bool:
        """Tell whether a datagram is of Multicast DNS, or an answer to one of our other ports."""
        if MDNS_PORT in (datagram.source_port, datagram.destination_port):
            return True
        return not outgoing and self._ports.holds(datagram.destination, datagram.destination_port)

    def close(self) -> None:
        """Close everything."""
        if self._view is not None:
            self._view.close()
        self._ports.close()
        for opened in (self._sender, *getattr(self, "_groups", ())):
            if opened is not None:
                opened.close()
        self._sender = None
