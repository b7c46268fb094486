"""Names that are ours without probing (RFC 6762 §8.1)."""

from __future__ import annotations

from mcast.dns.names import Name
from mcast.dns.records import pointer, text
from mcast.mdns.events import NameLost
from mcast.mdns.responder.conflicts import SIBLING_PATIENCE
from mcast.mdns.responder.record_group import RecordGroup
from tests.mdns.lab import (
    DUAL_GROUP,
    HOST_A,
    HOST_AAAA,
    HOST_GROUP,
    HOST_REVERSE,
    REVERSE,
    Lab,
    answers,
    flushed,
)
from tests.mdns.responder.conflict_lab import ConflictCase
from tests.mdns.responder.test_siblings import SIBLING


class VerifiedNameTests(ConflictCase):
    """Names that are ours without probing, and somebody else's as well (RFC 6762 §8.1, §9)."""

    OTHER_REVERSE = flushed(pointer(REVERSE, Name.parse("other.local"), 120))

    def test_probed_for_by_another(self) -> None:
        """Another responder of this machine, which maps our address to its own name, meets no resistance."""
        self.assertEqual(self.lab.probe(REVERSE, self.OTHER_REVERSE) + self.lab.pass_time(5.0), [])
        self.assertEqual(self.lab.events, [NameLost(self.host, REVERSE)])
        self.assertTrue(self.lab.responder.is_published(HOST_A))

    def test_probed_for_with_our_data(self) -> None:
        """M-2-2: one with the same data is a cooperating one, and gets its answer."""
        self.assertTrue(self.lab.probe(REVERSE, HOST_REVERSE))

    def test_also_a_unique_name(self) -> None:
        """M-8.1-8: a name that another group has claimed as unique is defended, not given up."""
        self.lab.register(RecordGroup(unique=(text(REVERSE, [b"x"], 4500),)))
        self.lab.pass_time(5.0)
        self.assertTrue(self.lab.probe(REVERSE, self.OTHER_REVERSE))
        self.assertEqual([event for event in self.lab.events if isinstance(event, NameLost)], [])

    def test_tried_again_on_another_link(self) -> None:
        """M-8-2: when the link may be another one, it is published again."""
        self.lab.probe(REVERSE, self.OTHER_REVERSE)
        self.lab.link.link_up(self.lab.now)
        self.assertIn(flushed(HOST_REVERSE), answers(self.lab.pass_time(5.0)))

    def test_stays_given_up(self) -> None:
        """What was given up does not come back with the next update."""
        self.lab.probe(REVERSE, self.OTHER_REVERSE)
        self.lab.responder.update(self.host, DUAL_GROUP, self.lab.now)
        self.assertNotIn(flushed(HOST_REVERSE), answers(self.lab.pass_time(5.0)))
        self.assertTrue(self.lab.responder.is_published(HOST_AAAA))

    def test_contradicted(self) -> None:
        """M-9-3: contradicted, it is probed for, and announced again if nobody objects."""
        self.lab.hear(self.OTHER_REVERSE)
        sent = self.lab.pass_time(5.0)
        self.assertEqual({q.name for packet in sent.probes for q in packet.message.questions}, {REVERSE})
        self.assertEqual(answers(sent), {flushed(HOST_REVERSE)})
        self.assertTrue(self.lab.responder.is_published(HOST_A))

    def test_contradicted_again(self) -> None:
        """M-9-4: if somebody does, it is given up, and the host name is not touched."""
        self.lab.hear(self.OTHER_REVERSE)
        self.lab.pass_time(0.1)
        self.lab.hear(self.OTHER_REVERSE)
        self.assertEqual(self.lab.events, [NameLost(self.host, REVERSE)])
        self.assertFalse(self.lab.responder.is_published(HOST_REVERSE))
        self.lab.responder.withdraw(self.host, self.lab.now)
        self.assertNotIn(flushed(HOST_REVERSE.with_ttl(0)), answers(self.lab.pass_time(5.0)))

    def test_contradicted_by_a_sibling(self) -> None:
        """M-9-3: it may probe for the name anew, and is to keep it: our probes wait."""
        self.lab.hear(self.OTHER_REVERSE, source=SIBLING)
        self.assertFalse(self.lab.responder.is_published(HOST_REVERSE))
        self.assertEqual(self.lab.pass_time(SIBLING_PATIENCE - 0.1).probes, [])
        sent = self.lab.pass_time(5.0)
        self.assertEqual({q.name for packet in sent.probes for q in packet.message.questions}, {REVERSE})
        self.assertEqual(answers(sent), {flushed(HOST_REVERSE)})

    def test_sibling_probes_meanwhile(self) -> None:
        """avahi-daemon, contradicted by a third program, would lose the tie-break, and rename its host."""
        self.lab.hear(self.OTHER_REVERSE, source=SIBLING)
        self.lab.pass_time(0.3)
        self.lab.probe(REVERSE, flushed(pointer(REVERSE, Name.parse("avahi.local"), 120)), source=SIBLING)
        self.assertEqual(self.lab.events, [NameLost(self.host, REVERSE)])
        self.assertEqual(self.lab.pass_time(5.0), [])
        self.assertTrue(self.lab.responder.is_published(HOST_A))

    def test_a_sibling_was_first(self) -> None:
        """M-8.1-8: what it multicasts while our host name is probed for is not contradicted at first."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP)
        lab.pass_time(0.3)
        lab.hear(self.OTHER_REVERSE, source=SIBLING)
        sent = lab.pass_time(SIBLING_PATIENCE - 0.1)
        self.assertIn(flushed(HOST_A), answers(sent))
        self.assertNotIn(flushed(HOST_REVERSE), answers(sent))
        self.assertIn(flushed(HOST_REVERSE), answers(lab.pass_time(5.0)))
