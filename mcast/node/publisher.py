"""What a node publishes: claims, each under one and the same name on every link (RFC 6762 §14)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import suppress
from typing import TypeVar

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.logger import Logger

from mcast.dns.names import Name
from mcast.errors import NameTaken
from mcast.mdns.events import (
    Event,
    GroupClaimed,
    GroupEvent,
    GroupLost,
    GroupReprobing,
    NameLost,
    ProbingFailed,
    RecordOversized,
)
from mcast.mdns.responder.record_group import RecordGroup
from mcast.node.durations import Durations
from mcast.node.link_driver import LinkDriver
from mcast.sockets.interface import Interface

Renamed = Callable[[str, str], object]
"""Called with the old and the new name when a conflict made a claim take another."""

_C = TypeVar("_C", bound="Registration")


class Registration(ABC):
    """Something that is published under one name on every link; the base of all registrations.

    :param renamed: called at every change of the name by a conflict.
    """

    _log = Logger()

    def __init__(self, publisher: Publisher, renamed: Renamed | None = None) -> None:
        self._publisher = publisher
        self._listeners: list[Renamed] = [] if renamed is None else [renamed]
        self.drivers: dict[LinkDriver, None] = {}
        """Where it is registered, for the `Publisher`."""
        self.claimed_on: set[LinkDriver] = set()
        """Where it is in use, for the `Publisher`."""
        self.begun_at: float | None = None
        """Since when a name is being claimed, for the `Publisher`; None while none is."""
        self.is_withdrawn = False
        self._was_claimed = False
        self._published_as: Name | None = None
        self._waiting: list[Deferred[None]] = []

    has_own_name = True
    """Whether the name stands for this claim alone, so that it is the claim's to change."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name as it is claimed now, a label for a person to read."""

    @property
    @abstractmethod
    def owner(self) -> Name:
        """The whole name that is claimed."""

    @abstractmethod
    def records(self, interface: Interface) -> RecordGroup:
        """Return what is published on the links of an interface."""

    def take_next_name(self) -> None:
        """Take the name to try after a conflict; called only when it `has_own_name`."""
        raise NotImplementedError

    def names(self, other: Registration) -> bool:
        """Whether the records of this claim hold the name of another one."""
        return False

    @property
    def memory(self) -> str | None:
        """The key under which the name is remembered when it is not the one asked for; None when it is."""
        return None

    @property
    def is_claimed(self) -> bool:
        """Whether it is in use on every working link, and there is one."""
        return self._publisher.is_claimed(self)

    def when_claimed(self, cancelled: Callable[[], object] = lambda: None) -> Deferred[None]:
        """Fire when it is, or was once, in use on all links; fail with `NameTaken` when it never will be.

        :param cancelled: called when the Deferred is cancelled.
        """
        if self._was_claimed:
            return succeed(None)

        def cancel(waiting: Deferred[None]) -> None:
            self._waiting.remove(waiting)
            cancelled()

        waiting: Deferred[None] = Deferred(cancel)
        self._waiting.append(waiting)
        return waiting

    def on_rename(self, listener: Renamed) -> None:
        """Call ``listener(old, new)`` whenever a conflict makes another name necessary (RFC 6762 §9)."""
        self._listeners.append(listener)

    def withdraw(self) -> Deferred[None]:
        """Publish it no longer; fires when the goodbyes have left, which takes up to a second."""
        return self._publisher.withdraw(self)

    def tell_renamed(self, old: str) -> None:
        """Tell who asked for it that the name is no longer ``old``."""
        for listener in tuple(self._listeners):
            try:
                listener(old, self.name)
            except Exception:
                self._log.failure("{listener!r} failed on a rename", listener=listener)

    def tell_claimed(self) -> None:
        """Tell who waits for it that it is in use on all links."""
        if self._published_as != self.owner:
            self._published_as = self.owner
            self._log.info("published {name}", name=str(self.owner))
        if not self._was_claimed:
            self._was_claimed = True
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    def tell_lost(self) -> None:
        """Tell who waits for it that it is no longer published, and will not be."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.errback(NameTaken(str(self.owner)))


class Publisher:
    """Keeps every claim registered on every link, and merges what the links report.

    :param state: remembers names taken after conflicts, for the next start (RFC 6762 §9).
    """

    _log = Logger()

    def __init__(self, state: MutableMapping[str, str]) -> None:
        self.state = state
        self.hosts: dict[Name | None, Registration] = {}
        """The hosts that are published, by the name that was asked for; None is the host that we run on."""
        self.counters: Counter[str] = Counter()
        """Conflicts, renames and the like since the start."""
        self.claiming: Durations = Durations()
        """How long claims took from their registration on a working link until they were in use on all."""
        self._claims: dict[Registration, None] = {}
        self._owners: dict[Name, Registration] = {}
        self._drivers: list[LinkDriver] = []

    def __iter__(self) -> Iterator[Registration]:
        return iter(self._claims)

    def __contains__(self, claim: Registration) -> bool:
        return claim in self._claims

    # Claims

    def add(self, claim: Registration) -> None:
        """Register a claim on every link, or on those that will come.

        :raises ValueError: it has a record that no packet can hold (RFC 6762 §17).
        """
        if claim.has_own_name:
            # Two of ours do not hear each other's probes, so they are kept apart here.
            while claim.owner in self._owners:
                claim.take_next_name()
            self._owners[claim.owner] = claim
        self._claims[claim] = None
        claim.begun_at = None
        try:
            for driver in self._drivers:
                self._register(claim, driver)
        except ValueError:
            self._drop(claim, goodbye=False)
            raise
        claim.is_withdrawn = False
        self._pump()

    def add_and_wait(self, claim: _C) -> Deferred[_C]:
        """Do as `add`; fire with the claim when it is in use on all working links. Cancelling withdraws."""
        self.add(claim)
        return claim.when_claimed(lambda: self.withdraw(claim)).addCallback(lambda _: claim)

    def changed(self, claim: Registration) -> None:
        """Publish the records that a claim has now in place of those it had (RFC 6762 §8.4).

        :raises ValueError: a record is too large for any packet.
        """
        for driver in claim.drivers:
            group = claim.records(driver.interface)
            # One message may cost the host and the service their names: then the service is off the link
            # already, and its own event, which is still to come, registers it anew.
            with suppress(KeyError):
                driver.link.responder.update(claim, group, driver.now())
        self._pump()

    def withdraw(self, claim: Registration) -> Deferred[None]:
        """Take a claim off every link; fires when the goodbyes have left."""
        if claim not in self._claims:
            return succeed(None)
        drivers = list(claim.drivers)
        self._drop(claim, goodbye=True)
        # Who cancels the wait wants no error of each link.
        sent = DeferredList([one.goodbyes_sent() for one in drivers], consumeErrors=True)
        self._pump()
        self._log.info("withdrew {name}", name=str(claim.owner))
        return sent.addCallback(lambda _: None)

    def say_goodbye(self) -> None:
        """Take everything off every link, and keep the claims for the links that may come."""
        for claim in self._claims:
            claim.begun_at = None
            self._leave_links(claim, goodbye=True)
        self._pump()

    def is_claimed(self, claim: Registration) -> bool:
        """Whether a claim is in use on every working link, and there is one."""
        working = [driver for driver in self._drivers if driver.is_working]
        return bool(working) and claim.claimed_on.issuperset(working)

    # Links

    def attach(self, driver: LinkDriver) -> None:
        """Publish everything on a link too."""
        self._drivers.append(driver)
        for claim in tuple(self._claims):
            try:
                self._register(claim, driver)
            except ValueError:
                self._log.failure("{name} cannot be published", name=str(claim.owner))
        driver.pump()

    def detach(self, driver: LinkDriver) -> None:
        """Forget a link that is gone."""
        self._drivers.remove(driver)
        for claim in self._claims:
            claim.drivers.pop(driver, None)
            claim.claimed_on.discard(driver)
        self.check()

    def refresh(self, driver: LinkDriver) -> None:
        """Publish what the changed addresses of an interface make different."""
        now = driver.now()
        for claim in self._claims:
            if driver in claim.drivers:
                with suppress(KeyError):  # lost just now, as above
                    driver.link.responder.update(claim, claim.records(driver.interface), now)
        driver.pump()

    def handle(self, driver: LinkDriver, event: Event) -> None:
        """Do what follows from an event of a link."""
        if isinstance(event, ProbingFailed):
            self._log.error(
                "no free name found on {link} for a minute; still trying {names}",
                link=driver.label,
                names=[str(name) for name in event.names],
            )
            return
        if not isinstance(event, GroupEvent):
            return
        claim = event.owner
        if not isinstance(claim, Registration) or driver not in claim.drivers:
            return
        if isinstance(event, GroupClaimed):
            claim.claimed_on.add(driver)
            self._check(claim)
        elif isinstance(event, GroupReprobing):
            claim.claimed_on.discard(driver)
            if event.contested:
                self._log.info(
                    "{name} is contested on {link}; probing anew", name=str(event.name), link=driver.label
                )
        elif isinstance(event, GroupLost):
            # What is registered there again was lost before that.
            if claim not in driver.link.responder:
                self._conflicted(claim, driver)
        elif isinstance(event, NameLost):
            self._log.debug("{name} is left to another host", name=str(event.name))
        elif isinstance(event, RecordOversized):
            self._log.warn(
                "a record of {name} takes {size} octets and goes out in fragments on {link}",
                name=str(event.name),
                size=event.size,
                link=driver.label,
            )

    def check(self) -> None:
        """Look which claims are in use on all links, after a link came, went or changed."""
        for claim in tuple(self._claims):
            self._check(claim)

    # Parts of these

    def _pump(self) -> None:
        for driver in tuple(self._drivers):
            driver.pump()

    def _register(self, claim: Registration, driver: LinkDriver) -> None:
        group = claim.records(driver.interface)
        if claim.begun_at is None and driver.is_working:
            claim.begun_at = driver.now()
        driver.link.responder.register(claim, group, driver.now())
        claim.drivers[driver] = None

    def _leave_links(self, claim: Registration, goodbye: bool) -> None:
        for driver in claim.drivers:
            driver.link.responder.withdraw(claim, driver.now(), goodbye)
        claim.drivers.clear()
        claim.claimed_on.clear()

    def _part(self, claim: Registration, lost: Name, interface: int) -> None:
        """Leave the other link of an interface as one on which the name was lost.

        The neighbours are the same, and what they know by one family they know by the other: a usual goodbye
        would take the winner's records from them.
        """
        for driver in tuple(claim.drivers):
            if driver.interface.index == interface:
                driver.link.responder.lose(claim, lost, driver.now())
                del claim.drivers[driver]
                claim.claimed_on.discard(driver)

    def _drop(self, claim: Registration, goodbye: bool) -> None:
        claim.is_withdrawn = True
        self._leave_links(claim, goodbye)
        del self._claims[claim]
        if claim.has_own_name:
            del self._owners[claim.owner]
        if claim in self.hosts.values():
            self.hosts = {key: host for key, host in self.hosts.items() if key is None or host is not claim}

    def _rename(self, claim: Registration) -> None:
        """Let a claim take its next name that is not one of ours already."""
        del self._owners[claim.owner]
        claim.take_next_name()
        while claim.owner in self._owners:
            claim.take_next_name()
        self._owners[claim.owner] = claim

    def _check(self, claim: Registration) -> None:
        if not self.is_claimed(claim):
            return
        memory = claim.memory
        if memory is not None and self.state.get(memory) != claim.name:
            # RFC 6762 §9: recorded only when it is ours.
            self.state[memory] = claim.name
        if claim.begun_at is not None:
            self.claiming.add(self._drivers[0].now() - claim.begun_at)
            claim.begun_at = None
        claim.tell_claimed()

    def _conflicted(self, claim: Registration, driver: LinkDriver) -> None:
        """Take another name, on all links, for one that was lost on one of them (RFC 6762 §9, §14)."""
        del claim.drivers[driver]
        self.counters["conflicts"] += 1
        old, lost = claim.name, claim.owner
        self._part(claim, lost, driver.interface.index)
        if not claim.has_own_name:
            self._log.warn("{name} is taken by another host on {link}", name=str(lost), link=driver.label)
            self._drop(claim, goodbye=True)
            self.claiming.failures += 1
            claim.tell_lost()
            return
        self._rename(claim)
        self._log.warn(
            "{name} is taken by another host on {link}; trying {new} instead",
            name=str(lost),
            link=driver.label,
            new=str(claim.owner),
        )
        self.counters["renames"] += 1
        self._leave_links(claim, goodbye=True)
        for other in self._drivers:
            self._register(claim, other)
        for dependent in tuple(self._claims):
            if dependent.names(claim):
                self.changed(dependent)
        claim.tell_renamed(old)
        self._pump()
