"""What was sent on simulated links, for a test to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from mcast.dns.messages import Message, decode

IPV4_OVERHEAD = 28
"""Octets of IPv4 and UDP header before the payload (RFC 791, RFC 768)."""

IPV6_OVERHEAD = 48
"""Octets of IPv6 and UDP header before the payload (RFC 8200, RFC 768)."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One UDP datagram as it was sent, whether or not anybody got it."""

    at: float
    """When it left, on the simulation's clock."""

    link: str
    sender: str
    """Name of the sending host; empty for what a test put on the link itself."""

    source: str
    """An address without zone, as are all here."""

    source_port: int
    destination: str
    destination_port: int
    payload: bytes
    hop_limit: int = 255

    @property
    def ipv6(self) -> bool:
        """The family."""
        return ":" in self.destination

    @property
    def is_multicast(self) -> bool:
        """Whether it went to a group."""
        return ip_address(self.destination).is_multicast

    @property
    def size(self) -> int:
        """Octets with IP and UDP headers, as a link's MTU counts them."""
        return len(self.payload) + (IPV6_OVERHEAD if self.ipv6 else IPV4_OVERHEAD)

    @property
    def message(self) -> Message:
        """The payload as a DNS message.

        :raises MalformedMessage: when it is none.
        """
        return decode(self.payload)

    def __str__(self) -> str:
        return (
            f"{self.at:.6f} {self.link} {self.sender or '-'}: {self.source} port {self.source_port} > "
            f"{self.destination} port {self.destination_port}, {len(self.payload)} octets"
        )


class Capture(list[Packet]):
    """Packets, oldest first. It grows until a test calls ``clear``."""

    def where(self, wanted: Callable[[Packet], bool]) -> Capture:
        """Return those for which ``wanted`` is true."""
        return Capture(filter(wanted, self))

    def sent_by(self, *hosts: str) -> Capture:
        """Return what these hosts sent."""
        return self.where(lambda packet: packet.sender in hosts)

    def on(self, link: str) -> Capture:
        """Return what was sent on a link."""
        return self.where(lambda packet: packet.link == link)

    def since(self, at: float) -> Capture:
        """Return what was sent at this time or later."""
        return self.where(lambda packet: packet.at >= at)

    @property
    def queries(self) -> Capture:
        """Those with a DNS query."""
        return self.where(lambda packet: not packet.message.is_response)

    @property
    def responses(self) -> Capture:
        """Those with a DNS response."""
        return self.where(lambda packet: packet.message.is_response)

    @property
    def multicast(self) -> Capture:
        """Those that went to a group."""
        return self.where(lambda packet: packet.is_multicast)

    def __str__(self) -> str:
        return "\n".join(map(str, self))
