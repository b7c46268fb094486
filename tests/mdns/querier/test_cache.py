"""What the cache keeps, lets go of and refuses (RFC 6762 §5.2, §10)."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name, interned
from mcast.dns.records import Record, address, pointer, raw, service, text
from mcast.mdns.context import MAX_CACHE_RECORDS, CacheLimits, LinkSettings
from mcast.mdns.querier.cache import Cache, Outcome
from mcast.mdns.querier.cache_cells import (
    CachedRecord,
    capitals,
    pack_member,
    record_key,
    spell,
    unpack_member,
)
from tests.mdns.lab import ANY, OTHER_PEER, PTR, A
from tests.mdns.querier.asking_lab import FAR, FAR_A, ONE, ONE_PTR, TYPE, TYPE_PTR, AskingLab


def nothing(key: bytes, rtype: int) -> bool:
    return False


def small(
    is_wanted: Callable[[bytes, int], bool] = nothing, *, records: int = 100, of_name: int = 20
) -> Cache:
    return Cache(is_wanted, Counter(), CacheLimits(records=records, records_of_name=of_name))


def junk(number: int) -> Record:
    return address(Name.from_labels([f"junk{number}", "local"]), IPv4Address(number), 4500)


def listed(number: int) -> Record:
    return pointer(TYPE, TYPE.prefixed(f"Instance {number}"), 4500)


class StoringTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.cache = small()

    def outcomes(self, *records: Record) -> list[Outcome]:
        return [self.cache.store(record, 0.0)[0] for record in records]

    def test_new(self) -> None:
        self.assertEqual(self.outcomes(FAR_A), [Outcome.ADDED])
        self.assertEqual(len(self.cache), 1)

    def test_known(self) -> None:
        self.assertEqual(self.outcomes(FAR_A, FAR_A), [Outcome.ADDED, Outcome.REFRESHED])
        self.assertEqual(len(self.cache), 1)

    def test_goodbye_and_rescue(self) -> None:
        bye = FAR_A.with_ttl(0)
        expected = [Outcome.ADDED, Outcome.DOOMED, Outcome.IGNORED, Outcome.RESCUED]
        self.assertEqual(self.outcomes(FAR_A, bye, bye, FAR_A), expected)

    def test_another_time_to_live(self) -> None:
        expected = [Outcome.ADDED, Outcome.RETIMED, Outcome.REFRESHED]
        self.assertEqual(self.outcomes(FAR_A, FAR_A.with_ttl(7), FAR_A.with_ttl(7)), expected)

    def test_goodbye_of_nothing(self) -> None:
        self.assertEqual(self.outcomes(FAR_A.with_ttl(0)), [Outcome.IGNORED])
        self.assertEqual(len(self.cache), 0)

    def test_a_large_cell_behaves_alike(self) -> None:
        """A name of many records keeps them by other means, with the same results."""
        self.outcomes(*[listed(number) for number in range(15)])
        member, bye = listed(3), listed(3).with_ttl(0)
        expected = [Outcome.REFRESHED, Outcome.DOOMED, Outcome.IGNORED, Outcome.RESCUED]
        self.assertEqual(self.outcomes(member, bye, bye, member), expected)
        self.assertEqual(self.outcomes(listed(99).with_ttl(0), listed(99)), [Outcome.IGNORED, Outcome.ADDED])
        self.assertEqual(len(self.cache.lookup(TYPE.key, PTR, 0.0)), 16)

    def test_a_large_cell_keeps_spelling(self) -> None:
        """M-16-5: rdata in a large cell is found in any case, and given back as it was heard."""
        records = [listed(number) for number in range(15)]
        self.outcomes(*records)
        lower = Record(TYPE, PTR, 1, 4500, records[7].rdata.lower())
        self.assertEqual(self.outcomes(lower), [Outcome.REFRESHED])
        rdata = [held.rdata for held in self.cache.lookup(TYPE.key, PTR, 0.0)]
        self.assertEqual(rdata, [record.rdata for record in records])

    def test_types_in_a_large_cell(self) -> None:
        self.outcomes(*[listed(number) for number in range(15)], text(TYPE, [b"x"], 100))
        self.assertEqual(len(self.cache.lookup(TYPE.key, RecordType.TXT, 0.0)), 1)
        self.assertEqual(len(self.cache.lookup(TYPE.key, ANY, 0.0)), 16)

    def test_large_rdata(self) -> None:
        """A cell does not grow without limit."""
        large = [raw(FAR, RecordType.TXT, (b"\xff" + bytes([number]) * 255) * 4, 100) for number in range(4)]
        self.outcomes(*large)
        rdata = [held.rdata for held in self.cache.lookup(FAR.key, RecordType.TXT, 0.0)]
        self.assertEqual(rdata, [record.rdata for record in large])

    def test_expired_are_not_given_out(self) -> None:
        """M-5.2-7: at the end of its TTL a record is no longer valid."""
        self.outcomes(FAR_A)
        self.assertEqual(len(self.cache.lookup(FAR.key, A, 119.999)), 1)
        self.assertEqual(self.cache.lookup(FAR.key, A, 120.0), [])
        self.assertIsNone(self.cache.find(FAR_A, 120.0))

    def test_removed_and_stored_again(self) -> None:
        self.outcomes(FAR_A)
        self.cache.take(FAR.key, [lifetime.key for lifetime in self.cache.lifetimes(FAR.key)])
        self.assertEqual(self.cache.lookup(FAR.key, ANY, 0.0), [])
        self.assertFalse(self.cache.has(FAR.key, A))
        self.assertEqual(self.outcomes(FAR_A), [Outcome.ADDED])

    def test_removed_members(self) -> None:
        self.outcomes(*[listed(number) for number in range(15)])
        self.cache.take(TYPE.key, [lifetime.key for lifetime in self.cache.lifetimes(TYPE.key)[:5]])
        self.assertEqual(len(self.cache.lookup(TYPE.key, PTR, 0.0)), 10)
        self.assertEqual(self.outcomes(listed(0)), [Outcome.ADDED])


class BoundTests(SynchronousTestCase):
    """However much is heard, memory is bounded, and junk never silences what somebody wants."""

    def test_junk_displaces_junk(self) -> None:
        cache = small()
        for number in range(1000):
            cache.store(junk(number), float(number) / 1000)
        self.assertLessEqual(len(cache), 100)
        # The newest are kept.
        self.assertIsNotNone(cache.find(junk(999), 1.0))
        self.assertIsNone(cache.find(junk(0), 1.0))

    def test_wanted_records_stay(self) -> None:
        cache = small(lambda key, rtype: key == FAR.key)
        cache.store(FAR_A.with_ttl(4500), 0.0)
        for number in range(1000):
            cache.store(junk(number), 1.0)
        self.assertIsNotNone(cache.find(FAR_A, 2.0))

    def test_wanted_records_find_room(self) -> None:
        """An answer is taken in though the cache is full of junk."""
        cache = small(lambda key, rtype: key == FAR.key)
        for number in range(1000):
            cache.store(junk(number), 1.0)
        self.assertEqual(cache.store(FAR_A, 1.0)[0], Outcome.ADDED)
        for number in range(1000, 2000):
            cache.store(junk(number), 1.0)
        self.assertIsNotNone(cache.find(FAR_A, 2.0))

    def test_nothing_but_wanted_records(self) -> None:
        """When all is wanted there is an end too, and it is counted."""
        counters: Counter[str] = Counter()
        cache = Cache(lambda key, rtype: True, counters, CacheLimits(records=100))
        for number in range(1000):
            cache.store(junk(number), 1.0)
        self.assertLessEqual(len(cache), 107)
        self.assertGreater(counters["records refused, cache full"], 800)
        self.assertIsNotNone(cache.find(junk(0), 1.0))

    def test_octets_are_bounded(self) -> None:
        """Large records count by their size."""
        cache = Cache(nothing, Counter(), CacheLimits(octets=100_000))
        for number in range(1000):
            name = Name.from_labels([f"junk{number}", "local"])
            cache.store(raw(name, 99, bytes(4000), 4500), 1.0)
        self.assertLessEqual(cache.octets, 100_000)
        self.assertLess(len(cache), 30)

    def test_a_full_name(self) -> None:
        """A name has a limit of its own."""
        cache = small(of_name=20)
        for number in range(200):
            cache.store(listed(number), 1.0)
        self.assertEqual(len(cache.lookup(TYPE.key, PTR, 1.0)), 20)

    def test_instances_that_answer_stay(self) -> None:
        """Invented instances displace each other, and not those of which more is known."""
        cache = Cache(lambda key, rtype: True, Counter(), CacheLimits(records_of_name=20))
        cache.store(ONE_PTR, 1.0)
        cache.store(service(ONE, 0, 0, 80, FAR, 120), 1.0)
        for number in range(200):
            cache.store(listed(number), 1.0)
        self.assertIsNotNone(cache.find(ONE_PTR, 1.0))
        self.assertEqual(len(cache.lookup(TYPE.key, PTR, 1.0)), 20)

    def test_what_is_evicted_though_wanted_is_told(self) -> None:
        cache = Cache(lambda key, rtype: True, Counter(), CacheLimits(records_of_name=20))
        for number in range(21):
            cache.store(listed(number), 1.0)
        self.assertEqual([record.rdata for record in cache.evicted], [listed(0).rdata])

    def test_a_full_name_of_known_instances(self) -> None:
        """When all of them are wanted and answer, one of the newest makes room, and is counted."""
        counters: Counter[str] = Counter()
        cache = Cache(lambda key, rtype: True, counters, CacheLimits(records_of_name=20))
        for number in range(20):
            cache.store(listed(number), 1.0)
            cache.store(service(TYPE.prefixed(f"Instance {number}"), 0, 0, 80, FAR, 120), 1.0)
        for number in range(20, 40):
            self.assertEqual(cache.store(listed(number), 1.0)[0], Outcome.ADDED)
            cache.store(service(TYPE.prefixed(f"Instance {number}"), 0, 0, 80, FAR, 120), 1.0)
        self.assertEqual(counters["records displaced, name full"], 20)
        kept = [number for number in range(40) if cache.find(listed(number), 1.0)]
        self.assertEqual(kept, [*range(15), *range(35, 40)])

    def test_a_newcomer_that_is_heard_again(self) -> None:
        """It stays, whatever comes once after it."""
        cache = Cache(lambda key, rtype: True, Counter(), CacheLimits(records_of_name=128))
        for number in range(400):
            cache.store(listed(number), 1.0, number + 1)
            cache.store(service(TYPE.prefixed(f"Instance {number}"), 0, 0, 80, FAR, 120), 1.0)
            if number == 200:
                cache.store(listed(number), 2.0, number + 1)
        self.assertIsNotNone(cache.find(listed(200), 2.0))
        self.assertIsNotNone(cache.find(listed(0), 2.0))
        self.assertIsNone(cache.find(listed(201), 2.0))
        self.assertEqual(len(cache.lookup(TYPE.key, PTR, 1.0)), 128)

    def test_expired_records_make_room(self) -> None:
        """What has expired goes in passing, before anything else has to."""
        cache = small(records=100)
        for number in range(90):
            cache.store(junk(number).with_ttl(10), 0.0)
        for number in range(100, 190):
            cache.store(junk(number), 20.0)
        self.assertLessEqual(len(cache), 100)
        self.assertIsNotNone(cache.find(junk(100), 20.0))

    def test_accounts_balance(self) -> None:
        """After any history, all that is counted is there."""
        rng = Random(6762)
        cache = small(lambda key, rtype: key[1:5] == b"junk" and key[5] % 3 == 0, records=60, of_name=15)
        for step in range(6000):
            now = step / 10
            record = rng.choice([junk, listed])(rng.randrange(80))
            cache.store(record.with_ttl(rng.choice([0, 1, 30])), now)
            if not step % 7:
                key = rng.choice([record.name.key, TYPE.key])
                cache.take(key, [one.key for one in cache.lifetimes(key) if one.expires_at <= now])
        counted = sum(len(cache.records(key, ANY)) for key in cache.names)
        self.assertEqual(len(cache), counted)
        self.assertEqual(sorted(cache.names), sorted(cache._table.order))
        self.assertLessEqual(len(cache), 64)
        cache.clear()
        self.assertEqual((len(cache), cache.octets), (0, 0))

    def test_octets_balance(self) -> None:
        """What is counted as used is given back when everything has gone."""
        cache = small(records=8)
        for number in range(40):
            cache.store(listed(number), 0.0)
            cache.store(junk(number), 0.0)
        for number in range(1000, 1400):
            cache.store(junk(number), 9000.0)
        one = len(junk(1000).name.key) + 128
        self.assertLess(cache.octets, 8 * (one + 60))

    def test_octets_of_what_comes_again(self) -> None:
        """A member that goes and comes again takes no more than at first."""
        cache = small(of_name=100)
        for number in range(20):
            cache.store(listed(number), 0.0)
        once = cache.octets
        for _ in range(50):
            cache.take(TYPE.key, [record_key(PTR, listed(3).rdata)])
            cache.store(listed(3), 0.0)
        self.assertEqual(cache.octets, once)

    def test_what_goes_leaves_little_behind(self) -> None:
        """Of ten thousand names and members that have gone, some hundred empty entries are left."""
        cache = small(records=100_000, of_name=100_000)
        for number in range(10_000):
            for record in (junk(number), listed(number)):
                cache.store(record, 0.0)
                cache.take(record.name.key, [record_key(record.type, record.rdata)])
        self.assertEqual(len(cache), 0)
        self.assertLess(cache.octets, 150_000)
        self.assertLess(len(cache.names), 300)


class MemoryTests(SynchronousTestCase):
    def test_octets_for_a_record(self) -> None:
        """A record of a service instance takes less than 200 octets: half of what python-zeroconf takes,
        400."""
        cache = Cache(nothing, Counter(), CacheLimits())
        interned.clear()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for number in range(2000):
                name = TYPE.prefixed(f"Instance {number:05}")
                cache.store(pointer(TYPE, name, 4500), 1.0 * number)
                cache.store(service(name, 0, 0, 8000 + number, FAR, 120, cache_flush=True), 1.0 * number)
                cache.store(text(name, [b"path=/", b"ver=1"], 4500, cache_flush=True), 1.0 * number)
            del name
            interned.clear()
            used = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        self.assertLess(used / len(cache), 200)
        # And the cache knows about how much that is.
        self.assertLess(abs(cache.octets - used) / used, 0.5)

    def test_the_bound_of_the_cache(self) -> None:
        """A full cache of common records stays below its bound in octets."""
        self.assertLess(MAX_CACHE_RECORDS * 200, 24 * 1024 * 1024)


class CellTests(SynchronousTestCase):
    @given(st.binary(max_size=300), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.integers(0, 15))
    @settings(deadline=None)
    def test_members_round_trip(self, rdata: bytes, rtype: int, ttl: int, flags: int) -> None:
        held = CachedRecord(12.5, ttl, rtype, flags, 7, rdata)
        key = record_key(rtype, rdata)
        self.assertEqual(unpack_member(key, pack_member(held, key)), held)

    def test_octets_that_are_no_letters(self) -> None:
        """Port 80 is the octet of a capital P, and no letter of a name."""
        rdata = service(ONE, 0x4142, 0, 80, Name.parse("Far.local."), 120).rdata
        held = CachedRecord(12.5, 120, int(RecordType.SRV), 1, 7, rdata)
        key = record_key(held.type, rdata)
        self.assertEqual(unpack_member(key, pack_member(held, key)), held)

    @given(st.binary(max_size=256))
    @settings(deadline=None)
    def test_spelling_round_trips(self, wire: bytes) -> None:
        self.assertEqual(spell(wire.lower(), capitals(wire, wire.lower())), wire)


class HostileTests(SynchronousTestCase):
    """A link that is flooded still serves its askers."""

    def test_answers_in_a_flood(self) -> None:
        lab = AskingLab(LinkSettings(ipv6=False, cache=CacheLimits(records=500)))
        lab.want(TYPE_PTR)
        lab.hear(ONE_PTR)
        for start in range(0, 5000, 50):
            lab.hear(*[junk(number) for number in range(start, start + 50)])
            lab.pass_time(0.01)
        lab.hear(listed(1))
        self.assertTrue(lab.knows(ONE_PTR))
        self.assertEqual(len(lab.added()), 2)
        self.assertLessEqual(len(lab.querier.cache), 532)

    def test_evicted_answers_are_removed(self) -> None:
        """The asker that was told of a record is told when it is evicted."""
        lab = AskingLab(LinkSettings(ipv6=False, cache=CacheLimits(records_of_name=20)))
        lab.want(TYPE_PTR)
        lab.hear(*[listed(number) for number in range(21)])
        changes = lab.changes()
        self.assertEqual([kind for kind, _ in changes], ["added"] * 21 + ["removed"])
        self.assertEqual(changes[-1][1].rdata, listed(0).rdata)

    def test_timers_do_not_pile_up(self) -> None:
        """A record that comes and goes for ever leaves nothing behind."""
        lab = AskingLab()
        lab.want(TYPE_PTR)
        for _ in range(2000):
            lab.hear(ONE_PTR)
            lab.hear(ONE_PTR.with_ttl(1))
            lab.pass_time(0.3)
        self.assertLess(len(lab.querier._timers), 600)

    def test_observations_are_bounded(self) -> None:
        lab = AskingLab()
        for number in range(3000):
            lab.hear(junk(number))
            lab.ask(junk(number).name, A)
        self.assertLessEqual(len(lab.querier._observations), 1024)
        self.assertGreater(lab.link.counters["queries not observed"], 1900)

    def test_failures_are_dropped_in_parts(self) -> None:
        """Hundreds of records that other hosts ask for in vain do not go in one long step."""
        lab = AskingLab()
        for number in range(600):
            lab.hear(junk(number))
        lab.pass_time(1)
        for number in [*range(600), *range(600)]:
            lab.ask(junk(number).name, A, OTHER_PEER)
        lab.pass_time(9.9)
        lab.now += 0.1
        lab.link.advance(lab.now)
        self.assertGreater(len(lab.querier.cache), 400)
        lab.pass_time(0)
        self.assertEqual(len(lab.querier.cache), 0)

    def test_reconfirmations_are_bounded(self) -> None:
        lab = AskingLab()
        for number in range(500):
            lab.hear(junk(number))
        taken = [lab.querier.reconfirm(junk(number), lab.now) for number in range(500)]
        self.assertEqual(taken.count(True), 256)
        self.assertEqual(lab.link.counters["reconfirmations refused"], 244)

    def test_work_is_done_in_parts(self) -> None:
        """Thousands of questions that are due at once do not keep the reactor from everything else."""
        lab = AskingLab()
        for number in range(3000):
            lab.want(Question(junk(number).name, A))
        at = lab.link.next_wakeup()
        assert at is not None
        lab.now = at
        steps = 0
        while (at := lab.link.next_wakeup()) is not None and at <= lab.now:
            lab.link.advance(lab.now)
            steps += 1
            self.assertLessEqual(len(lab.collect()), 4)
        self.assertGreater(steps, 5)
        self.assertEqual(sum(len(packet.message.questions) for packet in lab.sent), 3000)


class SourcesTests(SynchronousTestCase):
    """Of a full name, the source that holds most gives first."""

    def setUp(self) -> None:
        self.counters: Counter[str] = Counter()
        self.cache = Cache(lambda key, rtype: True, self.counters, CacheLimits(records_of_name=20))

    def fill(self, *, answered: bool) -> None:
        for number in range(20):
            self.cache.store(listed(number), 1.0, 5)
            if answered:
                name = TYPE.prefixed(f"Instance {number}")
                self.cache.store(service(name, 0, 0, 80, FAR, 120), 1.0, 5)

    def test_another_source(self) -> None:
        self.fill(answered=False)
        self.assertEqual(self.cache.store(ONE_PTR, 2.0, 6)[0], Outcome.ADDED)
        for number in range(100, 200):
            self.cache.store(listed(number), 3.0, 5)
        self.assertIsNotNone(self.cache.find(ONE_PTR, 3.0))

    def test_who_answers_for_all_it_says(self) -> None:
        """That does not keep others out."""
        self.fill(answered=True)
        self.assertEqual(self.cache.store(ONE_PTR, 2.0, 6)[0], Outcome.ADDED)
        self.cache.store(listed(99), 2.0, 5)
        self.assertIsNotNone(self.cache.find(ONE_PTR, 2.0))
        self.assertEqual(len(self.cache.lookup(TYPE.key, PTR, 2.0)), 20)

    def test_confirmed_by_a_second_host(self) -> None:
        self.cache.store(ONE_PTR, 1.0, 5)
        self.cache.store(ONE_PTR, 1.0, 6)
        for number in range(200):
            self.cache.store(listed(number), 2.0, 7)
        self.assertIsNotNone(self.cache.find(ONE_PTR, 2.0))

    def test_memory_after_much_displacing(self) -> None:
        for number in range(5000):
            self.cache.store(listed(number), 1.0, number % 7 + 1)
        self.assertEqual(len(self.cache), 20)
        self.assertLess(self.cache.octets, 10_000)
