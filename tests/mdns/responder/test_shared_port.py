"""Other programs of our host on port 5353: what they are sent, and what we rely on (RFC 6762 §15)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question
from mcast.dns.records import address
from mcast.mdns.events import GroupLost
from mcast.neighbours import SocketAddress
from tests.mdns.lab import ANY, HOST, HOST_GROUP, HTTP, IPV6, PTR, A, Lab, settled

SIBLING: SocketAddress = ("192.168.1.2", 5353)
"""Another program of our own host."""

RIVAL_A = address(HOST, "192.168.1.77", 120)


class ProbeTests(SynchronousTestCase):
    """Probes are heard to be answered, whoever binds the port after us (RFC 6762 §8.1, §15.1)."""

    def test_the_first_probe_alone_wants_unicast(self) -> None:
        """M-8.1-9, M-15.1-2: answers to the second and third come to every program on the port."""
        lab = Lab()
        lab.register(HOST_GROUP)
        asked = [packet.message.questions for packet in lab.run(2.0).probes]
        self.assertEqual(asked, [[Question(HOST, ANY, unicast=first)] for first in (True, False, False)])

    def test_none_after_a_lost_tie_break(self) -> None:
        """M-8.1-9, M-8.2-5: the winner answers all losers by one multicast."""
        lab = Lab()
        lab.register(HOST_GROUP)
        lab.run(0.3)
        lab.probe(HOST, RIVAL_A)
        asked = [packet.message.questions[0].unicast for packet in lab.run(4.0).probes]
        self.assertEqual(asked, [False, False, False])

    def test_owner_heard_by_multicast_only(self) -> None:
        """M-8.1-10: a defence that answers the second probe counts like one that answers the first."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP)
        lab.run(0.3)
        lab.hear(RIVAL_A.with_cache_flush(True))
        self.assertEqual(lab.events, [GroupLost(1, HOST)])


class SiblingTests(SynchronousTestCase):
    """What another program of our host asks is answered to the group: unicast may reach any of us."""

    def test_defence(self) -> None:
        """M-8.1-8: a QU probe from our own host is answered at once, by multicast alone."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(2.0)
        sent = lab.probe(HOST, RIVAL_A, source=SIBLING)
        self.assertEqual([packet.to for packet in sent], [None])

    def test_defence_shortly_after_a_multicast(self) -> None:
        """M-6-7: not within 250 ms of the last one, and not later than that."""
        lab = settled()
        lab.ask(HOST, A)
        lab.probe(HOST, RIVAL_A, source=SIBLING)
        self.assertEqual([(packet.to, packet.at) for packet in lab.pass_time(1.0)], [(None, lab.now - 0.75)])

    def test_question(self) -> None:
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(2.0)
        sent = lab.ask(HOST, A, SIBLING, unicast=True)
        self.assertEqual([packet.to for packet in sent], [None])

    def test_question_for_shared_records(self) -> None:
        lab = settled()
        lab.ask(HTTP, PTR)
        lab.pass_time(2.0)
        lab.ask(HTTP, PTR, SIBLING, unicast=True)
        self.assertEqual([packet.to for packet in lab.pass_time(1.0)], [None])

    def test_question_on_the_fast_path(self) -> None:
        """An answer kept ready for another host is not sent to a program of ours."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(2.0)
        lab.ask(HOST, A, unicast=True)
        sent = lab.ask(HOST, A, SIBLING, unicast=True)
        self.assertEqual([packet.to for packet in sent], [None])

    def test_question_over_ipv6(self) -> None:
        lab = Lab(IPV6)
        lab.settle(HOST_GROUP)
        sent = lab.ask(HOST, A, ("fe80::2", 5353, 0, 2), unicast=True)
        self.assertEqual([packet.to for packet in sent], [None])

    def test_legacy_query(self) -> None:
        """M-6.7-2: a port of its own is reached by unicast."""
        lab = settled()
        resolver: SocketAddress = ("192.168.1.2", 40000)
        self.assertEqual([packet.to for packet in lab.ask(HOST, A, resolver)], [resolver])
