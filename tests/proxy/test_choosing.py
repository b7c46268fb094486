"""Which services are carried."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns import records
from mcast.dns.names import Name
from mcast.dnssd.found import FoundService
from mcast.proxy.choosing import PATTERN_LIMIT, Choice, Pattern, Quota

HOST = Name.parse("Printer-1.local")
NAME = Name.parse("Office Printer._ipp._tcp.local")
FOUND = FoundService(NAME, records.service(NAME, 0, 0, 631, HOST, ttl=1).rdata, b"\0", (), ())


def patterns(*texts: str) -> tuple[Pattern, ...]:
    return tuple(Pattern.parse(text) for text in texts)


class ChoiceTests(SynchronousTestCase):
    def test_all_by_default(self) -> None:
        self.assertTrue(Choice().takes(FOUND))

    def test_allow(self) -> None:
        self.assertTrue(Choice(patterns("type=_http._tcp", "instance=office *")).takes(FOUND))
        self.assertFalse(Choice(patterns("host=printer-2")).takes(FOUND))

    def test_deny_counts_more(self) -> None:
        self.assertFalse(Choice(patterns("type=_IPP._tcp"), patterns("host=printer-?")).takes(FOUND))

    def test_host_with_its_domain(self) -> None:
        for text in ("printer-1.local", "Printer-1.local.", "*.local"):
            self.assertFalse(Choice(deny=patterns(f"host={text}")).takes(FOUND), text)
        self.assertTrue(Choice(deny=patterns("host=printer-1.lan")).takes(FOUND))

    def test_brackets_stand_for_themselves(self) -> None:
        """Many printers have their number in brackets."""
        name = Name.from_labels((b"Printer [0A1B]", b"_ipp", b"_tcp", b"local"))
        bracketed = FoundService(name, records.service(name, 0, 0, 631, HOST, ttl=1).rdata, b"\0", (), ())
        self.assertFalse(Choice(deny=patterns("instance=Printer [0A1B]")).takes(bracketed))
        self.assertTrue(Choice(deny=patterns("instance=Printer [P]")).takes(bracketed))

    def test_mistakes(self) -> None:
        for text in ("printer", "name=x", "host=", "host=" + "x" * (PATTERN_LIMIT + 1), "host=*a*b*c*d*e"):
            self.assertRaises(ValueError, Pattern.parse, text)

    def test_quota(self) -> None:
        self.assertTrue(Quota(3, 2).has_room(2, 1))
        self.assertFalse(Quota(3, 2).has_room(2, 2))
        self.assertFalse(Quota(2, 2).has_room(2, 1))
