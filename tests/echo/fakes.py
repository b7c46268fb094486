"""A transport that joins and sends nothing, for protocols of groups."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from twisted.internet.task import Clock

from mcast.sockets.group import Group
from mcast.sockets.interface import Interface, InterfaceAddress
from mcast.sockets.sending import SendResult

ETH0 = Interface(
    "eth0", 2, (InterfaceAddress(ip_address("192.0.2.1"), 24), InterfaceAddress(ip_address("fe80::1"), 64))
)
ETH1 = Interface("eth1", 3, (InterfaceAddress(ip_address("198.51.100.1"), 24),))


class FakeTransport:
    """Notes what is joined and sent."""

    def __init__(self) -> None:
        self.reactor = Clock()
        self.sent: list[tuple[bytes, tuple[Any, ...], int]] = []
        self.joined: list[tuple[str, int, str | None]] = []
        self.refuse = False

    def join(self, group: Group, interface: int, source: str | None = None) -> None:
        self.joined.append((str(group), interface, source))

    def leave(self, group: Group, interface: int, source: str | None = None) -> None:
        self.joined.remove((str(group), interface, source))

    def send(self, data: bytes, address: tuple[Any, ...], interface: int = 0) -> SendResult:
        if self.refuse:
            return SendResult.REFUSED
        self.sent.append((data, address, interface))
        return SendResult.SENT
