"""Limits of small tables and of work done in one go, each with the least that shows it."""

from __future__ import annotations

import errno
import tempfile
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record, pointer, raw
from mcast.dnssd import collecting
from mcast.dnssd.collecting import Collector
from mcast.dnssd.files.toml_limits import FURTHER_PARTS_LIMIT, beyond_limits
from mcast.dnssd.following import MAX_ELSEWHERE
from mcast.dnssd.hosts import Host
from mcast.dnssd.link_id import LinkId
from mcast.echo import gathering
from mcast.echo.gathering import Enough, Gathering
from mcast.errors import REASON_LIMIT, brief
from mcast.mdns.context import CacheLimits, LinkContext, LinkSettings
from mcast.mdns.events import RecordAdded
from mcast.mdns.querier.cache import Cache
from mcast.mdns.querier.cache_cells import LargeCell, Lifetime
from mcast.mdns.querier.cache_maintenance import MAX_DUE, review
from mcast.mdns.querier.cache_table import MAX_CELL_OCTETS, MAX_CELL_RECORDS
from mcast.mdns.querier.duplicate_questions import MAX_SPARED
from mcast.mdns.querier.observed_queries import ObservedQueries
from mcast.mdns.querier.passive_observation import MAX_QUERIES, FailureObservation
from mcast.mdns.querier.querier import MAX_WAITING, Querier
from mcast.mdns.querier.query_queue import MAX_COLLECTED, MAX_ECHOES, QueryQueue
from mcast.mdns.querier.reconfirmation import (
    MAX_DROPS,
    MAX_KNOWN_ANSWERS_DELAY,
    Reconfirmations,
)
from mcast.mdns.responder.zone import MAX_ALIASES, Zone
from mcast.mdns.schedule import Timers
from mcast.neighbours import Neighbours
from mcast.node import links
from mcast.node.items import HostItem
from mcast.node.link_driver import FAILING_LIMIT, UNREACHABLE_DELAY_LIMIT
from mcast.node.naming import MAX_CHOICES, MAX_TRIES, NameChooser
from mcast.node.state import KEY_LIMIT, StateFile
from mcast.sockets.monitor import MAX_MESSAGES, NetlinkBell
from mcast.sockets.reading import MAX_ARRIVALS, Reader
from mcast.sockets.sending import MAX_CAUSES, FailureLog
from mcast.streams import MAX_TEXT, numbered_text, read_text
from tests.node.node_lab import NodeTestCase, drivers

TYPE = Name.parse("_http._tcp.local")


def instance(number: int) -> Record:
    return pointer(TYPE, TYPE.prefixed(f"Web {number}"), 4500)


class FindingLimitTests(SynchronousTestCase):
    def test_answers_gathered(self) -> None:
        self.patch(collecting, "MAX_ANSWERS", 3)
        collector = Collector(Question(TYPE, RecordType.PTR))
        for number in range(5):
            collector._record(LinkId("eth0", 2, False), RecordAdded(instance(number), (collector,)), 0.0)
        self.assertEqual(len(collector.answers), 3)
        self.assertEqual(collector.counters["answers beyond the limit"], 2)

    def test_hosts_elsewhere(self) -> None:
        collector = Collector(Question(TYPE, RecordType.PTR))
        for number in range(MAX_ELSEWHERE + 2):
            collector._want_elsewhere(Name.parse(f"host{number}.example.com"))
        self.assertEqual(len(collector.elsewhere), MAX_ELSEWHERE)
        self.assertEqual(collector.counters["hosts elsewhere beyond the limit"], 2)

    def test_replies(self) -> None:
        self.patch(gathering, "MAX_REPLIES", 3)
        found = Gathering(Enough())
        for port in range(5):
            reply: Any = SimpleNamespace(address=("192.0.2.1",), port=port, data=b"")
            found.take(reply)
        self.assertEqual((found.taken, found.overflow), (3, 2))


class TextLimitTests(SynchronousTestCase):
    def test_reason(self) -> None:
        self.assertEqual(len(brief("x" * 5000)), REASON_LIMIT + 1)

    def test_parts_of_many_keys(self) -> None:
        line = ".".join("abcdefghijklm") + " = 1\n"
        number = FURTHER_PARTS_LIMIT // 10
        self.assertIsNone(beyond_limits(line * number))
        self.assertIsNotNone(beyond_limits(line * (number + 1)))

    def test_numbered_line(self) -> None:
        line = numbered_text(1, "239.1.2.3", 5, None)
        self.assertIsNotNone(read_text(line))
        self.assertIsNone(read_text(bytes(MAX_TEXT) + line))

    def test_key_of_the_state(self) -> None:
        path = Path(tempfile.mkdtemp()) / "state"
        path.write_text(f'{{"service {"x" * KEY_LIMIT}": "Web (2)"}}')
        self.assertEqual(dict(StateFile(path)), {})
        self.assertTrue(path.with_name("state.bad").exists())


class QuerierLimitTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.context = LinkContext(LinkSettings(ipv6=False), Neighbours(()), Random(1), 0.0)
        self.cache = Cache(lambda key, rtype: True, Counter(), CacheLimits())
        self.queue = QueryQueue(self.context, self.cache)

    def test_review(self) -> None:
        """Thousands that run out together are removed in portions."""
        lifetimes = [Lifetime(b"%d" % number, 0.0, 10, 0, 0) for number in range(3 * MAX_DUE)]
        series: Any = SimpleNamespace(variation=0.0)
        found = review(series, lifetimes, 100.0)
        self.assertEqual((len(found.expired), found.first_at), (MAX_DUE, 100.0))

    def test_cell_of_many_records(self) -> None:
        for number in range(MAX_CELL_RECORDS):
            self.cache.store(instance(number), 0.0)
        self.assertNotIsInstance(self.cache.names[TYPE.key], LargeCell)
        self.cache.store(instance(MAX_CELL_RECORDS), 0.0)
        self.assertIsInstance(self.cache.names[TYPE.key], LargeCell)

    def test_cell_of_large_records(self) -> None:
        for number in range(2):
            self.cache.store(raw(TYPE, 65280, bytes([number]) * (MAX_CELL_OCTETS - 100), 120), 0.0)
        self.assertIsInstance(self.cache.names[TYPE.key], LargeCell)

    def test_queries_observed(self) -> None:
        observation = FailureObservation(TYPE.key, RecordType.PTR, 0.0)
        for number in range(5 * MAX_QUERIES):
            observation.note([], number, number / 10)
        self.assertEqual(len(observation._queries), MAX_QUERIES)

    def test_questions_collected(self) -> None:
        for number in range(MAX_COLLECTED):
            self.assertFalse(self.queue.is_full)
            self.queue.ask(Question(Name.parse(f"h{number}.local"), RecordType.A), 0.0)
        self.assertTrue(self.queue.is_full)

    def test_own_queries_remembered(self) -> None:
        for number in range(3 * MAX_ECHOES):
            self.queue._remember(b"%d" % number, 0.0)
        self.assertLessEqual(len(self.queue._sent), MAX_ECHOES)
        self.assertTrue(self.queue.was_sent(b"%d" % (3 * MAX_ECHOES - 1), 0.0))

    def doubted(self, many: int) -> Reconfirmations:
        found = Reconfirmations(self.cache, Counter())
        for number in range(many):
            self.cache.store(instance(number), 0.0)
        for number in range(many):
            found.begin(instance(number), 0.0, 0.0)
        return found

    def test_dropped_in_portions(self) -> None:
        found, now, most, dropped = self.doubted(2 * MAX_DROPS + 1), 0.0, 0, 0
        while (at := found.timers.next_at()) is not None and now < 300.0:
            now = max(now, at)
            _, drops = found.advance(now)
            count = sum(len(drop[1]) for drop in drops)
            most, dropped = max(most, count), dropped + count
        self.assertEqual((most, dropped), (MAX_DROPS, 2 * MAX_DROPS + 1))

    def querier(self) -> Any:
        """Return a querier of nothing but what the limits of its turns need."""
        querier: Any = object.__new__(Querier)
        querier._cache, querier._context, querier._queue = self.cache, self.context, self.queue
        querier._timers = Timers()
        return querier

    def test_spared(self) -> None:
        """Another host's question takes the place of ours while the list is short."""
        observed: Any = object.__new__(ObservedQueries)
        observed._cache, observed._context = self.cache, self.context
        stepped: list[float] = []
        series = SimpleNamespace(
            key=TYPE.key, type=1, answer_types=(1,), is_soon=lambda now: True, step=stepped.append
        )
        for number in range(MAX_SPARED):
            self.cache.store(instance(number), 0.0)
        observed._spare(series, [], 0, 0.0)
        self.cache.store(instance(MAX_SPARED), 0.0)
        observed._spare(series, [], 0, 1.0)
        self.assertEqual(stepped, [0.0])

    def test_timers_looked_at(self) -> None:
        """Of those that are not due, and may not ask yet, so many are looked at in one go."""
        querier = self.querier()
        looked_at: list[float] = []

        def may_ask(now: float) -> bool:
            looked_at.append(now)
            return False

        for _ in range(3 * MAX_WAITING):
            series: Any = SimpleNamespace(wake_at=None, may_ask=may_ask)
            querier._timers.arm(series, 0.01)
        self.queue.ask(Question(TYPE, RecordType.PTR), 0.0)
        querier._advance(0.0)
        self.assertEqual((len(looked_at), querier._timers.next_at()), (MAX_WAITING, 0.01))

    def test_long_list_is_asked_for_soon(self) -> None:
        """A list of thousands waits no longer than it takes to decide on a record."""
        self.assertEqual(self.doubted(2000).timers.next_at(), MAX_KNOWN_ANSWERS_DELAY)


class NameLimitTests(SynchronousTestCase):
    def test_aliases(self) -> None:
        """A circle of aliases ends."""
        zone = Zone()
        names = [Name.parse(f"a{number}.local") for number in range(2 * MAX_ALIASES)]
        for name, target in zip(names, [*names[1:], names[0]], strict=True):
            zone.apply([], [(raw(name, RecordType.CNAME, target.wire, 120), True)], 0.0)
        self.assertEqual(len(zone.answers(Question(names[0], RecordType.A))), MAX_ALIASES)

    def chosen(self, losses: int, free_after: int) -> tuple[str, int]:
        """Return the name that is chosen when so many were found taken, and how many were tried."""
        tried: list[Name] = []

        def is_taken(name: Name) -> bool:
            tried.append(name)
            return len(tried) <= free_after

        item = HostItem(Host(), "raspi")
        item.losses = losses
        NameChooser(Random(1), is_taken).take_another(item)
        return item.label, len(tried)

    def test_tries(self) -> None:
        """As many numbers in order as that, and then one at random."""
        self.assertEqual(self.chosen(1, MAX_TRIES - 1), (f"raspi-{MAX_TRIES + 1}", MAX_TRIES))
        self.assertNotEqual(self.chosen(1, MAX_TRIES)[0], f"raspi-{MAX_TRIES + 2}")

    def test_choices(self) -> None:
        """However often a name is lost, the number stays one that is taken for a number."""
        number = int(self.chosen(40, 20 * MAX_TRIES)[0].rpartition("-")[2])
        self.assertLess(number, 2 + MAX_CHOICES)


class SendingLimitTests(SynchronousTestCase):
    def test_causes(self) -> None:
        failures = FailureLog(Counter(), Logger(), ipv6=False)
        for interface in range(2 * MAX_CAUSES):
            failures.note(OSError(errno.EPERM, "not permitted"), "send", interface)
        self.assertLessEqual(len(failures._logged), MAX_CAUSES)

    def test_arrivals(self) -> None:
        reader: Any = object.__new__(Reader)
        reader._seen = {}
        reader._way_of = lambda arrival: (print, arrival, 2)
        reader._options = SimpleNamespace(read_arrival=lambda key: (2, "224.0.0.251", 255))
        reader._seat = SimpleNamespace(covers=lambda arrival: True)
        for number in range(2 * MAX_ARRIVALS):
            reader._turn_to([(0, 8, b"%d" % number)])
        self.assertLessEqual(len(reader._seen), MAX_ARRIVALS)

    def test_messages_of_the_kernel(self) -> None:
        """However much the kernel has to tell, the others have their turn."""
        read: list[int] = []
        rung: list[object] = []
        bell: Any = object.__new__(NetlinkBell)

        def receive(size: int) -> bytes:
            read.append(size)
            return b""

        bell._socket = SimpleNamespace(recv=receive)
        bell._ring = rung.append
        bell.doRead()
        self.assertEqual((len(read), len(rung)), (MAX_MESSAGES, 1))


class NodeLimitTests(NodeTestCase):
    def test_sleep(self) -> None:
        """A node watches for sleep of the length that is written."""
        limits: list[float] = []

        def watch(clock: object, limit: float, woke: object) -> Callable[[], None]:
            limits.append(limit)
            return lambda: None

        self.patch(links, "watch_sleep", watch)
        self.node("kitchen")
        self.assertEqual(limits, [links.SLEEP_LIMIT])

    def test_delay_of_a_link_that_refuses(self) -> None:
        """It is looked at each minute, however long it has refused."""
        node = self.settled("kitchen", ipv6=False)
        (driver,) = drivers(node)
        refused: list[float] = []

        def refuse(payload: bytes, interface: int, destination: object) -> bool:
            refused.append(self.lan.now)
            return False

        driver.port.send = refuse  # type: ignore[method-assign]
        node.reconnect()
        self.lan.advance(1200.0)
        rounds = [after - before for before, after in pairwise(refused) if after - before > FAILING_LIMIT]
        self.assertLessEqual(max(rounds), UNREACHABLE_DELAY_LIMIT + 1.0)
        self.assertGreater(max(rounds), UNREACHABLE_DELAY_LIMIT / 2)
