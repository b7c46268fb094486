"""Keeps what a node publishes on all its links, each item under one name (RFC 6762 §14)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from contextlib import suppress
from random import Random

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.logger import Logger

from mcast.dns.names import Name
from mcast.dnssd.hosts import host_name
from mcast.errors import NameTaken
from mcast.mdns.events import (
    Event,
    GroupClaimed,
    GroupEvent,
    GroupLost,
    GroupReprobing,
    GroupUpdated,
    NameLost,
    ProbingFailed,
    RecordOversized,
)
from mcast.node.departures import Departures
from mcast.node.durations import Durations
from mcast.node.items import HostItem, Item
from mcast.node.link_driver import LinkChange, LinkDriver
from mcast.node.links import Links
from mcast.node.lives import WITHDREW, Lives
from mcast.node.naming import NameChooser


class Publisher:
    """Keeps every item registered on every link that it wants, and merges what the links report.

    :param state: remembers names taken after conflicts, for the next start (RFC 6762 §9).
    :param rng: chooses names after conflicts.
    """

    _log = Logger()

    def __init__(self, links: Links, state: MutableMapping[str, str], rng: Random) -> None:
        self.hosts: dict[Name | None, HostItem] = {}
        """The hosts that are published, by the name that was asked for; None is the host that we run on."""
        self.counters: Counter[str] = Counter()
        """Conflicts, renames and the like since the start."""
        self.claiming: Durations = Durations()
        """How long it took from the registration on a working link until an item was in use on all links."""
        self.lives = Lives(links.clock)
        """What is told of names in the log."""
        self._links = links
        self._state = state
        self._items: dict[Item, None] = {}
        self._names: dict[Name, Item] = {}
        self._alone: tuple[LinkDriver, ...] = ()
        """The last link that an item was registered on first."""
        self._chooser = NameChooser(rng, self._is_taken)
        self._departures = Departures(links.clock, links.calling, self._say_goodbye)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __contains__(self, item: Item) -> bool:
        return item in self._items

    # Items

    def recall(self, item: Item) -> None:
        """Give a new item the name that it had to take at an earlier time (RFC 6762 §9)."""
        remembered = self._state.get(item.memory_key) if item.renames else None
        if remembered is None:
            return
        wanted = item.label
        try:
            item.take(remembered)
            _ = item.full_name
        except (ValueError, TypeError) as problem:
            # The mapping is the caller's: believed no more than any other input.
            item.take(wanted)
            self._log.warn(
                "{key}: no name is remembered: {problem}", key=item.memory_key, problem=str(problem)
            )

    def add(self, item: Item) -> None:
        """Register an item on every link that it wants, or on those that will come.

        :raises ValueError: it has a record that no packet can hold (RFC 6762 §17), or a name that another
            item has, and may not take another one.
        """
        self._departures.finish(item.full_name)
        if item.is_alone:
            # Two of ours do not hear each other's probes, so they are kept apart here.
            if item.full_name in self._names and not item.renames:
                raise ValueError(f"{item.full_name} is published by this node already")
            item.losses = 0
            if item.full_name in self._names:
                self._chooser.take_another(item)
            self._names[item.full_name] = item
        if isinstance(item, HostItem):
            self.hosts.setdefault(host_name(item.wanted), item)
        self._items[item] = None
        item.begun_at = None
        item.is_claimed = item.is_lost = False
        with self._links.calling():
            try:
                for driver in self._links:
                    self._register(item, driver)
            except ValueError:
                self._drop(item, goodbye=False)
                raise

    def update(self, item: Item, undo: Callable[[], None]) -> Deferred[None]:
        """Publish the records that an item has now in place of those it had (RFC 6762 §8.4).

        :param undo: gives the item back what it had, when one of the links refuses what is new.
        :returns: fires when what is new has been announced on every working link, or the item was withdrawn
            meanwhile; fails with `NameTaken` when it was lost.
        :raises ValueError: a record is too large for any packet.
        """
        with self._links.calling():
            try:
                self._refresh_everywhere(item)
            except ValueError:
                undo()
                self._refresh_everywhere(item)
                raise
        announced: Deferred[None] = Deferred(item.forget_update)
        item.updates += (announced,)
        self._check_updates(item)
        return announced

    def withdraw(self, item: Item) -> Deferred[None]:
        """Take an item off every link; fires when the goodbyes have left."""
        if item not in self._items:
            return succeed(None)
        drivers = list(item.drivers)
        self._forget(item)
        left = self._departures.add(item)
        self.lives.tell(self._log, WITHDREW, item.full_name)
        item.observer.withdrawn()
        self._tell_updated(item)
        return left.addCallback(lambda _: _goodbyes_of(drivers))

    def say_goodbye(self) -> Deferred[None]:
        """Take everything off every link, and keep the items for the links that may come.

        :returns: fires when everything is off the links; the goodbyes may still have to leave.
        """
        # The last one first: what points to a host goes before the host.
        return self._departures.add_all(reversed(self._items))

    def abandon_goodbyes(self) -> None:
        """Have what waits to leave its links go without a goodbye: when the links close."""
        count = self._departures.abandon()
        if count:
            self.counters["left without goodbye"] += count
            self._log.warn("{count} services and hosts left without a goodbye", count=count)

    def finish_goodbyes(self) -> None:
        """Take off the links now what is still to leave them."""
        self._departures.finish()

    # Links

    def link_changed(self, driver: LinkDriver, change: LinkChange) -> None:
        """Follow a link that came, went or changed."""
        with driver.calling():
            if change is LinkChange.CAME:
                for item in tuple(self._items):
                    self._register_late(item, driver)
            elif change is LinkChange.GONE:
                self._alone = ()
                for item in (*self._items, *self._departures):
                    if driver in item.drivers:
                        self._leave(item, driver)
            elif change is LinkChange.READDRESSED:
                for item in tuple(self._items):
                    self._readdress(item, driver)
            elif change is LinkChange.WORKS and not driver.is_working:
                # When the link is back all is probed for first.
                for item in self._items:
                    _discard(item, driver)
        working = self._working()
        for item in [each for each in self._items if each.drivers or each.is_claimed]:
            self._check(item, working)

    def handle(self, driver: LinkDriver, events: Sequence[Event]) -> None:
        """Take in what a link reports."""
        for event in events:
            self._handle(driver, event)

    def _handle(self, driver: LinkDriver, event: Event) -> None:
        if isinstance(event, ProbingFailed):
            self._log.error(
                "no free name found on {link} for a minute; still trying {names}",
                link=driver.label,
                names=[str(name) for name in event.names],
            )
            return
        if not isinstance(event, GroupEvent):
            return
        item = event.owner
        if not isinstance(item, Item) or item not in self._items or driver not in item.drivers:
            return
        if isinstance(event, GroupClaimed):
            if driver not in item.claimed_on:
                # Mostly those are all: one object then.
                claimed_on = (*item.claimed_on, driver)
                item.claimed_on = item.drivers if claimed_on == item.drivers else claimed_on
            self._check(item, self._working())
        elif isinstance(event, GroupReprobing):
            _discard(item, driver)
            item.is_claimed = False
            if event.contested:
                self._log.info(
                    "{name} is contested on {link}; probing anew", name=str(event.name), link=driver.label
                )
        elif isinstance(event, GroupUpdated):
            self._check_updates(item)
        elif isinstance(event, GroupLost):
            # What is registered there again was lost before that.
            if item not in driver.link.responder:
                with self._links.calling():
                    self._lose(item, driver)
        elif isinstance(event, NameLost):
            self._log.debug("{name} is left to another host", name=str(event.name))
        elif isinstance(event, RecordOversized):
            self._log.warn(
                "a record of {name} takes {size} octets and goes out in fragments on {link}",
                name=str(event.name),
                size=event.size,
                link=driver.label,
            )

    # Parts of these

    def _is_taken(self, name: Name) -> bool:
        """Whether an item of ours has a name, or another host was heard to want it."""
        return name in self._names or any(driver.link.responder.was_seen(name) for driver in self._links)

    def _register(self, item: Item, driver: LinkDriver) -> None:
        if not item.wants(driver.interface):
            return
        group = item.records(driver.interface)
        with driver.calling() as now:
            if item.begun_at is None and driver.is_working:
                item.begun_at = now
            driver.link.responder.register(item, group, now)
        if not item.drivers:
            # The same object for thousands of services.
            if not self._alone or self._alone[0] is not driver:
                self._alone = (driver,)
            item.drivers = self._alone
        elif driver not in item.drivers:
            item.drivers += (driver,)

    def _register_late(self, item: Item, driver: LinkDriver) -> None:
        """Register on a link that was not there when the item was added, so that nobody can be told."""
        try:
            self._register(item, driver)
        except ValueError:
            self._log.failure("{name} cannot be published", name=str(item.full_name))

    def _readdress(self, item: Item, driver: LinkDriver) -> None:
        """Publish what the changed addresses of an interface make different."""
        if driver not in item.drivers:
            self._register_late(item, driver)
        elif item.wants(driver.interface):
            self._refresh(item, driver)
        else:
            with driver.calling() as now:
                driver.link.responder.withdraw(item, now)
            self._leave(item, driver)

    def _refresh_everywhere(self, item: Item) -> None:
        for driver in tuple(item.drivers):
            self._refresh(item, driver)

    def _refresh(self, item: Item, driver: LinkDriver) -> None:
        group = item.records(driver.interface)
        # One message may cost the host and the service their names: then the service is off the link already,
        # and its own event, which is still to come, registers it anew.
        with driver.calling() as now, suppress(KeyError):
            driver.link.responder.update(item, group, now)

    def _leave(self, item: Item, driver: LinkDriver) -> None:
        """Forget that an item is on a link."""
        item.drivers = tuple([each for each in item.drivers if each is not driver])
        _discard(item, driver)

    def _say_goodbye(self, item: Item) -> None:
        item.begun_at = None
        self._leave_links(item, goodbye=True)

    def _leave_links(self, item: Item, goodbye: bool) -> None:
        for driver in tuple(item.drivers):
            with driver.calling() as now:
                driver.link.responder.withdraw(item, now, goodbye)
            self._leave(item, driver)
        item.is_claimed = False

    def _leave_interface(self, item: Item, lost: Name, index: int) -> None:
        """Leave the other link of an interface as one on which the name was lost.

        The neighbours are the same, and what they know by one family they know by the other: a usual goodbye
        would take the winner's records from them.
        """
        for driver in tuple(item.drivers):
            if driver.interface.index == index:
                with driver.calling() as now:
                    driver.link.responder.lose(item, lost, now)
                self._leave(item, driver)

    def _drop(self, item: Item, goodbye: bool) -> None:
        self._leave_links(item, goodbye)
        self._forget(item)

    def _forget(self, item: Item) -> None:
        item.is_claimed = False
        del self._items[item]
        if item.is_alone:
            del self._names[item.full_name]
        if isinstance(item, HostItem) and self.hosts.get(host_name(item.wanted)) is item:
            del self.hosts[host_name(item.wanted)]

    def _working(self) -> list[LinkDriver]:
        return [driver for driver in self._links if driver.is_working]

    def _check(self, item: Item, working: list[LinkDriver]) -> None:
        """Find out whether an item is in use on all of the working links that it wants."""
        if item.interfaces:
            working = [each for each in working if item.wants(each.interface)]
        was_claimed = item.is_claimed
        missing = [each for each in working if each not in item.claimed_on]
        item.is_claimed = bool(working) and not missing
        if item.is_claimed and not was_claimed:
            self._claimed(item)
        self._check_updates(item)

    def _claimed(self, item: Item) -> None:
        if item.label != item.wanted and self._state.get(item.memory_key) != item.label:
            # RFC 6762 §9: recorded only when it is ours.
            self._state[item.memory_key] = item.label
        item.losses = 0
        if item.begun_at is not None:
            self.claiming.add(self._links.now() - item.begun_at)
            item.begun_at = None
        item.observer.claimed()

    def _check_updates(self, item: Item) -> None:
        """Tell those who wait for it that an update has been announced on every working link."""
        if not item.updates or not item.is_claimed:
            return
        if all(each.link.responder.is_announced(item) for each in item.drivers if each.is_working):
            self._tell_updated(item)

    def _tell_updated(self, item: Item) -> None:
        waiting, item.updates = item.updates, ()
        for each in waiting:
            each.callback(None)

    def _lose(self, item: Item, driver: LinkDriver) -> None:
        """Take another name, on all links, for one that was lost on one of them (RFC 6762 §9, §14)."""
        self._leave(item, driver)
        self.counters["conflicts"] += 1
        lost = item.full_name
        self._chooser.note_taken(lost)
        self._leave_interface(item, lost, driver.interface.index)
        if item.renames:
            self._rename(item, driver)
            return
        self._log.warn("{name} is taken by another host on {link}", name=str(lost), link=driver.label)
        self._drop(item, goodbye=True)
        self.claiming.failures += 1
        item.is_lost = True
        item.observer.lost()
        waiting, item.updates = item.updates, ()
        for each in waiting:
            each.errback(NameTaken(str(lost)))

    def _rename(self, item: Item, driver: LinkDriver) -> None:
        """Let an item take its next name that is not one of ours already, and publish it under that."""
        old, lost = item.label, item.full_name
        del self._names[lost]
        item.losses += 1
        self._chooser.take_another(item)
        self._names[item.full_name] = item
        self._log.warn(
            "{name} is taken by another host on {link}; trying {new} instead",
            name=str(lost),
            link=driver.label,
            new=str(item.full_name),
        )
        self.counters["renames"] += 1
        self._leave_links(item, goodbye=True)
        for other in self._links:
            self._register(item, other)
        if isinstance(item, HostItem):
            for dependent in [each for each in self._items if each.names(item)]:
                self._refresh_everywhere(dependent)
        item.observer.renamed(old)


def _discard(item: Item, driver: LinkDriver) -> None:
    """Take note that an item is not in use on a link."""
    item.claimed_on = tuple([each for each in item.claimed_on if each is not driver])


def _goodbyes_of(drivers: Iterable[LinkDriver]) -> Deferred[None]:
    # A caller that cancels the wait wants no error of each link.
    sent = DeferredList([one.goodbyes_sent() for one in drivers], consumeErrors=True)
    return sent.addCallback(lambda _: None)
