"""A simulated link: what packets meet between one interface and the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from ipaddress import ip_address
from math import ceil
from random import Random
from typing import TYPE_CHECKING

from twisted.internet.task import Clock

from mcast.testing.captures import IPV4_OVERHEAD, Capture, Packet

if TYPE_CHECKING:
    from mcast.testing.hosts import SimulatedHost, SimulatedInterface

DEFAULT_DELAY = 0.0005
"""Seconds a packet takes. Our choice: half a millisecond, as on a quiet Wi-Fi."""

HELD_BACK = 0.05
"""Seconds that a packet is late which is to arrive out of order. Our choice."""

_IP_HEADER = IPV4_OVERHEAD - 8


@dataclass(eq=False)
class LinkConditions:
    """What becomes of the packets on a link.

    Probabilities are from 0 to 1 and apply to each receiver by itself, as on a radio.
    """

    mtu: int = 1500
    """Octets of the largest IP packet; what is larger travels in fragments, each of which can be lost."""
    delay: float = DEFAULT_DELAY
    """Seconds from sending to arrival."""
    jitter: float = 0.0
    """Seconds, up to which a packet takes longer; packets may thereby overtake each other."""
    loss: float = 0.0
    """Probability that a receiver does not get a packet, or one of its fragments."""
    duplication: float = 0.0
    """Probability that a receiver gets a packet twice."""
    reordering: float = 0.0
    """Probability that a packet is held back for `HELD_BACK` seconds, so that later ones overtake it."""
    reassembles: bool = True
    """Whether the hosts put fragments together; many devices do not (RFC 6762 §17)."""


CONDITIONS = tuple(field.name for field in fields(LinkConditions))
"""The names of the conditions."""


class SimulatedLink(LinkConditions):
    """A link on which each packet reaches each interface, or not, as the conditions say.

    The conditions can be changed at any time, and hold for what is sent from then on. Made by
    `SimulatedLan.link`.
    """

    def __init__(self, clock: Clock, rng: Random, packets: Capture, name: str, number: int) -> None:
        super().__init__()
        self.name = name
        self.number = number
        """Makes the addresses of its hosts: 10.0.NUMBER.HOST and fe80::NUMBER:HOST."""
        self.interfaces: list[SimulatedInterface] = []
        """Who is plugged in, with or without carrier."""
        self.counters: Counter[str] = Counter()
        """Packets for each receiver: delivered, lost, duplicated, fragmented, partitioned."""
        self._clock = clock
        self._rng = rng
        self._packets = packets
        self._side: dict[str, int] = {}

    def partition(self, *sides: Iterable[SimulatedHost]) -> None:
        """Let only the hosts of one side hear each other, without any of them losing its carrier.

        As when the cable between two switches is cut. Hosts on no side make up one of their own.
        """
        self._side = {host.name: number for number, side in enumerate(sides, 1) for host in side}

    def heal(self) -> None:
        """End the `partition`; nobody is told, as in life."""
        self._side = {}

    def set_carrier(self, carrier: bool) -> None:
        """Take the carrier from every interface, or give it back: the switch is off, or on again."""
        for interface in self.interfaces:
            interface.set_carrier(carrier)

    def inject(
        self,
        payload: bytes,
        source: str,
        source_port: int,
        destination: str,
        destination_port: int,
        hop_limit: int = 255,
    ) -> Packet:
        """Put a packet on the link that no host sends: an attack, a reflector, a capture played back.

        Everybody hears it who would hear such a packet.
        """
        packet = Packet(
            self._clock.seconds(),
            self.name,
            "",
            source,
            source_port,
            destination,
            destination_port,
            payload,
            hop_limit,
        )
        self.carry(packet, None)
        return packet

    def carry(self, packet: Packet, sender: SimulatedInterface | None) -> None:
        """Take a packet to its receivers (called by the sending host)."""
        self._packets.append(packet)
        destination = ip_address(packet.destination)
        for interface in self.interfaces:
            if interface is sender or not (destination.is_multicast or interface.has(destination)):
                continue
            if sender is not None and self._is_parted(sender, interface):
                self.counters["partitioned"] += 1
                continue
            copies = 1
            if self._happens(self.duplication):
                self.counters["duplicated"] += 1
                copies = 2
            for _ in range(copies):
                self._carry_copy(packet, interface)

    def _carry_copy(self, packet: Packet, interface: SimulatedInterface) -> None:
        fragments = 1
        if packet.size > self.mtu:
            fragments = ceil((packet.size - _IP_HEADER) / (self.mtu - _IP_HEADER))
            self.counters["fragmented"] += 1
        arrives = fragments == 1 or self.reassembles
        # Each fragment is a chance to lose the packet.
        if not arrives or self._happens(1.0 - (1.0 - self.loss) ** fragments):
            self.counters["lost"] += 1
            return
        delay = self.delay
        if self.jitter:
            delay += self._rng.uniform(0.0, self.jitter)
        if self._happens(self.reordering):
            delay += HELD_BACK
        self._clock.callLater(delay, self._arrive, packet, interface)

    def _arrive(self, packet: Packet, interface: SimulatedInterface) -> None:
        # It may have been moved to another link, or unplugged, while the packet travelled.
        if interface.link is self and interface.is_running:
            self.counters["delivered"] += 1
            interface.host.ports.take(packet, interface)
        else:
            self.counters["lost"] += 1

    def _happens(self, probability: float) -> bool:
        # Nothing is drawn where nothing is random: a test without conditions has one course of events.
        return probability > 0.0 and self._rng.random() < probability

    def _is_parted(self, one: SimulatedInterface, other: SimulatedInterface) -> bool:
        return self._side.get(one.host.name, 0) != self._side.get(other.host.name, 0)

    def __repr__(self) -> str:
        return f"<SimulatedLink {self.name}>"
