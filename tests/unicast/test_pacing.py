from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.unicast import pacing
from mcast.unicast.pacing import BATCH_OCTETS, BATCH_QUESTIONS, Pacing


class PacingTests(SynchronousTestCase):
    """P-9.3-1: questions begin in batches, as far apart as the link wants."""

    def setUp(self) -> None:
        self.pacing: Pacing[str] = Pacing()

    def test_first_begins_at_once(self) -> None:
        self.assertTrue(self.pacing.may_begin(30, 100.0))

    def test_others_join_it(self) -> None:
        begun = [self.pacing.may_begin(30, 100.0 + number / 10_000) for number in range(BATCH_QUESTIONS + 1)]
        self.assertEqual(begun, [True] * BATCH_QUESTIONS + [False])

    def test_later_ones_wait(self) -> None:
        self.pacing.may_begin(30, 100.0)
        self.assertFalse(self.pacing.may_begin(30, 100.1))
        self.assertTrue(self.pacing.may_begin(30, 100.3))

    def test_long_names_fill_a_batch(self) -> None:
        self.assertTrue(self.pacing.may_begin(BATCH_OCTETS - 1, 100.0))
        self.assertFalse(self.pacing.may_begin(2, 100.0))

    def test_clients_take_turns(self) -> None:
        self.pacing.may_begin(30, 100.0)
        for number in range(30):
            self.pacing.put("flood", 30, f"flood {number}")
        self.pacing.put("other", 30, "other")
        self.assertEqual(self.pacing.next_at(), 100.3)
        self.assertEqual(self.pacing.due(100.2), [])
        begun = self.pacing.due(100.3)
        self.assertEqual((begun[:2], len(begun)), (["flood 0", "other"], BATCH_QUESTIONS))
        self.assertEqual(len(self.pacing), 11)

    def test_nobody_overtakes_those_who_wait(self) -> None:
        self.pacing.may_begin(30, 100.0)
        self.pacing.put("a", 30, "a")
        self.assertFalse(self.pacing.may_begin(30, 101.0))

    def test_discarded(self) -> None:
        self.pacing.put("a", 30, "a")
        self.pacing.discard("a")
        self.pacing.discard("b")
        self.assertEqual((self.pacing.due(100.0), self.pacing.next_at()), ([], None))

    def test_too_many(self) -> None:
        """One client has half of the places."""
        self.patch(pacing, "MAX_QUEUED", 4)
        put = [self.pacing.put(client, 30, f"{client}{n}") for n in range(3) for client in "ab"]
        self.assertEqual(put, [True, True, True, True, False, False])
        self.assertFalse(self.pacing.put("c", 30, "c"))
