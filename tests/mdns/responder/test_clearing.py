"""All records leave the zone in one go when the link is down."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question
from mcast.mdns.constants import ECHO_MEMORY
from mcast.mdns.responder.zone import Zone
from tests.mdns.lab import HOST, HOST_A, NSEC, WEB_PTR, WEB_SRV, A


class ClearingTests(SynchronousTestCase):
    """A zone with unique and shared records, all multicast at 5 s and taken out at 6 s."""

    def setUp(self) -> None:
        self.zone = Zone()
        changes = self.zone.apply([], [(HOST_A, True), (WEB_SRV, True), (WEB_PTR, False)], 1.0)
        self.negative = self.zone.negative(HOST.key)
        self.sets = changes.announce
        for each in self.sets:
            each.multicast_at = 5.0
        self.zone.clear(6.0)

    def test_nothing_is_left(self) -> None:
        self.assertEqual(list(self.zone), [])
        self.assertEqual(self.zone.answers(Question(HOST, A)), [])
        self.assertFalse(self.zone.is_published(HOST_A))
        self.assertNotIn(HOST.key, self.zone)

    def test_no_set_is_current(self) -> None:
        """Those that are planned somewhere are not sent any more; the negative response neither."""
        assert self.negative is not None
        self.assertEqual(self.negative.type, NSEC)
        self.assertEqual([each.is_current for each in [*self.sets, self.negative]], [False] * 4)

    def test_echoes_are_known(self) -> None:
        """Our own packets may come back when the link works again."""
        self.assertTrue(self.zone.was_ours(WEB_PTR, 6.0 + ECHO_MEMORY / 2))
        self.assertFalse(self.zone.was_ours(WEB_PTR, 6.0 + ECHO_MEMORY))

    def test_last_multicast_is_known(self) -> None:
        """RFC 6762 §6: a record is not multicast twice in a second, whatever happened in between."""
        (again,) = self.zone.apply([], [(HOST_A, True)], 6.1).announce
        self.assertEqual(again.multicast_at, 5.0)

    def test_what_was_said_long_ago(self) -> None:
        """Of that no echo can come, and it may be said at once."""
        self.zone.apply([], [(HOST_A, True)], 20.0)
        self.zone.clear(20.0 + ECHO_MEMORY)
        self.assertFalse(self.zone.was_ours(HOST_A, 20.0 + ECHO_MEMORY))
