"""What a server pushes, and in how few octets (RFC 8765 §6.3.1)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dns.records import Record, address, alias, pointer, raw, service
from mcast.errors import MalformedMessage, McastError
from mcast.unicast.dso import SessionError, read_dso
from mcast.unicast.push import MAX_PUSH, Change, Topic, read_push, write_pushes
from tests.unicast.dso_lab import PUSH, dso, tlv
from tests.unicast.push_lab import (
    AAAA,
    ANY,
    CH,
    HOST,
    HTTP,
    POINTER,
    PTR,
    REMOVED,
    SERVICE,
    SRV,
    TEXT,
    TOGETHER,
    TXT,
    TYPES,
    WEB,
    A,
    entry,
    push,
)
from tests.unicast.test_push_server import following

OWNER = b"\xc0\x10"
"""A pointer to the first owner name of a PUSH message."""


class PushedTests(SynchronousTestCase):
    """What leaves for a change."""

    def pushed(self, topics: list[Topic], first: list[Record], then: list[Record]) -> list[bytes]:
        """Return what is pushed when all answers with the records lose some of them."""
        session, answers = following(*topics)
        for each in answers:
            each.change([record for record in first if self.belongs(each.topic, record)], [])
        session.flush(2.0)
        session.take_outgoing()
        for each in answers:
            each.change([], [record for record in then if self.belongs(each.topic, record)])
        session.flush(3.0)
        return session.take_outgoing()

    @staticmethod
    def belongs(topic: Topic, record: Record) -> bool:
        return topic.matches(record.name, record.type, record.rclass)

    def test_later(self) -> None:
        """H-6.2.1-9: what appears after the subscription."""
        session, (answers,) = following(TYPES)
        answers.change([POINTER], [])
        session.flush(100.0)
        self.assertEqual(session.take_outgoing(), [push(entry(HTTP, PTR, 4500, b"\x03Web" + OWNER))])

    def test_one_of_several(self) -> None:
        """H-6.3.1-11: the others of its set remain, so that it is removed by itself."""
        other = pointer(HTTP, HOST, 60)
        self.assertEqual(
            self.pushed([TYPES], [POINTER, other], [POINTER]),
            [push(entry(HTTP, PTR, REMOVED, b"\x03Web" + OWNER))],
        )

    def test_all_of_a_set(self) -> None:
        """H-6.3.1-11, H-6.3.1-8, H-6.3.1-7: one notification without rdata."""
        records = [address(HOST, f"2001:db8::{number}", 60) for number in range(1, 4)]
        self.assertEqual(
            self.pushed([Topic(HOST, AAAA)], records, records), [push(entry(HOST, AAAA, TOGETHER))]
        )

    def test_all_of_a_class(self) -> None:
        """H-6.3.1-12, H-6.3.1-9: one notification with TYPE ANY."""
        self.assertEqual(
            self.pushed([Topic(WEB, ANY)], [SERVICE, TEXT], [SERVICE, TEXT]),
            [push(entry(WEB, ANY, TOGETHER))],
        )

    def test_all_of_a_name(self) -> None:
        """H-6.3.1-12, H-6.3.1-10: with CLASS ANY, and TYPE 0."""
        self.assertEqual(
            self.pushed([Topic(WEB, ANY, ANY)], [SERVICE, TEXT], [SERVICE, TEXT]),
            [push(entry(WEB, 0, TOGETHER, rclass=ANY))],
        )

    def test_another_class_remains(self) -> None:
        """H-6.3.1-12: only what is gone is said to be gone."""
        chaos = Record(WEB, TXT, CH, 60, b"\1x")
        self.assertEqual(
            self.pushed([Topic(WEB, ANY, ANY)], [SERVICE, TEXT, chaos], [SERVICE, TEXT]),
            [push(entry(WEB, ANY, TOGETHER))],
        )

    def test_whoever_follows_two_types_knows_nothing_of_the_others(self) -> None:
        """H-6.3.1-12: two sets are removed, not the name."""
        self.assertEqual(
            self.pushed([Topic(WEB, SRV), Topic(WEB, TXT)], [SERVICE, TEXT], [SERVICE, TEXT]),
            [push(entry(WEB, SRV, TOGETHER), entry(OWNER, TXT, TOGETHER))],
        )

    def test_an_answer_that_has_just_begun(self) -> None:
        """It is empty for the moment, and must not take away what others have."""
        session, answers = following(Topic(WEB, SRV), Topic(WEB, TXT), Topic(WEB, ANY))
        answers[0].change([SERVICE], [])
        answers[1].change([TEXT], [])
        session.flush(2.0)
        session.take_outgoing()
        answers[0].change([], [SERVICE])
        session.flush(3.0)
        self.assertEqual(session.take_outgoing(), [push(entry(WEB, SRV, TOGETHER))])

    def test_two_subscriptions(self) -> None:
        """H-6.3.1-16: one change, one notification."""
        session, answers = following(Topic(WEB, SRV), Topic(WEB, ANY))
        for each in answers:
            each.change([SERVICE], [])
        session.flush(2.0)
        (message,) = session.take_outgoing()
        self.assertEqual(len(read_push(read_dso(message)).changes), 1)

    def test_all_types(self) -> None:
        """H-6.2.1-10: every change of every type."""
        session, (answers,) = following(Topic(WEB, ANY))
        answers.change([SERVICE, TEXT], [])
        session.flush(2.0)
        (message,) = session.take_outgoing()
        changes = read_push(read_dso(message)).changes
        self.assertEqual([change.record for change in changes], [SERVICE, TEXT])

    def test_several_subscriptions_in_one_message(self) -> None:
        """H-6.3.1-13: whatever there is to tell at the moment."""
        session, answers = following(TYPES, Topic(WEB, SRV))
        answers[0].change([POINTER], [])
        answers[1].change([SERVICE], [])
        session.flush(2.0)
        self.assertEqual(len(session.take_outgoing()), 1)

    def test_nothing_to_tell(self) -> None:
        """H-6.3.1-2: no message without a notification."""
        session, (answers,) = following(TYPES)
        answers.change([], [POINTER])
        session.flush(2.0)
        answers.change([POINTER], [])
        session.flush(2.0)
        session.take_outgoing()
        answers.change([POINTER], [])
        session.flush(3.0)
        self.assertEqual(session.take_outgoing(), [])

    def test_another_ttl(self) -> None:
        """H-6.3.1-3: told like a new record."""
        session, (answers,) = following(TYPES)
        answers.change([POINTER], [])
        session.flush(2.0)
        session.take_outgoing()
        answers.change([POINTER.with_ttl(9)], [])
        session.flush(3.0)
        self.assertEqual(session.take_outgoing(), [push(entry(HTTP, PTR, 9, b"\x03Web" + OWNER))])

    def test_alias(self) -> None:
        """H-2-2: it answers every type."""
        record = alias(HTTP, HOST, 60)
        session, (answers,) = following(TYPES)
        answers.change([record], [])
        session.flush(2.0)
        self.assertEqual(len(session.take_outgoing()), 1)

    def test_asterisk(self) -> None:
        """H-6.2.1-6: a topic with one matches nothing else."""
        self.assertFalse(Topic(Name.parse("*.example.com"), A).matches(HOST, A, 1))

    def test_large_ttl(self) -> None:
        """H-6.3.1-3: none is above 0x7FFFFFFF, since it would say something else."""
        self.assertEqual(Change.adding(POINTER.with_ttl(REMOVED)).ttl, 0x7FFFFFFF)


class SizeTests(SynchronousTestCase):
    """PUSH messages have at most 16,382 octets."""

    def test_long_answer(self) -> None:
        """H-6.3.1-17: it comes in several messages, none too long, and nothing is lost."""
        records = [pointer(HTTP, HTTP.prefixed(f"{number:050}"), 60) for number in range(600)]
        messages = list(write_pushes(map(Change.adding, records)))
        self.assertEqual(len(messages), 3)
        self.assertLessEqual(max(map(len, messages)), MAX_PUSH)
        self.assertGreater(len(messages[0]), MAX_PUSH - 80)
        changes = [change for each in messages for change in read_push(read_dso(each)).changes]
        self.assertEqual([change.record for change in changes], records)

    def test_record_that_just_fits(self) -> None:
        """H-6.3.1-17: to the octet."""
        rdata = bytes(MAX_PUSH - 16 - len(HOST.wire) - 10)
        self.assertEqual(list(map(len, write_pushes([Change.adding(raw(HOST, 99, rdata, 1))]))), [MAX_PUSH])

    def test_record_that_is_too_long(self) -> None:
        """It cannot be told; what stands beside it is."""
        large = raw(HOST, 99, bytes(MAX_PUSH - 16 - len(HOST.wire) - 9), 60)
        messages = write_pushes(map(Change.adding, [POINTER, large, SERVICE]))
        changes = [change for each in messages for change in read_push(read_dso(each)).changes]
        self.assertEqual([change.record for change in changes], [POINTER, SERVICE])

    def test_rdata_is_compressed_for_the_types_of_the_list_alone(self) -> None:
        """H-6.3.1-18: SRV is, NAPTR is not."""
        naptr = raw(HOST, 35, bytes(4) + b"\0\0\0" + HOST.wire, 60)
        (message,) = write_pushes(map(Change.adding, [service(HOST, 0, 0, 1, HOST, 60), naptr]))
        self.assertEqual(message.count(HOST.wire), 2)


class ReadingTests(SynchronousTestCase):
    """What strangers send is understood or refused, whatever it is."""

    @given(st.binary(max_size=80))
    @settings(deadline=None)
    def test_anything(self, data: bytes) -> None:
        """Nothing but our own errors is raised."""
        try:
            changes = read_push(read_dso(dso(0, tlv(PUSH, data)))).changes
        except (MalformedMessage, SessionError) as error:
            self.assertIsInstance(error, McastError)
            return
        again = [c for each in write_pushes(changes) for c in read_push(read_dso(each)).changes]
        self.assertEqual(again, changes)
