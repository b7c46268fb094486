"""Answers that are of use only together with an SRV record are asked for again with it (RFC 6762 §5.2)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record, service
from tests.mdns.lab import AAAA, TXT
from tests.mdns.querier.asking_lab import (
    FAR,
    FAR_A,
    FAR_AAAA,
    FAR_NSEC,
    FAR_Q,
    ONE,
    ONE_SRV,
    ONE_SRV_Q,
    ONE_TXT,
    TWO,
    AskingLab,
    asked_at,
)

FAR_AAAA_Q = Question(FAR, AAAA)
ONE_TXT_Q = Question(ONE, TXT)
SHORT_TXT = ONE_TXT.with_ttl(120)


class DependentAnswerTests(SynchronousTestCase):
    """One service is followed, with the addresses of its host."""

    def follow(self, *records: Record) -> AskingLab:
        """Ask as a browser does, and hear these records at 11 s."""
        lab = AskingLab(point=0.0)
        lab.want(ONE_SRV_Q)
        lab.querier.ask(ONE_TXT_Q, lab.now, "user", depends=True)
        lab.pass_time(1.0)
        lab.hear(*records)
        for question in (FAR_Q, FAR_AAAA_Q):
            lab.querier.ask(question, lab.now, "user", depends=True)
        lab.querier.depend(ONE, lab.now)
        lab.sent.clear()
        return lab

    def whole(self, *more: Record) -> AskingLab:
        return self.follow(ONE_SRV, SHORT_TXT, FAR_A, FAR_NSEC, *more)

    def asked(self, lab: AskingLab, question: Question) -> list[float]:
        return asked_at(lab.sent, question)

    def test_not_asked_while_the_service_is_in_doubt(self) -> None:
        """Nobody answers for the SRV record, and all of it ends at 131 s."""
        lab = self.whole()
        lab.run(130.9)
        self.assertEqual(self.asked(lab, ONE_SRV_Q), [107.0, 113.0, 119.0, 125.0])
        for question in (FAR_Q, FAR_AAAA_Q, ONE_TXT_Q):
            self.assertEqual(self.asked(lab, question), [])
        self.assertTrue(lab.knows(FAR_A))

    def test_not_asked_when_they_come_along(self) -> None:
        """RFC 6763 §12.2: an answer with an SRV record brings the addresses."""
        lab = self.whole()
        lab.run(107.1)
        lab.hear(ONE_SRV, SHORT_TXT, FAR_A, FAR_NSEC)
        lab.run(200)
        for question in (FAR_Q, FAR_AAAA_Q, ONE_TXT_Q):
            self.assertEqual(self.asked(lab, question), [])
        self.assertTrue(lab.knows(FAR_A))

    def test_asked_when_they_do_not_come_along(self) -> None:
        """Together, at the next multiple of a second; and again as long as nobody answers."""
        lab = self.whole()
        lab.run(107.1)
        lab.hear(ONE_SRV)
        lab.run(112.9)
        for question in (FAR_Q, FAR_AAAA_Q, ONE_TXT_Q):
            self.assertEqual(self.asked(lab, question), [108.0])
        lab.run(130.9)
        self.assertEqual(self.asked(lab, FAR_Q), [108.0, 113.0, 119.0, 125.0])

    def test_one_family_does_not_come_along(self) -> None:
        lab = self.follow(ONE_SRV, ONE_TXT, FAR_A, FAR_AAAA)
        lab.run(107.1)
        lab.hear(ONE_SRV, FAR_A)
        lab.run(112.9)
        self.assertEqual(self.asked(lab, FAR_Q), [])
        self.assertEqual(self.asked(lab, FAR_AAAA_Q), [108.0])

    def test_service_lasts_longer(self) -> None:
        lab = self.follow(ONE_SRV.with_ttl(4500), ONE_TXT, FAR_A)
        lab.run(110)
        self.assertEqual(self.asked(lab, FAR_Q), [107.0])

    def test_service_lasts_a_little_longer(self) -> None:
        """By less than the time between two refresh queries."""
        lab = self.follow(ONE_SRV.with_ttl(125), ONE_TXT, FAR_A)
        lab.run(130.9)
        self.assertEqual(self.asked(lab, FAR_Q), [])

    def test_another_service_lasts_longer(self) -> None:
        """Of several SRV records that lead to the host, the one that lasts longest counts."""
        lab = self.whole()
        lab.want(Question(TWO, ONE_SRV.type))
        lab.hear(service(TWO, 0, 0, 80, FAR, 4500, cache_flush=True))
        lab.run(110)
        self.assertEqual(self.asked(lab, FAR_Q), [107.0])

    def test_another_service_leads_elsewhere(self) -> None:
        lab = self.whole()
        lab.want(Question(TWO, ONE_SRV.type))
        lab.hear(service(TWO, 0, 0, 80, Name.parse("other.local"), 4500, cache_flush=True))
        lab.run(130.9)
        self.assertEqual(self.asked(lab, FAR_Q), [])

    def test_somebody_asks_for_the_address_itself(self) -> None:
        lab = self.whole()
        lab.want(FAR_Q, asker="another")
        lab.run(110)
        self.assertEqual(self.asked(lab, FAR_Q), [107.0])
        self.assertEqual(self.asked(lab, FAR_AAAA_Q), [])

    def test_the_address_was_asked_for_before(self) -> None:
        lab = AskingLab(point=0.0)
        lab.want(FAR_Q, asker="another")
        lab.pass_time(1.0)
        lab.hear(ONE_SRV, FAR_A)
        lab.querier.ask(FAR_Q, lab.now, "user", depends=True)
        lab.querier.depend(ONE, lab.now)
        lab.run(110)
        self.assertIn(107.0, self.asked(lab, FAR_Q))

    def test_a_short_life(self) -> None:
        """With a TTL of ten seconds there is still time to ask for an address that does not come along."""
        lab = self.follow(ONE_SRV.with_ttl(10), ONE_TXT, FAR_A.with_ttl(10))
        lab.run(19.1)
        lab.hear(ONE_SRV.with_ttl(10))
        lab.run(20.9)
        self.assertLess(self.asked(lab, FAR_Q)[0], 20.0)
