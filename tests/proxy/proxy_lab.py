"""A proxy on a simulated link, and devices there."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.presentation import show_record
from mcast.dns.records import Record
from mcast.node.node import Node
from mcast.proxy.link_access import LinkAccess
from mcast.unicast.administration import Administration
from mcast.unicast.zone import Zone, ZoneTable
from tests.node.node_lab import NodeTestCase

BUILDING = Zone(
    Name.parse("Building 1.example.com"),
    "eth0",
    Name.parse("bldg-1.example.com"),
    reverse=(ip_network("10.0.1.0/24"),),
)
ADMINISTRATION = Administration(
    (Name.parse("proxy.example.com"), Name.parse("fellow.example.com")), Name.parse("ops.example.com"), 853
)


def lines(records: Sequence[Record]) -> list[str]:
    """Return records as text, with blanks in names as they are."""
    return [show_record(record).replace("\\032", " ") for record in records]


class ProxyTestCase(NodeTestCase):
    """The node of a proxy on the link named "lan", and its zones."""

    def setUp(self) -> None:
        super().setUp()
        self.proxy_node = self.settled("proxy", hostname=None)
        self.access = LinkAccess(self.proxy_node, ZoneTable([BUILDING]))

    def device(self, name: str = "printer", **settings: Any) -> Node:
        """Return the node of a device with a usable address, once it is known."""
        return self.settled(self.lan.host(name), **settings)

    def questions_since(self, began: float) -> list[Question]:
        """Return what the proxy has asked on the link, by IPv4, since a time."""
        queries = self.lan.packets.since(began).queries.where(
            lambda packet: packet.sender == "proxy" and not packet.ipv6
        )
        return [question for packet in queries for question in packet.message.questions]
