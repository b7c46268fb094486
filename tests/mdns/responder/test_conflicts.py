"""Conflicts about names that are ours, and what follows (RFC 6762 §9, §8, §10.1)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer, text
from mcast.mdns.events import GroupClaimed, GroupLost, GroupReprobing
from mcast.mdns.responder.record_group import RecordGroup
from tests.mdns.lab import (
    AAAA,
    ANY,
    HOST,
    HOST_A,
    HOST_AAAA,
    HOST_GROUP,
    HOST_REVERSE,
    HTTP,
    IPV6,
    OTHER_PEER,
    PEER,
    PTR,
    RESOLVER,
    STRANGER,
    TYPE_PTR,
    WEB,
    WEB_GROUP,
    WEB_PTR,
    WEB_SRV,
    WEB_TXT,
    A,
    Lab,
    answers,
    flushed,
    interface,
    query,
    times,
)
from tests.mdns.responder.conflict_lab import RIVAL_A, RIVAL_SRV, RIVAL_TXT, ConflictCase


class DefenceTests(ConflictCase):
    """Another host probes for a name of ours (RFC 6762 §5.4, §6, §8.1)."""

    def test_by_unicast_at_once(self) -> None:
        """M-8.1-8, M-5.4-8: a QU probe is answered to its source without any delay."""
        sent = self.lab.probe(HOST, RIVAL_A)
        self.assertIn((100.0, PEER), [(packet.at, packet.to) for packet in sent])
        self.assertIn(flushed(HOST_A), sent[0].message.answers)

    def test_by_unicast_soon_after_a_multicast(self) -> None:
        """M-5.4-8: one second after the last multicast by unicast only."""
        self.lab.ask(HOST, ANY)
        self.lab.pass_time(1.0)
        sent = self.lab.probe(HOST, RIVAL_A)
        self.assertEqual([packet.to for packet in sent + self.lab.pass_time(1.0)], [PEER])

    def test_by_unicast_long_after_a_multicast(self) -> None:
        """M-5.4-8: a hundred seconds after it by unicast, and by multicast for everybody to see."""
        self.lab.ask(HOST, ANY)
        self.lab.pass_time(100.0)
        sent = self.lab.probe(HOST, RIVAL_A)
        self.assertEqual([packet.to for packet in sent], [PEER, None])

    def test_by_multicast_after_a_quarter_second(self) -> None:
        """M-6-19, M-8.1-8: a QM probe 100 ms after the last multicast is answered at 250 ms."""
        self.lab.ask(HOST, ANY)
        self.lab.pass_time(0.1)
        sent = self.lab.probe(HOST, RIVAL_A, unicast=False)
        self.assertEqual(times(sent + self.lab.pass_time(1.0)), [100250])

    def test_by_multicast_later(self) -> None:
        """M-6-19: one 400 ms after it at once."""
        self.lab.ask(HOST, ANY)
        self.lab.pass_time(0.4)
        self.assertEqual(times(self.lab.probe(HOST, RIVAL_A, unicast=False)), [100400])

    def test_any_question_without_proposal(self) -> None:
        """M-6-11: without a proposal it is no probe, so the limit of a second holds."""
        self.lab.ask(HOST, ANY)
        self.lab.pass_time(0.4)
        self.assertEqual(self.lab.ask(HOST, ANY) + self.lab.pass_time(0.5), [])

    def test_proposal_for_another_name(self) -> None:
        """M-6-11: nor with a proposal that does not answer the question."""
        self.lab.ask(HOST, ANY)
        self.lab.pass_time(0.4)
        other = address(Name.parse("other.local"), "192.168.1.9", 120)
        self.assertEqual(self.lab.probe(HOST, other, unicast=False) + self.lab.pass_time(0.5), [])

    def test_probe_for_a_shared_name(self) -> None:
        """M-6-12: what we only share we do not defend: it is answered with its random delay."""
        sent = self.lab.probe(HTTP, pointer(HTTP, Name.parse("Other._http._tcp.local"), 4500), unicast=False)
        self.assertEqual(times(sent + self.lab.pass_time(1.0)), [100020])

    def test_probe_for_one_type(self) -> None:
        """M-6-11: a probe may ask for the type that it proposes."""
        self.lab.ask(HOST, ANY)
        self.lab.pass_time(0.4)
        sent = self.lab.feed(Message(questions=[Question(HOST, A)], authorities=[RIVAL_A]))
        self.assertEqual(times(sent), [100400])

    def test_probe_with_several_questions(self) -> None:
        """M-6.3-3: the defence does not wait because others are asked for as well."""
        other = Name.parse("other.local")
        probe = Message(
            questions=[Question(HOST, ANY), Question(other, ANY)],
            authorities=[RIVAL_A, address(other, "192.168.1.77", 120)],
        )
        self.assertEqual(times(self.lab.feed(probe)), [100000])

    def test_whole_set(self) -> None:
        """M-10.2-7: a defence has the records of any answer, whole and with the flush bit."""
        sent = self.lab.probe(WEB, RIVAL_SRV, unicast=False)
        self.assertEqual(answers(sent), {flushed(WEB_SRV), flushed(WEB_TXT)})

    def test_from_another_subnet(self) -> None:
        """M-11-6: a prober whose address is not of this subnet is answered by multicast."""
        sent = self.lab.probe(HOST, RIVAL_A, source=STRANGER)
        self.assertEqual([packet.to for packet in sent], [None])

    def test_on_each_link(self) -> None:
        """M-14-1: each link on which the name is published defends it."""
        other = Lab(IPV6, point=0.0)
        other.settle(HOST_GROUP)
        self.assertTrue(self.lab.probe(HOST, RIVAL_A, unicast=False))
        self.assertTrue(other.probe(HOST, RIVAL_A, source=("fe80::9", 5353, 0, 1), unicast=False))

    def test_keeps_the_name(self) -> None:
        """M-9-1: a probe is no conflict."""
        self.lab.probe(HOST, RIVAL_A)
        self.lab.pass_time(5.0)
        self.assertEqual(self.lab.events, [])


class LateConflictTests(ConflictCase):
    """A conflicting response about a name of ours (RFC 6762 §9)."""

    def test_probes_again(self) -> None:
        """M-6.6-2, M-9-3: the record goes back to probing under the same name."""
        self.lab.hear(RIVAL_SRV)
        self.assertEqual(self.lab.events, [GroupReprobing(self.web, WEB)])
        asked = {q.name for packet in self.lab.pass_time(0.7).probes for q in packet.message.questions}
        self.assertEqual(asked, {WEB})

    def test_silent_meanwhile(self) -> None:
        """M-2-1: until it has won again, the name is not answered for."""
        self.lab.hear(RIVAL_SRV)
        self.lab.ask(WEB, ANY, RESOLVER)
        self.assertEqual(self.lab.sent.responses, [])

    def test_in_the_authority_section(self) -> None:
        """M-9-3: the section does not matter."""
        self.lab.feed(Message(flags=0x8400, authorities=[RIVAL_SRV]))
        self.assertEqual(self.lab.events, [GroupReprobing(self.web, WEB)])

    def test_in_the_additional_section(self) -> None:
        """M-9-3: nor does this one."""
        self.lab.feed(Message(flags=0x8400, additionals=[RIVAL_SRV]))
        self.assertEqual(self.lab.events, [GroupReprobing(self.web, WEB)])

    def test_announced_again_without_opposition(self) -> None:
        """M-9-3: if nobody answers the probes, the same name is announced again."""
        self.lab.hear(RIVAL_SRV)
        sent = self.lab.pass_time(5.0)
        self.assertEqual(len(sent.probes), 3)
        self.assertEqual(len(sent.responses), 2)
        self.assertLessEqual({flushed(WEB_SRV), flushed(WEB_TXT), WEB_PTR}, answers(sent))
        self.assertEqual(self.lab.events[-1], GroupClaimed(self.web))

    def test_lost(self) -> None:
        """M-9-4, M-3-1: if the other host answers them, the name is lost and not used again."""
        self.lab.hear(RIVAL_SRV)
        self.lab.pass_time(0.1)
        self.lab.hear(RIVAL_SRV, RIVAL_TXT)
        self.assertEqual(self.lab.events[-1], GroupLost(self.web, WEB))
        self.lab.pass_time(0.01)
        self.lab.sent.clear()
        self.lab.ask(WEB, ANY)
        self.lab.ask(HTTP, PTR)
        self.assertEqual(self.lab.pass_time(10.0), [])

    def test_host_keeps_its_name(self) -> None:
        """M-8.1-11: a lost instance name is not the host's loss."""
        self.lab.hear(RIVAL_SRV)
        self.lab.pass_time(0.1)
        self.lab.hear(RIVAL_SRV)
        self.assertTrue(self.lab.responder.is_published(HOST_A))

    def test_between_the_announcements(self) -> None:
        """M-8.3-7: a conflict counts right after the first announcement too."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP)
        lab.run(1.2)
        lab.hear(RIVAL_A)
        self.assertEqual(lab.events[-1], GroupReprobing(1, HOST))

    def test_an_hour_later(self) -> None:
        """M-8.3-7: and for ever after."""
        self.lab.pass_time(3600.0)
        self.lab.hear(RIVAL_A)
        self.assertEqual(self.lab.events[0], GroupReprobing(self.host, HOST))

    def test_other_type(self) -> None:
        """M-9-1: another type of the name is no conflict once it is ours."""
        self.lab.hear(flushed(address(WEB, "192.168.1.77", 120)))
        self.assertEqual((self.lab.events, self.lab.pass_time(5.0)), ([], []))

    def test_by_unicast_while_another_name_is_probed_for(self) -> None:
        """RFC 6762 §6: a unicast response counts for what was asked just now, and for nothing else."""
        self.lab.register(RecordGroup(unique=(address(Name.parse("new.local"), "192.168.1.2", 120),)))
        self.lab.pass_time(0.1)
        self.lab.hear(RIVAL_A, multicast=False)
        self.assertTrue(self.lab.responder.is_published(HOST_A))

    def test_record_in_a_query(self) -> None:
        """M-9-1: nor is what stands in a query."""
        self.lab.feed(query(Question(HTTP, ANY), known=[RIVAL_SRV]))
        self.lab.pass_time(5.0)
        self.assertEqual(self.lab.events, [])

    def test_identical_record_of_another_host(self) -> None:
        """M-9-2, M-6.6-3: nor is our own record, from whatever host."""
        self.lab.hear(flushed(WEB_SRV), flushed(WEB_TXT), source=OTHER_PEER)
        self.assertEqual((self.lab.events, self.lab.pass_time(5.0)), ([], []))

    def test_goodbye_of_another_record(self) -> None:
        """RFC 6762 §10.1: nor is a goodbye."""
        self.lab.hear(RIVAL_SRV.with_ttl(0))
        self.assertEqual(self.lab.events, [])

    def test_other_class(self) -> None:
        """M-9-1: nor is a record of another class."""
        self.lab.hear(Record(WEB, RIVAL_SRV.type, 3, 120, RIVAL_SRV.rdata))
        self.assertEqual(self.lab.events, [])

    def test_shared_record(self) -> None:
        """M-6.6-1, M-3-8: other data under a shared name is how it should be."""
        self.lab.hear(pointer(HTTP, Name.parse("Other._http._tcp.local"), 4500))
        self.assertEqual((self.lab.events, self.lab.pass_time(5.0)), ([], []))

    def test_echo_of_what_we_said_before(self) -> None:
        """An announcement from before an update, given back late by a reflector, is no conflict."""
        new = RecordGroup(unique=(WEB_SRV, text(WEB, [b"new"], 4500)), shared=WEB_GROUP.shared)
        self.lab.responder.update(self.web, new, self.lab.now)
        self.lab.pass_time(0.5)
        self.lab.events.clear()
        self.lab.hear(flushed(WEB_TXT), source=OTHER_PEER)
        self.assertEqual(self.lab.events, [])

    def test_old_data_long_after(self) -> None:
        """M-9-1: long after the update it is another host's word."""
        new = RecordGroup(unique=(WEB_SRV, text(WEB, [b"new"], 4500)), shared=WEB_GROUP.shared)
        self.lab.responder.update(self.web, new, self.lab.now)
        self.lab.pass_time(20.0)
        self.lab.hear(flushed(WEB_TXT), source=OTHER_PEER)
        self.assertEqual(self.lab.events[-1], GroupReprobing(self.web, WEB))


class AfterALossTests(SynchronousTestCase):
    """What others believe of a name that changed hands (RFC 6762 §9, §10.1)."""

    def lose(self, *records: Record, groups: tuple[RecordGroup, ...]) -> set[Record]:
        """Lose a name to these records; return the goodbyes."""
        lab = Lab(point=0.0)
        lab.settle(*groups)
        lab.hear(records[0])
        lab.pass_time(0.1)
        lab.hear(*records)
        lab.pass_time(10.0)
        self.assertIsInstance(lab.events[-1], GroupLost)
        return {record for record in answers(lab.sent) if not record.ttl}

    def test_service(self) -> None:
        """A pointer to the name is as true as before: the winner has it too. Nothing is said goodbye to."""
        self.assertEqual(self.lose(RIVAL_SRV, RIVAL_TXT, groups=(HOST_GROUP, WEB_GROUP)), set())

    def test_identical_text(self) -> None:
        """A TXT record that the winner has as well must stay, even if we have not heard it."""
        self.assertNotIn(
            WEB_TXT, {record.with_ttl(4500) for record in self.lose(RIVAL_SRV, groups=(WEB_GROUP,))}
        )

    def test_reverse_mapping(self) -> None:
        """Our address leads to the winner's name no longer: that mapping is ours to take back."""
        self.assertEqual(self.lose(RIVAL_A, groups=(HOST_GROUP,)), {flushed(HOST_REVERSE.with_ttl(0))})

    def test_address_family_that_the_winner_lacks(self) -> None:
        """Our address under the winner's name gets a goodbye where nothing else would remove it.

        Without the flush bit, which would remove the addresses of the winner.
        """
        goodbyes = self.lose(RIVAL_A, groups=(RecordGroup(unique=(HOST_A, HOST_AAAA)),))
        self.assertEqual(goodbyes, {HOST_AAAA.with_ttl(0)})

    def test_records_of_other_groups(self) -> None:
        """What another group still has stays."""
        second = RecordGroup(
            unique=(text(Name.parse("Second._http._tcp.local"), [], 4500),), shared=(TYPE_PTR,)
        )
        self.assertEqual(self.lose(RIVAL_SRV, groups=(WEB_GROUP, second)), set())


class ConnectivityTests(ConflictCase):
    """The link comes and goes (RFC 6762 §8, §10.2)."""

    def test_down(self) -> None:
        """A link that carries nothing is sent nothing, and nothing is waited for."""
        self.lab.ask(HTTP, PTR)
        self.lab.link.link_down(self.lab.now)
        self.assertIsNone(self.lab.link.next_wakeup())
        self.assertEqual(self.lab.ask(HOST, A) + self.lab.pass_time(60.0), [])

    def test_down_before_sending(self) -> None:
        """What was about to be sent when the link went down is not sent."""
        self.lab.link.receive(encode(query(Question(HOST, A))), PEER, True, self.lab.now)
        self.lab.link.link_down(self.lab.now)
        self.assertEqual(self.lab.link.transmissions(), [])

    def test_up_again(self) -> None:
        """M-8-2, M-10.2-1: probes come before the next announcement."""
        self.lab.link.link_down(self.lab.now)
        self.lab.pass_time(5.0)
        self.lab.link.link_up(self.lab.now)
        sent = self.lab.pass_time(5.0)
        self.assertEqual([packet.message.is_response for packet in sent], [False] * 3 + [True] * 2)
        self.assertEqual(
            answers(sent),
            {WEB_PTR, TYPE_PTR, *map(flushed, (HOST_A, HOST_REVERSE, WEB_SRV, WEB_TXT))},
        )
        self.assertEqual([type(event) for event in self.lab.events][-2:], [GroupClaimed, GroupClaimed])

    def test_wake_from_sleep(self) -> None:
        """M-8-2: a sign that the link may be another one is enough, without its having been down."""
        self.lab.link.link_up(self.lab.now)
        sent = self.lab.pass_time(5.0)
        self.assertEqual([packet.message.is_response for packet in sent], [False] * 3 + [True] * 2)

    def test_other_network(self) -> None:
        """M-8-2: an interface with none of its old networks is on another link."""
        self.lab.link.set_networks([interface("10.0.0.2/24")], self.lab.now)
        self.assertEqual(len(self.lab.pass_time(5.0).probes), 3)

    def test_one_more_address(self) -> None:
        """M-8.4-2: one more address is no other link."""
        networks = [interface("192.168.1.2/24"), interface("10.0.0.2/24")]
        self.lab.link.set_networks(networks, self.lab.now)
        self.assertEqual(self.lab.pass_time(5.0), [])
        self.lab.ask(HOST, A, ("10.0.0.9", 40000), multicast=False)
        self.assertEqual(len(self.lab.sent), 1)

    def test_registered_while_down(self) -> None:
        """M-8-2: what is registered meanwhile is claimed when the link is up."""
        self.lab.link.link_down(self.lab.now)
        name = Name.parse("late.local")
        self.lab.register(RecordGroup(unique=(address(name, "192.168.1.2", 120),)))
        self.assertEqual(self.lab.pass_time(5.0), [])
        self.lab.link.link_up(self.lab.now)
        self.lab.pass_time(5.0)
        self.assertTrue(self.lab.responder.is_published(address(name, "192.168.1.2", 120)))

    def test_withdrawn_while_down(self) -> None:
        """What is withdrawn meanwhile is not probed for."""
        self.lab.link.link_down(self.lab.now)
        self.lab.responder.withdraw(self.web, self.lab.now)
        self.lab.link.link_up(self.lab.now)
        asked = {q.name for packet in self.lab.pass_time(5.0).probes for q in packet.message.questions}
        self.assertEqual(asked, {HOST})

    def test_name_taken_meanwhile(self) -> None:
        """M-10.2-1: a name that somebody took meanwhile is lost."""
        self.lab.link.link_down(self.lab.now)
        self.lab.link.link_up(self.lab.now)
        self.lab.pass_time(0.1)
        self.lab.hear(RIVAL_A)
        self.assertEqual(self.lab.events[-1], GroupLost(self.host, HOST))
        self.assertEqual(AAAA, HOST_AAAA.type)
