"""Names of other hosts, remembered for the choice of a new one (RFC 6762 §9)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dns.records import address
from mcast.mdns.responder.seen_names import MAX_SEEN, SeenNames
from tests.mdns.lab import HOST_GROUP, Lab, flushed

OTHER = Name.parse("kitchen-2.local")
OTHER_A = address(OTHER, "192.168.1.77", 120)


class SeenNamesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = Lab()
        self.lab.register(HOST_GROUP)
        self.lab.run(0.3)

    def test_probed_for(self) -> None:
        self.lab.probe(OTHER, OTHER_A)
        self.assertTrue(self.lab.responder.was_seen(OTHER))

    def test_announced(self) -> None:
        self.lab.hear(flushed(OTHER_A))
        self.assertTrue(self.lab.responder.was_seen(OTHER))

    def test_shared(self) -> None:
        """A name that many may have is nobody's."""
        self.lab.hear(OTHER_A)
        self.assertFalse(self.lab.responder.was_seen(OTHER))

    def test_given_up(self) -> None:
        self.lab.hear(flushed(OTHER_A).with_ttl(0))
        self.assertFalse(self.lab.responder.was_seen(OTHER))

    def test_heard_at_other_times(self) -> None:
        """An idle host remembers nothing."""
        self.lab.run(10.0)
        self.lab.hear(flushed(OTHER_A))
        self.assertFalse(self.lab.responder.was_seen(OTHER))

    def test_forgotten_on_a_new_link(self) -> None:
        self.lab.probe(OTHER, OTHER_A)
        self.lab.link.link_up(self.lab.now)
        self.assertFalse(self.lab.responder.was_seen(OTHER))

    def test_memory_is_bounded(self) -> None:
        seen = SeenNames()
        names = [Name.parse(f"kitchen-{number}.local") for number in range(2 * MAX_SEEN)]
        seen.note([address(name, "192.168.1.77", 120) for name in names])
        self.assertEqual(len(seen), MAX_SEEN)
        self.assertIn(names[-1].key, seen)
