"""The links of a node: its ports, the interfaces that come and go, and a driver for each link."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Interface, IPv6Interface
from itertools import chain
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from mcast.clock import clock_of, watch_sleep
from mcast.dns.records import Record
from mcast.mdns.constants import IPV4_GROUP, IPV6_GROUP, MDNS_PORT
from mcast.mdns.events import Event
from mcast.mdns.link import Link, LinkSettings
from mcast.neighbours import SocketAddress
from mcast.node.link_driver import LinkChange, LinkDriver, LinkObserver
from mcast.node.network import MulticastPort, Network, NoNetwork, Receiver
from mcast.node.strain import SYSTEM_LIMITS, Labelled, Strain
from mcast.node.troubles import NOT_STARTED, Troubles, missing_interfaces
from mcast.sockets.interface import Interface, select_interfaces
from mcast.sockets.joins import FULL

RETRY_DELAY = 10.0
"""Seconds until a port that would not open, or an interface that would not be joined, is tried again.

Our choice: a change of the interfaces has it tried at once; this is for what gives no sign.
"""

SLEEP_LIMIT = 60.0
"""Seconds without a run of this program after which everything is probed for, announced and asked for anew.

Our choice: what others said meanwhile is lost to us. A shorter pause is one of a busy machine, in which the
receive buffer kept what arrived; TTLs of host names are twice as long (RFC 6762 §10).
"""

Overhearer = Callable[[LinkDriver, bytes, SocketAddress, bool], object]
"""Called with each datagram that arrives: of which link, its octets, its source, whether it was multicast."""

Key = tuple[int, bool]
"""The identity of a link: the index of its interface, and whether it is the IPv6 one."""


@dataclass(frozen=True, slots=True)
class LinksSettings:
    """Which links a node has, and what they have in common."""

    interfaces: tuple[str, ...] = ()
    """Names, indexes or addresses of those to use; all that are up and do multicast when empty."""
    families: tuple[bool, ...] = (False, True)
    """False for IPv4, True for IPv6."""
    max_rate: int = 0
    """Unicast answers a second to one source; 0 for no limit."""
    sleep_limit: float = SLEEP_LIMIT
    """Seconds without a run of the program that count as sleep."""


class Links:
    """A link for each interface and family that is used, while it runs.

    :param network: where the interfaces and ports come from.
    :param rng: chooses every random delay.
    """

    _log = Logger()

    def __init__(self, reactor: Any, network: Network, rng: Random, settings: LinksSettings) -> None:
        self.observers: list[LinkObserver] = []
        """Are told of everything, in this order."""
        self.gone: Counter[str] = Counter()
        """The sums of what the links counted that are no more."""
        self.clock = self._clock = clock_of(reactor)
        self._network = network
        self._rng = rng
        self._settings = settings
        self._drivers: dict[Key, LinkDriver] = {}
        self._ports: dict[bool, MulticastPort] = {}
        self._ports_gone: dict[bool, Counter[str]] = {}
        self._troubles = Troubles(self._log)
        self._refused: Counter[str] = Counter()
        self._strain = Strain(SYSTEM_LIMITS)
        self._retry: IDelayedCall | None = None
        self._refusal: OSError | None = None
        self._unwatch: Callable[[], None] | None = None
        self._unwatch_sleep: Callable[[], None] | None = None
        self._listeners: list[Overhearer] = []

    def __iter__(self) -> Iterator[LinkDriver]:
        return iter(tuple(self._drivers.values()))

    def __len__(self) -> int:
        return len(self._drivers)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Call any of the links in the body; what they want to say is sent when it ends.

        May be nested, in calls of one link too.
        """
        drivers = self.begin()
        try:
            yield
        finally:
            self.end(drivers)

    def begin(self) -> tuple[LinkDriver, ...]:
        """Begin to call the links, for whoever does so with each packet; `calling` serves for others."""
        drivers = tuple(self._drivers.values())
        for driver in drivers:
            driver.begin()
        return drivers

    @staticmethod
    def end(drivers: Iterable[LinkDriver]) -> None:
        """Do what follows from the calls since `begin`, which has returned these."""
        for driver in drivers:
            driver.end()

    def now(self) -> float:
        """Return the time to tell the links."""
        return float(self._clock.seconds())

    @property
    def trouble(self) -> str | None:
        """Why no link works, in one line; None when one does."""
        if self._unwatch is None:
            return f"no link works: {NOT_STARTED}"
        if any(driver.is_working for driver in self):
            return None
        unsendable = [f"{driver.label} cannot be sent to" for driver in self if driver.is_up]
        return f"no link works: {'; '.join([*self._troubles.causes, *unsendable])}"

    def port_counters(self) -> dict[str, dict[str, int]]:
        """Return for each family what its port counted, with those before it that were closed."""
        return {
            "IPv6" if ipv6 else "IPv4": dict(self._port_counters(ipv6))
            for ipv6 in sorted({*self._ports, *self._ports_gone})
        }

    def limits(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return by link, and by family for what its links share, which limits were reached, and by whom."""
        found = self._strain.numbers()
        told = [port.limits for port in self._ports.values()]
        for label, causes in chain.from_iterable(
            [each.items() for each in (*told, *[driver.strain.numbers() for driver in self])]
        ):
            found.setdefault(label, {}).update(causes)
        return found

    def _port_counters(self, ipv6: bool) -> Counter[str]:
        counters = Counter(self._ports_gone.get(ipv6))
        port = self._ports.get(ipv6)
        if port is not None:
            counters.update(port.counters)
        return counters

    # Life

    def open(self) -> None:
        """Open the ports and links, and follow the interfaces.

        :raises OSError: no port could be opened: a program holds 5353 and does not share it.
        """
        self._unwatch = self._network.watch(self._interfaces_changed)
        self._unwatch_sleep = watch_sleep(self._clock, self._settings.sleep_limit, self._woke)
        self._follow_all(self._network.interfaces())
        if self._refusal is not None and not self._ports:
            self.stop_following()
            self._troubles.forget()
            raise self._refusal
        self._tell()

    def stop_following(self) -> None:
        """Follow the interfaces no more; the links stay as they are until `close`."""
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if self._unwatch_sleep is not None:
            self._unwatch_sleep()
            self._unwatch_sleep = None
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def close(self) -> Deferred[None]:
        """Close all links and ports; fires when the ports are closed."""
        while self._drivers:
            self._detach(next(iter(self._drivers)))
        self._ports_gone.update({ipv6: self._port_counters(ipv6) for ipv6 in self._ports})
        closed = DeferredList([port.close() for port in self._ports.values()], consumeErrors=True)
        self._ports.clear()
        self._troubles.forget()
        return closed.addCallback(lambda _: None)

    def reconnect(self) -> None:
        """Probe, announce and ask anew on every link that works (RFC 6762 §8)."""
        for driver in self:
            if driver.is_working:
                driver.resume()

    def _woke(self, asleep: float) -> None:
        self._log.info("nothing ran for {asleep:.0f} s: all is probed for and asked anew", asleep=asleep)
        # The interfaces first: this may be another place.
        self._look()
        self.reconnect()

    # Listening in

    def overhear(self, listener: Overhearer) -> Callable[[], None]:
        """Call ``listener`` with each datagram that arrives, before its link takes it in.

        :returns: call this to end it.
        """
        self._listeners.append(listener)
        self._set_receivers()

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)
                self._set_receivers()

        return end

    def _set_receivers(self) -> None:
        for driver in self:
            if driver.is_up:
                # It has joined, so that this changes the receiver alone.
                driver.port.join(driver.interface, self._receiver(driver))

    def _receiver(self, driver: LinkDriver) -> Receiver:
        # While nobody listens in, a datagram costs nothing more.
        return partial(self._overheard, driver) if self._listeners else driver.receive

    def _overheard(
        self, driver: LinkDriver, datagram: bytes, source: SocketAddress, multicast: bool
    ) -> bytes | None:
        for listener in tuple(self._listeners):
            try:
                listener(driver, datagram, source, multicast)
            except Exception:
                self._log.failure("a listener failed on {link}", link=driver.label)
        return driver.receive(datagram, source, multicast)

    # Following the interfaces

    def _interfaces_changed(self, available: Iterable[Interface]) -> None:
        self._follow_all(available)
        self._tell()

    def _follow_all(self, available: Iterable[Interface]) -> None:
        available = tuple(available)
        present = {interface.index for interface in available}
        selected = select_interfaces(self._settings.interfaces, available, strict=False)
        chosen = {each.index: each for each in selected}
        self._refusal = None
        self._troubles.clear()
        selectors = self._settings.interfaces
        # Whoever wants no network misses none.
        wanted = not isinstance(self._network, NoNetwork)
        for cause in missing_interfaces(selectors, available, selected) if wanted else ():
            self._troubles.add(cause, is_usual=not selectors)
        for key, driver in tuple(self._drivers.items()):
            interface = chosen.get(key[0])
            if interface is not None and _carries(interface, driver.ipv6):
                self._follow(key, driver, interface)
            elif key[0] in present:
                self._suspend(driver)
            else:
                self._detach(key)
        for interface in chosen.values():
            for ipv6 in self._settings.families:
                if (interface.index, ipv6) not in self._drivers and _carries(interface, ipv6):
                    self._attach(interface, ipv6)

    def _attach(self, interface: Interface, ipv6: bool) -> None:
        port = self._open_port(ipv6)
        if port is None:
            return
        key = (interface.index, ipv6)
        settings = LinkSettings(
            ipv6=ipv6,
            mtu=interface.mtu,
            unicast_responses=not port.shared,
            own_port=port.is_own,
            max_rate=self._settings.max_rate,
        )
        link = Link(
            settings,
            _networks(interface, ipv6),
            rng=self._rng,
            now=self._clock.seconds(),
            others=_OtherLinks(key, self._drivers),
        )
        driver = LinkDriver(self._clock, link, port, interface, ipv6, self)
        if not self._join(driver, interface):
            return
        self._drivers[key] = driver
        self._log.info("joined {group} on {interface}", group=_group(ipv6), interface=interface.name)
        self.link_changed(driver, LinkChange.CAME)

    def _follow(self, key: Key, driver: LinkDriver, interface: Interface) -> None:
        """Bring a link up to date with its interface, and touch no other (RFC 6762 §8, §10.2)."""
        before = driver.interface
        if driver.is_up and before == interface:
            return
        if before.mtu != interface.mtu:
            # All messages are made for the size; a new link makes them anew.
            self._detach(key)
            self._attach(interface, driver.ipv6)
            return
        if not self._join(driver, interface):
            self._suspend(driver)
            return
        driver.interface = interface
        if before.name != interface.name:
            self.link_changed(driver, LinkChange.RENAMED)
        if before.addresses != interface.addresses:
            self._log.info("addresses of {interface} changed", interface=interface.name)
            with driver.calling() as now:
                driver.link.set_networks(_networks(interface, driver.ipv6), now)
                self.link_changed(driver, LinkChange.READDRESSED)
        if not driver.is_up:
            self._log.info("{link} is back", link=driver.label)
            driver.resume()

    def _suspend(self, driver: LinkDriver) -> None:
        if driver.is_up:
            self._log.info("{link} carries nothing for now", link=driver.label)
            # Left, so that it is joined anew: Linux drops the membership with the last address.
            driver.port.leave(driver.interface)
            driver.suspend()

    def _detach(self, key: Key) -> None:
        driver = self._drivers.pop(key)
        driver.stop()
        self.gone += driver.link.counters
        driver.port.leave(driver.interface)
        self._log.info(
            "left {group} on {interface}", group=_group(driver.ipv6), interface=driver.interface.name
        )
        self.link_changed(driver, LinkChange.GONE)

    def _open_port(self, ipv6: bool) -> MulticastPort | None:
        port = self._ports.get(ipv6)
        if port is None:
            try:
                port = self._network.open(ipv6)
            except OSError as problem:
                self._refusal = problem
                family = "IPv6" if ipv6 else "IPv4"
                self._count(problem, _Shared(family))
                self._trouble(f"{family}: {problem.strerror or problem}")
                return None
            self._ports[ipv6] = port
            if port.shared:
                self._log.info("another socket holds port {port} too: no unicast answers", port=MDNS_PORT)
        return port

    def _join(self, driver: LinkDriver, interface: Interface) -> bool:
        try:
            driver.port.join(interface, self._receiver(driver))
        except OSError as problem:
            self._count(problem, driver)
            self._trouble(f"{interface.name}: {problem.strerror or problem}")
            return False
        return True

    def _count(self, problem: OSError, of: Labelled) -> None:
        """Count a refusal of the system that is a limit of its own, and have it told."""
        if problem.errno in FULL and isinstance(of, LinkDriver):
            self._refused["joins refused, memberships full"] += 1
        elif problem.errno in (errno.EMFILE, errno.ENFILE):
            self._refused["descriptors full"] += 1
        self._strain.look((self._refused,), of, "", self.now())

    def _trouble(self, cause: str) -> None:
        """Take note of a trouble, and try again later; the other links go on."""
        self._troubles.add(cause)
        if self._retry is None and self._unwatch is not None:
            self._retry = self._clock.callLater(RETRY_DELAY, self._try_again)

    def _tell(self) -> None:
        self._troubles.tell(self.now(), any_link=any(driver.is_up for driver in self))

    def _try_again(self) -> None:
        self._retry = None
        self._look()

    def _look(self) -> None:
        """Look at the interfaces anew; when there is no descriptor to do it with, look later."""
        try:
            available = self._network.interfaces()
        except OSError as problem:
            self._count(problem, _Shared("interfaces"))
            self._trouble(f"the interfaces cannot be listed: {problem.strerror or problem}")
            self._tell()
            return
        self._interfaces_changed(available)

    # What the drivers tell

    def handle(self, driver: LinkDriver, events: Sequence[Event]) -> None:
        """Pass on what a link reports (called by its driver)."""
        for observer in self.observers:
            observer.handle(driver, events)

    def link_changed(self, driver: LinkDriver, change: LinkChange) -> None:
        """Pass on what became of a link (called by its driver, too)."""
        for observer in self.observers:
            observer.link_changed(driver, change)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What several links share."""

    label: str


class _OtherLinks:
    """All links of a node but one: what they publish is no conflict on that one (RFC 6762 §14)."""

    def __init__(self, key: Key, drivers: Mapping[Key, LinkDriver]) -> None:
        self._key = key
        self._drivers = drivers

    def holds(self, record: Record) -> bool:
        """Whether a record is ours on another link, claimed or still being probed for."""
        return any(
            other != self._key and driver.link.responder.holds(record)
            for other, driver in self._drivers.items()
        )

    def has_whole(self, records: Sequence[Record]) -> bool:
        """Whether these records are all that another link has of their name, type and class."""
        return any(
            other != self._key and driver.link.responder.has_whole(records)
            for other, driver in self._drivers.items()
        )


def _carries(interface: Interface, ipv6: bool) -> bool:
    return interface.up and interface.carrier and bool(_networks(interface, ipv6))


def _networks(interface: Interface, ipv6: bool) -> list[IPv4Interface | IPv6Interface]:
    return [each for each in interface.networks if (each.version == 6) is ipv6]


def _group(ipv6: bool) -> str:
    return IPV6_GROUP if ipv6 else IPV4_GROUP
