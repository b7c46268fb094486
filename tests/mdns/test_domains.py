"""Names that are looked up by multicast, and one-shot queries (RFC 6762 §4, §5.1, §22.1)."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import Flag
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.dnssd.publishing import reverse_name
from mcast.mdns.domains import is_multicast_name
from mcast.mdns.oneshot import OneShotQuery
from tests.mdns.lab import AAAA, A
from tests.mdns.querier.asking_lab import FAR, FAR_A, FAR_OTHER_A, ONE_PTR

RESPONSE = 0x8400


class MulticastNameTests(SynchronousTestCase):
    def is_reverse(self, address: str) -> bool:
        return is_multicast_name(reverse_name(ip_address(address)))

    def test_local(self) -> None:
        """M-22.1-1, M-3-3: local. and all below it, in any case."""
        names = [Name.parse(text) for text in ("local", "a.local", "B.A.LOCAL")]
        self.assertEqual([is_multicast_name(name) for name in names], [True] * 3)

    def test_others(self) -> None:
        """M-22.1-1: no other name, however alike."""
        names = [Name.parse(text) for text in ("local.example", "xlocal", "local.arpa", "example.com")]
        self.assertEqual([is_multicast_name(name) for name in names], [False] * 4)

    def test_ipv4_link_local(self) -> None:
        """M-4-1, M-22.1-1: the reverse mapping of 169.254/16."""
        self.assertEqual([self.is_reverse(text) for text in ("169.254.3.4", "169.253.3.4")], [True, False])

    def test_ipv6_link_local(self) -> None:
        """M-4-2, M-22.1-1: the four quarters of fe80::/10, and not fec0::."""
        addresses = ("fe80::1", "fe90::1", "fea0::1", "feb0::1", "fec0::1")
        self.assertEqual([self.is_reverse(text) for text in addresses], [True, True, True, True, False])


class OneShotTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.query = OneShotQuery(Question(FAR, A), 0x1234, 10.0)

    def response(self, identifier: int = 0x1234, flags: int = RESPONSE) -> bytes:
        return encode(Message(id=identifier, flags=flags, questions=[Question(FAR, A)], answers=[FAR_A]))

    def test_a_standard_query(self) -> None:
        """M-5.1-2: it is a plain DNS query, with its ID and one question."""
        message = decode(self.query.payload)
        self.assertEqual((message.id, message.flags, message.questions), (0x1234, 0, [Question(FAR, A)]))

    def test_the_first_response(self) -> None:
        """M-5.1-2: the first response is taken, and later ones change nothing."""
        self.assertTrue(self.query.receive(self.response()))
        later = encode(Message(id=0x1234, flags=RESPONSE, answers=[FAR_OTHER_A]))
        self.assertFalse(self.query.receive(later))
        assert self.query.response is not None
        self.assertEqual([record.rdata for record in self.query.response.answers], [FAR_A.rdata])

    def test_timeout(self) -> None:
        """M-5.1-2: it is waited for two to three seconds."""
        self.assertTrue(12.0 <= self.query.ends_at <= 13.0)

    def test_what_is_no_response(self) -> None:
        """Another ID, a query, another question or a broken datagram is passed over."""
        other = encode(Message(id=0x1234, flags=RESPONSE, questions=[Question(FAR, AAAA)], answers=[ONE_PTR]))
        datagrams = [self.response(0x1235), self.response(flags=0), other, self.response()[:-1], b""]
        self.assertEqual([self.query.receive(datagram) for datagram in datagrams], [False] * 5)

    def test_truncated(self) -> None:
        """M-18.5-3: TC means that there is more, to be had over TCP."""
        self.assertFalse(self.query.is_truncated)
        self.query.receive(self.response(flags=RESPONSE | Flag.TRUNCATED))
        self.assertTrue(self.query.is_truncated)
        self.assertEqual(
            self.query.stream_payload[:4], len(self.query.payload).to_bytes(2, "big") + b"\x12\x34"
        )
