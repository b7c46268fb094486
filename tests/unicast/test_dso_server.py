"""The server's end of a DSO session, on a fake clock (RFC 8490)."""

from __future__ import annotations

import math
import struct

from twisted.trial.unittest import SynchronousTestCase

from mcast.unicast.dso import Timeouts
from mcast.unicast.dso_server import MAX_INACTIVITY, MAX_MESSAGES, Granted, ServerSession
from mcast.unicast.dso_session import Established, OtherMessage
from tests.unicast.dso_lab import (
    DSOTYPENI,
    FORMERR,
    KEEPALIVE,
    NOERROR,
    PADDING,
    REFUSED,
    RETRY_DELAY,
    SERVFAIL,
    UNKNOWN,
    aborted,
    answer,
    closed,
    dso,
    ending,
    events,
    ids,
    keepalive,
    keepalive_tlv,
    query,
    rcodes,
    retry_delay,
    retry_delay_tlv,
    served,
    tlv,
    types,
)


class EstablishingTests(SynchronousTestCase):
    """A session begins with a request that succeeds (RFC 8490 §5.1)."""

    def setUp(self) -> None:
        self.session = ServerSession(0.0)

    def test_keepalive(self) -> None:
        """D-5.1-3, D-5.2-1, D-5.1.1-2, D-5.5-1, D-7.1-7: NOERROR with the same ID, and one Keepalive TLV."""
        self.session.receive(keepalive(5, 15, 3600), 0.0)
        (response,) = self.session.take_outgoing()
        self.assertEqual(response, keepalive(5, 15, 3600, response=True))
        self.assertEqual(events(self.session, Established), [Established()])

    def test_unknown_type_establishes_nothing(self) -> None:
        """D-5.4.2-2, D-5.4.5-1, D-5.4.5-2: DSOTYPENI with the same ID, and without a copy."""
        self.session.receive(dso(5, tlv(UNKNOWN, b"x")), 0.0)
        self.assertEqual(self.session.take_outgoing(), [dso(5, response=True, rcode=DSOTYPENI)])
        self.assertFalse(self.session.is_established)

    def test_says_nothing_first(self) -> None:
        """D-5.1-1, D-11.1-2: until then there is nothing that it may send."""
        with self.assertRaises(ValueError):
            self.session.set_timeouts(Timeouts(), 1.0)
        self.session.shut_down(5.0, 1.0)
        self.assertEqual(self.session.take_outgoing(), [])
        self.assertTrue(closed(self.session))

    def test_unidirectional_message(self) -> None:
        """D-5.1-2: from a client that may not send it yet."""
        self.session.receive(dso(0, tlv(UNKNOWN)), 0.0)
        self.assertTrue(aborted(self.session))

    def test_no_timer_runs_before(self) -> None:
        """RFC 8490 §5: until then the timeouts of DNS over TCP are those of whoever holds the connection."""
        self.assertIsNone(self.session.next_timer())

    def test_grants_within_its_bounds(self) -> None:
        """D-6.5.2-1, D-6.5.2-2, D-7.1-2: never below ten seconds; an hour, when the client asks for it."""
        for wanted, granted in (
            ((15, 3600), (15, 3600)),
            ((0, 1), (0, 10)),
            ((7200, 7200), (MAX_INACTIVITY, 3600)),
        ):
            self.session.receive(keepalive(5, *wanted), 0.0)
            self.assertEqual(self.session.take_outgoing(), [keepalive(5, *granted, response=True)])

    def test_bounds_that_break_the_rule(self) -> None:
        with self.assertRaises(ValueError):
            Granted(least_keepalive=9.0)
        with self.assertRaises(ValueError):
            Granted(inactivity=-1.0)

    def test_default_timeouts(self) -> None:
        """D-6.2-1: fifteen seconds each."""
        self.assertEqual(self.session.timeouts, Timeouts(15.0, 15.0))


class EarlyDataTests(SynchronousTestCase):
    """TLS early data may be replayed, so that few messages may come in it (RFC 8490 §11.1)."""

    def test_keepalive(self) -> None:
        """D-11.1-1: it may."""
        session = ServerSession(0.0)
        session.receive(keepalive(5), 0.0, early=True)
        self.assertEqual(rcodes(session.take_outgoing()), [NOERROR])

    def test_others(self) -> None:
        """D-5.1-4: a type that may not come early ends the session."""
        session = ServerSession(0.0)
        session.receive(dso(5, tlv(UNKNOWN)), 0.0, early=True)
        self.assertTrue(aborted(session))

    def test_unidirectional(self) -> None:
        """D-11.1-3: never early."""
        session = ServerSession(0.0)
        session.receive(keepalive(0), 0.0, early=True)
        self.assertTrue(aborted(session))


class FaultTests(SynchronousTestCase):
    """What a correct client never sends (RFC 8490 §5.3.1)."""

    def receive(self, octets: bytes) -> ServerSession:
        session = served()
        session.receive(octets, 1.0)
        return session

    def test_keepalive_with_id_zero(self) -> None:
        """D-5.4.1-3, D-7.1-1: a request must have a MESSAGE ID."""
        self.assertTrue(aborted(self.receive(keepalive(0))))

    def test_unknown_unidirectional(self) -> None:
        """D-5.4.3-1, D-5.4.5-3, D-5.5-2, D-5.5.3-5: no answer but the end."""
        self.assertTrue(aborted(self.receive(dso(0, tlv(UNKNOWN)))))

    def test_retry_delay(self) -> None:
        """D-6.6.1-7: only a server says that."""
        self.assertTrue(aborted(self.receive(retry_delay(5))))
        self.assertTrue(aborted(self.receive(dso(9, retry_delay_tlv(5)))))

    def test_response_with_id_zero(self) -> None:
        """D-5.4.1-6: a response has a MESSAGE ID."""
        self.assertTrue(aborted(self.receive(dso(0, response=True))))

    def test_response_to_nothing(self) -> None:
        """D-5.5.2-3: the server asked nothing."""
        self.assertTrue(aborted(self.receive(dso(1, response=True))))

    def test_tcp_keepalive_option(self) -> None:
        """D-5.4.6-2, D-7.1.2-2: the edns-tcp-keepalive option in any message."""
        self.assertTrue(aborted(self.receive(query(option=11))))

    def test_other_options(self) -> None:
        session = self.receive(query(option=10))
        self.assertIsNone(session.ended)

    def test_less_than_a_header(self) -> None:
        self.assertTrue(aborted(self.receive(b"\0" * 11)))

    def test_malformed_unidirectional(self) -> None:
        self.assertTrue(aborted(self.receive(dso(0, b"\0\1"))))

    def test_counted(self) -> None:
        session = self.receive(keepalive(0))
        self.assertEqual(session.counters["sessions ended: forcibly abort"], 1)
        self.assertTrue(ending(session).is_fault)

    def test_nothing_after_the_end(self) -> None:
        session = self.receive(keepalive(0))
        session.receive(keepalive(5), 2.0)
        self.assertEqual(session.take_outgoing(), [])
        self.assertIsNone(session.next_timer())


class RequestTests(SynchronousTestCase):
    """Errors that concern one request leave the session open (RFC 8490 §5.5.3)."""

    def test_records_in_a_request(self) -> None:
        """D-5.4-2, D-5.5.3-1: FORMERR, and the session goes on."""
        session = served()
        octets = bytearray(keepalive(5))
        octets[5] = 1
        session.receive(bytes(octets), 1.0)
        self.assertEqual(session.take_outgoing(), [dso(5, response=True, rcode=FORMERR)])
        session.receive(keepalive(6), 1.0)
        self.assertEqual(rcodes(session.take_outgoing()), [NOERROR])

    def test_request_without_items(self) -> None:
        """D-5.4.2-1: FORMERR."""
        session = served()
        session.receive(dso(5), 1.0)
        self.assertEqual(rcodes(session.take_outgoing()), [FORMERR])

    def test_keepalive_of_wrong_length(self) -> None:
        session = served()
        session.receive(dso(5, tlv(KEEPALIVE, bytes(7))), 1.0)
        self.assertEqual(rcodes(session.take_outgoing()), [FORMERR])

    def test_rcode_of_a_request_is_ignored(self) -> None:
        """D-5.4.1-8: silently."""
        session = served()
        session.receive(dso(5, keepalive_tlv(), rcode=9), 1.0)
        self.assertEqual(rcodes(session.take_outgoing()), [NOERROR])

    def test_unknown_additional_items(self) -> None:
        """D-5.4.5-4: ignored."""
        session = served()
        session.receive(dso(5, keepalive_tlv(), tlv(UNKNOWN, b"x")), 1.0)
        self.assertEqual(session.take_outgoing(), [keepalive(5, response=True)])

    def test_padding_is_answered_by_padding(self) -> None:
        """D-7.3-2, D-7.3-3, D-5.4.2-3: of any value; the primary TLV comes first."""
        session = served()
        session.receive(dso(5, keepalive_tlv(), tlv(PADDING, b"\xff\1")), 1.0)
        (response,) = session.take_outgoing()
        self.assertEqual(types(response), [KEEPALIVE, PADDING])
        self.assertEqual(len(response) % 468, 0)

    def test_answers_in_order_and_at_once(self) -> None:
        """D-6.1-2, D-6.1-3: each as it is ready."""
        session = served()
        for identifier in (9, 3, 5):
            session.receive(keepalive(identifier), 1.0)
        self.assertEqual(ids(session.take_outgoing()), [9, 3, 5])

    def test_the_same_id_in_both_directions(self) -> None:
        """D-5.5.2-1: a message of ours may go out while the client uses the same ID."""
        session = served()
        session.set_timeouts(Timeouts(20, 20), 1.0)
        session.receive(keepalive(1), 1.0)
        self.assertEqual(ids(session.take_outgoing()), [0, 1])

    def test_a_slow_query_delays_nothing(self) -> None:
        """D-6.1-4: later requests are answered before it."""
        session = served()
        session.receive(query(7), 1.0)
        session.receive(keepalive(5), 1.0)
        session.answer(answer(7), 2.0)
        self.assertEqual(ids(session.take_outgoing()), [5, 7])
        self.assertEqual(events(session, OtherMessage), [OtherMessage(query(7))])


class TimeoutTests(SynchronousTestCase):
    """When a client is delinquent (RFC 8490 §6.4.1, §6.5.1)."""

    def test_inactive(self) -> None:
        """D-6.4.1-4: twice the inactivity timeout after the last activity."""
        session = served(inactivity=15, interval=3600)
        self.assertEqual(session.next_timer(), 30.0)
        session.due(29.9)
        self.assertIsNone(session.ended)
        session.due(30.0)
        self.assertTrue(aborted(session))

    def test_inactive_for_a_short_timeout(self) -> None:
        """D-6.4.1-4, D-6.4.2-1: five seconds at least."""
        self.assertEqual(served(inactivity=0, interval=3600).next_timer(), 5.0)

    def test_keepalive_is_no_activity(self) -> None:
        """D-6.3-1, D-7.1-9: it resets the keepalive timer alone."""
        session = served(inactivity=15, interval=10)
        session.receive(keepalive(2, 15, 10), 18.0)
        self.assertEqual(session.next_timer(), 30.0)

    def test_a_query_is_activity(self) -> None:
        """D-6.3-1, D-6.3-2: no timeout while it has no answer; then the timer begins anew."""
        session = served(inactivity=15, interval=3600)
        session.receive(query(), 20.0)
        self.assertEqual(session.next_timer(), 7220.0)
        session.answer(answer(), 28.0)
        self.assertEqual(session.next_timer(), 58.0)

    def test_a_query_without_an_answer_is_over_as_well(self) -> None:
        session = served(inactivity=15, interval=3600)
        session.receive(query(), 20.0)
        session.answer(None, 21.0)
        self.assertEqual(session.next_timer(), 51.0)

    def test_silent(self) -> None:
        """D-6.5.1-2: twice the keepalive interval without any message."""
        session = served(inactivity=60, interval=10)
        self.assertEqual(session.next_timer(), 20.0)
        session.due(20.0)
        self.assertTrue(aborted(session))
        self.assertEqual(session.counters["silent sessions aborted"], 1)

    def test_no_timeouts_at_all(self) -> None:
        """D-6.4.2-2, D-6.5.2-4: where the server grants it."""
        session = ServerSession(0.0, Granted(math.inf, math.inf))
        session.receive(dso(1, tlv(KEEPALIVE, b"\xff" * 8)), 0.0)
        self.assertEqual(session.take_outgoing(), [dso(1, tlv(KEEPALIVE, b"\xff" * 8), response=True)])
        self.assertIsNone(session.next_timer())

    def test_server_tells_others(self) -> None:
        """D-7.1-4: by a unidirectional message with MESSAGE ID 0."""
        session = served()
        session.set_timeouts(Timeouts(20, 30), 1.0)
        self.assertEqual(session.take_outgoing(), [keepalive(0, 20, 30)])

    def test_server_may_not_tell_less_than_ten_seconds(self) -> None:
        """D-6.5.2-2: of the keepalive interval."""
        with self.assertRaises(ValueError):
            served().set_timeouts(Timeouts(20, 9), 1.0)

    def test_grace_for_what_was_reduced(self) -> None:
        """D-7.1.1-3: five seconds or a quarter of the new timeout, whichever is more."""
        session = served(inactivity=60, interval=3600)
        session.set_timeouts(Timeouts(1, 3600), 100.0)
        self.assertEqual(session.next_timer(), 105.0)
        other = served(inactivity=60, interval=3600)
        other.set_timeouts(Timeouts(40, 3600), 100.0)
        self.assertEqual(other.next_timer(), 110.0)


class ShutDownTests(SynchronousTestCase):
    """A server ends a session by a Retry Delay (RFC 8490 §6.6)."""

    def test_message(self) -> None:
        """D-6.6.1-1, D-7.2.1-1, D-7.2.1-3, D-7.2.1-4: the delay, the reason as RCODE, MESSAGE ID 0."""
        session = served()
        session.shut_down(12.5, 1.0, SERVFAIL)
        self.assertEqual(session.take_outgoing(), [retry_delay(12.5, SERVFAIL)])
        self.assertIsNone(session.ended)

    def test_nothing_after_it(self) -> None:
        """D-6.6.1-2, D-6.6.1.1-1: what still comes is ignored, and nothing is sent."""
        session = served()
        session.receive(query(), 1.0)
        session.shut_down(12.5, 1.0)
        session.take_outgoing()
        for octets in (keepalive(5), query(8), dso(0, tlv(UNKNOWN)), b"x"):
            session.receive(octets, 2.0)
        session.answer(answer(), 2.0)
        with self.assertRaises(ValueError):
            session.set_timeouts(Timeouts(), 2.0)
        self.assertEqual(session.take_outgoing(), [])
        self.assertIsNone(session.ended)

    def test_the_client_has_five_seconds(self) -> None:
        """D-6.6.1-5: then the connection is aborted."""
        session = served()
        session.shut_down(12.5, 1.0)
        session.take_outgoing()
        self.assertEqual(session.next_timer(), 6.0)
        session.due(6.0)
        self.assertTrue(aborted(session))
        self.assertFalse(ending(session).is_fault)

    def test_the_client_closes(self) -> None:
        session = served()
        session.shut_down(12.5, 1.0)
        session.connection_lost(2.0)
        self.assertIsNone(session.next_timer())

    def test_no_delay_at_all(self) -> None:
        """D-6.6.1.1-3: zero, where clients shall come back at once."""
        session = served()
        session.shut_down(0, 1.0)
        self.assertEqual(session.take_outgoing(), [retry_delay(0)])

    def test_flood(self) -> None:
        """D-5.5.3-6, D-6.6.2-1: a client that floods is told to stay away for long."""
        session = served()
        for _ in range(MAX_MESSAGES):
            session.receive(keepalive(5), 1.0)
        messages = session.take_outgoing()
        self.assertEqual(types(messages[-1]), [RETRY_DELAY])
        self.assertEqual(struct.unpack("!I", messages[-1][-4:]), (300_000,))
        self.assertEqual(rcodes(messages[-1:]), [REFUSED])
        self.assertEqual(session.counters["sessions ended for a flood"], 1)

    def test_flood_before_there_is_a_session(self) -> None:
        session = ServerSession(0.0)
        for _ in range(MAX_MESSAGES + 1):
            session.receive(dso(5, tlv(UNKNOWN)), 1.0)
        self.assertTrue(aborted(session))

    def test_many_messages_over_time_are_no_flood(self) -> None:
        session = served()
        for number in range(MAX_MESSAGES + 100):
            session.receive(keepalive(5), 1.0 + number / 100)
        self.assertIsNone(session.ended)
        self.assertFalse(session.is_closing)
