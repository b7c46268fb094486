"""Targets that take one datagram, alone and beside what dnslib and dnspython make of it."""

from __future__ import annotations

import io

import dns.exception
import dns.message
import dns.rdatatype
import dnslib

from mcast.cli.command import Output
from mcast.cli.dump import Dump
from mcast.cli.seen import SeenPacket
from mcast.dns import records
from mcast.dns.messages import Message, decode, encode
from mcast.dns.names import Name
from mcast.dns.presentation import parse_data, show_data
from mcast.dns.records import Record
from mcast.errors import MalformedMessage
from mcast.showing import is_plain
from tests.dns.test_oracle import dnslib_refuses, our_rows, stricter_than_the_rfc, their_rows

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of characters that a terminal obeys, or does not show."""


def everything(message: Message) -> list[Record]:
    """Return the records of all sections."""
    return [*message.answers, *message.authorities, *message.additionals]


def decoder(data: bytes) -> None:
    """Nothing but `MalformedMessage` is raised, and a message that is written reads the same."""
    try:
        message = decode(data)
    except MalformedMessage:
        return
    assert repr(message)
    for record in everything(message):
        assert repr(record)
        assert record.identity
        check_presentation(record)
    written = encode(message)
    again = decode(written)
    assert not again.skipped, "what we write we must read"
    assert our_rows(again) == our_rows(message), "writing and reading changed the message"
    assert encode(again) == written, "the second writing differs from the first"
    assert our_rows(decode(encode(message, legacy=True))) == our_rows(message), "legacy form"


def check_presentation(record: Record) -> None:
    """What is shown of a record is one printable line, and the same octets when it is read."""
    shown = show_data(record)
    assert all(map(is_plain, shown)), (record.type, ascii(shown))
    if not shown.startswith("\\#"):
        assert same_data(record, parse_data(record.type, shown)), (record.type, record.rdata, shown)


def same_data(record: Record, rdata: bytes) -> bool:
    """Whether octets read from the shown form are those of the record."""
    return records.raw(record.name, record.type, rdata, record.ttl).data == record.data


def beside_dnslib(data: bytes) -> None:
    """What dnslib refuses we refuse; what both read, both read alike."""
    try:
        message = decode(data)
    except MalformedMessage:
        return
    if message.skipped or stricter_than_the_rfc(message):
        return
    if dnslib_refuses(data):
        raise AssertionError(f"dnslib refuses {message}")
    theirs = dnslib.DNSRecord.parse(data)
    assert their_rows(theirs) == our_rows(message)


def beside_dnspython(data: bytes) -> None:
    """Names, types, times to live and counts are those that dnspython reads."""
    try:
        message = decode(data)
    except MalformedMessage:
        return
    if message.skipped or message.pseudo or message.opcode or message.rcode:
        return
    try:
        theirs = dns.message.from_wire(data, question_only=False, one_rr_per_rrset=True, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, IndexError, KeyError):
        # It reads the data of many types that we keep as octets, and refuses classes that it does not know.
        return
    assert len(theirs.question) == len(message.questions)
    for their, our in zip(theirs.question, message.questions, strict=True):
        assert (their.name.labels[:-1], int(their.rdtype)) == (our.name.labels, our.type)
    sections = zip(
        (theirs.answer, theirs.authority, theirs.additional),
        (message.answers, message.authorities, message.additionals),
        strict=True,
    )
    for their_section, our_section in sections:
        assert len(their_section) == len(our_section)
        for rrset, record in zip(their_section, our_section, strict=True):
            assert (rrset.name.labels[:-1], int(rrset.rdtype)) == (record.name.labels, record.type)
            if record.type in (dns.rdatatype.A, dns.rdatatype.AAAA) and len(rrset):
                assert rrset[0].to_wire() == record.rdata


def dump(data: bytes) -> None:
    """`mcast dump` and `--lint` print nothing that a terminal obeys."""
    from unicodedata import category

    for lint in (False, True):
        for as_json in (False, True):
            stream = io.StringIO()
            shower = Dump(Output(stream, json_lines=as_json), lint=lint, count=None)
            for at, port in ((0.0, 5353), (0.2, 5353), (0.3, 4000)):
                shower.packet(
                    SeenPacket(data, "192.0.2.7", port, at, ipv6=False, multicast=True, hop_limit=255)
                )
            bad = {one for one in stream.getvalue() if category(one) in HIDDEN} - {"\n"}
            assert not bad, sorted(map(ascii, bad))


def names(data: bytes) -> None:
    """A name that is shown, reads the same."""
    labels = [label for label in data.split(b"\0") if label]
    try:
        name = Name.from_labels(labels)
    except ValueError:
        return
    assert Name.parse(str(name)).labels == name.labels, str(name)
    assert all(map(is_plain, str(name))), ascii(str(name))


TARGETS = {
    "decoder": decoder,
    "dnslib": beside_dnslib,
    "dnspython": beside_dnspython,
    "dump": dump,
    "names": names,
}
