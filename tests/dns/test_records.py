"""Records: what their rdata looks like, reads as, and when two are the same."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns import records
from mcast.dns.codes import RecordType
from mcast.dns.names import ROOT, Name
from mcast.dns.presentation import show_data
from mcast.dns.records import HostInfo, NextSecure, Record, ServiceData, TextData

HOST = Name.parse("Host.local.")
TARGET = Name.parse("Target.local.")


class RdataTests(SynchronousTestCase):
    """The octets that the constructors make, and what `Record.data` reads from them."""

    def test_ipv4_address(self) -> None:
        record = records.address(HOST, "192.0.2.1", 120)
        self.assertEqual((record.type, record.rdata), (1, b"\xc0\x00\x02\x01"))
        self.assertEqual(record.data, IPv4Address("192.0.2.1"))

    def test_ipv6_address(self) -> None:
        record = records.address(HOST, IPv6Address("fe80::1%3"), 120)
        self.assertEqual((record.type, record.rdata), (28, b"\xfe\x80" + bytes(13) + b"\x01"))
        self.assertEqual(record.data, IPv6Address("fe80::1"))

    def test_no_address(self) -> None:
        self.assertRaises(ValueError, records.address, HOST, "192.0.2", 120)

    def test_pointer(self) -> None:
        record = records.pointer(HOST, TARGET, 4500)
        self.assertEqual((record.type, record.rdata), (12, b"\x06Target\x05local\x00"))
        self.assertEqual(record.data, TARGET)

    def test_alias(self) -> None:
        record = records.alias(HOST, TARGET, 4500)
        self.assertEqual((record.type, record.rdata, record.data), (5, TARGET.wire, TARGET))

    def test_service(self) -> None:
        record = records.service(HOST, 1, 2, 8080, TARGET, 120)
        self.assertEqual((record.type, record.rdata), (33, b"\0\x01\0\x02\x1f\x90" + TARGET.wire))
        self.assertEqual(record.data, ServiceData(1, 2, 8080, TARGET))

    def test_service_out_of_range(self) -> None:
        self.assertRaises(ValueError, records.service, HOST, 0, 0, 65536, TARGET, 120)

    def test_text(self) -> None:
        record = records.text(HOST, [b"path=/", b""], 4500)
        self.assertEqual((record.type, record.rdata), (16, b"\x06path=/\x00"))
        self.assertEqual(record.data, TextData((b"path=/", b"")))

    def test_no_text_is_one_zero_octet(self) -> None:
        self.assertEqual(records.text(HOST, [], 4500).rdata, b"\0")

    def test_string_too_long(self) -> None:
        self.assertEqual(len(records.text(HOST, [b"x" * 255], 4500).rdata), 256)
        self.assertRaises(ValueError, records.text, HOST, [b"x" * 256], 4500)

    def test_strings_too_long_together(self) -> None:
        self.assertRaises(ValueError, records.text, HOST, [b"x" * 255] * 256, 4500)

    def test_host_info(self) -> None:
        record = records.host_info(HOST, b"ARM", b"Linux", 120)
        self.assertEqual((record.type, record.rdata), (13, b"\x03ARM\x05Linux"))
        self.assertEqual(record.data, HostInfo(b"ARM", b"Linux"))

    def test_unknown_type_is_octets(self) -> None:
        self.assertEqual(records.raw(HOST, 999, b"\1\2", 120).data, b"\1\2")

    def test_raw_refuses_a_layout_that_is_not_the_types(self) -> None:
        self.assertRaises(ValueError, records.raw, HOST, 1, b"\1\2\3", 120)
        self.assertRaises(ValueError, records.raw, HOST, 12, b"\x06Target", 120)
        self.assertRaises(ValueError, records.raw, HOST, 15, b"\0\x05" + TARGET.wire + b"\0", 120)
        self.assertRaises(ValueError, records.raw, HOST, 16, b"\x05a", 120)

    def test_raw_refuses_numbers_out_of_range(self) -> None:
        self.assertRaises(ValueError, records.raw, HOST, 65536, b"", 120)
        self.assertRaises(ValueError, records.raw, HOST, 999, b"", 120, 0x8000)
        self.assertRaises(ValueError, records.raw, HOST, 999, bytes(65536), 120)

    def test_malformed_rdata_is_shown_as_octets(self) -> None:
        """A record made by hand cannot make a reader of `data` raise."""
        self.assertEqual(Record(HOST, 33, 1, 9, b"\0").data, b"\0")


class NextSecureTests(SynchronousTestCase):
    """NSEC as RFC 6762 §6.1 has it."""

    def test_restricted_form(self) -> None:
        """M-6.1-4: the name itself, block 0, and no longer a bitmap than needed."""
        record = records.next_secure(HOST, [RecordType.AAAA, RecordType.A], 120)
        self.assertEqual(record.rdata, b"\x04Host\x05local\x00" + b"\x00\x04\x40\x00\x00\x08")
        self.assertEqual(record.data, NextSecure(HOST, frozenset({1, 28})))

    def test_bit_of_no_type(self) -> None:
        """Type 0 is none: it is passed over, and what is shown can be read again (RFC 4034 §4.1.2)."""
        record = Record(ROOT, RecordType.NSEC, 1, 120, b"\0\0\1\xc0")
        self.assertEqual(record.data, NextSecure(ROOT, frozenset({RecordType.A})))
        self.assertEqual(show_data(record), "\\# 4 000001c0")  # ". A" would read back to other octets

    def test_longest_bitmap(self) -> None:
        """M-6.1-4: type 255 takes 32 octets."""
        record = records.next_secure(HOST, [255], 120)
        self.assertEqual(record.rdata, HOST.wire + b"\x00\x20" + bytes(31) + b"\x01")

    def test_full_form(self) -> None:
        """M-6.1-3: several blocks."""
        record = records.next_secure(HOST, [1, 255, 256, 65535], 120)
        blocks = b"\x00\x20\x40" + bytes(30) + b"\x01" + b"\x01\x01\x80" + b"\xff\x20" + bytes(31) + b"\x01"
        self.assertEqual(record.rdata, HOST.wire + blocks)
        self.assertEqual(record.data, NextSecure(HOST, frozenset({1, 255, 256, 65535})))

    def test_own_type_is_left_out(self) -> None:
        """M-6.1-9: the NSEC bit is never set."""
        record = records.next_secure(HOST, [RecordType.A, RecordType.NSEC], 120)
        self.assertEqual(record.rdata, HOST.wire + b"\x00\x01\x40")

    def test_no_types(self) -> None:
        self.assertRaises(ValueError, records.next_secure, HOST, [RecordType.NSEC], 120)

    def test_types_out_of_range(self) -> None:
        self.assertRaises(ValueError, records.next_secure, HOST, [65536], 120)
        self.assertRaises(ValueError, records.next_secure, HOST, [0], 120)


class IdentityTests(SynchronousTestCase):
    """When two records are the same one."""

    def test_ttl_and_flush_bit_do_not_matter(self) -> None:
        """M-10.2-12: the bit is no part of the class."""
        record = records.address(HOST, "192.0.2.1", 120)
        self.assertEqual(record.identity, record.with_ttl(7).with_cache_flush(True).identity)
        self.assertNotEqual(record, record.with_ttl(7))
        self.assertNotEqual(record, record.with_cache_flush(True))

    def test_case_of_names_does_not_matter(self) -> None:
        """M-16-5: neither in the owner name nor in rdata."""
        lower = records.service(Name.parse("host.LOCAL"), 0, 0, 80, Name.parse("target.local"), 120)
        self.assertEqual(records.service(HOST, 0, 0, 80, TARGET, 120).identity, lower.identity)
        self.assertEqual(records.service(HOST, 0, 0, 80, TARGET, 120), lower)
        self.assertEqual(hash(records.service(HOST, 0, 0, 80, TARGET, 120)), hash(lower))

    def test_case_of_octets_beside_names_matters(self) -> None:
        """Port 0x4142 is not port 0x6162."""
        first = records.service(HOST, 0, 0, 0x4142, TARGET, 120)
        second = records.service(HOST, 0, 0, 0x6162, TARGET, 120)
        self.assertNotEqual(first.identity, second.identity)

    def test_case_of_bitmaps_matters(self) -> None:
        """A bitmap octet 0x41 is not 0x61."""
        first = records.next_secure(HOST, [1, 7], 120)
        second = records.next_secure(HOST, [1, 2, 7], 120)
        self.assertEqual((first.rdata[-1], second.rdata[-1]), (0x41, 0x61))
        self.assertNotEqual(first.identity, second.identity)

    def test_case_of_text_matters(self) -> None:
        first, second = records.text(HOST, [b"a"], 120), records.text(HOST, [b"A"], 120)
        self.assertNotEqual(first.identity, second.identity)
        self.assertNotEqual(first, second)

    def test_with_ttl_keeps_the_rest(self) -> None:
        record = records.address(HOST, "192.0.2.1", 120, cache_flush=True).with_ttl(10)
        self.assertEqual((record.ttl, record.cache_flush, record.rdata), (10, True, b"\xc0\x00\x02\x01"))

    def test_found_out_once(self) -> None:
        """A record with another TTL or flush bit has the same identity; one with the same is no copy."""
        record = records.service(HOST, 0, 0, 80, TARGET, 120)
        identity = record.identity
        goodbye = record.with_cache_flush(True).with_ttl(0)
        self.assertEqual((goodbye.ttl, goodbye.cache_flush), (0, True))
        self.assertEqual(goodbye._identity, identity)  # before anybody asks for it
        self.assertIs(goodbye.with_cache_flush(True), goodbye)
        self.assertIs(goodbye.with_ttl(0), goodbye)

    def test_rdata_in_lower_case_is_kept_once(self) -> None:
        lower = Name.parse("target.local")
        for record in (records.pointer(HOST, lower, 120), records.service(HOST, 0, 0, 80, lower, 120)):
            self.assertIs(record.identity[3], record.rdata)

    def test_shown(self) -> None:
        record = records.address(HOST, "192.0.2.1", 120, cache_flush=True)
        self.assertEqual(
            repr(record), "Record('Host.local.', A, 1, 120, IPv4Address('192.0.2.1'), cache_flush=True)"
        )
