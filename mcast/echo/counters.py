"""What is counted of the datagrams that a responder, or who asked, received."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Drop(str, Enum):
    """Why a datagram was received and not answered, or not taken for an answer.

    The value is the word shown to people."""

    RATE = "rate limit"
    """The source has had its replies of this second (``--max-rate``)."""
    SOURCE = "source address"
    """The source is the address of no single host: the answer would reach many hosts, or none."""
    PORT = "source port"
    """The source port is zero, or the datagram may itself be an answer."""
    OFF_LINK = "source off link"
    """A link-local group was asked from beyond the link: only a forged source can do that."""
    OWN_HOST = "own host"
    """The datagram comes from this host, and ``--no-loopback`` asks not to answer it."""
    UNICAST = "not to the group"
    """The datagram was sent to this host alone: it may be an answer, and to answer answers makes a loop."""
    TRUNCATED = "truncated"
    """The datagram was larger than the receive buffer; half an echo is no echo."""
    SEND = "send refused"
    """The system refused to send the answer, or its buffer was full."""
    HANDLER = "handler failed"
    """The handler raised; the log says what, once for each cause."""
    BUSY = "too many waiting"
    """As many answers as may wait for their moment, or for the handler, did so already."""


@dataclass(slots=True)
class EchoCounters:
    """Counts of a responder since the start: every datagram received is answered or dropped for one cause."""

    received: int = 0
    answered: int = 0
    to_group: int = 0
    """Those that were answered to the group besides."""
    to_group_limited: int = 0
    """Those that were not, since that is limited, although they asked for it."""
    dropped: dict[Drop, int] = field(default_factory=lambda: dict.fromkeys(Drop, 0))

    def drop(self, cause: Drop) -> None:
        """Count one datagram that is not answered."""
        self.dropped[cause] += 1

    def add(self, other: EchoCounters) -> None:
        """Add the counts of ``other``, a port that is closed or one of several."""
        self.received += other.received
        self.answered += other.answered
        self.to_group += other.to_group
        self.to_group_limited += other.to_group_limited
        for cause, count in other.dropped.items():
            self.dropped[cause] += count

    def __str__(self) -> str:
        causes = ", ".join(f"{cause.value} {count}" for cause, count in self.dropped.items() if count)
        total = sum(self.dropped.values())
        to_group = f", to the group {self.to_group}" if self.to_group else ""
        limited = f" (limited {self.to_group_limited})" if self.to_group_limited else ""
        return f"received {self.received}, answered {self.answered}{to_group}{limited}, dropped {total}" + (
            f" ({causes})" if causes else ""
        )
