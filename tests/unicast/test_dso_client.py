"""The client's end of a DSO session, on a fake clock (RFC 8490)."""

from __future__ import annotations

import struct

from twisted.trial.unittest import SynchronousTestCase

from mcast.unicast.dso import Item, Timeouts
from mcast.unicast.dso_client import RESPONSE_TIMEOUT, ClientSession, Unsupported
from mcast.unicast.dso_session import Ended, Established, How, OtherMessage
from tests.unicast.dso_lab import (
    DSOTYPENI,
    KEEPALIVE,
    NOTIMP,
    PADDING,
    REFUSED,
    SUBSCRIBE,
    UNKNOWN,
    aborted,
    answer,
    closed,
    connected,
    dso,
    ending,
    events,
    ids,
    keepalive,
    keepalive_tlv,
    query,
    retry_delay,
    tlv,
    types,
)


class EstablishingTests(SynchronousTestCase):
    """How a session begins (RFC 8490 §5.1)."""

    def setUp(self) -> None:
        self.session = ClientSession(0.0)
        self.session.establish(0.0)
        (self.request,) = self.session.outbox
        (self.identifier,) = ids([self.request])

    def test_request(self) -> None:
        """D-5.2-2, D-5.4.1-2, D-6.5.2-1: a Keepalive with a MESSAGE ID that asks for an hour."""
        self.assertNotEqual(self.identifier, 0)
        self.assertEqual(types(self.request), [KEEPALIVE, PADDING])
        self.assertEqual(self.request[16:24], struct.pack("!II", 15_000, 3_600_000))

    def test_success(self) -> None:
        """D-5.1-3, D-5.1.2-1, D-7.1-2: the timeouts are those that the server tells."""
        self.session.receive(keepalive(self.identifier, 20, 30, response=True), 0.1)
        self.assertEqual(self.session.timeouts, Timeouts(20, 30))
        self.assertEqual(self.session.take_events(), [Established()])

    def test_further_requests_do_not_wait(self) -> None:
        """D-6.1-1: they leave with the first one, under other IDs."""
        second = self.session.request([Item(SUBSCRIBE, b"")], 0.0)
        self.assertEqual(len(self.session.outbox), 2)
        self.assertNotEqual(second, self.identifier)

    def test_unidirectional_messages_wait(self) -> None:
        """D-5.1-2, D-5.4.1-1, D-11.1-3: they leave when there is a session, with MESSAGE ID 0."""
        self.session.take_outgoing()
        self.session.notify([Item(UNKNOWN, b"")], 0.0)
        self.assertEqual(self.session.take_outgoing(), [])
        self.session.receive(keepalive(self.identifier, response=True), 0.1)
        self.assertEqual(ids(self.session.take_outgoing()), [0])

    def test_server_without_dso(self) -> None:
        """D-5.1.1-1: NOTIMP or another error: no further DSO message."""
        for rcode in (NOTIMP, 1, REFUSED):
            session = ClientSession(0.0)
            session.establish(0.0)
            session.receive(dso(1, response=True, rcode=rcode), 0.1)
            self.assertEqual(session.take_events(), [Unsupported(rcode)])
            with self.assertRaises(ValueError):
                session.establish(0.2)
            with self.assertRaises(ValueError):
                session.notify([Item(UNKNOWN, b"")], 0.2)

    def test_conventional_queries_go_on(self) -> None:
        """D-5.1.1-1: on a connection without DSO."""
        self.session.receive(dso(self.identifier, response=True, rcode=NOTIMP), 0.1)
        self.session.take_outgoing()
        self.session.query(query(), 0.2)
        self.session.receive(answer(), 0.3)
        self.assertIn(OtherMessage(answer()), self.session.take_events())

    def test_unsupported_is_told_once(self) -> None:
        other = self.session.request([Item(SUBSCRIBE, b"")], 0.0)
        self.session.receive(dso(self.identifier, response=True, rcode=NOTIMP), 0.1)
        self.session.receive(dso(other, response=True, rcode=NOTIMP), 0.1)
        self.assertEqual(self.session.take_events(), [Unsupported(NOTIMP)])

    def test_unknown_type(self) -> None:
        """D-5.1.1-3: DSOTYPENI establishes nothing, and forbids nothing."""
        session = ClientSession(0.0)
        session.request([Item(UNKNOWN, b"")], 0.0)
        session.receive(dso(1, response=True, rcode=DSOTYPENI), 0.1)
        self.assertFalse(session.is_established)
        session.establish(0.2)
        session.receive(keepalive(2, response=True), 0.3)
        self.assertTrue(session.is_established)

    def test_no_answer(self) -> None:
        """D-5.1.1-4, D-5.1.1-5: after thirty seconds the connection is aborted."""
        self.assertEqual(self.session.next_timer(), RESPONSE_TIMEOUT)
        self.session.due(29.9)
        self.assertIsNone(self.session.ended)
        self.session.due(30.0)
        self.assertEqual(ending(self.session).how, How.FORCIBLY)

    def test_early_data_of_a_server(self) -> None:
        """D-5.1-5: a DSO message in early data ends the connection."""
        self.session.receive(keepalive(self.identifier, response=True), 0.0, early=True)
        self.assertTrue(aborted(self.session))


class FaultTests(SynchronousTestCase):
    """What a correct server never sends (RFC 8490 §5.3.1)."""

    def receive(self, octets: bytes) -> ClientSession:
        session = connected()
        session.receive(octets, 1.0)
        return session

    def test_keepalive_with_an_id(self) -> None:
        """D-7.1-6: from a server it is unidirectional."""
        self.assertTrue(aborted(self.receive(keepalive(5))))

    def test_short_keepalive_interval(self) -> None:
        """D-6.5.2-3: less than ten seconds."""
        self.assertTrue(aborted(self.receive(keepalive(0, 15, 9.999))))

    def test_unknown_unidirectional(self) -> None:
        """D-5.4.5-3, D-5.5.3-5: no answer but the end."""
        self.assertTrue(aborted(self.receive(dso(0, tlv(UNKNOWN)))))

    def test_response_to_nothing(self) -> None:
        """D-5.5.2-3: no request waits for it."""
        self.assertTrue(aborted(self.receive(dso(77, response=True))))

    def test_response_with_id_zero(self) -> None:
        """D-5.4.1-6: a response has a MESSAGE ID."""
        self.assertTrue(aborted(self.receive(dso(0, response=True))))

    def test_subscribe(self) -> None:
        """RFC 8765 §6.2: only clients subscribe."""
        self.assertTrue(aborted(self.receive(dso(5, tlv(SUBSCRIBE, b"\0\0\1\0\1")))))

    def test_tcp_keepalive_option(self) -> None:
        """D-5.4.6-2, D-7.1.2-2: the edns-tcp-keepalive option in any message."""
        self.assertTrue(aborted(self.receive(query(option=11))))

    def test_retry_delay_with_an_id(self) -> None:
        """D-5.4.1-3: it is unidirectional."""
        octets = bytearray(retry_delay(5))
        octets[1] = 9
        self.assertTrue(aborted(self.receive(bytes(octets))))

    def test_retry_delay_of_wrong_length(self) -> None:
        self.assertTrue(aborted(self.receive(dso(0, tlv(2, b"abc")))))

    def test_malformed_response(self) -> None:
        self.assertTrue(aborted(self.receive(dso(5, b"\0", response=True))))

    def test_keepalive_before_the_session(self) -> None:
        session = ClientSession(0.0)
        session.establish(0.0)
        session.receive(keepalive(0), 0.1)
        self.assertTrue(aborted(session))

    def test_response_without_the_item(self) -> None:
        """D-5.4.2-4, D-7.1-7: a response to a Keepalive has a Keepalive TLV."""
        session = ClientSession(0.0)
        session.establish(0.0)
        session.receive(dso(1, response=True), 0.1)
        self.assertTrue(aborted(session))

    def test_response_with_two(self) -> None:
        """D-5.4.2-5, D-7.1-7: exactly one."""
        session = ClientSession(0.0)
        session.establish(0.0)
        session.receive(dso(1, keepalive_tlv(), keepalive_tlv(), response=True), 0.1)
        self.assertTrue(aborted(session))

    def test_response_with_it_in_the_second_place(self) -> None:
        """D-5.4.2-3: the response primary TLV comes first."""
        session = ClientSession(0.0)
        session.establish(0.0)
        session.receive(dso(1, tlv(PADDING), keepalive_tlv(), response=True), 0.1)
        self.assertTrue(aborted(session))

    def test_server_that_does_not_know_keepalive(self) -> None:
        """D-5.1.1-2: no server of DSO says so."""
        session = ClientSession(0.0)
        session.establish(0.0)
        session.receive(dso(1, response=True, rcode=DSOTYPENI), 0.1)
        self.assertTrue(aborted(session))


class MessageTests(SynchronousTestCase):
    """What a server may send."""

    def test_unknown_request(self) -> None:
        """D-5.4.5-1, D-5.4.5-2, D-5.5-1: DSOTYPENI, without a copy."""
        session = connected()
        session.receive(dso(5, tlv(UNKNOWN, b"x")), 1.0)
        self.assertEqual(session.take_outgoing(), [dso(5, response=True, rcode=DSOTYPENI)])

    def test_unknown_request_under_an_id_of_ours(self) -> None:
        """D-5.5.2-1: the IDs of the two directions have nothing to do with each other."""
        session = connected()
        ours = session.request([Item(SUBSCRIBE, b"")], 1.0)
        session.receive(dso(ours, tlv(UNKNOWN)), 1.0)
        session.receive(dso(ours, response=True), 1.0)
        self.assertIsNone(session.ended)

    def test_unknown_items_in_a_response(self) -> None:
        """D-5.4.5-5: ignored."""
        session = ClientSession(0.0)
        session.establish(0.0)
        session.receive(dso(1, keepalive_tlv(20, 20), tlv(UNKNOWN, b"x"), response=True), 0.1)
        self.assertEqual(session.timeouts, Timeouts(20, 20))

    def test_keepalive_in_another_response(self) -> None:
        """D-7.1-8: it has no business there, and tells no timeouts."""
        session = connected()
        ours = session.request([Item(SUBSCRIBE, b"")], 1.0)
        session.receive(dso(ours, keepalive_tlv(99, 99), response=True), 1.0)
        self.assertEqual(session.timeouts, Timeouts(15, 15))

    def test_timeouts_told_by_the_server(self) -> None:
        """D-7.1-4, D-7.1-5, D-7.1.1-1: taken, and not answered."""
        session = connected(interval=30)
        session.request([Item(SUBSCRIBE, b"")], 1.0)
        session.take_outgoing()
        session.receive(keepalive(0, 40, 50), 25.0)
        self.assertEqual(session.timeouts, Timeouts(40, 50))
        self.assertEqual(session.take_outgoing(), [])

    def test_error_of_one_request(self) -> None:
        """D-5.5.3-3, D-5.5.3-4: the session stays open, and in use."""
        session = connected()
        ours = session.request([Item(SUBSCRIBE, b"")], 1.0)
        session.receive(dso(ours, response=True, rcode=REFUSED), 1.0)
        self.assertTrue(session.is_established)
        session.request([Item(SUBSCRIBE, b"")], 2.0)

    def test_retry_delay(self) -> None:
        """D-6.6.1-4, D-7.2.1-3: the client closes gracefully at once, and answers nothing."""
        session = connected()
        session.receive(retry_delay(12.5, 2), 1.0)
        self.assertTrue(closed(session))
        self.assertEqual((ending(session).retry_delay, ending(session).rcode), (12.5, 2))
        self.assertEqual(session.take_outgoing(), [])

    def test_retry_delay_with_any_rcode(self) -> None:
        """D-7.2.1-2, D-7.2.1-5: whatever it is."""
        for rcode in range(16):
            session = connected()
            session.receive(retry_delay(1, rcode), 1.0)
            self.assertEqual(ending(session).rcode, rcode)

    def test_outstanding_requests_get_no_answer(self) -> None:
        """D-6.6.1.1-2: whoever waits is told that the session is over."""
        session = connected()
        session.query(query(), 1.0)
        session.receive(retry_delay(1), 1.0)
        self.assertEqual(len(events(session, Ended)), 1)
        session.receive(answer(), 1.1)
        self.assertEqual(session.take_events(), [])

    def test_no_id_twice(self) -> None:
        """D-5.4.1-2, D-5.5.2-2: an ID without a response is not used again."""
        session = connected()
        session.take_outgoing()
        first = session.request([Item(SUBSCRIBE, b"")], 1.0)
        used = {first}
        for _ in range(0xFFFF):
            identifier = session.request([Item(SUBSCRIBE, b"")], 1.0)
            self.assertNotIn(identifier, {0, first})
            session.receive(dso(identifier, response=True), 1.0)
            used.add(identifier)
            session.take_outgoing()
        self.assertEqual(used, set(range(1, 0x10000)))

    def test_a_query_with_the_option(self) -> None:
        """D-7.1.2-1: edns-tcp-keepalive is never sent."""
        with self.assertRaises(ValueError):
            connected().query(query(option=11), 1.0)

    def test_query_of_a_server(self) -> None:
        session = connected()
        session.receive(query(), 1.0)
        self.assertEqual(events(session, OtherMessage), [])
        self.assertEqual(session.counters["queries from a server"], 1)


class TimeoutTests(SynchronousTestCase):
    """A client keeps a session alive while it needs it, and no longer (RFC 8490 §6.2 to §6.5)."""

    def test_inactive(self) -> None:
        """D-6.4.1-1: it closes the session gracefully at the inactivity timeout."""
        session = connected(inactivity=15, interval=3600)
        self.assertEqual(session.next_timer(), 15.0)
        session.due(15.0)
        self.assertTrue(closed(session))

    def test_closes_earlier(self) -> None:
        """D-6.4.1-2, D-6.4.1-3: or whenever it needs it no more."""
        session = connected()
        session.close()
        self.assertTrue(closed(session))

    def test_no_timeout_of_inactivity(self) -> None:
        """D-6.4.2-1: zero: as soon as nothing is in progress."""
        session = connected(inactivity=0, interval=3600)
        session.due(0.0)
        self.assertTrue(closed(session))

    def test_active_while_a_request_waits(self) -> None:
        """D-6.3-2: the inactivity timer stands still until the response."""
        session = connected(inactivity=10, interval=3600)
        session.query(query(), 5.0)
        self.assertEqual(session.next_timer(), 3605.0)
        session.receive(answer(), 20.0)
        self.assertEqual(session.next_timer(), 30.0)

    def test_keepalive(self) -> None:
        """D-6.5.1-1, D-7.1-3: sent when nothing was sent or received for the interval; the wishes again."""
        session = connected(inactivity=60, interval=20)
        session.take_outgoing()
        self.assertEqual(session.next_timer(), 20.0)
        session.due(20.0)
        (request,) = session.take_outgoing()
        self.assertEqual(request[16:24], struct.pack("!II", 15_000, 3_600_000))

    def test_keepalive_is_no_activity(self) -> None:
        """D-6.3-1, D-7.1-9: the inactivity timer runs on."""
        session = connected(inactivity=30, interval=20)
        session.take_outgoing()
        session.due(20.0)
        session.receive(keepalive(ids(session.take_outgoing())[0], 30, 20, response=True), 20.1)
        self.assertEqual(session.next_timer(), 30.0)

    def test_any_message_puts_the_keepalive_off(self) -> None:
        """D-6.3-1: in either direction."""
        session = connected(inactivity=60, interval=20)
        session.query(query(), 15.0)
        session.receive(answer(), 16.0)
        self.assertEqual(session.next_timer(), 36.0)

    def test_no_keepalives(self) -> None:
        """D-6.4.2-2, D-6.5.2-4: infinite timeouts."""
        session = ClientSession(0.0)
        session.establish(0.0)
        session.receive(dso(1, tlv(KEEPALIVE, b"\xff" * 8), response=True), 0.1)
        self.assertIsNone(session.next_timer())

    def test_shorter_timeout_told_by_the_server(self) -> None:
        """D-7.1.1-2: inactive for longer than the new one already: closed at once."""
        session = connected(inactivity=60, interval=3600)
        session.receive(keepalive(0, 10, 3600), 30.0)
        session.due(30.0)
        self.assertTrue(closed(session))

    def test_longer_timeout_told_by_the_server(self) -> None:
        """D-7.1.1-2: it counts from the last activity."""
        session = connected(inactivity=15, interval=3600)
        session.receive(keepalive(0, 60, 3600), 10.0)
        self.assertEqual(session.next_timer(), 60.0)

    def test_server_that_is_gone(self) -> None:
        """A Keepalive without an answer ends the session as any request does."""
        session = connected(inactivity=600, interval=20)
        session.due(20.0)
        self.assertEqual(session.next_timer(), 40.0)
