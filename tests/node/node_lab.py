"""Nodes on a simulated network, and what they said there."""

from __future__ import annotations

import errno
import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RESPONSE_FLAGS
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dnssd.service import Service
from mcast.mdns.constants import IPV4_GROUP
from mcast.node.link_driver import LinkDriver
from mcast.node.node import Node
from mcast.node.registrations import ServiceRegistration
from mcast.testing import Capture, SimulatedHost, SimulatedLan

SETTLED = 3.0
"""Seconds after which all is probed for and announced twice (RFC 6762 §8.1, §8.3)."""

WEB = "_http._tcp"


def web(name: str) -> str:
    """Return the whole name of a web server."""
    return f"{name}._http._tcp.local."


class NodeTestCase(SynchronousTestCase):
    """A simulated network; nodes are made by `node`."""

    def setUp(self) -> None:
        self.lan = SimulatedLan(seed=1)

    def node(self, host: SimulatedHost | str, hostname: str | None = "", **settings: Any) -> Node:
        """Return a running node on a host, with the host's name unless told otherwise."""
        if isinstance(host, str):
            host = self.lan.host(host)
        label = host.name if hostname == "" else hostname
        reactor = settings.pop("reactor", self.lan.clock)
        node = Node(reactor, network=host, hostname=label, rng=host.rng, **settings)
        node.startService()
        return node

    def settled(self, host: SimulatedHost | str, hostname: str | None = "", **settings: Any) -> Node:
        """Return a node that has claimed and announced what it has."""
        node = self.node(host, hostname, **settings)
        self.lan.advance(SETTLED)
        return node

    def register(self, node: Node, name: str = "Web", port: int = 80, **details: Any) -> ServiceRegistration:
        """Return the registration of a service once it is claimed."""
        return self.lan.result(node.publish(Service(name, WEB, port, **details)).when_claimed())

    def multicast(self, link: str, message: Message) -> None:
        """Multicast a message from a host without a node, by IPv4."""
        peer = self.lan.host(f"peer on {link}", link)
        peer.transmit(5353, encode(message), IPV4_GROUP, 5353, peer.interface().index, 255, False)

    def ask(self, link: str, name: str, rtype: int, *, unicast: bool = False) -> Capture:
        """Ask from a host without a node, and return the responses by IPv4 of the next second."""
        began = self.lan.now
        self.multicast(link, Message(questions=[Question(Name.parse(name), rtype, unicast=unicast)]))
        self.lan.advance(1.0)
        return self.lan.packets.on(link).since(began).responses.where(lambda packet: not packet.ipv6)

    def contradict(self, link: str, *records: Record) -> None:
        """Announce records from a host without a node."""
        self.multicast(link, Message(flags=RESPONSE_FLAGS, answers=records))


def drivers(node: Node) -> list[LinkDriver]:
    """Return what runs the links of a node; programs see the `LinkId` of each only."""
    return list(node._links)


class CountingHost:
    """A `Network` that passes on to a simulated host, counts joins, and refuses them on demand."""

    def __init__(self, host: SimulatedHost) -> None:
        self._host = host
        self.joined: list[tuple[str, bool]] = []
        self.refused: set[str] = set()
        self.refused_families: set[bool] = set()
        self.refusal: int | None = None
        """The error that it refuses with; by default that of memberships, or of a port that is taken."""
        self.interfaces = host.interfaces
        self.watch = host.watch

    def open(self, ipv6: bool, own_port: bool = False) -> Any:
        if ipv6 in self.refused_families:
            number = self.refusal or errno.EADDRINUSE
            raise OSError(number, f"UDP port 5353 on ::: {os.strerror(number)}")
        port = self._host.open(ipv6)
        join = port.join

        def counted(interface: Any, received: Any) -> None:
            if interface.name in self.refused:
                number = self.refusal or errno.ENOBUFS
                raise OSError(number, os.strerror(number))
            join(interface, received)
            self.joined.append((interface.name, ipv6))

        port.join = counted  # type: ignore[method-assign]
        return port
