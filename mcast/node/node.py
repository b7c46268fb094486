"""The Twisted shell of Multicast DNS: a host on all its links."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface
from random import Random, SystemRandom
from typing import Any, overload

from twisted.application.service import Service as TwistedService
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorCore
from twisted.logger import Logger

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import LOCAL, Name
from mcast.dns.records import Record, show_type
from mcast.dnssd.collecting import Answer
from mcast.dnssd.enumeration import DomainBrowser, DomainList
from mcast.dnssd.found import FoundAddress, FoundService
from mcast.dnssd.hosts import Alias, Host, checked_host_label, host_label
from mcast.dnssd.resolving import HostLookup
from mcast.dnssd.service import Service
from mcast.dnssd.sought import (
    SoughtName,
    SoughtType,
    sought_host,
    sought_name,
    sought_record_type,
    sought_services,
    sought_types,
)
from mcast.mdns.constants import MDNS_PORT
from mcast.mdns.domains import is_multicast_name
from mcast.mdns.link import Event, Link, LinkSettings
from mcast.neighbours import SocketAddress
from mcast.node import lookups
from mcast.node.browsers import InstanceBrowser, ServiceBrowser, TypesBrowser
from mcast.node.link_driver import LinkDriver
from mcast.node.lookups import LOOKUP_TIMEOUT
from mcast.node.network import (
    IPV4_GROUP,
    IPV6_GROUP,
    MulticastPort,
    Network,
    Receiver,
    SocketNetwork,
)
from mcast.node.publisher import Publisher
from mcast.node.registrations import (
    AliasRegistration,
    HostRegistration,
    OnConflict,
    Publishable,
    RecordRegistration,
    Registration,
    RegistrationListener,
    Registrations,
    ServiceRegistration,
)
from mcast.node.searches import Searches
from mcast.rate_limit import MAX_RATE
from mcast.sockets.interface import Interface, checked_selectors, select_interfaces

DNS_PORT = 53
"""The port of conventional DNS servers (RFC 1035 §4.2)."""

STOP_LIMIT = 1.0
"""Seconds that `Node.stopService` takes at most for the goodbyes.

Our choice: each leaves within a second (RFC 6762 §6), and while a service stops no second SIGTERM is heeded.
"""

RETRY_DELAY = 10.0
"""Seconds until a port that would not open, or an interface that would not be joined, is tried again.

Our choice: a change of the interfaces has it tried at once; this is for what gives no sign.
"""


class Node(TwistedService):
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
    :raises InvalidService: the host name cannot be one.
    :raises TypeError: ``interfaces`` is no list of str.
    :raises ValueError: neither IPv4 nor IPv6 is wanted, or the rate is below 0.
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
    ) -> None:
        if not (ipv4 or ipv6):
            raise ValueError("neither IPv4 nor IPv6: a node needs one of them")
        if max_rate < 0:
            raise ValueError(f"max_rate {max_rate}: it is a number of answers a second, or 0 for no limit")
        self._reactor = reactor
        self._selectors = checked_selectors(interfaces)
        self._families = tuple(ipv6 for ipv6, wanted in ((False, ipv4), (True, ipv6)) if wanted)
        self._network = SocketNetwork(reactor) if network is None else network
        self._rng = SystemRandom() if rng is None else rng
        self._max_rate = max_rate
        self._links: dict[tuple[int, bool], LinkDriver] = {}
        self._routes: dict[bool, dict[int, Callable[[bytes, SocketAddress, bool], bytes | None]]] = {
            False: {},
            True: {},
        }
        self._ports: dict[bool, MulticastPort] = {}
        self._gone: Counter[str] = Counter()
        self._ports_gone: dict[bool, Counter[str]] = {}
        self._troubles: set[str] = set()
        self._retry: IDelayedCall | None = None
        self._refusal: OSError | None = None
        self._unwatch: Callable[[], None] | None = None
        self._shutdown: Any = None
        self._stopping: Deferred[None] | None = None
        self._publisher = Publisher({} if state is None else state)
        self._searches = Searches(reactor, self._links.values)
        label = host_label(socket.gethostname()) if hostname is None else checked_host_label(hostname)
        self._registrations = Registrations(self._publisher, label)
        if hostname is not None:
            self._registrations.publish_host()

    # Publishing

    @property
    def hostname(self) -> str:
        """The label of this host, as it is claimed now."""
        return self._registrations.host.name

    @property
    def host(self) -> Name:
        """The full name of this host, as it is claimed now."""
        return self._registrations.host.full_name

    @property
    def registrations(self) -> tuple[Registration, ...]:
        """Everything that is published or to be published: hosts, services, aliases, records."""
        return tuple(self._registrations)

    @overload
    def publish(
        self,
        what: Service,
        *,
        interfaces: Sequence[str] = ...,
        on_conflict: OnConflict = ...,
        listener: RegistrationListener | None = ...,
    ) -> ServiceRegistration: ...

    @overload
    def publish(
        self,
        what: Host,
        *,
        interfaces: Sequence[str] = ...,
        on_conflict: OnConflict = ...,
        listener: RegistrationListener | None = ...,
    ) -> HostRegistration: ...

    @overload
    def publish(
        self,
        what: Alias,
        *,
        interfaces: Sequence[str] = ...,
        on_conflict: OnConflict = ...,
        listener: RegistrationListener | None = ...,
    ) -> AliasRegistration: ...

    @overload
    def publish(
        self,
        what: Record,
        *,
        interfaces: Sequence[str] = ...,
        on_conflict: OnConflict = ...,
        listener: RegistrationListener | None = ...,
        shared: bool = ...,
    ) -> RecordRegistration: ...

    def publish(
        self,
        what: Publishable,
        *,
        interfaces: Sequence[str] = (),
        on_conflict: OnConflict = "rename",
        listener: RegistrationListener | None = None,
        shared: bool = False,
    ) -> Registration:
        """Publish a service, a host, an alias of this host or a single record.

        A service on this host, and an alias, publish the host too.

        :param interfaces: names, indexes or addresses of those to publish it on; all of the node's by
            default.
        :param on_conflict: ``"rename"`` takes the next free name when another host has this one,
            ``"fail"`` publishes nothing then. A record has no other name to take, and always fails.
        :param listener: called with `Claimed`, `Renamed` and `Lost`, as by `Registration.add_listener`.
        :param shared: for a record that other hosts may have too, which needs no probing (RFC 6762 §2).
        :returns: the registration, at once; its `when_claimed` waits for the name. The node publishes it
            until it is withdrawn, also after a stop and a new start.
        :raises TypeError: it cannot be published, or an argument is of the wrong kind.
        :raises ValueError: an argument has a wrong value; the record cannot be published, or no packet can
            hold it (RFC 6762 §17); with ``"fail"``, this node has published the name already.
        """
        return self._registrations.publish(what, interfaces, on_conflict, listener, shared)

    # Finding

    def browse(
        self,
        *types: SoughtType,
        domain: str | Name = LOCAL,
        interfaces: Sequence[str] = (),
        resolve: bool = True,
    ) -> ServiceBrowser:
        """Follow the services of one or several types.

        :param types: each such as ``_http._tcp``; ``_ipp._tcp,_color,_duplex`` for services only that have
            one of these subtypes (RFC 6763 §7.1).
        :param interfaces: names, indexes or addresses of those to look on; by default all of the node's.
        :param resolve: find out host, port, TXT and addresses too, and report a service when they are known.
        :raises TypeError: no type is given, or something that is none.
        :raises InvalidService: a type or subtype cannot be one.
        """
        return ServiceBrowser(
            self._searches,
            sought_types(*types),
            domain=sought_name(domain),
            interfaces=interfaces,
            resolve=resolve,
        )

    def browse_types(self, *, domain: str | Name = LOCAL, interfaces: Sequence[str] = ()) -> TypesBrowser:
        """Follow which service types there are (RFC 6763 §9)."""
        return TypesBrowser(self._searches, domain=sought_name(domain), interfaces=interfaces)

    def follow(
        self,
        name: SoughtName,
        type: SoughtType | None = None,
        *,
        domain: str | Name = LOCAL,
        interfaces: Sequence[str] = (),
    ) -> InstanceBrowser:
        """Follow one service wherever it moves (RFC 6763 §3); `resolve` finds out where it is now.

        :param name: as for `resolve`.
        :raises InvalidService: the name or type cannot be one.
        """
        return InstanceBrowser(self._searches, sought_services(name, type, domain), interfaces=interfaces)

    def resolve(
        self,
        name: SoughtName,
        type: SoughtType | None = None,
        timeout: float = LOOKUP_TIMEOUT,
        *,
        domain: str | Name = LOCAL,
        interfaces: Sequence[str] = (),
    ) -> Deferred[FoundService]:
        """Find out where a service is now (RFC 6763 §5); cancelling ends the search.

        :param name: with a type the instance name, ``My Web``, as text or octets; or a whole name:
            `FoundService.full_name`, an `InstanceName`, or as text ``My Web._http._tcp.local.``. A name that
            came from the network is looked up exactly as it came.
        :param type: such as ``_http._tcp``; may be left out when the name is whole.
        :param timeout: seconds, after which it fails with `NotFound`.
        :raises InvalidService: the name or type cannot be one.
        """
        names = sought_services(name, type, domain)
        return lookups.resolve(self._searches, names, timeout, interfaces)

    def resolve_host(
        self,
        host: SoughtName,
        timeout: float = LOOKUP_TIMEOUT,
        *,
        interfaces: Sequence[str] = (),
        ipv4: bool = True,
        ipv6: bool = True,
    ) -> Deferred[tuple[FoundAddress, ...]]:
        """Find out the addresses of a host; cancelling ends the search.

        Fires as soon as both families are known or denied, and with what there is when time is up.

        :param host: ``printer`` stands for ``printer.local``.
        :param timeout: seconds, after which it fails with `NotFound`; at once when the host says that it has
            no such address.
        :raises ValueError: no name, or no family.
        """
        if not (ipv4 or ipv6):
            raise ValueError("neither IPv4 nor IPv6: there is no address to look for")
        wanted = HostLookup(sought_host(host), ipv4=ipv4, ipv6=ipv6)
        return lookups.resolve_host(self._searches, wanted, timeout, interfaces)

    def query(
        self,
        name: SoughtName,
        type: int | str = RecordType.ANY,
        timeout: float = LOOKUP_TIMEOUT,
        *,
        interfaces: Sequence[str] = (),
    ) -> Deferred[list[Answer]]:
        """Gather the records that answer a question on the link; cancelling ends the search.

        Fires with what was heard when ``timeout`` seconds are over, and at once when a unique record, or the
        negative response, says that there is no more. Fails with `NotFound` when nothing was heard. One
        server is asked by `mcast.oneshot.ask`.

        :param type: such as ``"PTR"``, or its number; by default all types.
        :raises ValueError: no name, no type.
        """
        question = Question(sought_name(name), sought_record_type(type))
        return lookups.query(self._searches, question, timeout, interfaces)

    def domains(
        self,
        which: DomainList = DomainList.BROWSING,
        domain: str | Name = LOCAL,
        timeout: float = LOOKUP_TIMEOUT,
        *,
        interfaces: Sequence[str] = (),
        server: str | None = None,
        port: int = DNS_PORT,
    ) -> Deferred[tuple[Name, ...]]:
        """Find out which domains are recommended (RFC 6763 §11); cancelling ends the search.

        They are advice: services can be browsed and registered in any other domain too. Fails with `NotFound`
        when none is.

        :param domain: where to look; what others than ``local.`` there may be, `address_domains` tells.
        :param timeout: seconds that answers by multicast are gathered.
        :param server: the address of a DNS server to ask; needed for domains that are not multicast DNS's.
        :raises ValueError: such a domain, and no server; or the server is no address.
        """
        domain = sought_name(domain)
        if server is not None:
            listing = which.in_domain(domain)
            return lookups.domains_of_server(self._reactor, listing, server, port, timeout, self._rng)
        if not is_multicast_name(domain):
            raise ValueError(f"{domain}: only a server can tell of a domain outside of multicast DNS")
        return lookups.domains(self._searches, DomainBrowser(which, domain), timeout, interfaces)

    # Links

    @property
    def links(self) -> tuple[LinkDriver, ...]:
        """The links that exist now, whether they work or not; empty while the node does not run."""
        return tuple(self._links.values())

    def reconnect(self) -> None:
        """Probe, announce and ask anew on every link, as after sleep (RFC 6762 §8).

        For programs that learn what the interfaces do not show: a wake from sleep, another wireless network.
        """
        for driver in self.links:
            if driver.is_working:
                driver.resume()

    def statistics(self) -> dict[str, Any]:
        """Return counters and gauges as plain dicts of numbers; docs/metrics.md tells what each means.

        ``node``: names published and claimed, conflicts, renames; ``ports``: for each family what its socket
        received and dropped; ``links``: for each link, such as ``eth0/IPv4``, what it counted, by kind and
        cause; ``links gone``: the sums of the links that are no more, so that totals do not shrink;
        ``caches`` and ``published``: for each link what is in its cache, and how many records of each type we
        publish; ``searches``: what they heard and left alone, by cause; ``times``: for each of ``claim``,
        ``resolve`` and ``lookup`` the ``count``, ``sum`` and ``max`` of the seconds it took, and the
        ``failures``.
        """
        items = list(self._publisher)
        return {
            "node": {
                "links": len(self._links),
                "links working": sum(driver.is_working for driver in self._links.values()),
                "names": len(items),
                "names claimed": sum(item.is_claimed for item in items),
                "conflicts": self._publisher.counters["conflicts"],
                "renames": self._publisher.counters["renames"],
            },
            "ports": {
                "IPv6" if ipv6 else "IPv4": dict(self._port_counters(ipv6))
                for ipv6 in sorted({*self._ports, *self._ports_gone})
            },
            "links": {driver.label: dict(driver.link.counters) for driver in self.links},
            "links gone": dict(self._gone),
            "caches": {each.label: each.link.querier.gauges() for each in self.links},
            "published": {each.label: _types_of(each.link.responder.records()) for each in self.links},
            "searches": self._searches.counters(),
            "times": {
                "claim": self._publisher.claiming.as_dict(),
                "resolve": self._searches.resolving.as_dict(),
                "lookup": self._searches.looking_up.as_dict(),
            },
        }

    def _port_counters(self, ipv6: bool) -> Counter[str]:
        """Return what the port of a family counted, with those before it that were closed."""
        counters = Counter(self._ports_gone.get(ipv6))
        port = self._ports.get(ipv6)
        if port is not None:
            counters.update(port.counters)
        return counters

    # Life

    def startService(self) -> None:
        """Open the ports and links.

        :raises OSError: no port could be opened: a program holds 5353 and does not share it.
        """
        if self.running:
            return
        self._close()
        super().startService()
        self._unwatch = self._network.watch(self._interfaces_changed)
        self._interfaces_changed(self._network.interfaces())
        if self._refusal is not None and not self._ports:
            super().stopService()
            self._stop_following()
            raise self._refusal
        if IReactorCore.providedBy(self._reactor):
            # A program that forgets to stop us still says goodbye.
            self._shutdown = self._reactor.addSystemEventTrigger("before", "shutdown", self._on_shutdown)

    def stopService(self) -> Deferred[None]:
        """Say goodbye on every link and close everything; fires when that is done, within a second."""
        if self.running:
            super().stopService()
            self._stop_following()
            self._publisher.say_goodbye()
            sent = DeferredList([link.goodbyes_sent() for link in self.links], consumeErrors=True)
            sent.addTimeout(STOP_LIMIT, self._reactor)
            self._stopping = sent.addCallback(self._said_goodbye)
        if self._stopping is None:
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        self._stopping.addCallback(_pass_on, stopped)
        return stopped

    def _on_shutdown(self) -> Deferred[None]:
        self._shutdown = None
        return self.stopService()

    def _stop_following(self) -> None:
        if self._shutdown is not None:
            self._reactor.removeSystemEventTrigger(self._shutdown)
            self._shutdown = None
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _said_goodbye(self, results: list[tuple[bool, None]]) -> Deferred[None]:
        if not all(success for success, _ in results):
            self._log.warn("not every goodbye left within {limit} s", limit=STOP_LIMIT)
        return self._close()

    def _close(self) -> Deferred[None]:
        while self._links:
            self._detach(next(iter(self._links)))
        self._ports_gone.update({ipv6: self._port_counters(ipv6) for ipv6 in self._ports})
        closed = DeferredList([port.close() for port in self._ports.values()], consumeErrors=True)
        self._ports.clear()
        self._troubles.clear()
        return closed.addCallback(lambda _: None)

    # Following the interfaces

    def _interfaces_changed(self, available: Iterable[Interface]) -> None:
        available = tuple(available)
        present = {interface.index for interface in available}
        chosen = {each.index: each for each in select_interfaces(self._selectors, available, strict=False)}
        self._refusal = None
        for key, driver in tuple(self._links.items()):
            interface = chosen.get(key[0])
            if interface is not None and _carries(interface, driver.ipv6):
                self._follow(key, driver, interface)
            elif key[0] in present:
                self._suspend(driver)
            else:
                self._detach(key)
        for interface in chosen.values():
            for ipv6 in self._families:
                if (interface.index, ipv6) not in self._links and _carries(interface, ipv6):
                    self._attach(interface, ipv6)

    def _attach(self, interface: Interface, ipv6: bool) -> None:
        port = self._open_port(ipv6)
        if port is None or not self._join(port, interface):
            return
        key = (interface.index, ipv6)
        link = Link(
            LinkSettings(
                ipv6=ipv6,
                mtu=interface.mtu,
                unicast_responses=not port.shared,
                max_rate=self._max_rate,
            ),
            _networks(interface, ipv6),
            rng=self._rng,
            now=self._reactor.seconds(),
            others=_OtherLinks(key, self._links),
        )
        driver = LinkDriver(self._reactor, link, port, interface, ipv6, self._on_events)
        self._links[key] = driver
        self._routes[ipv6][interface.index] = driver.receive
        self._log.info(
            "joined {group} on {interface}",
            group=IPV6_GROUP if ipv6 else IPV4_GROUP,
            interface=interface.name,
        )
        self._publisher.attach(driver)
        self._on_events(driver, ())

    def _follow(self, key: tuple[int, bool], driver: LinkDriver, interface: Interface) -> None:
        """Bring a link up to date with its interface, and touch no other (RFC 6762 §8, §10.2)."""
        before = driver.interface
        if driver.is_up and before == interface:
            return
        if before.mtu != interface.mtu:
            # All messages are made for the size; a new link makes them anew.
            self._detach(key)
            self._attach(interface, driver.ipv6)
            return
        if not self._join(driver.port, interface):
            self._suspend(driver)
            return
        driver.interface = interface
        if before.name != interface.name:
            self._on_events(driver, ())
        if before.networks != interface.networks:
            self._log.info("addresses of {interface} changed", interface=interface.name)
            driver.link.set_networks(_networks(interface, driver.ipv6), driver.now())
            self._publisher.refresh(driver)
        if not driver.is_up:
            self._log.info("{link} is back", link=driver.label)
            driver.resume()

    def _suspend(self, driver: LinkDriver) -> None:
        if driver.is_up:
            self._log.info("{link} carries nothing for now", link=driver.label)
            # Left, so that it is joined anew: Linux drops the membership with the last address.
            driver.port.leave(driver.interface)
            driver.suspend()

    def _detach(self, key: tuple[int, bool]) -> None:
        driver = self._links.pop(key)
        del self._routes[driver.ipv6][key[0]]
        driver.stop()
        self._gone += driver.link.counters
        driver.port.leave(driver.interface)
        self._log.info(
            "left {group} on {interface}",
            group=IPV6_GROUP if driver.ipv6 else IPV4_GROUP,
            interface=driver.interface.name,
        )
        self._publisher.detach(driver)
        self._on_events(driver, ())

    def _open_port(self, ipv6: bool) -> MulticastPort | None:
        port = self._ports.get(ipv6)
        if port is None:
            try:
                port = self._network.open(ipv6, self._receiver(ipv6))
            except OSError as problem:
                self._refusal = problem
                self._trouble(f"{'IPv6' if ipv6 else 'IPv4'}: {problem.strerror or problem}")
                return None
            self._ports[ipv6] = port
            if port.shared:
                self._log.info("another program holds port {port} too: no unicast answers", port=MDNS_PORT)
        return port

    def _join(self, port: MulticastPort, interface: Interface) -> bool:
        try:
            port.join(interface)
        except OSError as problem:
            self._trouble(f"{interface.name}: {problem.strerror or problem}")
            return False
        return True

    def _trouble(self, cause: str) -> None:
        """Tell a trouble once, and try again later; the other links go on."""
        if cause not in self._troubles:
            self._troubles.add(cause)
            self._log.warn("{cause}; tried again every {delay} s", cause=cause, delay=RETRY_DELAY)
        if self._retry is None and self.running:
            self._retry = self._reactor.callLater(RETRY_DELAY, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._interfaces_changed(self._network.interfaces())

    # What the links tell

    def _receiver(self, ipv6: bool) -> Receiver:
        routes = self._routes[ipv6].get

        def received(datagram: bytes, source: SocketAddress, interface: int, multicast: bool) -> bytes | None:
            receive = routes(interface)
            return None if receive is None else receive(datagram, source, multicast)

        return received

    def _on_events(self, driver: LinkDriver, events: Sequence[Event]) -> None:
        for event in events:
            self._publisher.handle(driver, event)
        if not events:
            self._publisher.check()
        self._searches.handle(driver, events)


class _OtherLinks:
    """All links of a node but one: what they publish is no conflict on that one (RFC 6762 §14)."""

    def __init__(self, key: tuple[int, bool], links: Mapping[tuple[int, bool], LinkDriver]) -> None:
        self._key = key
        self._links = links

    def holds(self, record: Record) -> bool:
        """Whether a record is ours on another link, claimed or still being probed for."""
        return any(
            other != self._key and driver.link.responder.holds(record)
            for other, driver in self._links.items()
        )

    def has_whole(self, records: Sequence[Record]) -> bool:
        """Whether these records are all that another link has of their name, type and class."""
        return any(
            other != self._key and driver.link.responder.has_whole(records)
            for other, driver in self._links.items()
        )


def _types_of(records: Iterable[Record]) -> dict[str, int]:
    return dict(Counter(show_type(record.type) for record in records))


def _carries(interface: Interface, ipv6: bool) -> bool:
    return interface.up and interface.carrier and interface.has_family(ipv6)


def _networks(interface: Interface, ipv6: bool) -> list[IPv4Interface | IPv6Interface]:
    return [each for each in interface.networks if (each.version == 6) is ipv6]


def _pass_on(result: None, waiting: Deferred[None]) -> None:
    waiting.callback(None)
