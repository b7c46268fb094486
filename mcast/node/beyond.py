"""Domains outside of multicast DNS: where a node looks for what is in them (RFC 6763 §11)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, DeferredList, succeed

from mcast.clock import clock_of
from mcast.dns.names import LOCAL, Name
from mcast.dns_client.client import DnsClient
from mcast.dns_client.system import FixedServers, Servers, SystemServers
from mcast.dnssd.instances import InstanceName
from mcast.dnssd.sought import SoughtName, sought_name
from mcast.mdns.domains import is_multicast_name
from mcast.mdns.events import Event
from mcast.unicast.servers import ServerAddress, parse_server

if TYPE_CHECKING:
    from mcast.dns_client.push import Connect
    from mcast.dns_client.zone_driver import ZoneDriver

CLOSE_LIMIT = 1.0
"""Seconds that a node waits for the connections of DNS Push to be closed when it stops.

Our choice: as long as for its goodbyes.
"""

Report = Callable[[Sequence[Event]], object]
"""Takes what the querier of a domain has to tell."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where a search looks: on links, or in a domain of which DNS servers tell."""

    domain: Name = LOCAL
    interfaces: Sequence[str] = ()
    """Of the links to look on, by name, index or address; empty for all."""
    server: ServerAddress | None = None
    """The DNS server to ask; None for those of the system."""

    def __str__(self) -> str:
        return str(self.domain) if self.server is None else f"{self.domain} at {self.server}"

    @property
    def is_beyond(self) -> bool:
        """Whether DNS servers are asked, and no link."""
        return not is_multicast_name(self.domain)


def where(domain: SoughtName, interfaces: Sequence[str] = (), server: str | None = None) -> Where:
    """Return where to look for what is in a domain.

    :raises TypeError: the domain or the server is none of the forms of one.
    :raises ValueError: there is a server for a domain of multicast DNS, interfaces for another one, or one of
        the two cannot be one.
    """
    name = sought_name(domain)
    parsed = None if server is None else parse_server(server)
    if is_multicast_name(name):
        if parsed is not None:
            raise ValueError(f"server {parsed}: {name} is looked up by multicast, and no server is asked")
    elif interfaces:
        raise ValueError(f"{name}: DNS servers are asked, by whatever interface leads to them; none is named")
    return Where(name, interfaces, parsed)


def where_of(names: Sequence[Name], interfaces: Sequence[str], server: str | None) -> Where:
    """Return where to look for a service by its whole names; raises as `where`."""
    return where(InstanceName(names[0]).domain, interfaces, server)


class Beyond:
    """What asks for the domains outside of multicast DNS in which somebody looks."""

    def __init__(self, reactor: Any, rng: Random) -> None:
        self.client = DnsClient(reactor, rng)
        """Asks the servers; it may be replaced before it is used."""
        self.system: Servers = SystemServers()
        """The servers of the system; may be replaced before they are used."""
        self.authorities: str | None = None
        """A file of certificates of those who vouch for servers of DNS Push; None for the system's."""
        self.connect: Connect | None = None
        """Opens connections to servers of DNS Push; for tests."""
        self.closed: Deferred[None] = succeed(None)
        """Fires when all connections are closed after `stop`, or have had their time."""
        self._closing: set[Deferred[None]] = set()
        self.gone: Final[Counter[str]] = Counter()
        """What those have counted that are no more."""
        self._clock: Final = clock_of(reactor)
        self._drivers: dict[tuple[bytes, ServerAddress | None], ZoneDriver] = {}
        self._is_running = False

    @property
    def is_running(self) -> bool:
        """Whether anything is asked."""
        return self._is_running

    def servers(self, place: Where) -> Servers:
        """Return what tells whom to ask."""
        return self.system if place.server is None else FixedServers(place.server)

    def take(self, place: Where, report: Report) -> ZoneDriver:
        """Return what asks in a domain; each use is undone by `give_back`."""
        key = (place.domain.key, place.server)
        driver = self._drivers.get(key)
        if driver is None:
            # Only now: TLS takes as long to load as all the rest, and most nodes ask no server.
            from mcast.dns_client.zone_driver import ZoneDriver
            from mcast.dns_client.zone_push import ZonePush

            others = None if place.server is None else self.system
            driver = ZoneDriver(self.client, place.domain, self.servers(place), report, others)
            driver.push = ZonePush(
                self.client, driver.querier, self.servers(place), driver.step, self.authorities, self.connect
            )
            self._drivers[key] = driver
            if self._is_running:
                driver.start()
        driver.users += 1
        return driver

    def give_back(self, driver: ZoneDriver) -> None:
        """Ask no more for one of the users; nothing at all without any."""
        driver.users -= 1
        if not driver.users:
            self._stop(driver)
            self._drivers = {key: one for key, one in self._drivers.items() if one is not driver}
            self.gone.update(driver.querier.counters)

    def start(self) -> None:
        """Begin to ask."""
        self._is_running = True
        for driver in tuple(self._drivers.values()):
            driver.start()

    def stop(self) -> None:
        """Ask no more, and close every connection; see `closed`."""
        self._is_running = False
        for driver in tuple(self._drivers.values()):
            self._stop(driver)
        self.client.close()
        closed = DeferredList(list(self._closing), consumeErrors=True)
        # Cancelled at the limit, which is no failure: the connection is closed when the server follows.
        self.closed = closed.addTimeout(CLOSE_LIMIT, self._clock).addBoth(lambda _: None)

    def _stop(self, driver: ZoneDriver) -> None:
        closed = driver.stop()
        if not closed.called:
            self._closing.add(closed)
            closed.addBoth(lambda _: self._closing.discard(closed))

    def step(self) -> None:
        """Send what is to be asked now; called after each call of a querier."""
        for driver in tuple(self._drivers.values()):
            driver.step()

    def ask_again(self) -> None:
        """Ask everything anew: this host may be elsewhere now."""
        for driver in tuple(self._drivers.values()):
            driver.querier.ask_again(float(self._clock.seconds()))
        self.step()

    def statistics(self) -> dict[str, dict[str, int]]:
        """Return by domain the counters and gauges; under ``client`` what all have in common.

        A domain in which a server that was named is asked is called ``example.com. at 192.0.2.1``.
        """
        told = {"client": dict(self.client.counters)}
        if self.gone:
            told["gone"] = dict(self.gone)
        for (_, server), driver in self._drivers.items():
            label = str(Where(driver.domain, (), server))
            told[label] = {**driver.querier.counters, **driver.querier.gauges()}
        return told
