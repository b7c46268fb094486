"""Which hosts break which rules in the packets of a capture: what `mcast dump` and its report share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mcast.cli.seen import SeenPacket
from mcast.dns.messages import Message
from mcast.mdns.lint import Breach, Linter

MAX_KINDS = 1000
"""Pairs of host and rule that are told apart. Our choice: more than a person reads; others are added up."""

OTHERS = "others"
"""In place of a host where there are more than that."""

Kind = tuple[str, str, str]
"""Host, rule and section."""


class Breaches:
    """Looks at packets, each link by itself, and counts."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self._linters: dict[tuple[str, bool], Linter] = {}

    def examine(self, packet: SeenPacket, message: Message) -> Iterator[Breach]:
        """Yield what a packet breaks."""
        key = (packet.interface, packet.ipv6)
        linter = self._linters.setdefault(key, Linter(ipv6=packet.ipv6))
        yield from linter.examine(
            message, len(packet.payload), packet.source, packet.source_port, packet.at, packet.hop_limit
        )

    def count(self, breach: Breach) -> Kind:
        """Count a breach; return under which kind."""
        kind = (breach.source, breach.rule, breach.section)
        if kind not in self.counts and len(self.counts) >= MAX_KINDS:
            kind = (OTHERS, "", "")
        self.counts[kind] += 1
        return kind
