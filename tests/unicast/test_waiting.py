from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.unicast import waiting
from mcast.unicast.waiting import Joined, Waiting


class WaitingTests(SynchronousTestCase):
    """Who waits for which answer (RFC 8766 §5.6)."""

    def setUp(self) -> None:
        self.waiting: Waiting[str, str] = Waiting()

    def join(self, key: str, client: str, number: int = 0, now: float = 100.0) -> Joined:
        return self.waiting.join(key, client, (client, number), f"{client} {number}", now)

    def test_one_question_for_several_clients(self) -> None:
        """P-5.1-3"""
        self.assertEqual([self.join("q", client) for client in "abc"], [Joined.FIRST, *[Joined.JOINED] * 2])
        self.assertEqual(self.waiting.answered("q"), ["a 0", "b 0", "c 0"])
        self.assertEqual((self.waiting.answered("q"), len(self.waiting), self.waiting.waiting), ([], 0, 0))

    def test_sent_again(self) -> None:
        """A client that repeats itself is answered once."""
        self.join("q", "a")
        self.join("q", "a")
        self.assertEqual(self.waiting.answered("q"), ["a 0"])

    def test_six_seconds(self) -> None:
        """P-5.6-4"""
        self.join("p", "a")
        self.join("q", "a", 1, now=101.0)
        self.assertEqual(self.waiting.next_wakeup(), 106.0)
        self.assertEqual(self.waiting.expired(105.9), [])
        self.assertEqual(self.waiting.expired(106.0), ["p"])
        self.assertEqual(self.waiting.expired(107.0), ["p", "q"])

    def test_too_many_questions(self) -> None:
        self.patch(waiting, "MAX_QUESTIONS", 2)
        self.assertEqual([self.join(key, "a", n) for n, key in enumerate("pqr")][2], Joined.REFUSED)
        self.assertIs(self.join("q", "b"), Joined.JOINED)
        self.assertEqual(self.waiting.counters["questions beyond the limit"], 1)

    def test_too_many_wait(self) -> None:
        self.patch(waiting, "MAX_WAITING", 2)
        self.assertEqual([self.join("q", client) for client in "abc"][2], Joined.REFUSED)
        self.assertEqual(self.waiting.counters["clients beyond the limit"], 1)

    def test_one_client_has_a_share(self) -> None:
        self.patch(waiting, "MAX_WAITING_OF_CLIENT", 2)
        self.assertEqual([self.join("q", "a", number) for number in range(3)][2], Joined.REFUSED)
        self.assertEqual(self.waiting.counters["clients beyond their share"], 1)
        self.waiting.answered("q")
        self.assertIs(self.join("q", "a"), Joined.FIRST)
