"""What was sent on simulated links, for a test to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question, decode
from mcast.dns.records import Record

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

    @property
    def records(self) -> list[Record]:
        """The records of all sections, in their order."""
        message = self.message
        return [*message.answers, *message.authorities, *message.additionals]

    @property
    def is_probe(self) -> bool:
        """Whether it is a query that proposes records (RFC 6762 §8.1, §8.2)."""
        message = self.message
        return not message.is_response and bool(message.authorities)

    @property
    def to(self) -> tuple[str, int] | None:
        """The one host and port that it went to; None when it went to a group."""
        return None if self.is_multicast else (self.destination, self.destination_port)

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

    @property
    def probes(self) -> Capture:
        """The queries that propose records (RFC 6762 §8.1, §8.2)."""
        return self.where(lambda packet: packet.is_probe)

    @property
    def announcements(self) -> Capture:
        """The responses to a group with a record that is there; answers to a question look the same."""
        return self.responses.multicast.where(
            lambda packet: any(record.ttl for record in packet.message.answers)
        )

    @property
    def goodbyes(self) -> list[Record]:
        """The records of responses that their owner withdraws, by a TTL of 0 (RFC 6762 §10.1)."""
        return [record for record in self.responses.records() if record.ttl == 0]

    @property
    def questions(self) -> list[Question]:
        """All questions, in their order."""
        return [question for packet in self for question in packet.message.questions]

    @property
    def times(self) -> list[float]:
        """When each left, on the simulation's clock, to the microsecond."""
        return [round(packet.at, 6) for packet in self]

    def records(self, *types: RecordType | int) -> list[Record]:
        """Return the records of all packets and sections, of all types or of these."""
        return [record for packet in self for record in packet.records if not types or record.type in types]

    def owners(self, *types: RecordType | int) -> set[str]:
        """Return the names of the records, of all types or of these, as text."""
        return {str(record.name) for record in self.records(*types)}

    @property
    def addresses(self) -> set[str]:
        """The addresses in A and AAAA records, of whatever name, as text."""
        return {str(record.data) for record in self.records(RecordType.A, RecordType.AAAA)}

    def __add__(self, others: list[Packet]) -> Capture:  # type: ignore[override]  # packets alone go in
        return Capture([*self, *others])

    def __str__(self) -> str:
        return "\n".join(map(str, self))
