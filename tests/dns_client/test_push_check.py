"""Whether a server pushes, as `mcast domains --check` finds it out."""

from __future__ import annotations

from random import Random

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns_client.client import DnsClient
from mcast.dns_client.push_check import CHECK_TIMEOUT, PushCheck
from tests.dns_client.push_lab import Attempt, FakeConnector
from tests.unicast.push_lab import ZONE


class PushCheckTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.connector = FakeConnector(self.clock)
        self.check = PushCheck(DnsClient(self.clock, Random(1)), (), connect=self.connector)

    def begin(self) -> tuple[Attempt, Deferred[str | None]]:
        trouble = Deferred.fromCoroutine(self.check.trouble("proxy.example.com", 853, ZONE))
        self.clock.advance(0)
        (attempt,) = self.connector.attempts
        self.assertEqual((attempt.host, attempt.port), ("proxy.example.com", 853))
        return attempt, trouble

    def end(self) -> None:
        """Nothing is left of it."""
        self.successResultOf(self.check.close())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_works(self) -> None:
        attempt, trouble = self.begin()
        attempt.accept().welcome()
        self.assertIsNone(self.successResultOf(trouble))
        self.assertEqual(attempt.transport.ending, "closed")
        attempt.lose()
        self.end()

    def test_no_connection(self) -> None:
        attempt, trouble = self.begin()
        attempt.failed("TLS: certificate verify failed")
        self.assertEqual(self.successResultOf(trouble), "TLS: certificate verify failed")
        self.end()

    def test_says_nothing(self) -> None:
        attempt, trouble = self.begin()
        attempt.accept()
        self.clock.pump([1.0] * int(CHECK_TIMEOUT))
        self.assertEqual(self.successResultOf(trouble), "the server does not answer")
        attempt.lose()
        self.end()
