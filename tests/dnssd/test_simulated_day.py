"""Hosts that come, go and change on a link that loses, doubles and reorders packets; and what a browser
sees of it."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import IPv4Address
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, decode
from mcast.dns.records import Record, address, next_secure, pointer, service, text
from mcast.dnssd.browsing import Browser
from mcast.dnssd.found import Added, Change, FoundService, Removed, Updated
from mcast.mdns.events import Denied, RecordChange
from mcast.mdns.link import Link, LinkSettings
from tests.dnssd.following_lab import ETH0, HTTP, LIST, host, instance
from tests.mdns.lab import A, interface

SEED = 6762
"""Any other will do as well."""

HOSTS = 200
DURATION = 3600.0
"""Seconds with changes and losses. A day is scaled down: each host has as much trouble in this hour as it may
have in a day, and the TTLs of 75 minutes are ten."""

LONG_TTL = 600
"""TTL of PTR and TXT records."""

CALM = 700.0
"""Seconds without, after which everything must be right: longer than the longest TTL."""

LOSS = 0.1
DOUBLING = 0.05
HEARD_JUST_NOW = 1.1
"""A record that was sent so many seconds ago may be too young to be flushed (RFC 6762 §10.2), with the time
that a packet takes."""

STALE_LIMIT = 120 + 2.0
"""A host that is gone without a goodbye is shown as long at most: the TTL of its SRV record, and a packet
on its way."""

State = tuple[int, bytes, IPv4Address]
"""Port, text and address of a service."""


class Peer:
    """A host with one service; it answers, announces and takes leave as RFC 6762 says."""

    def __init__(self, number: int, world: World) -> None:
        self.label = f"Service {number}"
        self._host = host(f"host{number}")
        self._world = world
        self.is_up = False
        self.spoke_at = -HEARD_JUST_NOW
        """When it last sent anything."""
        self.state: State = (80, b"v=0", IPv4Address(0x0A000001 + number))
        self.history: list[tuple[float, State | None]] = [(0.0, None)]
        """When each state began; None while the host is off."""

    def records(self) -> list[Record]:
        port, strings, where = self.state
        name = instance(self.label)
        return [
            pointer(LIST, name, LONG_TTL),
            service(name, 0, 0, port, self._host, 120, cache_flush=True),
            text(name, [strings], LONG_TTL, cache_flush=True),
            address(self._host, where, 120, cache_flush=True),
            next_secure(self._host, [A], 120),
        ]

    def _note(self) -> None:
        self.history.append((self._world.now, self.state if self.is_up else None))

    def start(self) -> None:
        self.is_up = True
        self._note()
        self._announce(self.records())

    def stop(self, *, goodbye: bool) -> None:
        self.is_up = False
        self._note()
        if goodbye:
            self._send([record.with_ttl(0) for record in self.records()])

    def change(self, state: State) -> None:
        self._world.counts["changes"] += 1
        before = self.records()
        self.state = state
        self._note()
        self._announce([record for record in self.records() if record not in before])

    def _announce(self, records: Sequence[Record]) -> None:
        self._send(records)
        self._world.later(1.0, lambda: self._announce_again(records))

    def _announce_again(self, records: Sequence[Record]) -> None:
        """Send what is still true of an announcement."""
        still = [record for record in self.records() if record in records]
        if self.is_up and still:
            self._send(still)

    def _send(self, records: Sequence[Record]) -> None:
        self.spoke_at = self._world.now
        self._world.send(records)

    def hear(self, query: Message) -> None:
        """Answer a query, but for what it lists as known."""
        if not self.is_up:
            return
        mine = self.records()
        known = {record.rdata for record in query.answers}
        asked = {(question.name.key, question.type) for question in query.questions}
        answers = [
            record for record in mine if (record.name.key, record.type) in asked and record.rdata not in known
        ]
        names = {name for name, _ in asked}
        if mine[4].name.key in names and not answers:
            answers.append(mine[4])
        if answers:
            extra = [] if answers[0].type != mine[0].type else mine[1:]
            self._send([*answers, *extra])


class World:
    """A clock, a bad link, its hosts, and a browser."""

    def __init__(self, seed: int, hosts: int) -> None:
        self.rng = Random(seed)
        self.now = 0.0
        self.loss = LOSS
        self.doubling = DOUBLING
        self.is_hasty = True
        """Whether hosts change within a second after they spoke, so that old and new records are both valid
        for a moment (RFC 6762 §10.2), and the browser rightly tells of both."""
        self.spread = 0.1
        """Seconds by which packets may overtake each other."""
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._serial = 0
        self.link = Link(
            LinkSettings(ipv6=False), [interface("10.0.255.1/16")], rng=Random(seed + 1), now=0.0
        )
        self.browser = Browser([(HTTP, None)])
        self.browser.add_link(ETH0, self.link.querier, 0.0)
        self.changes: list[Change] = []
        self.faults: list[str] = []
        self._replayed: dict[str, FoundService] = {}
        self.counts: Counter[str] = Counter()
        self.peers = [Peer(number, self) for number in range(hosts)]
        self._by_label = {peer.label.encode(): peer for peer in self.peers}
        self._by_label |= {f"host{number}".encode(): peer for number, peer in enumerate(self.peers)}

    def later(self, delay: float, call: Callable[[], object]) -> None:
        self._serial += 1
        heapq.heappush(self._events, (self.now + delay, self._serial, call))

    def send(self, records: Sequence[Record]) -> None:
        """Send a response; it may be lost, doubled, and overtaken by later ones."""
        self.counts["responses"] += 1
        if self.rng.random() < self.loss:
            return
        message = Message(flags=0x8400, answers=records)
        copies = 2 if self.rng.random() < self.doubling else 1
        for _ in range(copies):
            self.later(self.rng.uniform(0.001, 0.001 + self.spread), lambda: self._deliver(message))

    def _deliver(self, message: Message) -> None:
        self.link.querier.handle_response(message, ("10.0.0.1", 5353), True, self.now)

    def run(self, until: float) -> None:
        while True:
            wakeups = [self.link.next_wakeup(), self.browser.next_wakeup()]
            due = [at for at in wakeups if at is not None]
            if self._events:
                due.append(self._events[0][0])
            if not due or min(due) > until:
                break
            self.now = max(self.now, min(due))
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
            self.link.advance(self.now)
            for packet in self.link.transmissions():
                self._ask(decode(packet.payload))
            for event in self.link.events():
                if isinstance(event, RecordChange | Denied):
                    self.browser.handle(ETH0, event, self.now)
            for change in self.browser.changes(self.now):
                self._replay(change)
        self.now = until

    def _ask(self, query: Message) -> None:
        self.counts["queries"] += 1
        if any(question.name == LIST for question in query.questions):
            concerned = self.peers
        else:
            labels = {question.name.labels[0]: None for question in query.questions}
            concerned = [self._by_label[label] for label in labels]
        for peer in concerned:
            if self.rng.random() >= self.loss:
                delay = self.rng.uniform(0.02, 0.12)
                self.later(delay, partial(peer.hear, query))

    def _replay(self, change: Change) -> None:
        """Follow the changes as a consumer would, and note what does not fit together."""
        label = change.service.name
        known = self._replayed.get(label)
        self.counts[type(change).__name__] += 1
        if isinstance(change, Added) and known is not None:
            self.faults.append(f"{label} added twice at {self.now}")
        if isinstance(change, Removed) and known is None:
            self.faults.append(f"{label} removed, and was not there, at {self.now}")
        if isinstance(change, Updated):
            if known != change.previous:
                self.faults.append(f"{label} updated from what it was not at {self.now}")
            if change.service == change.previous:
                self.faults.append(f"{label} updated to the same at {self.now}")
        if isinstance(change, Removed):
            self._replayed.pop(label, None)
        else:
            self._replayed[label] = change.service

    def view(self) -> dict[str, State]:
        """What the consumer believes."""
        return {label: state_of(found) for label, found in self._replayed.items()}

    def truth(self) -> dict[str, State]:
        return {peer.label: peer.state for peer in self.peers if peer.is_up}

    def check(self) -> float:
        """Note what is older than it may be; return the part of the hosts that are seen as they are."""
        view, truth = self.view(), self.truth()
        for peer in self.peers:
            seen = view.get(peer.label)
            if seen is None:
                continue
            if not peer.is_up and self.now - peer.history[-1][0] > STALE_LIMIT:
                self.faults.append(f"{peer.label} is seen {self.now - peer.history[-1][0]} s after it left")
            states = [state for _, state in peer.history if state is not None]
            if seen[0] not in [state[0] for state in states]:
                self.faults.append(f"{peer.label} is seen as it never was: {seen}")
        right = [peer for peer in self.peers if view.get(peer.label) == truth.get(peer.label)]
        return len(right) / len(self.peers)

    def trouble(self, until: float) -> None:
        """Let something happen to a host, and again some seconds later."""
        if self.now > until:
            return
        self.later(self.rng.expovariate(1 / 3), lambda: self.trouble(until))
        peer = self.rng.choice(self.peers)
        if not peer.is_up:
            peer.start()
        elif self.is_hasty or self.now - peer.spoke_at >= HEARD_JUST_NOW:
            self._strike(peer)

    def _strike(self, peer: Peer) -> None:
        port, strings, where = peer.state
        number = self.rng.randrange(1 << 30)
        kind = self.rng.randrange(6)
        if kind < 2:
            peer.stop(goodbye=kind == 0)
        elif kind == 2:
            peer.change((port, b"v=%d" % number, where))
        elif kind == 3:
            peer.change((port, strings, IPv4Address(0x0A010000 + number % 0xFFFF)))
        elif kind == 4:
            peer.change((1 + number % 60000, strings, where))
        else:
            # Off and on again, too quickly for anybody to have noticed.
            peer.stop(goodbye=self.rng.random() < 0.5)
            self.later(0.7, lambda: None if peer.is_up else peer.start())


def state_of(found: FoundService) -> State:
    """What the browser says, in the terms of a peer; with several addresses the one of lowest value."""
    where = found.addresses[0].address if found.addresses else IPv4Address(0)
    assert isinstance(where, IPv4Address)
    return (found.port or 0, found.txt.strings[0], where)


class SimulatedDayTests(SynchronousTestCase):
    def test_the_view_follows_the_truth(self) -> None:
        """S-F-1, S-F-2, S-F-3: whatever happens, each change is told once, nothing is seen longer than the
        RFC allows, and in the end all is right."""
        world = World(SEED, HOSTS)
        for peer in world.peers[: HOSTS // 2]:
            world.later(world.rng.uniform(0, 60), peer.start)
        world.trouble(DURATION)
        shares = []
        for step in range(1, int(DURATION // 300)):
            world.run(step * 300 + world.rng.uniform(0, 300))
            shares.append(world.check())
        world.loss = world.doubling = 0.0
        world.run(DURATION + CALM)
        world.check()
        self.assertEqual(world.faults, [])
        self.assertEqual(world.view(), world.truth())
        self.assertGreater(sum(shares) / len(shares), 0.95)
        # Each change of a host is one change told, but for some that were lost and others that were
        # overtaken by an older answer; test_nothing_is_lost is strict.
        self.assertLess(abs(world.counts["Updated"] / world.counts["changes"] - 1), 0.1)
        self.assertGreater(world.counts["changes"], 400)

    def test_nothing_is_lost(self) -> None:
        """On a good link there is exactly one change told for each change of a host."""
        world = World(SEED, 40)
        world.loss = world.doubling = world.spread = 0.0
        world.is_hasty = False
        for peer in world.peers[:20]:
            world.later(world.rng.uniform(0, 60), peer.start)
        world.trouble(1800)
        shares = []
        for step in range(1, 30):
            world.run(step * 60.0)
            shares.append(world.check())
        world.run(2000)
        self.assertEqual(world.faults, [])
        self.assertEqual(world.view(), world.truth())
        self.assertEqual(world.counts["Updated"], world.counts["changes"])
        self.assertGreater(world.counts["changes"], 100)
