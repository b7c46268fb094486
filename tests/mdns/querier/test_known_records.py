"""Tests for mcast.mdns.querier.known_records: what answers a question already, and what denies an answer."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.records import next_secure
from mcast.mdns.querier.cache_cells import FLUSHED, UNIQUE, CachedRecord
from mcast.mdns.querier.known_records import (
    CNAME,
    NSEC,
    answering,
    denies,
    listed_types,
    settled_answer,
    settled_records,
)
from tests.mdns.lab import AAAA, ANY, A
from tests.mdns.querier.asking_lab import FAR

ONLY_A = next_secure(FAR, [A], 120).rdata


def held(rtype: int, rdata: bytes = b"", *, flags: int = UNIQUE, at: float = 0.0) -> CachedRecord:
    return CachedRecord(at, 120, rtype, flags, 7, rdata)


class DenialTests(SynchronousTestCase):
    @given(st.sets(st.integers(1, 1100) | st.integers(1, 64), min_size=1), st.integers(1, 1100))
    @settings(deadline=None)
    def test_one_bit(self, types: set[int], rtype: int) -> None:
        """What is read of one bit is what all of them say (RFC 4034 §4.1.2)."""
        record = next_secure(FAR, types | {A}, 120)
        listed = listed_types(record.rdata)
        assert listed is not None
        self.assertEqual(denies(record.rdata, rtype), rtype not in listed)

    def test_nothing_to_read(self) -> None:
        for rdata in (b"", FAR.wire[:3], FAR.wire + b"\0"):
            self.assertFalse(denies(rdata, A), rdata)


class SettledTests(SynchronousTestCase):
    """The short way for answers that are whole and new."""

    def answer(self, rtype: int, *known: CachedRecord, now: float = 1.0) -> CachedRecord | None:
        return settled_answer(rtype, settled_records(known, now))

    def test_an_answer_and_a_denial(self) -> None:
        known = held(A, bytes(4)), held(NSEC, ONLY_A)
        self.assertEqual(self.answer(A, *known), known[0])
        self.assertEqual(self.answer(AAAA, *known), known[1])

    def test_what_is_not_settled(self) -> None:
        denial = held(NSEC, ONLY_A)
        for known in (
            (),
            (held(A, bytes(4), flags=0), denial),
            (held(A, bytes(4), flags=UNIQUE | FLUSHED), denial),
            (held(A, bytes(4)), held(A, b"1234"), denial),
            (held(A, bytes(4)), held(CNAME, FAR.wire), denial),
            (held(A, bytes(4), at=-100.0), denial),
        ):
            self.assertIsNone(self.answer(A, *known), known)
        self.assertIsNone(self.answer(AAAA, held(NSEC, ONLY_A, at=-100.0)))
        self.assertIsNone(self.answer(ANY, held(A, bytes(4)), denial))


class LeftTests(SynchronousTestCase):
    """The TTL that is left of a record that is given out."""

    def left(self, age: float, heard_at: float = 1000.7) -> int:
        known = held(A, bytes(4), at=heard_at)
        (record,) = answering(FAR, [known], (A,), heard_at + age)
        return record.ttl

    def test_rounded_up(self) -> None:
        """A record in its last second is no goodbye."""
        self.assertEqual([self.left(age) for age in (0.5, 1.0, 60.25, 119.5)], [120, 119, 60, 1])

    def test_never_more_than_heard(self) -> None:
        for step in range(200):
            self.assertEqual(self.left(0.0, 0.1 * step), 120)
