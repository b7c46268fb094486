"""The Discovery Proxy as a service on a node (RFC 8766)."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from random import SystemRandom
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from mcast.dns import records
from mcast.dns.names import LOCAL, Name
from mcast.mdns.constants import OTHER_TTL
from mcast.node.node import Node, reactor_of
from mcast.node.registrations import RecordRegistration
from mcast.proxy.answering import Answerer
from mcast.proxy.connections import ConnectionServer
from mcast.proxy.datagrams import DatagramServer, listen_for_queries
from mcast.proxy.link_access import LinkAccess
from mcast.proxy.listening import listen_for_connections
from mcast.proxy.push import Push
from mcast.proxy.tls import Certificate
from mcast.proxy.watching import Watches
from mcast.showing import one_line
from mcast.unicast.administration import BROWSING, Administration, browse_domains, check_name_servers
from mcast.unicast.clients import DEFAULT_ALLOWED, Clients
from mcast.unicast.pacing import LINK_RATE
from mcast.unicast.zone import Zone, ZoneTable

DNS_PORT = 53
"""RFC 1035 §4.2."""

TLS_PORT = 853
"""DNS over TLS (RFC 7858 §3.1), where subscriptions are taken (RFC 8765 §6.1)."""

MAX_RATE = 1000
"""Answers by UDP a second to one source.

Our choice: a resolver that serves a large site asks less often, since it remembers an answer for ten seconds.
"""

LOOPBACK: Final = ("127.0.0.1", "::1")
"""Where a proxy listens that was not told where."""


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """How a Discovery Proxy is asked, and by whom. Names and networks may be text; `Name.parse` reads names.

    :raises ValueError: a certificate without a key, a name, network or address that is none, a number out of
        range.
    """

    name_servers: tuple[Name, ...] = ()
    """The names of the proxies on these links, ours first (RFC 8766 §6.2); the system's name by default."""
    contact: Name | None = None
    """The mailbox of who is responsible, as a name: ``hostmaster`` in the domain of the first name server."""
    listen: tuple[str, ...] = ()
    """The addresses to listen on; loopback only by default."""
    port: int = DNS_PORT
    tls_certificate: str | None = None
    """A PEM file; with ``tls_key`` it opens the TLS port."""
    tls_key: str | None = None
    tls_port: int = TLS_PORT
    allow: tuple[IPv4Network | IPv6Network, ...] = field(default=DEFAULT_ALLOWED)
    """The networks whose hosts may ask."""
    suppress_unusable: bool = True
    """Leave out addresses that are of no use beyond the link (RFC 8766 §5.5.2)."""
    max_rate: int = MAX_RATE
    """Answers by UDP a second to one source; 0 for no limit."""
    link_rate: int = LINK_RATE
    """Query packets a second that clients can cause on a link (RFC 8766 §9.3)."""

    def __post_init__(self) -> None:
        names = tuple(Name.parse(one) if isinstance(one, str) else one for one in self.name_servers)
        object.__setattr__(self, "name_servers", names)
        networks = tuple(ip_network(one) if isinstance(one, str) else one for one in self.allow)
        object.__setattr__(self, "allow", networks)
        if isinstance(self.contact, str):
            object.__setattr__(self, "contact", _mailbox(self.contact))
        if (self.tls_certificate is None) is not (self.tls_key is None):
            raise ValueError("a TLS port needs both, a certificate and its key")
        places = set()
        for address in self.listen:
            host, _, scope = address.partition("%")
            place = (ip_address(host), scope)
            if place in places:
                raise ValueError(f"{address} is named twice as an address to listen on")
            places.add(place)
        for port in (self.port, self.tls_port):
            if not 0 <= port <= 0xFFFF:
                raise ValueError(f"port {port}: it is a number from 0 to 65535")
        if self.tls_certificate is not None and self.port == self.tls_port != 0:
            raise ValueError(f"port {self.port}: plain DNS and TLS have a port each")
        if self.link_rate < 1:
            raise ValueError(f"link rate {self.link_rate}: it is a number of packets a second, at least 1")
        if self.max_rate < 0:
            raise ValueError(f"rate {self.max_rate}: it is a number of answers a second, or 0 for no limit")


class DiscoveryProxy(Service):
    """Answers unicast DNS from what is on the links of a node (RFC 8766).

    :param node: finds what is on the links; it is started and stopped by its owner.
    :param zones: one for each link.
    :raises ValueError: two zones have one name, or a name server is within a zone; the certificate cannot be
        read.
    """

    _log = Logger()

    def __init__(self, node: Node, zones: Sequence[Zone], settings: ProxySettings | None = None) -> None:
        settings = ProxySettings() if settings is None else settings
        if not zones:
            raise ValueError("a proxy has at least one zone")
        self.node: Final = node
        self.settings: Final = settings
        table = ZoneTable(zones)
        reactor = reactor_of(node)
        self._reactor = reactor
        self._tls: Certificate | None = None
        if settings.tls_certificate is not None and settings.tls_key is not None:
            self._tls = Certificate(settings.tls_certificate, settings.tls_key)
        self._administration = administration = _administration(settings, self._tls is not None)
        check_name_servers(administration.name_servers, table)
        self._access = LinkAccess(node, table, settings.link_rate)
        self._clients = Clients(settings.allow, suppresses=settings.suppress_unusable)
        self._watches: Final = Watches(self._access, administration)
        self._answerer = Answerer(self._access, administration, self._clients)
        self._connections: Final = ConnectionServer(self._access.clock, self._answerer)
        self._datagrams: Final = DatagramServer(reactor, self._answerer, self._clients, settings.max_rate)
        self._push = Push(self._access.clock, self._watches, self._clients.look, SystemRandom())
        self._ports: list[Any] = []
        self._published: list[RecordRegistration] = []

    def __repr__(self) -> str:
        names = ", ".join(str(zone.name) for zone in self.zones)
        return f"<DiscoveryProxy of {names}, {'running' if self.running else 'stopped'}>"

    @property
    def zones(self) -> tuple[Zone, ...]:
        """The zones, one for each link."""
        return self._access.table.zones

    @property
    def addresses(self) -> tuple[Any, ...]:
        """Where it listens now, as Twisted's addresses: UDP, TCP and TLS."""
        return tuple(port.getHost() for port in self._ports)

    def statistics(self) -> dict[str, dict[str, int]]:
        """Return counters and gauges, by part: ``queries``, ``datagrams``, ``connections``,
        ``push``, ``links``, and ``now`` the current numbers."""
        waiting = self._answerer.waiting
        now = {
            "questions waited for": len(waiting),
            "queries that wait": waiting.waiting,
            "connections now": len(self._connections),
            "watches now": len(self._watches),
        }
        return {
            "queries": {**self._answerer.counters, **waiting.counters},
            "datagrams": dict(self._datagrams.counters),
            "connections": dict(self._connections.counters),
            "push": self._push.statistics(),
            "links": {**self._access.counters, **self._watches.counters},
            "now": now,
        }

    # Life

    def startService(self) -> None:
        """Listen.

        :raises CannotListenError: a port is taken, or there is no such address.
        """
        if self.running:
            return
        super().startService()
        self._push = Push(self._access.clock, self._watches, self._clients.look, SystemRandom())
        self._connections.sessions = self._push.session
        self._administration.push_port = None if self._tls is None else self.settings.tls_port
        try:
            self._listen()
        except (CannotListenError, OSError):
            self._close_ports()
            super().stopService()
            raise
        for zone in self.zones:
            for which in BROWSING:
                for domain in browse_domains(which, zone.browse_domains):
                    record = records.pointer(which.in_domain(LOCAL), domain, ttl=OTHER_TTL)
                    self._published.append(
                        self.node.publish(record, shared=True, interfaces=(zone.interface,))
                    )

    def stopService(self) -> Deferred[None]:
        """Take nothing any more, end what is open; fires when the ports are closed."""
        super().stopService()
        if not self._ports:
            return succeed(None)
        # No new client comes while those with a session are told when to come back (RFC 8490 §6.6.1).
        closed = self._close_ports()
        for registration in self._published:
            registration.withdraw().addErrback(lambda _: None)
        self._published.clear()
        ended = self._push.stop().addCallback(lambda _: self._end())
        return DeferredList([closed, ended]).addCallback(lambda _: None)

    def read_certificate(self) -> None:
        """Read the certificate and its key again: connections that begin from now on get the new one.

        :raises ValueError: in one line, why the one that was read before stays in use.
        """
        if self._tls is not None:
            self._tls.read()

    def log_counters(self) -> None:
        """Log every counter."""
        for part, counters in self.statistics().items():
            self._log.info("{part}: {counters}", part=part, counters=counters)

    def _end(self) -> None:
        self._datagrams.stop()
        self._answerer.stop()
        self._watches.stop()
        self._access.stop()
        self._connections.end()

    def _listen(self) -> None:
        settings = self.settings
        for address in settings.listen or LOOPBACK:
            try:
                self._listen_on(address)
            except CannotListenError as problem:
                if settings.listen or address == LOOPBACK[0]:
                    raise
                # A host without IPv6 has no ::1.
                self._log.debug("not on {address}: {cause}", address=address, cause=one_line(problem))
        where = ", ".join(settings.listen or LOOPBACK)
        if not settings.name_servers:
            self._log.warn("no name of this server was given; the zones name this host as their server")
        if settings.listen:
            self._log.info("answering on {where}, port {port}", where=where, port=settings.port)
        else:
            self._log.warn(
                "answering this host only, on {where}, port {port}: no address to listen on was given",
                where=where,
                port=settings.port,
            )

    def _listen_on(self, address: str) -> None:
        settings, reactor = self.settings, self._reactor
        udp = listen_for_queries(reactor, settings.port, self._datagrams, address)
        self._ports.append(udp)
        # With port 0 the system chooses one, which is the same for both.
        port = udp.getHost().port
        self._ports.append(listen_for_connections(reactor, port, self._connections, address))
        if self._tls is not None:
            # Clients are told one port for all addresses; with port 0 it is that of the first one.
            administration, secured = self._administration, self._connections.secured()
            port = administration.push_port or settings.tls_port
            tcp = listen_for_connections(reactor, port, secured, address, self._tls)
            self._ports.append(tcp)
            administration.push_port = tcp.getHost().port

    def _close_ports(self) -> Deferred[None]:
        ports, self._ports = self._ports, []
        closed = DeferredList([maybeDeferred(port.stopListening) for port in ports], consumeErrors=True)
        return closed.addCallback(lambda _: None)


def _mailbox(text: str) -> Name:
    """Return a mailbox as a name: what stands before the @ is one label (RFC 1035 §8)."""
    user, at, domain = text.partition("@")
    return Name.parse(domain).prefixed(user) if at else Name.parse(text)


def _administration(settings: ProxySettings, has_tls: bool) -> Administration:
    # Not getfqdn(), which asks DNS servers and may wait for them.
    name_servers = settings.name_servers or (Name.parse(socket.gethostname() or "localhost"),)
    contact = settings.contact
    if contact is None:
        parent = name_servers[0].parent if len(name_servers[0].labels) > 1 else name_servers[0]
        contact = parent.prefixed("hostmaster")
    return Administration(name_servers, contact, settings.tls_port if has_tls else None)
