from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.presentation import show_record
from mcast.dns.records import Record
from mcast.dnssd.files.record_string import parse_record_string
from mcast.unicast.composing import DETAILED_ANSWERS, MAX_ALIASES, Composed, Composer
from mcast.unicast.usable import Realm
from mcast.unicast.zone import Zone, ZoneTable

TABLE = ZoneTable([Zone(Name.parse("zone.example"), "eth0", Name.parse("hosts.example"))])


def compose(name: str, rtype: int, *known: str) -> Composed:
    """Return the answer where some records are known on the link."""
    records = [parse_record_string(each) for each in known]

    def lookup(name: Name, rtype: int) -> Sequence[Record] | None:
        return [one for one in records if one.name == name and one.type in (rtype, RecordType.CNAME)] or None

    question = Question(Name.parse(name), rtype)
    delegation = TABLE.find(question.name)
    assert delegation is not None
    found = lookup(Name.from_labels([*question.name.labels[:-2], b"local"]), rtype) or ()
    return Composer(lambda zone: lookup).compose(delegation, question, found, Realm.SAME)


def shown(records: Sequence[Record]) -> list[str]:
    return [show_record(record) for record in records]


class AliasTests(SynchronousTestCase):
    """What is known behind an alias goes along (RFC 1034 §4.3.2)."""

    def test_host(self) -> None:
        composed = compose("www.zone.example", 1, "www.local 9 CNAME a.local", "a.local 9 A 192.0.2.1")
        self.assertEqual(
            shown(composed.answers),
            ["www.zone.example. 9 IN CNAME a.hosts.example.", "a.hosts.example. 9 IN A 192.0.2.1"],
        )

    def test_circle(self) -> None:
        composed = compose("a.hosts.example", 1, "a.local 9 CNAME b.local", "b.local 9 CNAME a.local")
        self.assertEqual(len(composed.answers), MAX_ALIASES + 1)


class DetailTests(SynchronousTestCase):
    KNOWN = (
        "a._ipp._tcp.local 4500 SRV 0 0 631 prnt.local",
        "a._ipp._tcp.local 4500 TXT x=1",
        "prnt.local 4500 A 192.0.2.1",
        "prnt.local 4500 AAAA fe80::1",
    )

    def test_every_name_is_in_its_zone(self) -> None:
        composed = compose(
            "_ipp._tcp.zone.example", 12, "_ipp._tcp.local 4500 PTR a._ipp._tcp.local", *self.KNOWN
        )
        self.assertEqual(
            shown(composed.additionals),
            [
                "a._ipp._tcp.zone.example. 10 IN SRV 0 0 631 prnt.hosts.example.",
                'a._ipp._tcp.zone.example. 10 IN TXT "x=1"',
                "prnt.hosts.example. 10 IN A 192.0.2.1",
            ],
        )

    def test_nothing_of_local_is_left(self) -> None:
        """P-5.5-2: not in any record of a response."""
        composed = compose("a._ipp._tcp.zone.example", 33, *self.KNOWN)
        for record in (*composed.answers, *composed.additionals):
            self.assertNotIn(b"\5local\0", record.name.wire + record.rdata)

    def test_many_answers_have_none(self) -> None:
        many = [f"_ipp._tcp.local 9 PTR x{number}._ipp._tcp.local" for number in range(DETAILED_ANSWERS)]
        composed = compose(
            "_ipp._tcp.zone.example", 12, "_ipp._tcp.local 9 PTR a._ipp._tcp.local", *many, *self.KNOWN
        )
        self.assertEqual((len(composed.answers), composed.additionals), (DETAILED_ANSWERS + 1, []))

    def test_spelled_as_it_was_asked_for(self) -> None:
        composed = compose("A.HOSTS.example", 1, "a.local 9 A 192.0.2.1")
        self.assertEqual(shown(composed.answers), ["A.HOSTS.example. 9 IN A 192.0.2.1"])
