"""Other hosts that answer our probes (RFC 6762 §8.1)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record, address, next_secure, service, text
from mcast.mdns.context import LinkSettings
from mcast.mdns.events import GroupClaimed, GroupLost
from mcast.mdns.responder.record_group import RecordGroup
from tests.mdns.lab import (
    HOST,
    HOST_A,
    HOST_GROUP,
    TXT,
    WEB,
    WEB_GROUP,
    A,
    Elsewhere,
    Lab,
    flushed,
    times,
)

RIVAL_A = address(HOST, "192.168.1.77", 120)


class ConflictWhileProbingTests(SynchronousTestCase):
    """Somebody answers a probe (RFC 6762 §8.1)."""

    def hear_at(self, at: float, *records: Record, multicast: bool = True) -> Lab:
        """Probe from 0 s on, and hear an answer at a time."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP)
        lab.run(at)
        lab.hear(*records, multicast=multicast)
        return lab

    def test_just_after_the_first_probe(self) -> None:
        """M-8.1-10: an answer 1 ms after the first probe takes the name."""
        lab = self.hear_at(0.001, flushed(RIVAL_A))
        self.assertEqual(lab.events, [GroupLost(1, HOST)])

    def test_between_probes(self) -> None:
        """M-8.1-10: so does one at 400 ms."""
        self.assertEqual(self.hear_at(0.4, flushed(RIVAL_A)).events, [GroupLost(1, HOST)])

    def test_just_before_the_end(self) -> None:
        """M-8.1-10: so does one at 749 ms."""
        self.assertEqual(self.hear_at(0.749, flushed(RIVAL_A)).events, [GroupLost(1, HOST)])

    def test_never_announced(self) -> None:
        """M-8.1-10, M-3-1: the lost name is never announced and never mentioned again."""
        lab = self.hear_at(0.4, flushed(RIVAL_A))
        self.assertEqual(lab.run(100.0), [])
        self.assertIsNone(lab.link.next_wakeup())

    def test_by_unicast(self) -> None:
        """M-8.1-10: the defence of a QU probe comes by unicast, and counts."""
        self.assertEqual(self.hear_at(0.4, flushed(RIVAL_A), multicast=False).events, [GroupLost(1, HOST)])

    def test_by_unicast_without_having_asked_for_it(self) -> None:
        """RFC 6762 §6, §15.1: where probes do not ask for unicast responses, none counts."""
        lab = Lab(LinkSettings(ipv6=False, unicast_responses=False), point=0.0)
        lab.register(HOST_GROUP)
        lab.run(0.4)
        lab.hear(flushed(RIVAL_A), multicast=False)
        lab.run(2.0)
        self.assertEqual(lab.events, [GroupClaimed(1)])

    def test_before_the_first_probe(self) -> None:
        """M-8.1-12: what comes during the random delay is ignored."""
        lab = Lab(point=1.0)
        lab.register(HOST_GROUP)
        lab.run(0.24)
        lab.hear(flushed(RIVAL_A))
        lab.run(2.0)
        self.assertEqual(lab.events, [GroupClaimed(1)])

    def test_other_type(self) -> None:
        """M-8.1-13: any record of the name is a conflict, whatever its type."""
        lab = self.hear_at(0.4, flushed(text(HOST, [b"x"], 4500)))
        self.assertEqual(lab.events, [GroupLost(1, HOST)])

    def test_only_a_denial(self) -> None:
        """M-8.1-13: an NSEC record alone is a record of the name too."""
        lab = self.hear_at(0.4, next_secure(HOST, [TXT], 120))
        self.assertEqual(lab.events, [GroupLost(1, HOST)])

    def test_same_rdata(self) -> None:
        """M-2-2, M-9-2: a cooperating host with the same record is no conflict."""
        lab = self.hear_at(0.4, flushed(HOST_A))
        lab.run(2.0)
        self.assertEqual(lab.events, [GroupClaimed(1)])

    def test_same_rdata_with_its_denial(self) -> None:
        """M-2-2: nor is the NSEC record that this host adds."""
        lab = self.hear_at(0.4, flushed(HOST_A), next_secure(HOST, [A, TXT], 120))
        lab.run(2.0)
        self.assertEqual(lab.events, [GroupClaimed(1)])

    def test_one_octet_differs(self) -> None:
        """M-2-2: but one octet of rdata makes it one."""
        lab = self.hear_at(0.4, flushed(address(HOST, "192.168.1.3", 120)))
        self.assertEqual(lab.events, [GroupLost(1, HOST)])

    def test_name_in_other_case(self) -> None:
        """M-16-5: a name differs not by the case of its letters."""
        lab = self.hear_at(0.4, flushed(address(Name.parse("KITCHEN.Local"), "192.168.1.77", 120)))
        self.assertEqual(lab.events, [GroupLost(1, HOST)])

    def test_goodbye(self) -> None:
        """RFC 6762 §10.1: a host that gives the name up does not claim it."""
        lab = self.hear_at(0.4, flushed(RIVAL_A.with_ttl(0)))
        lab.run(2.0)
        self.assertEqual(lab.events, [GroupClaimed(1)])

    def test_record_in_a_query(self) -> None:
        """M-8.2-3: a query without proposals changes nothing, whatever known answers it has."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP)
        lab.run(0.1)
        lab.ask(HOST, A, known=[RIVAL_A])
        self.assertEqual(times(lab.run(1.0).probes), [0, 250, 500][1:])

    def test_the_cache_is_not_asked(self) -> None:
        """M-8.1-7: a conflicting record that was heard earlier does not count."""
        lab = Lab()
        lab.now = 1.0
        lab.link.querier.ask(Question(HOST, A), 1.0, "test")
        lab.pass_time(2.0)
        lab.hear(flushed(RIVAL_A))
        self.assertEqual(len(lab.link.querier.records(Question(HOST, A), lab.now)), 1)
        lab.pass_time(1.0)
        lab.events.clear()
        lab.register(HOST_GROUP)
        lab.pass_time(2.0)
        self.assertEqual(
            [event for event in lab.events if isinstance(event, GroupClaimed)], [GroupClaimed(1)]
        )

    def test_other_names_go_on(self) -> None:
        """M-8.1-11: the conflict of one name leaves the others alone."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP, WEB_GROUP)
        lab.run(0.4)
        lab.hear(flushed(service(WEB, 0, 0, 9, HOST, 120)))
        lab.run(2.0)
        self.assertEqual(lab.events, [GroupLost(2, WEB), GroupClaimed(1)])

    def test_new_name(self) -> None:
        """M-3-2: the name that the caller picks instead is probed for in turn."""
        lab = self.hear_at(0.4, flushed(RIVAL_A))
        lab.register(RecordGroup(unique=(address(Name.parse("kitchen-2.local"), "192.168.1.2", 120),)))
        self.assertEqual(len(lab.run(2.0).probes), 3)
        self.assertEqual(lab.events[-1], GroupClaimed(2))

    def test_own_record_of_another_link(self) -> None:
        """RFC 6762 §14: what our host answers on another, bridged link is no conflict."""
        lab = Lab(point=0.0, others=Elsewhere(lambda record: record.rdata == RIVAL_A.rdata))
        lab.register(HOST_GROUP)
        lab.run(0.4)
        lab.hear(flushed(RIVAL_A))
        lab.run(2.0)
        self.assertEqual(lab.events, [GroupClaimed(1)])


class DenialTests(SynchronousTestCase):
    """An NSEC record alone: the other records were multicast a moment ago, and are not given again."""

    def hear(self, *types: int) -> Lab:
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP)
        lab.run(0.4)
        lab.hear(next_secure(HOST, types, 120))
        lab.run(2.0)
        return lab

    def test_of_what_we_lack_too(self) -> None:
        """M-9-2: two proxies of one device are no conflict."""
        self.assertEqual(self.hear(A).events, [GroupClaimed(1)])

    def test_of_what_we_have(self) -> None:
        self.assertEqual(self.hear(TXT).events, [GroupLost(1, HOST)])


class PartialOwnerTests(SynchronousTestCase):
    """Another host has the name with some of our records and lacks the rest.

    Each record of it is identical to one of ours (RFC 6762 §9), and the set is not: our announcement would
    make it give its name up, although it was there first.
    """

    GLOBAL = address(HOST, "2001:db8::2", 120)
    LINK_LOCAL = address(HOST, "fe80::2", 120)
    GROUP = RecordGroup(unique=(HOST_A, GLOBAL, LINK_LOCAL))

    def probe_against(self, *answers: Record, is_own_set: bool = False, rounds: int = 9) -> Lab:
        """Return the lab after probing while each of the first probes is answered."""
        lab = Lab(point=0.0, others=Elsewhere(has_whole=lambda records: is_own_set))
        lab.register(self.GROUP)
        heard = 0
        while lab.now < 10.0:
            if lab.pass_time(0.01).probes and heard < rounds:
                heard += 1
                lab.hear(*answers)
        return lab

    def test_new_host_yields(self) -> None:
        """RFC 6762 §8.1, §10.2: it has told its whole set, by the cache-flush bit, and it keeps the name."""
        lab = self.probe_against(flushed(HOST_A), flushed(self.GLOBAL))
        self.assertEqual(lab.events, [GroupLost(1, HOST)])
        self.assertEqual(lab.sent.responses, [])

    def test_one_stray_answer(self) -> None:
        """M-9-2, M-2-2: told once and not again, identical data is no conflict; the probes are repeated."""
        lab = self.probe_against(flushed(self.GLOBAL), rounds=1)
        self.assertEqual(lab.events, [GroupClaimed(1)])
        self.assertEqual(times(lab.sent.probes), [0, 250, 500, 1750, 2000, 2250])

    def test_set_in_several_packets(self) -> None:
        """M-10.2-5: a set that no packet holds comes in several, and is whole in the end."""
        lab = Lab(point=0.0)
        lab.register(self.GROUP)
        lab.run(0.1)
        lab.hear(flushed(HOST_A), flushed(self.GLOBAL))
        lab.hear(flushed(self.LINK_LOCAL))
        lab.run(2.0)
        self.assertEqual(lab.events, [GroupClaimed(1)])
        self.assertEqual(len(lab.sent.probes), 3)

    def test_without_flush_bit(self) -> None:
        """M-10.2-5: without the bit it is not said that there is no more."""
        lab = self.probe_against(HOST_A, self.GLOBAL)
        self.assertEqual(lab.events, [GroupClaimed(1)])
        self.assertEqual(len(lab.sent.probes), 3)

    def test_another_type_is_missing(self) -> None:
        """M-2-2: the same addresses of one family, and none of the other told."""
        lab = self.probe_against(flushed(HOST_A))
        self.assertEqual(lab.events, [GroupClaimed(1)])
        self.assertEqual(len(lab.sent.probes), 3)

    def test_own_set_of_another_link(self) -> None:
        """RFC 6762 §14: our other, bridged link has fewer addresses."""
        lab = self.probe_against(flushed(HOST_A), flushed(self.GLOBAL), is_own_set=True)
        self.assertEqual(lab.events, [GroupClaimed(1)])
        self.assertEqual(len(lab.sent.probes), 3)
