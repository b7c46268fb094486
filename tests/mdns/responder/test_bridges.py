"""Our own records, heard from other hosts and other links (RFC 6762 §6.6, §14)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.records import address
from mcast.mdns.events import GroupClaimed, GroupLost
from mcast.mdns.responder.record_group import RecordGroup
from tests.mdns.lab import (
    ANY,
    DUAL_GROUP,
    HOST,
    HOST_A,
    HOST_GROUP,
    HTTP,
    OTHER_PEER,
    PEER,
    PTR,
    TYPE_PTR,
    WEB,
    WEB_GROUP,
    WEB_PTR,
    WEB_SRV,
    WEB_TXT,
    A,
    Elsewhere,
    Lab,
    answers,
    flushed,
)
from tests.mdns.responder.conflict_lab import RIVAL_A, RIVAL_SRV, RIVAL_TXT, ConflictCase


class ForeignCopyTests(ConflictCase):
    """Others with the same record (RFC 6762 §6.6, §10.1)."""

    def test_half_of_the_ttl(self) -> None:
        """M-6.6-3: with at least half of the TTL nothing needs to be done."""
        self.lab.hear(flushed(WEB_SRV.with_ttl(60)), flushed(WEB_TXT))
        self.assertEqual(self.lab.pass_time(5.0), [])

    def test_less_than_half(self) -> None:
        """M-6.6-4: with less, ours is multicast with its true TTL."""
        self.lab.hear(flushed(WEB_SRV.with_ttl(59)))
        self.assertEqual(answers(self.lab.pass_time(5.0)), {flushed(WEB_SRV)})

    def test_goodbye(self) -> None:
        """M-10.1-3, M-6.6-4: a record that another host says goodbye to is rescued within the second."""
        self.lab.hear(WEB_PTR.with_ttl(0))
        self.assertEqual(answers(self.lab.pass_time(0.99)), {WEB_PTR})

    def test_goodbye_right_after_a_multicast(self) -> None:
        """M-10.1-3, M-6-18: within the second, but not within a second of the last multicast."""
        self.lab.ask(HTTP, PTR)
        (sent,) = self.lab.pass_time(0.1)
        self.lab.hear(WEB_PTR.with_ttl(0))
        (rescue,) = self.lab.pass_time(1.0)
        self.assertAlmostEqual(rescue.at, sent.at + 1.0)

    def test_rescued_by_another(self) -> None:
        """M-7.4-1: one rescue is enough, from whatever host."""
        lab = Lab(point=1.0)
        lab.settle(WEB_GROUP)
        lab.hear(TYPE_PTR.with_ttl(0))
        lab.pass_time(0.05)
        lab.hear(TYPE_PTR)
        self.assertEqual(lab.pass_time(5.0), [])

    def test_stream_of_goodbyes(self) -> None:
        """M-6-18: however often it is said goodbye to, it is multicast once a second."""
        for _ in range(50):
            self.lab.hear(WEB_PTR.with_ttl(0))
            self.lab.pass_time(0.1)
        gaps = [later.at - sooner.at for sooner, later in zip(self.lab.sent, self.lab.sent[1:], strict=False)]
        self.assertTrue(all(gap > 0.999999 for gap in gaps), gaps)
        self.assertGreater(len(gaps), 2)


class BridgeTests(SynchronousTestCase):
    """Our own packets that come back, on this link or on another (RFC 6762 §14)."""

    WIRELESS = address(HOST, "192.168.1.200", 120)

    def setUp(self) -> None:
        self.lab = Lab(others=Elsewhere(lambda record: record.rdata == self.WIRELESS.rdata))
        self.lab.settle(HOST_GROUP)
        self.lab.now = 100.0

    def test_own_announcement_of_another_link(self) -> None:
        """M-14-6: it has flushed our addresses here, so that they are announced again within the second."""
        self.lab.hear(flushed(self.WIRELESS))
        self.assertEqual(answers(self.lab.pass_time(0.99)), {flushed(HOST_A)})
        self.assertEqual(self.lab.events, [])

    def test_just_announced_here(self) -> None:
        """M-14-7: not when ours were multicast less than a second ago: they were not flushed."""
        self.lab.ask(HOST, A)
        self.lab.pass_time(0.5)
        self.lab.hear(flushed(self.WIRELESS))
        self.assertEqual(self.lab.pass_time(5.0), [])

    def test_without_flush_bit(self) -> None:
        """M-14-6: nor when it could not flush anything."""
        self.lab.hear(self.WIRELESS)
        self.assertEqual(self.lab.pass_time(5.0), [])

    def test_two_bridged_links(self) -> None:
        """M-14-7: two links of one host, bridged together, do not answer each other for ever."""
        labs: list[Lab] = []
        wired = Lab(others=Elsewhere(lambda record: any(lab.responder.holds(record) for lab in labs[1:])))
        wireless = Lab(others=Elsewhere(lambda record: any(lab.responder.holds(record) for lab in labs[:1])))
        labs += [wired, wireless]
        wired.register(HOST_GROUP)
        wireless.register(RecordGroup(unique=(self.WIRELESS,)))
        step = 0.0
        while step < 60.0:
            step += 0.01
            from_wired, from_wireless = wired.run(step), wireless.run(step)
            for packet in from_wired:
                wireless.feed(packet.payload, ("192.168.1.2", 5353))
            for packet in from_wireless:
                wired.feed(packet.payload, ("192.168.1.200", 5353))
        self.assertLess(len(wired.sent) + len(wireless.sent), 30)
        self.assertEqual(wired.events, [GroupClaimed(1)])
        self.assertEqual(wireless.events, [GroupClaimed(1)])
        self.assertEqual([packet for packet in wired.sent + wireless.sent if packet.at > 10.0], [])

    def test_echo(self) -> None:
        """M-9-2: a reflector that gives back all we send disturbs nothing."""
        lab = Lab()
        lab.register(DUAL_GROUP, WEB_GROUP)
        while lab.now < 10.0:
            for packet in lab.pass_time(0.01):
                lab.feed(packet.payload, OTHER_PEER)
        self.assertEqual(lab.events, [GroupClaimed(1), GroupClaimed(2)])
        self.assertEqual((len(lab.sent.probes), len(lab.sent.responses)), (3, 2))

    def test_links_are_apart(self) -> None:
        """M-14-4, M-3-9, M-14-2: a conflict on one link is none on another."""
        other = Lab()
        other.settle(HOST_GROUP)
        other.hear(RIVAL_A)
        self.assertEqual(self.lab.pass_time(5.0), [])
        self.assertTrue(self.lab.responder.is_published(HOST_A))

    def test_cooperating_hosts(self) -> None:
        """M-2-2: two hosts with the same unique records both claim them and both answer."""
        first, second = Lab(), Lab(point=0.0)
        first.register(WEB_GROUP)
        second.register(WEB_GROUP)
        while first.now < 5.0:
            from_first, from_second = first.pass_time(0.01), second.pass_time(0.01)
            for packet in from_first:
                second.feed(packet.payload, PEER)
            for packet in from_second:
                first.feed(packet.payload, OTHER_PEER)
        self.assertEqual([first.events, second.events], [[GroupClaimed(1)], [GroupClaimed(1)]])
        self.assertEqual(len(first.ask(WEB, ANY)) + len(second.ask(WEB, ANY)), 2)

    def test_two_hosts_want_one_name(self) -> None:
        """M-8.2-5, M-9-4: two hosts that start together with one name end with one owner."""
        first, second = Lab(), Lab(point=0.4)
        first.register(RecordGroup(unique=(WEB_SRV, WEB_TXT)))
        second.register(RecordGroup(unique=(RIVAL_SRV, RIVAL_TXT)))
        while first.now < 10.0:
            from_first, from_second = first.pass_time(0.005), second.pass_time(0.005)
            for packet in from_first:
                second.feed(packet.payload, PEER, multicast=packet.to is None)
            for packet in from_second:
                first.feed(packet.payload, OTHER_PEER, multicast=packet.to is None)
        self.assertEqual({type(first.events[-1]), type(second.events[-1])}, {GroupClaimed, GroupLost})
