"""Announcing, updating and goodbyes (RFC 6762 §8.3, §8.4, §10.1)."""

from __future__ import annotations

from itertools import pairwise

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import encode
from mcast.dns.names import Name
from mcast.dns.records import address, next_secure, pointer, service, text
from mcast.mdns.context import LinkSettings
from mcast.mdns.events import GroupClaimed, GroupLost, GroupUpdated
from mcast.mdns.responder.record_group import RecordGroup
from mcast.testing import Capture
from tests.mdns.lab import (
    DUAL_GROUP,
    HOST,
    HOST_A,
    HOST_AAAA,
    HOST_GROUP,
    HOST_REVERSE,
    HTTP,
    PEER,
    PTR,
    TYPE_PTR,
    TYPES,
    WEB,
    WEB_GROUP,
    WEB_PTR,
    WEB_SRV,
    WEB_TXT,
    A,
    Lab,
    answers,
    flushed,
    response,
    service_group,
    times,
)

NEW_TXT = text(WEB, [b"path=/new"], 4500)
NEW_TXT_GROUP = RecordGroup(unique=(WEB_SRV, NEW_TXT), shared=WEB_GROUP.shared)
OTHER_PTR = pointer(HTTP, Name.parse("Other._http._tcp.local"), 4500)


def numbered(index: int) -> RecordGroup:
    """The web service with a TXT record that says its version."""
    return RecordGroup(unique=(WEB_SRV, text(WEB, [b"version=%d" % index], 4500)), shared=WEB_GROUP.shared)


class AnnouncementTests(SynchronousTestCase):
    """Unsolicited responses after a claim (RFC 6762 §8.3)."""

    def test_all_records_in_the_answer_section(self) -> None:
        """M-8.3-1, M-8.3-2, M-8.3-3: all that is new, and the flush bit on unique records only."""
        lab = Lab()
        lab.register(DUAL_GROUP, WEB_GROUP)
        first = lab.run(1.5).responses[0].message
        unique = [flushed(record) for record in (HOST_A, HOST_AAAA, HOST_REVERSE, WEB_SRV, WEB_TXT)]
        self.assertEqual(set(first.answers), {*unique, WEB_PTR, TYPE_PTR})
        self.assertEqual((list(first.authorities), list(first.additionals)), ([], []))

    def test_missing_family_is_denied(self) -> None:
        """M-6.2-4: a host with addresses of one family only says so when it announces them, each time."""
        lab = Lab()
        lab.register(HOST_GROUP)
        denials = [list(packet.message.additionals) for packet in lab.run(10.0).responses]
        self.assertEqual(denials, [[flushed(next_secure(HOST, [A], 120))]] * 2)

    def test_other_family_goes_along(self) -> None:
        """M-6.2-3: with a new IPv4 address the IPv6 addresses are told too."""
        lab = Lab()
        (host,) = lab.settle(DUAL_GROUP)
        both = (HOST_A, address(HOST, "192.168.1.3", 120))
        group = RecordGroup(unique=(*both, HOST_AAAA), verified=(HOST_REVERSE,))
        lab.responder.update(host, group, lab.now)
        (sent,) = lab.pass_time(0.9)
        self.assertEqual(set(sent.message.answers), {flushed(record) for record in both})
        self.assertEqual(list(sent.message.additionals), [flushed(HOST_AAAA)])

    def test_twice_one_second_apart(self) -> None:
        """M-8.3-4: two announcements, one second apart."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP, WEB_GROUP)
        self.assertEqual(times(lab.run(60.0).responses), [750, 1750])

    def test_eight_announcements(self) -> None:
        """M-8.3-5: if so wanted eight, at intervals that double."""
        lab = Lab(LinkSettings(ipv6=False, announcements=8), point=0.0)
        lab.register(RecordGroup(shared=(WEB_PTR,)))
        seconds = [at / 1000 for at in times(lab.run(1000.0))]
        self.assertEqual(seconds, [0, 1, 3, 7, 15, 31, 63, 127])

    def test_a_ninth_is_refused(self) -> None:
        """M-8.3-5: more than eight, or fewer than two, are not to be had."""
        self.assertRaises(ValueError, LinkSettings, ipv6=False, announcements=9)
        self.assertRaises(ValueError, LinkSettings, ipv6=False, announcements=1)

    def test_nothing_for_a_day(self) -> None:
        """M-8.3-6: after that there is silence, and no timer."""
        lab = Lab()
        lab.settle(HOST_GROUP, WEB_GROUP)
        self.assertIsNone(lab.link.next_wakeup())
        self.assertEqual(lab.pass_time(86400.0), [])

    def test_a_hundred_services_in_shared_packets(self) -> None:
        """M-8.3-1, M-17-1: a hundred services are announced in few packets, none over the MTU."""
        lab = Lab(point=0.0)
        lab.register(*[service_group(index) for index in range(100)])
        sent = lab.run(1.0).responses
        self.assertEqual(len(answers(sent)), 301)
        self.assertLess(len(sent), 12)
        self.assertTrue(all(len(packet.payload) <= 1472 for packet in sent))

    def test_one_copy_of_a_common_record(self) -> None:
        """A record that several groups have is announced once."""
        lab = Lab(point=0.0)
        lab.register(*[service_group(index) for index in range(3)])
        records = [record for packet in lab.run(1.0).responses for record in packet.message.answers]
        self.assertEqual(records.count(TYPE_PTR), 1)

    def test_late_timer(self) -> None:
        """M-8.3-4: after a sleep the announcements do not come in one burst."""
        lab = Lab(LinkSettings(ipv6=False, announcements=8), point=0.0)
        lab.register(RecordGroup(shared=(WEB_PTR,)))
        lab.now = 5.0
        lab.link.advance(5.0)
        self.assertEqual(times(lab.collect() + lab.run(10.0)), [5000, 6000, 8000])

    def test_answered_in_between(self) -> None:
        """M-6-18: a record that was multicast in between is announced when its second is over."""
        lab = Lab(LinkSettings(ipv6=False, announcements=8), point=0.0)
        lab.register(RecordGroup(shared=(WEB_PTR,)))
        lab.run(2.5)
        lab.ask(HTTP, PTR)
        self.assertEqual(times(lab.run(5.0)), [2520, 3520])


class UpdateTests(SynchronousTestCase):
    """Records that change (RFC 6762 §8.4)."""

    def setUp(self) -> None:
        self.lab = Lab()
        self.host, self.web = self.lab.settle(HOST_GROUP, WEB_GROUP)

    def test_changed_text_is_announced(self) -> None:
        """M-8.4-1: new rdata is announced twice, and alone."""
        self.lab.responder.update(self.web, NEW_TXT_GROUP, self.lab.now)
        sent = self.lab.pass_time(60.0)
        self.assertEqual([packet.message.answers for packet in sent], [[flushed(NEW_TXT)]] * 2)
        self.assertEqual(times(sent), [15000, 16000])
        self.assertEqual(self.lab.events, [GroupUpdated(self.web)])

    def test_is_reported_when_it_was_announced(self) -> None:
        """RFC 6762 §6: the announcement waits until a second has passed since the last multicast."""
        self.lab.ask(HOST, 1)
        group = RecordGroup(unique=(HOST_A, address(HOST, "192.168.1.3", 120)), verified=HOST_GROUP.verified)
        self.lab.responder.update(self.host, group, self.lab.now)
        self.lab.pass_time(0.9)
        self.assertEqual(self.lab.events, [])
        self.assertFalse(self.lab.responder.is_announced(self.host))
        self.lab.pass_time(0.2)
        self.assertEqual(self.lab.events, [GroupUpdated(self.host)])
        self.assertTrue(self.lab.responder.is_announced(self.host))

    def test_both_announcements_of_a_process_that_is_late(self) -> None:
        """M-8.3-4: kept from running until both were due, it announces twice, a second apart."""
        for announcements in (2, 4):
            lab = Lab(LinkSettings(ipv6=False, announcements=announcements))
            (host,) = lab.settle(HOST_GROUP)
            lab.ask(HOST, 1)
            both = (HOST_A, address(HOST, "192.168.1.3", 120))
            lab.responder.update(host, RecordGroup(unique=both, verified=HOST_GROUP.verified), lab.now)
            lab.pass_time(0.0)
            lab.now += 2.0
            sent = times(lab.pass_time(60.0).responses)
            gaps = [later - earlier for earlier, later in pairwise(sent)]
            self.assertEqual(len(sent), announcements)
            self.assertEqual(gaps[0], 1000)
            self.assertTrue(all(2 * first <= second for first, second in pairwise(gaps)), gaps)

    def test_two_series_of_a_process_that_is_late(self) -> None:
        """M-8.3-5: each of two series that are due at once keeps to its own intervals."""
        lab = Lab(LinkSettings(ipv6=False, announcements=4))
        names = [Name.parse(f"host{number}.local") for number in (1, 2)]
        groups = [RecordGroup(unique=(address(name, "192.168.1.2", 120),)) for name in names]
        second = [address(name, "192.168.1.3", 120) for name in names]
        for owner, group, added in zip(lab.settle(*groups), groups, second, strict=True):
            lab.ask(added.name, A)
            lab.responder.update(owner, RecordGroup(unique=(*group.unique, added)), lab.now)
            lab.pass_time(0.0)
        lab.now += 2.0
        sent = lab.pass_time(60.0).responses
        told = [
            times(Capture(packet for packet in sent if flushed(added) in packet.message.answers))
            for added in second
        ]
        self.assertEqual(told, [[17000, 18000, 20000, 24000]] * 2)

    def test_what_changes_nothing_is_reported_at_once(self) -> None:
        self.lab.responder.update(self.web, WEB_GROUP, self.lab.now)
        self.lab.collect()
        self.assertEqual(self.lab.events, [GroupUpdated(self.web)])

    def test_update_of_a_group_that_is_not_claimed(self) -> None:
        """It is reported once the group is claimed and announced."""
        lab = Lab()
        (web,) = lab.register(WEB_GROUP)
        lab.responder.update(web, NEW_TXT_GROUP, lab.now)
        lab.run(5.0)
        self.assertEqual(lab.events, [GroupClaimed(web), GroupUpdated(web)])

    def test_changed_address_is_announced_whole(self) -> None:
        """M-8.4-1, M-10.2-2, M-10.2-5: a new address is announced together with those that stay."""
        second = address(HOST, "192.168.1.3", 120)
        group = RecordGroup(unique=(HOST_A, second), verified=HOST_GROUP.verified)
        self.lab.responder.update(self.host, group, self.lab.now)
        sent = self.lab.pass_time(60.0)
        self.assertEqual(
            [set(packet.message.answers) for packet in sent], [{flushed(HOST_A), flushed(second)}] * 2
        )

    def test_no_probe(self) -> None:
        """M-8.4-2: an update needs no probing, and answering goes on."""
        self.lab.responder.update(self.web, NEW_TXT_GROUP, self.lab.now)
        self.lab.collect()
        sent = self.lab.ask(WEB, 16, ("192.168.1.9", 4000))
        self.assertEqual(sent[-1].message.answers[0].rdata, NEW_TXT.rdata)
        self.assertEqual(self.lab.pass_time(5.0).probes, [])

    def test_goodbye_before_a_changed_shared_record(self) -> None:
        """M-8.4-3: the goodbye of the old rdata precedes the new one on the wire."""
        group = RecordGroup(unique=WEB_GROUP.unique, shared=(OTHER_PTR, TYPE_PTR))
        self.lab.responder.update(self.web, group, self.lab.now)
        order = [record for packet in self.lab.pass_time(0.5) for record in packet.message.answers]
        self.assertEqual(order, [WEB_PTR.with_ttl(0), OTHER_PTR])

    def test_goodbye_first_even_when_it_must_wait(self) -> None:
        """M-8.4-3, M-6-18: just multicast, the old record keeps its second, and the new one waits for it."""
        self.lab.ask(HTTP, PTR)
        (answered,) = self.lab.pass_time(0.2)
        group = RecordGroup(unique=WEB_GROUP.unique, shared=(OTHER_PTR, TYPE_PTR))
        self.lab.responder.update(self.web, group, self.lab.now)
        sent = self.lab.pass_time(1.0)
        order = [record for packet in sent for record in packet.message.answers]
        self.assertEqual(order, [WEB_PTR.with_ttl(0), OTHER_PTR])
        self.assertAlmostEqual(sent[0].at, answered.at + 1.0)

    def test_no_goodbye_for_a_changed_unique_record(self) -> None:
        """M-8.4-4: the flush bit does the work."""
        self.lab.responder.update(self.web, NEW_TXT_GROUP, self.lab.now)
        records = [record for packet in self.lab.pass_time(5.0) for record in packet.message.answers]
        self.assertEqual([record for record in records if not record.ttl], [])

    def test_goodbye_for_a_record_set_that_ends(self) -> None:
        """RFC 6762 §10.1: nothing else would remove the last address of a family."""
        lab = Lab()
        (host,) = lab.settle(DUAL_GROUP)
        lab.responder.update(host, HOST_GROUP, lab.now)
        self.assertIn(flushed(HOST_AAAA.with_ttl(0)), answers(lab.pass_time(1.0)))

    def test_ten_a_minute(self) -> None:
        """M-8.4-5: of a hundred updates in a minute ten are made, and the last one comes in the end."""
        for index in range(100):
            self.lab.responder.update(self.web, numbered(index), self.lab.now)
            self.lab.pass_time(0.5)
        early = self.lab.sent.where(lambda packet: packet.at < 75.0)
        first_minute = {record.rdata for record in answers(early)}
        self.assertEqual(len(first_minute), 10)
        self.lab.pass_time(120.0)
        self.assertEqual(set(self.lab.sent[-1].message.answers), {flushed(numbered(99).unique[1])})

    def test_changed_again_at_once(self) -> None:
        """M-8.4-1: a second change ends the announcements of the first; its own data comes twice."""
        lab = Lab(LinkSettings(ipv6=False, announcements=4))
        _, web = lab.settle(HOST_GROUP, WEB_GROUP)
        lab.pass_time(10.0)
        lab.responder.update(web, numbered(1), lab.now)
        lab.pass_time(1.5)
        lab.sent.clear()
        lab.responder.update(web, numbered(2), lab.now)
        start = lab.now
        self.assertEqual(
            [round(packet.at - start, 1) for packet in lab.pass_time(60.0)], [0.0, 1.0, 3.0, 7.0]
        )

    def test_dropped_name_is_free(self) -> None:
        """M-8.1-1: a name that an update gives up is probed for when it is wanted again."""
        name = Name.parse("Second._http._tcp.local")
        group = RecordGroup(unique=(text(name, [b"x"], 4500),))
        self.lab.responder.update(
            self.web, RecordGroup(unique=(*WEB_GROUP.unique, *group.unique)), self.lab.now
        )
        self.lab.pass_time(5.0)
        self.lab.responder.update(self.web, WEB_GROUP, self.lab.now)
        self.lab.pass_time(5.0)
        self.lab.register(group)
        self.assertEqual(len(self.lab.pass_time(5.0).probes), 3)

    def test_name_of_a_superseded_update_is_free(self) -> None:
        """M-8.1-1: so is one of an update that another has replaced before it came into force."""
        names = [Name.parse(f"{word}._http._tcp.local") for word in ("Second", "Third")]
        groups = [RecordGroup(unique=(*WEB_GROUP.unique, text(name, [b"x"], 4500))) for name in names]
        for group in groups:
            self.lab.responder.update(self.web, group, self.lab.now)
        self.lab.pass_time(5.0)
        self.lab.register(RecordGroup(unique=groups[0].unique[2:]))
        self.assertEqual(len(self.lab.pass_time(5.0).probes), 3)

    def test_same_content(self) -> None:
        """An update that changes nothing is no update."""
        self.lab.responder.update(self.web, WEB_GROUP, self.lab.now)
        self.assertEqual(self.lab.pass_time(5.0), [])

    def test_new_name_is_claimed_first(self) -> None:
        """M-8.1-1: a new name is probed for, and the old records stay in use until it is ours."""
        name = Name.parse("Second._http._tcp.local")
        added = text(name, [b"x"], 4500)
        group = RecordGroup(unique=(*WEB_GROUP.unique, added), shared=WEB_GROUP.shared)
        self.lab.responder.update(self.web, group, self.lab.now)
        self.assertTrue(self.lab.responder.is_published(WEB_TXT))
        sent = self.lab.pass_time(5.0)
        self.assertEqual(
            {question.name for packet in sent.probes for question in packet.message.questions}, {name}
        )
        self.assertEqual(answers(sent), {flushed(added)})

    def test_new_name_lost(self) -> None:
        """M-8.1-10: if that name is lost, so is the group."""
        name = Name.parse("Second._http._tcp.local")
        group = RecordGroup(unique=(text(name, [b"x"], 4500),), shared=WEB_GROUP.shared)
        self.lab.responder.update(self.web, group, self.lab.now)
        self.lab.pass_time(0.4)
        self.lab.hear(flushed(text(name, [b"y"], 4500)))
        self.assertEqual(self.lab.events, [GroupLost(self.web, name)])

    def test_while_probing(self) -> None:
        """What nobody has heard of may change at once."""
        lab = Lab(point=0.0)
        (web,) = lab.register(WEB_GROUP)
        lab.run(0.3)
        lab.responder.update(web, NEW_TXT_GROUP, lab.now)
        sent = lab.run(5.0)
        self.assertIn(NEW_TXT, sent.probes[0].message.authorities)
        self.assertNotIn(flushed(WEB_TXT), answers(sent))

    def test_unknown_owner(self) -> None:
        self.assertRaises(KeyError, self.lab.responder.update, 99, WEB_GROUP, self.lab.now)


class GoodbyeTests(SynchronousTestCase):
    """Leaving the link (RFC 6762 §10.1)."""

    def test_every_announced_record(self) -> None:
        """M-10.1-1: each record is sent once more with TTL 0 and the same rdata."""
        lab = Lab()
        owners = lab.settle(HOST_GROUP, WEB_GROUP)
        for owner in owners:
            lab.responder.withdraw(owner, lab.now)
        unique = [flushed(record.with_ttl(0)) for record in (HOST_A, HOST_REVERSE, WEB_SRV, WEB_TXT)]
        shared = [record.with_ttl(0) for record in (WEB_PTR, TYPE_PTR)]
        sent = lab.pass_time(5.0)
        self.assertEqual(answers(sent), {*unique, *shared})
        self.assertEqual(len(sent), 1)
        self.assertTrue(lab.responder.goodbye_done)
        self.assertIsNone(lab.link.next_wakeup())

    def test_without_goodbye(self) -> None:
        lab = Lab()
        (owner,) = lab.settle(HOST_GROUP)
        lab.responder.withdraw(owner, lab.now, goodbye=False)
        self.assertEqual(lab.pass_time(5.0), [])

    def test_silence_afterwards(self) -> None:
        """M-6-4: what is withdrawn is not answered any more."""
        lab = Lab()
        (owner,) = lab.settle(HOST_GROUP)
        lab.ask(HOST, 1, ("192.168.1.9", 4000))
        lab.responder.withdraw(owner, lab.now)
        lab.pass_time(5.0)
        self.assertEqual(lab.ask(HOST, 1, ("192.168.1.9", 4000)) + lab.pass_time(5.0), [])

    def test_the_last_user_says_goodbye(self) -> None:
        """A record that another group has too stays until that one goes as well."""
        lab = Lab()
        first, second = lab.settle(service_group(1), service_group(2))
        lab.responder.withdraw(first, lab.now)
        self.assertNotIn(TYPE_PTR.with_ttl(0), answers(lab.pass_time(3.0)))
        lab.responder.withdraw(second, lab.now)
        self.assertIn(TYPE_PTR.with_ttl(0), answers(lab.pass_time(3.0)))

    def test_at_most_a_second_later(self) -> None:
        """M-6-18: a record that was just multicast keeps its second, and its goodbye leaves then."""
        lab = Lab(point=0.0)
        (owner,) = lab.register(RecordGroup(shared=(WEB_PTR,)))
        lab.run(1.4)
        lab.responder.withdraw(owner, lab.now)
        self.assertFalse(lab.responder.goodbye_done)
        self.assertEqual(times(lab.run(10.0)), [2000])
        self.assertTrue(lab.responder.goodbye_done)

    def test_registered_again(self) -> None:
        """A record that is back before its goodbye has left gets none."""
        lab = Lab(point=0.0)
        (owner,) = lab.register(RecordGroup(shared=(WEB_PTR,)))
        lab.run(1.4)
        lab.responder.withdraw(owner, lab.now)
        lab.register(RecordGroup(shared=(WEB_PTR,)))
        self.assertNotIn(WEB_PTR.with_ttl(0), answers(lab.run(10.0)))

    def test_back_within_a_second(self) -> None:
        """A restart takes the name back, though its own goodbye is still on the way."""
        lab = Lab(point=0.0)
        (owner,) = lab.settle(HOST_GROUP)
        lab.responder.withdraw(owner, lab.now)
        goodbye = lab.pass_time(0.1)
        lab.register(HOST_GROUP)
        lab.pass_time(0.1)
        lab.feed(goodbye[0].payload)
        lab.pass_time(3.0)
        self.assertEqual(lab.events, [GroupClaimed(2)])

    def test_withdrawn_while_contested(self) -> None:
        """While another host claims the name, a goodbye could remove its records."""
        lab = Lab()
        _, web = lab.settle(HOST_GROUP, WEB_GROUP)
        lab.hear(flushed(service(WEB, 0, 0, 99, HOST, 120)))
        lab.responder.withdraw(web, lab.now)
        goodbyes = [record for record in answers(lab.pass_time(5.0)) if not record.ttl]
        self.assertEqual(goodbyes, [TYPE_PTR.with_ttl(0)])

    def test_unknown_owner(self) -> None:
        lab = Lab()
        lab.responder.withdraw(99, 0.0)
        self.assertTrue(lab.responder.goodbye_done)

    def test_type_enumeration_name(self) -> None:
        """RFC 6763 §9: the type stays in the list as long as any group has it."""
        lab = Lab()
        first, _ = lab.settle(service_group(1), service_group(2))
        lab.responder.withdraw(first, lab.now)
        lab.pass_time(3.0)
        lab.ask(TYPES, PTR)
        self.assertEqual(answers(lab.pass_time(1.0)) & {TYPE_PTR}, {TYPE_PTR})


class OwnerTests(SynchronousTestCase):
    """A record group belongs to its owner, which every event of it carries."""

    def setUp(self) -> None:
        self.lab = Lab()
        self.owner = ("any", "value", "with a hash")
        self.lab.responder.register(self.owner, HOST_GROUP, 0.0)

    def test_comes_with_the_events(self) -> None:
        self.lab.pass_time(3.0)
        self.assertEqual(self.lab.events, [GroupClaimed(self.owner)])

    def test_has_one_group_on_a_link(self) -> None:
        error = self.assertRaises(ValueError, self.lab.responder.register, self.owner, WEB_GROUP, 0.0)
        self.assertIn("with a hash", str(error))

    def test_is_known_until_it_withdraws(self) -> None:
        self.assertIn(self.owner, self.lab.responder)
        self.lab.responder.withdraw(self.owner, 0.0)
        self.assertNotIn(self.owner, self.lab.responder)

    def test_is_not_known_after_a_loss(self) -> None:
        self.lab.run(0.3)
        self.lab.hear(flushed(address(HOST, "192.168.1.99", 120)))
        self.assertEqual(self.lab.events, [GroupLost(self.owner, HOST)])
        self.assertNotIn(self.owner, self.lab.responder)

    def test_may_register_again(self) -> None:
        self.lab.responder.withdraw(self.owner, 0.0)
        self.lab.responder.register(self.owner, WEB_GROUP, 0.0)
        self.lab.pass_time(3.0)
        self.assertEqual(self.lab.events, [GroupClaimed(self.owner)])

    def test_hears_nothing_of_what_it_has_withdrawn(self) -> None:
        """An event that waits to be taken must not be mistaken for one of the next group."""
        self.lab.run(0.3)
        rival = response(flushed(address(HOST, "192.168.1.99", 120)))
        self.lab.link.receive(encode(rival), PEER, True, self.lab.now)
        self.lab.responder.withdraw(self.owner, self.lab.now)
        self.assertEqual(self.lab.link.events(), [])
