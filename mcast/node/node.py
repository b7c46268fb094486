"""The Twisted shell of Multicast DNS: a host on all its links."""

from __future__ import annotations

import socket
from collections.abc import Callable, MutableMapping, Sequence
from random import Random, SystemRandom
from typing import Any, TypeVar

from twisted.application.service import Service as TwistedService
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorCore
from twisted.logger import Logger

from mcast.clock import clock_of
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import LOCAL, Name
from mcast.dnssd.collecting import Answer, Collector
from mcast.dnssd.enumeration import DomainBrowser, DomainList
from mcast.dnssd.found import FoundAddress, FoundService
from mcast.dnssd.hosts import checked_host_label, host_label
from mcast.dnssd.link_id import LinkId
from mcast.dnssd.resolving import HostLookup
from mcast.dnssd.sought import (
    SoughtName,
    SoughtType,
    on_link,
    sought_hosts,
    sought_name,
    sought_record_type,
    sought_services,
    sought_types,
)
from mcast.neighbours import SocketAddress
from mcast.node import lookups
from mcast.node.beyond import Beyond, Where, where, where_of
from mcast.node.browsers import InstanceBrowser, ServiceBrowser, TypesBrowser
from mcast.node.domain_publishers import DomainPublishers
from mcast.node.link_driver import LinkDriver
from mcast.node.links import SLEEP_LIMIT, Links, LinksSettings
from mcast.node.lookups import LOOKUP_TIMEOUT
from mcast.node.network import (
    Network,
    SocketNetwork,
)
from mcast.node.published import Registrations
from mcast.node.publisher import Publisher
from mcast.node.publishing import Publishing
from mcast.node.searches import Searches, link_id_of
from mcast.node.statistics import statistics
from mcast.rate_limit import MAX_RATE
from mcast.sockets.interface import checked_selectors

WITHDRAW_LIMIT = 3.0
"""Seconds in which `Node.stopService` withdraws everything; the rest goes without a goodbye.

Our choice: thirty thousand items on two links, on a core that nobody else uses.
"""

STOP_LIMIT = 1.0
"""Seconds that `Node.stopService` waits at most for goodbyes when everything is withdrawn.

Our choice: each leaves within a second (RFC 6762 §6), and while a service stops no second SIGTERM is heeded.
"""

REFUSED_LIMIT = 0.5
"""Seconds after `Node.stopService` is called when goodbyes that the system refuses to send are given up.

Our choice: a full send buffer has room again within some milliseconds, and SIGTERM ends a program within a
second whatever the socket says.
"""

REFUSED_LEAST = 0.1
"""Seconds that goodbyes wait at least for a system that refuses to send them, whatever the withdrawing took.

Our choice: withdrawing thousands of services takes most of a second, and a full buffer still gets its moment.
"""

_T = TypeVar("_T")


class Node(Publishing, TwistedService):
    """A host in Multicast DNS: it publishes, and it finds what others publish.

    One `Link` for each interface and address family, opened by `startService` and closed by `stopService`,
    which says goodbye. What is published before the start, or while no link works, waits. It stays so over a
    stop and the next start.

    :param reactor: the reactor, or a `Clock` with a ``network`` that needs no sockets.
    :param interfaces: names, indexes or addresses of those to use; all that are up and do multicast by
        default.
    :param hostname: the label before ``.local``. When given it is published from the start; by default the
        system's name is taken, and published when something is published on this host.
    :param ipv4: whether to use IPv4; likewise ``ipv6``.
    :param network: where the interfaces and ports come from; the real ones by default.
    :param rng: chooses every random delay.
    :param state: remembers names that were taken after conflicts, for the next start (RFC 6762 §9); see
        `mcast.node.state.StateFile`.
    :param max_rate: unicast answers a second to one source; 0 for no limit.
    :param sleep_limit: seconds without a run of the program that count as sleep, after which the node does
        what `reconnect` does.
    :param tls_ca: a file of certificates, in PEM, of the authorities that vouch for servers of DNS Push; by
        default those that the system trusts. `browse` and its like raise ValueError when it cannot be used.
    :raises InvalidService: the host name cannot be one.
    :raises TypeError: ``interfaces`` is no list of str.
    :raises ValueError: neither IPv4 nor IPv6 is wanted, the rate is below 0, or the limit is not above 0.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        *,
        interfaces: Sequence[str] = (),
        hostname: str | None = None,
        ipv4: bool = True,
        ipv6: bool = True,
        network: Network | None = None,
        rng: Random | None = None,
        state: MutableMapping[str, str] | None = None,
        max_rate: int = MAX_RATE,
        sleep_limit: float = SLEEP_LIMIT,
        tls_ca: str | None = None,
    ) -> None:
        if not (ipv4 or ipv6):
            raise ValueError("neither IPv4 nor IPv6: a node needs one of them")
        if max_rate < 0:
            raise ValueError(f"max_rate {max_rate}: it is a number of answers a second, or 0 for no limit")
        if not sleep_limit > 0:
            raise ValueError(f"sleep_limit {sleep_limit}: it is a number of seconds above 0")
        self._reactor = reactor
        self._rng = SystemRandom() if rng is None else rng
        settings = LinksSettings(
            checked_selectors(interfaces),
            tuple(ipv6 for ipv6, wanted in ((False, ipv4), (True, ipv6)) if wanted),
            max_rate,
            sleep_limit,
        )
        network = SocketNetwork(reactor) if network is None else network
        self._links = Links(reactor, network, self._rng, settings)
        self._publisher = Publisher(self._links, {} if state is None else state, self._rng)
        self._beyond = Beyond(reactor, self._rng)
        self._beyond.authorities = tls_ca
        self._searches = Searches(reactor, self._links, self._beyond)
        self._links.observers += (self._publisher, self._searches)
        self._shutdown: Any = None
        self._stopping: Deferred[None] | None = None
        label = host_label(socket.gethostname()) if hostname is None else checked_host_label(hostname)
        domains = DomainPublishers(reactor, network, settings.interfaces, self._rng)
        self._registrations = Registrations(self._publisher, label, domains)
        if hostname is not None:
            self._registrations.publish_host()

    def __repr__(self) -> str:
        return f"<Node {self.host} {'running' if self.running else 'stopped'}>"

    # Finding

    def browse(
        self,
        *types: SoughtType,
        domain: SoughtName = LOCAL,
        interfaces: Sequence[str] = (),
        server: str | None = None,
        resolve: bool = True,
    ) -> ServiceBrowser:
        """Follow the services of one or several types.

        :param types: each such as ``_http._tcp``; ``_ipp._tcp,_color,_duplex`` for services only that have
            one of these subtypes (RFC 6763 §7.1).
        :param domain: where they are. In ``local.`` they are looked for by multicast; in any other domain,
            ``Building 1.example.com``, DNS servers are asked, and nobody by multicast (RFC 6763 §11).
        :param interfaces: names, indexes or addresses of those to look on; by default all of the node's.
        :param server: the DNS server to ask in a domain outside of ``local.``, as ``192.0.2.1`` or
            ``[2001:db8::1]:5300``; by default those of the system's configuration.
        :param resolve: find out host, port, TXT and addresses too, and report a service when they are known.
        :raises TypeError: no type is given, or something that is none.
        :raises InvalidService: a type or subtype cannot be one.
        :raises ValueError: the domain or the server cannot be one, or does not go with the other arguments.
        """
        place = where(domain, interfaces, server)
        return ServiceBrowser(self._searches, sought_types(*types), place, resolve=resolve)

    def browse_types(
        self, *, domain: SoughtName = LOCAL, interfaces: Sequence[str] = (), server: str | None = None
    ) -> TypesBrowser:
        """Follow which service types there are in a domain (RFC 6763 §9); arguments as of `browse`."""
        return TypesBrowser(self._searches, where(domain, interfaces, server))

    def follow(
        self,
        name: SoughtName,
        type: SoughtType | None = None,
        *,
        domain: SoughtName = LOCAL,
        interfaces: Sequence[str] = (),
        server: str | None = None,
    ) -> InstanceBrowser:
        """Follow one service wherever it moves (RFC 6763 §3); `resolve` finds out where it is now.

        :param name: as for `resolve`.
        :param domain: likewise ``interfaces`` and ``server``: as for `browse`.
        :raises InvalidService: the name or type cannot be one.
        """
        names = sought_services(name, type, domain)
        return InstanceBrowser(self._searches, names, where_of(names, interfaces, server))

    def resolve(
        self,
        name: SoughtName,
        type: SoughtType | None = None,
        timeout: float = LOOKUP_TIMEOUT,
        *,
        domain: SoughtName = LOCAL,
        interfaces: Sequence[str] = (),
        server: str | None = None,
    ) -> Deferred[FoundService]:
        """Find out where a service is now (RFC 6763 §5); cancelling ends the search.

        :param name: with a type the instance name, ``My Web``, as text or octets; or a whole name:
            `FoundService.full_name`, an `InstanceName`, or as text ``My Web._http._tcp.local.``. A name that
            came from the network is looked up exactly as it came.
        :param type: such as ``_http._tcp``; may be left out when the name is whole.
        :param timeout: seconds, after which it fails with `NotFound`; at once when DNS has no such service.
        :param domain: likewise ``interfaces`` and ``server``: as for `browse`.
        :raises InvalidService: the name or type cannot be one.
        """
        names = sought_services(name, type, domain)
        return lookups.resolve(self._searches, names, timeout, where_of(names, interfaces, server))

    def resolve_host(
        self,
        host: SoughtName,
        timeout: float = LOOKUP_TIMEOUT,
        *,
        interfaces: Sequence[str] = (),
        server: str | None = None,
        ipv4: bool = True,
        ipv6: bool = True,
    ) -> Deferred[tuple[FoundAddress, ...]]:
        """Find out the addresses of a host; cancelling ends the search.

        Fires as soon as both families are known or denied, and with what was found when time is up. A host
        outside of ``.local`` is looked up by the reactor's resolver, or at ``server``, and never by
        multicast; its addresses have no interface.

        :param host: ``printer`` stands for ``printer.local``.
        :param timeout: seconds, after which it fails with `NotFound`; at once when the host says that it has
            no such address.
        :raises ValueError: no name, or no family.
        """
        if not (ipv4 or ipv6):
            raise ValueError("neither IPv4 nor IPv6: there is no address to look for")
        names = sought_hosts(host)
        place = Where(interfaces=interfaces) if server is None else where(names[0].parent, interfaces, server)
        wanted = HostLookup(*names, ipv4=ipv4, ipv6=ipv6, asks_servers=place.is_beyond)
        return lookups.resolve_host(self._searches, wanted, timeout, place)

    def query(
        self,
        name: SoughtName,
        type: int | str = RecordType.ANY,
        timeout: float = LOOKUP_TIMEOUT,
        *,
        interfaces: Sequence[str] = (),
        outside_local: bool = False,
    ) -> Deferred[list[Answer]]:
        """Gather the records that answer a question on the link; cancelling ends the search.

        Fires with what was heard when ``timeout`` seconds are over, and at once when a unique record, or the
        negative response, says that there is no more. Fails with `NotFound` when nothing was heard. One
        server is asked by `mcast.oneshot.ask`.

        :param type: such as ``"PTR"``, or its number; by default all types.
        :param outside_local: ask for a name outside of ``.local`` too, for which anybody may answer.
        :raises ValueError: no name, no type; a name outside of ``.local``.
        """
        wanted = sought_name(name) if outside_local else on_link(sought_name(name))
        question = Question(wanted, sought_record_type(type))
        collector = Collector(question, any_name=outside_local)
        return lookups.query(self._searches, collector, timeout, Where(interfaces=interfaces))

    def domains(
        self,
        which: DomainList = DomainList.BROWSING,
        domain: SoughtName = LOCAL,
        timeout: float = LOOKUP_TIMEOUT,
        *,
        interfaces: Sequence[str] = (),
        server: str | None = None,
    ) -> Deferred[tuple[Name, ...]]:
        """Find out which domains are recommended (RFC 6763 §11); cancelling ends the search.

        They are advice: services can be browsed and registered in any other domain too. Fails with `NotFound`
        when none is.

        :param domain: where to look; what others than ``local.`` there may be, `address_domains` tells.
        :param timeout: seconds that answers by multicast are gathered, or that a server is waited for.
        :param server: as for `browse`.
        :raises ValueError: the domain or the server cannot be one, or does not go with the other arguments.
        """
        place = where(domain, interfaces, server)
        if place.is_beyond:
            return lookups.domains_of_servers(self._beyond, which.in_domain(place.domain), place, timeout)
        return lookups.domains(self._searches, DomainBrowser(which, place.domain), timeout, place)

    # Links

    @property
    def links(self) -> tuple[LinkId, ...]:
        """The links that exist now, whether they work or not; none while the node does not run."""
        return tuple(link_id_of(driver) for driver in self._links)

    @property
    def working_links(self) -> tuple[LinkId, ...]:
        """The links whose interface is up and by which the last packet could be sent."""
        return tuple(link_id_of(driver) for driver in self._links if driver.is_working)

    @property
    def trouble(self) -> str | None:
        """Why no link works, in one line, ``no link works: eth9 does not exist``; None when one does."""
        return self._links.trouble

    def reconnect(self) -> None:
        """Probe, announce and ask anew on every link, as after sleep (RFC 6762 §8).

        For programs that learn what the interfaces do not show, such as another wireless network. A wake from
        sleep is noticed without it: see ``sleep_limit``.
        """
        self._links.reconnect()
        self._beyond.ask_again()

    def overhear(
        self, listener: Callable[[LinkId, bytes, SocketAddress, bool], object]
    ) -> Callable[[], None]:
        """Call ``listener(link, datagram, source, multicast)`` with all that arrives on port 5353.

        It is called before the node takes it in, for what the node drops too; what it raises is logged.

        :returns: call this to end it.
        """
        return self._links.overhear(lambda driver, *heard: listener(link_id_of(driver), *heard))

    def statistics(self) -> dict[str, Any]:
        """Return counters and gauges, plain dicts of numbers; docs/metrics.md tells what each means.

        ``node``: names published and claimed, conflicts, renames; ``ports``: for each family what its socket
        received and dropped; ``links``: for each link, such as ``eth0/IPv4``, what it counted, by kind and
        cause; ``links gone``: the sums of the links that are no more, so that totals do not shrink;
        ``caches`` and ``published``: for each link what is in its cache, and how many records of each type we
        publish; ``searches``: what they heard and left alone, by cause; ``domains``: for each domain in which
        DNS servers are asked what was counted; ``registered``: for each domain that is registered in, and
        ``trouble`` there; ``trouble``: as the property says it; ``times``: for each of ``claim``, ``resolve``
        and ``lookup`` the ``count``, ``sum`` and ``max`` of the seconds it took, and the ``failures``.
        """
        domains = self._registrations.domains
        return statistics(self._links, self._publisher, domains, self._searches, self._beyond)

    # Life

    def startService(self) -> None:
        """Open the ports and links.

        :raises OSError: no port could be opened: a program holds 5353 and does not share it.
        """
        if self.running:
            return
        self._publisher.finish_goodbyes()
        self._links.close()
        super().startService()
        try:
            self._links.open()
        except OSError:
            super().stopService()
            raise
        self._registrations.domains.start()
        self._beyond.start()
        if IReactorCore.providedBy(self._reactor):
            # A program that forgets to stop us still says goodbye.
            self._shutdown = self._reactor.addSystemEventTrigger("before", "shutdown", self._on_shutdown)

    def stopService(self) -> Deferred[None]:
        """Say goodbye on every link and close everything; fires when that is done.

        Within a second for as many services as a host has; of tens of thousands, those that are not withdrawn
        within three seconds go without a goodbye.

        Browsers are closed and look-ups end: an ``async for`` ends, and is not told that all services have
        gone.
        """
        if self.running:
            super().stopService()
            if self._shutdown is not None:
                self._reactor.removeSystemEventTrigger(self._shutdown)
                self._shutdown = None
            self._links.stop_following()
            self._searches.stop()
            self._beyond.stop()
            for driver in self._links:
                driver.link.end()
            unregistered = self._registrations.domains.stop()
            clock = clock_of(self._reactor)
            give_up_at = clock.seconds() + REFUSED_LIMIT
            withdrawing = clock.callLater(WITHDRAW_LIMIT, self._publisher.abandon_goodbyes)
            self._stopping = self._publisher.say_goodbye()
            self._stopping.addCallback(lambda _: withdrawing.active() and withdrawing.cancel())
            self._stopping.addCallback(self._await_goodbyes, give_up_at)
            self._stopping.addCallback(lambda _: unregistered)
        if self._stopping is None:
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        self._stopping.addCallback(_pass_on, stopped)
        return stopped

    def _on_shutdown(self) -> Deferred[None]:
        self._shutdown = None
        return self.stopService()

    def _await_goodbyes(self, _: None, give_up_at: float) -> Deferred[None]:
        clock = clock_of(self._reactor)
        waits = [(driver, driver.goodbyes_sent()) for driver in self._links]
        sent = DeferredList([wait for _, wait in waits], consumeErrors=True)
        patience = max(give_up_at - clock.seconds(), REFUSED_LEAST)
        refused = clock.callLater(patience, _give_up_refused, waits)
        sent.addTimeout(STOP_LIMIT, clock)
        sent.addBoth(_pass_after, refused)
        return sent.addCallback(self._said_goodbye)

    def _said_goodbye(self, results: list[tuple[bool, None]]) -> Deferred[None]:
        if not all(success for success, _ in results):
            self._log.warn("not every goodbye left in time")
        return self._links.close().addCallback(lambda _: self._beyond.closed)


def _give_up_refused(waits: Sequence[tuple[LinkDriver, Deferred[None]]]) -> None:
    for driver, wait in waits:
        if driver.is_refused:
            wait.cancel()


def _pass_after(result: _T, timer: IDelayedCall) -> _T:
    if timer.active():
        timer.cancel()
    return result


def searches_of(node: Node) -> Searches:
    """Return the searches of a node, for what looks on its links in ways of its own, such as a proxy."""
    return node._searches


def reactor_of(node: Node) -> Any:
    """Return the reactor of a node, for what listens beside it."""
    return node._reactor


def _pass_on(result: None, waiting: Deferred[None]) -> None:
    waiting.callback(None)
