"""The codec against dnslib, the reference, and against octets that nobody meant to be a message."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any

import dnslib
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns import records
from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import ROOT, Name
from mcast.dns.records import Record
from mcast.errors import MalformedMessage
from tests.effort import least_effort

LABELS = st.one_of(
    st.sampled_from([b"_http", b"_tcp", b"local", b"LOCAL", b"host"]),
    st.text(min_size=1, max_size=8).map(lambda text: text.encode("utf-8", "ignore") or b"x"),
)
NAMES = st.lists(LABELS, max_size=5).map(Name.from_labels)
DENIABLE = [
    rtype
    for rtype in range(1, 256)
    if rtype != RecordType.NSEC and dnslib.QTYPE.reverse.get(dnslib.QTYPE.get(rtype), rtype) == rtype
]
"""Types for NSEC, without those that dnslib, which tells them by name, gives the name of another one."""
TTLS = st.integers(0, 0xFFFFFFFF)
NUMBERS = st.integers(0, 0xFFFF)
RECORDS = st.one_of(
    st.builds(records.address, NAMES, st.ip_addresses(), TTLS, st.booleans()),
    st.builds(records.pointer, NAMES, NAMES, TTLS, st.booleans()),
    st.builds(records.alias, NAMES, NAMES, TTLS, st.booleans()),
    st.builds(records.service, NAMES, NUMBERS, NUMBERS, NUMBERS, NAMES, TTLS, st.booleans()),
    st.builds(records.text, NAMES, st.lists(st.binary(max_size=20), max_size=4), TTLS, st.booleans()),
    st.builds(records.next_secure, NAMES, st.sets(st.sampled_from(DENIABLE), min_size=1), TTLS),
    st.builds(records.raw, NAMES, st.just(999), st.binary(min_size=1, max_size=20), TTLS),
)
QUESTIONS = st.builds(Question, NAMES, st.integers(1, 255), st.integers(0, 0x7FFF), st.booleans())
MESSAGES = st.builds(
    Message,
    NUMBERS,
    NUMBERS,
    st.lists(QUESTIONS, max_size=4),
    st.lists(RECORDS, max_size=5),
    st.lists(RECORDS, max_size=3),
    st.lists(RECORDS, max_size=3),
)

Rows = list[tuple[object, ...]]


def our_rows(message: Message) -> Rows:
    """Return what a message says, in a form that both libraries can tell."""
    rows: Rows = [(message.id, message.flags)]
    rows += [(q.name.labels, q.type, q.rclass | q.unicast << 15) for q in message.questions]
    for section in (message.answers, message.authorities, message.additionals):
        rows += [(r.name.labels, r.type, r.rclass | r.cache_flush << 15, r.ttl, shown(r)) for r in section]
    return rows


def shown(record: Record) -> object:
    """Return the rdata of a record for `our_rows`."""
    data = record.data
    if isinstance(data, Name):
        return data.labels
    if isinstance(data, records.ServiceData):
        return (*data[:3], data.target.labels)
    if isinstance(data, records.TextData):
        return list(data.strings)
    if isinstance(data, records.NextSecure):
        return (data.next_name.labels, sorted(data.types))
    return data if isinstance(data, bytes) else data.packed if not isinstance(data, records.HostInfo) else ()


def their_rows(message: Any) -> Rows:
    """Return what dnslib read, in the same form."""
    rows: Rows = [(message.header.id, message.header.bitmap)]
    rows += [(q.qname.label, q.qtype, q.qclass) for q in message.questions]
    for record in (*message.rr, *message.auth, *message.ar):
        rows.append((record.rname.label, record.rtype, record.rclass, record.ttl, their_rdata(record)))
    return rows


def their_rdata(record: Any) -> object:
    """Return the rdata of a record of dnslib for `their_rows`."""
    rdata = record.rdata
    if isinstance(rdata, dnslib.CNAME):  # PTR and NS as well
        return rdata.label.label
    if isinstance(rdata, dnslib.SRV):
        return (rdata.priority, rdata.weight, rdata.port, rdata.target.label)
    if isinstance(rdata, dnslib.TXT):
        return list(rdata.data)
    if isinstance(rdata, dnslib.NSEC):
        return (
            rdata.label.label,
            sorted({dnslib.QTYPE.reverse.get(t) or int(t[4:]) for t in rdata.rrlist} - {0}),
        )
    return bytes(rdata.data)


def dnslib_refuses(octets: bytes) -> bool:
    """Whether dnslib raises anything; it has more than one error for malformed input."""
    try:
        dnslib.DNSRecord.parse(octets)
    except Exception:
        return True
    return False


def stricter_than_the_rfc(message: Message) -> bool:
    """Whether dnslib refuses a message that is valid.

    It takes no label that is not UTF-8, no empty rdata, and it reads types that we keep as octets.
    """
    everything: list[Record] = [*message.answers, *message.authorities, *message.additionals]
    names = [*(entry.name for entry in everything), *(question.name for question in message.questions)]
    names += [value for value in (record.data for record in everything) if isinstance(value, Name)]
    names += [v.target for v in (r.data for r in everything) if isinstance(v, records.ServiceData)]
    names += [v.next_name for v in (r.data for r in everything) if isinstance(v, records.NextSecure)]
    return (
        any(not is_utf8(label) for name in names for label in name.labels)
        or any(not record.rdata or record.type not in PLAIN_TYPES for record in everything)
        or bool(message.pseudo)
    )


PLAIN_TYPES = {1, 2, 5, 12, 16, 28, 33, 47, 999}
"""The types that are read alike, as far as they are well-formed."""


def is_utf8(label: bytes) -> bool:
    try:
        label.decode()
    except UnicodeDecodeError:
        return False
    return True


class OracleTests(SynchronousTestCase):
    """What dnslib says is the measure, where it is right."""

    @settings(deadline=None, max_examples=120)
    @given(MESSAGES)
    def test_dnslib_reads_what_we_write(self, message: Message) -> None:
        self.assertEqual(their_rows(dnslib.DNSRecord.parse(encode(message))), our_rows(message))

    @settings(deadline=None, max_examples=120)
    @given(MESSAGES)
    def test_we_read_what_dnslib_writes(self, message: Message) -> None:
        octets = dnslib.DNSRecord.parse(encode(message)).pack()
        self.assertEqual(our_rows(decode(octets)), our_rows(message))

    @settings(deadline=None, max_examples=120)
    @given(MESSAGES)
    def test_round_trip(self, message: Message) -> None:
        decoded = decode(encode(message))
        self.assertEqual(our_rows(decoded), our_rows(message))
        self.assertEqual(encode(decoded), encode(message))

    @settings(deadline=None, max_examples=120)
    @given(MESSAGES)
    def test_legacy_round_trip(self, message: Message) -> None:
        """M-18.14-7: what is written in full reads the same."""
        self.assertEqual(our_rows(decode(encode(message, legacy=True))), our_rows(message))

    @settings(deadline=None, max_examples=100)
    @given(MESSAGES, st.randoms(use_true_random=False))
    def test_what_dnslib_refuses_we_refuse(self, message: Message, random: Random) -> None:
        octets = mutated(encode(message), random)
        if dnslib_refuses(octets):
            try:
                read = decode(octets)
            except MalformedMessage:
                return
            self.assertTrue(read.skipped or stricter_than_the_rfc(read), read)


def mutated(octets: bytes, random: Random) -> bytes:
    """Return ``octets`` with one to four faults."""
    changed = bytearray(octets)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(changed)) if changed else 0
        kind = random.randrange(5)
        if kind == 0:
            changed[at : at + 1] = bytes([random.randrange(256)])
        elif kind == 1:
            del changed[at:]
        elif kind == 2:
            del changed[at : at + random.randint(1, 4)]
        elif kind == 3:
            changed[at:at] = random.randbytes(random.randint(1, 4))
        else:
            changed[at : at + 2] = struct.pack("!H", 0xC000 | random.randrange(max(1, len(changed))))
    return bytes(changed)


def use(octets: bytes) -> bool:
    """Do with a datagram whatever is done with datagrams; return whether it is a message."""
    try:
        message = decode(octets)
    except MalformedMessage:
        return False
    sections: Sequence[Sequence[Record]] = (message.answers, message.authorities, message.additionals)
    for section in sections:
        for record in section:
            assert record.identity
            assert repr(record)
    assert decode(encode(message)).answers == message.answers
    return True


class HostileTests(SynchronousTestCase):
    """Nothing but `MalformedMessage` is ever raised, and soon."""

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=300))
    def test_random_octets(self, octets: bytes) -> None:
        use(octets)

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=200), st.lists(st.integers(0, 3), min_size=4, max_size=4))
    def test_random_octets_behind_a_header(self, octets: bytes, counts: list[int]) -> None:
        use(struct.pack("!6H", 0, RESPONSE_FLAGS, *counts) + octets)

    def test_ten_thousand_mutated_messages(self) -> None:
        random = Random(6762)
        host, kind = Name.parse("host.local"), Name.parse("_http._tcp.local")
        web = kind.prefixed("Web")
        seed = encode(
            Message(
                flags=RESPONSE_FLAGS,
                questions=[Question(kind, 12), Question(host, 255, unicast=True)],
                answers=[records.pointer(kind, web, 4500), records.alias(web, host, 9)],
                authorities=[records.service(web, 0, 0, 80, host, 120), records.text(web, [b"a=1"], 4500)],
                additionals=[
                    records.address(host, "192.0.2.1", 120),
                    records.address(host, "fe80::1", 120),
                    records.next_secure(host, [1, 28], 120),
                    records.raw(host, 15, b"\0\1" + web.wire, 120),
                    records.raw(host, 6, host.wire + web.wire + bytes(20), 120),
                    records.raw(host, 35, bytes(7) + web.wire, 120),
                    records.host_info(host, b"ARM", b"Linux", 120),
                ],
            )
        )
        understood = sum([use(mutated(seed, random)) for _ in range(10_000)])
        # Both happen often: the faults are neither all fatal nor all harmless.
        self.assertGreater(understood, 500)
        self.assertLess(understood, 9_500)


class EffortTests(SynchronousTestCase):
    """9,000 octets cost no more than some milliseconds, whatever they are.

    The limit is ten times what is needed: a reader that follows every pointer anew takes twenty times as
    long, and one that has no bound for a loop never ends.
    """

    def check(self, octets: bytes) -> None:
        """Read a message, well or not, in less than twenty pieces of work."""
        self.assertLessEqual(len(octets), 9000)
        self.assertLess(least_effort(lambda: partial(use, octets), 20), 20)

    def chain(self, first: bytes, link: bytes) -> bytes:
        """Return a message with a chain of 1,500 pointers in opaque rdata, and names that lead into it."""
        rdata, at = bytearray(first), 23
        ends = []
        for _ in range(1500):
            ends.append(23 + len(rdata))
            rdata += link + struct.pack("!H", 0xC000 | at)
            at = ends[-1]
        answers = [b"\0\x03\xe7\0\1\0\0\0\0" + struct.pack("!H", len(rdata)) + rdata]
        while sum(map(len, answers)) < 8960:
            answers.append(b"\0\0\x0c\0\1\0\0\0\0\0\2" + struct.pack("!H", 0xC000 | ends[-len(answers)]))
        return struct.pack("!6H", 0, RESPONSE_FLAGS, 0, len(answers), 0, 0) + b"".join(answers)

    def test_chain_of_pointers(self) -> None:
        """M-18.14-4."""
        self.check(self.chain(b"\0", b""))

    def test_chain_of_pointers_to_nothing(self) -> None:
        """M-18.14-4."""
        self.check(self.chain(b"\x80", b""))

    def test_chain_of_labels(self) -> None:
        """M-18.14-4."""
        self.check(self.chain(b"\0", b"\1a"))

    def test_pointers_into_labels(self) -> None:
        """M-18.14-4."""
        rdata = b"\1a" * 1500 + b"\0"
        answers = [b"\0\x03\xe7\0\1\0\0\0\0" + struct.pack("!H", len(rdata)) + rdata]
        answers += [
            b"\0\0\x0c\0\1\0\0\0\0\0\2" + struct.pack("!H", 0xC000 | 23 + 2 * number) for number in range(450)
        ]
        self.check(struct.pack("!6H", 0, RESPONSE_FLAGS, 0, len(answers), 0, 0) + b"".join(answers))

    def test_counts_of_65535(self) -> None:
        self.check(struct.pack("!6H", 0, 0, *[0xFFFF] * 4) + b"\0\0\x0c\0\1" * 1700)

    def test_pointers_to_themselves(self) -> None:
        """M-18.14-4."""
        self.check(struct.pack("!6H", 0, 0, 1490, 0, 0, 0) + b"\xc0\x0c\0\1\0\1" * 1490)

    def test_many_pseudo_records(self) -> None:
        opt = b"\0\0\x29\x05\xa0\0\0\0\0\0\0"
        message = struct.pack("!6H", 0, 0, 0, 0, 0, 816) + opt * 816
        self.assertEqual(decode(message).pseudo[0].name, ROOT)
        self.check(message)
