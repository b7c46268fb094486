"""The server's end of DNS Push Notifications, on a fake clock and a made-up zone (RFC 8765)."""

from __future__ import annotations

import struct

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.unicast import push_server
from mcast.unicast.answer_set import AnswerSet
from mcast.unicast.dso_session import OtherMessage, SessionEvent
from mcast.unicast.push import Topic
from mcast.unicast.push_server import (
    MAX_RECONFIRMS,
    MAX_SUBSCRIPTIONS,
    PushServer,
    ReconfirmRequested,
    SubscribeRequested,
    Unsubscribed,
)
from tests.unicast.dso_lab import (
    DSOTYPENI,
    FORMERR,
    NOTAUTH,
    PADDING,
    PUSH,
    REFUSED,
    SERVFAIL,
    SUBSCRIBE,
    aborted,
    answer,
    dso,
    keepalive,
    query,
    rcodes,
    retry_delay_tlv,
    tlv,
    types,
)
from tests.unicast.push_lab import (
    ANY,
    CNAME,
    HTTP,
    IN,
    POINTER,
    PTR,
    SERVICE,
    SRV,
    TEXT,
    TYPES,
    WEB,
    added,
    entry,
    push,
    reconfirm,
    subscribe,
    unsubscribe,
)


def served(now: float = 0.0) -> PushServer:
    """Return a server's session that a client established."""
    session = PushServer(now)
    session.receive(keepalive(1, 15, 3600), now)
    session.take_outgoing()
    session.take_events()
    return session


def following(*topics: Topic) -> tuple[PushServer, list[AnswerSet]]:
    """Return a session with subscriptions, their IDs counted from 10, and their answers, which are empty."""
    session = served()
    answers = []
    for number, topic in enumerate(topics, 10):
        session.receive(subscribe(number, topic.name, topic.type, topic.rclass), 1.0)
        answers.append(AnswerSet(topic))
        session.accept(number, answers[-1], 1.0)
    session.take_events()
    session.take_outgoing()
    return session, answers


class SubscribeTests(SynchronousTestCase):
    """How a subscription begins (RFC 8765 §6.2)."""

    def test_asked_for(self) -> None:
        session = served()
        session.receive(subscribe(5), 1.0)
        self.assertEqual(session.take_events(), [SubscribeRequested(5, TYPES)])
        self.assertEqual(session.take_outgoing(), [])

    def test_accepted(self) -> None:
        """H-6.2.1-3, H-6.2.1-8, H-6.2.2-1: NOERROR for what is not there, the same ID, and no TLV."""
        session = served()
        session.receive(subscribe(5), 1.0)
        session.accept(5, AnswerSet(TYPES), 1.0)
        self.assertEqual(session.take_outgoing(), [dso(5, response=True)])

    def test_padded(self) -> None:
        """D-7.3-3: as it was asked."""
        session = served()
        session.receive(subscribe(5) + tlv(PADDING, bytes(9)), 1.0)
        session.accept(5, AnswerSet(TYPES), 1.0)
        self.assertEqual(types(session.take_outgoing()[0]), [PADDING])

    def test_answer_that_exists(self) -> None:
        """H-6.3-1, H-6.3.1-1, H-6.3.1-3: pushed right after the response, under MESSAGE ID 0."""
        session = served()
        answers = AnswerSet(TYPES)
        answers.change([POINTER], [])
        session.receive(subscribe(5), 1.0)
        session.accept(5, answers, 1.0)
        compressed = entry(HTTP, PTR, 4500, b"\x03Web\xc0\x10")
        self.assertEqual(session.take_outgoing(), [dso(5, response=True), push(compressed)])

    def test_establishes_a_session(self) -> None:
        """H-6-1, H-6-2: a SUBSCRIBE does that as well as a Keepalive."""
        session = PushServer(0.0)
        session.receive(subscribe(5), 0.0)
        self.assertFalse(session.is_established)
        session.accept(5, AnswerSet(TYPES), 0.0)
        self.assertTrue(session.is_established)

    def test_in_early_data(self) -> None:
        """H-7.3-1: it may come there; other messages of Push may not."""
        session = PushServer(0.0)
        session.receive(subscribe(5), 0.0, early=True)
        self.assertEqual(session.take_events(), [SubscribeRequested(5, TYPES)])
        session.receive(unsubscribe(5), 0.0, early=True)
        self.assertTrue(aborted(session))

    def test_refused(self) -> None:
        """H-6.2.2-4, H-6.2.2-5, H-6.2.2-7, D-7.2.2-1: the RCODE, and the recommended delay."""
        for rcode, delay in ((SERVFAIL, 60), (REFUSED, 300), (NOTAUTH, 300)):
            session = served()
            session.receive(subscribe(5), 1.0)
            session.refuse(5, rcode, 1.0)
            self.assertEqual(
                session.take_outgoing(), [dso(5, retry_delay_tlv(delay), response=True, rcode=rcode)]
            )

    def test_refused_with_another_delay(self) -> None:
        session = served()
        session.receive(subscribe(5), 1.0)
        session.refuse(5, SERVFAIL, 1.0, 7.5)
        self.assertIn(retry_delay_tlv(7.5), session.take_outgoing()[0])

    def test_others_remain(self) -> None:
        """H-6.2.2-6: and the session goes on."""
        session, (answers,) = following(TYPES)
        session.receive(subscribe(5, WEB), 2.0)
        session.refuse(5, NOTAUTH, 2.0)
        session.take_outgoing()
        answers.change([POINTER], [])
        session.flush(3.0)
        self.assertEqual(len(session.take_outgoing()), 1)

    def test_malformed(self) -> None:
        """H-6.2.1-2, H-6.2.2-7: not exactly one name, type and class: FORMERR, and five minutes."""
        for data in (b"", HTTP.wire, HTTP.wire + b"\0\x0c\0\1x", b"\xc0\x10\0\x0c\0\1"):
            session = served()
            session.receive(dso(5, tlv(SUBSCRIBE, data)), 1.0)
            self.assertEqual(
                session.take_outgoing(), [dso(5, retry_delay_tlv(300), response=True, rcode=FORMERR)]
            )

    def test_limit(self) -> None:
        """H-4-1, H-7.3-2: more than so many are refused one by one; those before stay."""
        session = served()
        for number in range(2, MAX_SUBSCRIPTIONS + 3):
            session.receive(subscribe(number, Name.parse(f"h{number}.example.com")), 1.0)
        self.assertEqual(rcodes(session.take_outgoing()), [SERVFAIL])
        self.assertEqual(len(session.topics), MAX_SUBSCRIPTIONS)
        self.assertEqual(session.counters["subscriptions beyond the limit"], 1)

    def test_cancelled_later(self) -> None:
        """D-5.6-1: a further response with an error; nothing is pushed after it."""
        session, (answers,) = following(TYPES)
        session.refuse(10, NOTAUTH, 2.0)
        self.assertEqual(
            session.take_outgoing(), [dso(10, retry_delay_tlv(300), response=True, rcode=NOTAUTH)]
        )
        answers.change([POINTER], [])
        session.flush(3.0)
        self.assertEqual(session.take_outgoing(), [])
        self.assertEqual(session.take_events(), [Unsubscribed(10, answers)])

    def test_queries_in_between(self) -> None:
        """H-3-1: are handed on, and answered in the same session."""
        session, _ = following(TYPES)
        session.receive(query(), 2.0)
        self.assertEqual(session.take_events(), [OtherMessage(query())])
        session.answer(answer(), 2.0)
        self.assertEqual(session.take_outgoing(), [answer()])

    def test_server_without_push(self) -> None:
        """RFC 8765 §6.1: DSOTYPENI says that there is DSO but no Push."""
        from tests.unicast.dso_lab import served as without_push

        session = without_push()
        session.receive(subscribe(5), 1.0)
        self.assertEqual(rcodes(session.take_outgoing()), [DSOTYPENI])


class FaultTests(SynchronousTestCase):
    """What a correct client never sends (RFC 8765 §1.2)."""

    def receive(self, octets: bytes) -> PushServer:
        session, _ = following(TYPES)
        session.receive(octets, 2.0)
        return session

    def test_duplicate(self) -> None:
        """H-6.2.1-5: of a subscription; the case of the name does not matter."""
        self.assertTrue(aborted(self.receive(subscribe(11, Name.parse("_HTTP._tcp.Example.com")))))

    def test_not_a_duplicate(self) -> None:
        """H-6.2.1-5: another type or class is another subscription."""
        self.assertIsNone(self.receive(subscribe(11, rtype=ANY)).ended)
        self.assertIsNone(self.receive(subscribe(11, rclass=ANY)).ended)

    def test_id_of_a_subscription(self) -> None:
        """D-5.5.2-4, D-5.4.1-2: is in use until the subscription ends."""
        self.assertTrue(aborted(self.receive(subscribe(10, WEB))))

    def test_id_without_a_response_yet(self) -> None:
        """D-5.5.2-4: likewise."""
        session = served()
        session.receive(subscribe(5), 1.0)
        session.receive(keepalive(5), 1.0)
        self.assertTrue(aborted(session))

    def test_response(self) -> None:
        """H-6.2-2: a client sends no SUBSCRIBE response."""
        self.assertTrue(aborted(self.receive(dso(10, response=True))))

    def test_push(self) -> None:
        """H-6.3-2: nor PUSH, in any form."""
        self.assertTrue(aborted(self.receive(push(added(POINTER)))))
        self.assertTrue(aborted(self.receive(dso(9, tlv(PUSH, added(POINTER))))))
        self.assertTrue(aborted(self.receive(dso(9, tlv(PUSH, added(POINTER)), response=True))))

    def test_unsubscribe_as_request_or_response(self) -> None:
        """H-6.4-1, D-5.4.1-3: it is unidirectional."""
        octets = tlv(0x42, b"\0\x0a")
        self.assertTrue(aborted(self.receive(dso(9, octets))))
        self.assertTrue(aborted(self.receive(dso(9, octets, response=True))))

    def test_unsubscribe_of_another_length(self) -> None:
        """H-6.4.1-2: two octets."""
        self.assertTrue(aborted(self.receive(dso(0, tlv(0x42, b"\0\0\x0a")))))

    def test_subscribe_without_an_id(self) -> None:
        """D-5.4.1-3: it is a request."""
        self.assertTrue(aborted(self.receive(subscribe(0, WEB))))

    def test_reconfirm_as_request_or_response(self) -> None:
        """H-6.5-3: it is unidirectional."""
        octets = tlv(0x43, POINTER.name.wire + struct.pack("!HH", PTR, IN) + POINTER.rdata)
        self.assertTrue(aborted(self.receive(dso(9, octets))))
        self.assertTrue(aborted(self.receive(dso(9, octets, response=True))))

    def test_reconfirm_with_any(self) -> None:
        """H-6.5.1-3: as type or class."""
        for rtype, rclass in ((ANY, IN), (PTR, ANY)):
            octets = HTTP.wire + struct.pack("!HH", rtype, rclass) + WEB.wire
            self.assertTrue(aborted(self.receive(dso(0, tlv(0x43, octets)))))

    def test_reconfirm_of_more_or_less_than_one_record(self) -> None:
        """H-6.5.1-2: exactly one."""
        octets = HTTP.wire + struct.pack("!HH", PTR, IN) + WEB.wire
        for data in (octets + b"x", octets[:-2], HTTP.wire, b""):
            self.assertTrue(aborted(self.receive(dso(0, tlv(0x43, data)))))


class UnsubscribeTests(SynchronousTestCase):
    """How a subscription ends (RFC 8765 §6.4)."""

    def test_ended(self) -> None:
        """H-6.4.1-1: there is no response, and nothing more is pushed."""
        session, (answers,) = following(TYPES)
        answers.change([POINTER], [])
        session.receive(unsubscribe(10), 2.0)
        session.flush(2.0)
        self.assertEqual(session.take_outgoing(), [])
        self.assertEqual(session.take_events(), [Unsubscribed(10, answers)])
        self.assertEqual(list(answers.subscribers), [])

    def test_unknown(self) -> None:
        """H-6.4.1-4: ignored."""
        session, _ = following(TYPES)
        session.receive(unsubscribe(99), 2.0)
        self.assertIsNone(session.ended)
        self.assertEqual(session.take_events(), [])

    def test_before_the_response(self) -> None:
        """H-6.2.1-3: the SUBSCRIBE still gets its one response."""
        session = served()
        session.receive(subscribe(5), 1.0)
        session.receive(unsubscribe(5), 1.0)
        self.assertEqual(session.take_outgoing(), [dso(5, response=True)])
        session.accept(5, AnswerSet(TYPES), 1.0)
        self.assertEqual(session.take_outgoing(), [])

    def test_again(self) -> None:
        """H-6.2.1-5: what was cancelled is no duplicate."""
        session, _ = following(TYPES)
        session.receive(unsubscribe(10), 2.0)
        session.receive(subscribe(11), 2.0)
        self.assertIn(SubscribeRequested(11, TYPES), session.take_events())

    def test_session_that_ends(self) -> None:
        """H-6.7-2, H-7.4-1: cancels all of them."""
        session, answers = following(TYPES, Topic(WEB, SRV))
        session.connection_lost(2.0)
        ended = [event.id for event in session.take_events() if isinstance(event, Unsubscribed)]
        self.assertEqual(ended, [10, 11])
        self.assertEqual([list(each.subscribers) for each in answers], [[], []])

    def test_retry_delay(self) -> None:
        """D-6.6.1-2: after it nothing is pushed."""
        session, (answers,) = following(TYPES)
        session.shut_down(5.0, 2.0)
        session.take_outgoing()
        answers.change([POINTER], [])
        session.flush(2.0)
        session.accept(10, answers, 2.0)
        session.refuse(10, NOTAUTH, 2.0)
        self.assertEqual(session.take_outgoing(), [])

    def test_session_is_not_inactive_before(self) -> None:
        """H-3-5: twice the keepalive interval is what is left to wait for."""
        session, _ = following(TYPES)
        self.assertEqual(session.next_timer(), 1.0 + 7200)


class ReconfirmTests(SynchronousTestCase):
    """What a client doubts (RFC 8765 §6.5)."""

    def test_asked(self) -> None:
        """H-6.5-4: it is counted, and handed on."""
        session, _ = following(TYPES)
        session.receive(reconfirm(POINTER), 2.0)
        (event,) = session.take_events()
        assert isinstance(event, ReconfirmRequested)
        self.assertEqual(event.record.identity, POINTER.identity)
        self.assertEqual(session.counters["reconfirmations"], 1)

    def test_compressed(self) -> None:
        """H-6.5.1-4: names in the rdata may point to the owner name."""
        session, _ = following(TYPES)
        data = HTTP.wire + struct.pack("!HH", PTR, IN) + b"\x03Web\xc0\x10"
        session.receive(dso(0, tlv(0x43, data)), 2.0)
        (event,) = session.take_events()
        self.assertEqual(event, ReconfirmRequested(POINTER.with_ttl(0)))

    def test_too_many(self) -> None:
        """Each may cause questions on the link."""
        session, _ = following(TYPES)
        for _ in range(MAX_RECONFIRMS + 5):
            session.receive(reconfirm(POINTER), 2.0)
        self.assertEqual(len(session.take_events()), MAX_RECONFIRMS)
        self.assertEqual(session.counters["reconfirmations beyond the limit"], 5)
        session.receive(reconfirm(POINTER), 100.0)
        self.assertEqual(len(session.take_events()), 1)

    def test_before_the_session(self) -> None:
        """D-5.4.3-2: neither it nor UNSUBSCRIBE comes before there is one."""
        for octets in (reconfirm(POINTER), unsubscribe(3)):
            session = PushServer(0.0)
            session.receive(octets, 0.0)
            self.assertTrue(aborted(session))
            self.assertEqual([e for e in session.take_events() if type(e) is SessionEvent], [])


class HeldTests(SynchronousTestCase):
    """A client that does not read what was sent."""

    def test_summed_up(self) -> None:
        """What comes and goes meanwhile is not told twice."""
        session, (answers,) = following(TYPES)
        session.hold(2.0)
        answers.change([POINTER], [])
        answers.change([], [POINTER])
        answers.change([POINTER.with_ttl(10)], [])
        session.flush(3.0)
        self.assertEqual(session.take_outgoing(), [])
        session.release(4.0)
        self.assertEqual(session.take_outgoing(), [push(entry(HTTP, PTR, 10, b"\x03Web\xc0\x10"))])

    def test_too_much(self) -> None:
        self.patch(push_server, "MAX_PENDING", 1)
        session, answers = following(TYPES, Topic(WEB, ANY))
        session.hold(2.0)
        answers[1].change([SERVICE, TEXT], [])
        session.flush(3.0)
        self.assertTrue(aborted(session))
        self.assertEqual(session.counters["slow subscribers aborted"], 1)

    def test_too_long(self) -> None:
        session, (answers,) = following(TYPES)
        session.hold(2.0)
        self.assertEqual(session.next_timer(), 7201.0)
        answers.change([POINTER], [])
        session.flush(3.0)
        self.assertEqual(session.next_timer(), 62.0)
        session.due(62.0)
        self.assertTrue(aborted(session))

    def test_reads_again(self) -> None:
        session, (answers,) = following(TYPES)
        session.hold(2.0)
        answers.change([POINTER], [])
        session.release(50.0)
        session.due(62.0)
        self.assertIsNone(session.ended)


class AliasTests(SynchronousTestCase):
    def test_subscription_to_aliases(self) -> None:
        """H-6.2.1-7: other records of the name are not pushed to it."""
        session, (answers,) = following(Topic(HTTP, CNAME))
        answers.change([POINTER], [])
        session.flush(2.0)
        self.assertEqual(session.take_outgoing(), [])
