"""Targets of the Discovery Proxy: what a client sends it, and its configuration file."""

from __future__ import annotations

from random import Random

from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport

from fuzz.texts import check_line
from mcast.dns.messages import decode
from mcast.dns.names import Name
from mcast.dnssd.service import Service
from mcast.errors import ServicesFileError
from mcast.node.node import Node
from mcast.proxy.answering import Answerer
from mcast.proxy.connections import ConnectionServer
from mcast.proxy.datagrams import DatagramServer
from mcast.proxy.link_access import LinkAccess
from mcast.tap.proxy import Options
from mcast.tap.proxy_file import parse_proxy_file
from mcast.testing import SimulatedLan
from mcast.unicast.administration import Administration
from mcast.unicast.clients import Clients
from mcast.unicast.framing import Unframer, framed
from mcast.unicast.zone import Zone, ZoneTable

_CLIENT = "10.9.9.9"


class _Lab:
    """A proxy on a simulated link with one device, and what it has answered by UDP."""

    def __init__(self) -> None:
        self.lan = SimulatedLan(seed=1)
        host, device = self.lan.host("proxy"), self.lan.host("kitchen")
        self.nodes = [
            Node(self.lan.clock, network=host, rng=Random(1)),
            Node(self.lan.clock, network=device, hostname="kitchen", rng=Random(2)),
        ]
        for node in self.nodes:
            node.startService()
        self.lan.result(self.nodes[1].publish(Service("My Web", "_http._tcp", 80)).when_claimed())
        zone = Zone(Name.parse("Building 1.example.com"), "eth0", Name.parse("bldg-1.example.com"))
        access = LinkAccess(self.nodes[0], ZoneTable([zone]))
        clients = Clients()
        administration = Administration((Name.parse("ns.example.com"),), Name.parse("ops.example.com"))
        self.answerer = Answerer(access, administration, clients)
        self.datagrams = DatagramServer(self.lan.clock, self.answerer, clients, 0)
        self.connections = ConnectionServer(access.clock, self.answerer)
        self.answers: list[bytes] = []

    def write(self, answer: bytes, source: object) -> None:
        """Take a late answer by UDP."""
        self.answers.append(answer)

    def ask(self, data: bytes) -> None:
        """Send a query by UDP."""
        answer = self.datagrams.respond(data, (_CLIENT, 4000), self)
        if answer:
            self.answers.append(answer)

    def close(self) -> None:
        """Stop everything."""
        self.answerer.stop()
        for node in self.nodes:
            self.lan.result(node.stopService())


def proxy_query(data: bytes) -> None:
    """A message by UDP, twice, and by TCP in pieces: one answer at most to each, which is readable."""
    lab = _Lab()
    lab.ask(data)
    lab.ask(data)
    connection = lab.connections.buildProtocol(IPv4Address("TCP", _CLIENT, 4000))
    transport = StringTransport()
    connection.makeConnection(transport)
    stream = framed(data[:0xFFFF]) + data
    for start in range(0, len(stream), 7):
        connection.dataReceived(stream[start : start + 7])
    lab.lan.advance(8.0)
    assert len(lab.answers) <= 2
    for answer in (*lab.answers, *Unframer().feed(transport.value())):
        message = decode(answer)
        assert message.is_response
        assert not message.skipped
        assert message.rcode != 3, "NXDOMAIN"
        assert b"\5local\0" not in answer or b"\5local\0" in data.lower()
    assert all(len(answer) <= 1232 for answer in lab.answers)
    lab.close()


def proxy_file(data: bytes) -> None:
    """The configuration file: options, or an error that names file and line."""
    options = Options()
    try:
        parse_proxy_file(data, "here.toml", options)
    except ServicesFileError as error:
        check_line(error)
        return
    assert all(repr(zone) for zone in options.proxy_zones())


TARGETS = {"proxy-query": proxy_query, "proxy-file": proxy_file}
