"""Record data is shown in one line of text, and read from it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.presentation import parse_data, show_data, show_record
from mcast.dns.rdata import LAYOUTS
from mcast.dns.records import Record, address, host_info, next_secure, pointer, raw, service, text

HOST = Name.parse("printer.local.")


class ShowDataTests(SynchronousTestCase):
    def test_address(self) -> None:
        self.assertEqual(show_data(address(HOST, "fe80::1", 120)), "fe80::1")

    def test_service(self) -> None:
        self.assertEqual(show_data(service(HOST, 1, 2, 80, HOST, 120)), "1 2 80 printer.local.")

    def test_pointer_to_a_name_with_dots_in_a_label(self) -> None:
        self.assertEqual(show_data(pointer(HOST, Name.from_labels((b"a.b", b"local")), 9)), "a\\.b.local.")

    def test_text_quotes_and_escapes(self) -> None:
        record = text(HOST, (b'a="b\\"', b"caf\xc3\xa9", b"\xff\n"), 9)
        self.assertEqual(show_data(record), '"a=\\"b\\\\\\"" "café" "\\255\\010"')

    def test_control_characters_do_not_reach_the_terminal(self) -> None:
        self.assertEqual(show_data(text(HOST, (b"\x1b[2J",), 9)), '"\\027[2J"')

    def test_host_information(self) -> None:
        self.assertEqual(show_data(host_info(HOST, b"ARM", b"LINUX", 120)), '"ARM" "LINUX"')

    def test_denial(self) -> None:
        self.assertEqual(show_data(next_secure(HOST, [28, 1], 120)), "printer.local. A AAAA")

    def test_unknown_type(self) -> None:
        self.assertEqual(show_data(raw(HOST, 65400, b"\x01\xff", 9)), "\\# 2 01ff")

    def test_malformed_rdata_is_shown_as_octets(self) -> None:
        self.assertEqual(show_data(Record(HOST, 33, 1, 9, b"\0")), "\\# 1 00")

    def test_empty_rdata_is_shown_as_octets(self) -> None:
        self.assertEqual(show_data(Record(HOST, 16, 1, 9, b"")), "\\# 0")

    def test_whole_record(self) -> None:
        name = Name.from_labels((b"My Web", b"local"))
        self.assertEqual(
            show_record(service(name, 0, 0, 80, name, 120)),
            "My\\032Web.local. 120 IN SRV 0 0 80 My Web.local.",
        )

    def test_whole_record_of_another_class(self) -> None:
        self.assertEqual(show_record(Record(HOST, 1, 4, 9, bytes(4))), "printer.local. 9 CLASS4 A 0.0.0.0")


DIGEST = "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"
EXAMPLES = {
    "A": "192.0.2.1",
    "AAAA": "2001:db8::1",
    "NS": "ns.example.com.",
    "CNAME": "My Web\\.2._http._tcp.local.",
    "SOA": "ns.example.com. host\\.master\\032x.example.com. 1 7200 600 86400 4294967295",
    "PTR": "My Web._http._tcp.local.",
    "HINFO": '"PDP 11" "UNIX"',
    "MX": "10 Büro.local.",
    "TXT": '"a=\\"b\\\\" "" "\\255"',
    "RP": "box.local. text.local.",
    "SRV": "1 2 80 My Web.local.",
    "LOC": "52 22 23.001 N 4 53 32.900 W -2.50m 0.50m",
    "NAPTR": '100 50 "s" "http+N2L+N2C+N2R" "!^.*$!\\\\1!" www.local.',
    "DS": f"60485 5 1 {DIGEST}",
    "SSHFP": f"4 2 {DIGEST}",
    "RRSIG": "CAA 13 2 300 20220919092245 20220917072245 34505 example.com. RNSIzkpb",
    "NSEC": "host\\032name.example.com. A MX TYPE1234 NSEC",
    "DNSKEY": "256 3 8 AwEAAag=",
    "TLSA": f"3 1 1 {DIGEST}",
    "SMIMEA": f"3 1 1 {DIGEST}",
    "SVCB": "1 . alpn=h3,h2 port=8443 ipv4hint=192.0.2.1 ech=Z2FyYmFnZQ== ipv6hint=2001:db8::1",
    "HTTPS": "0 www.example.com.",
    "CAA": '0 issue "ca.example.net; policy=ev"',
    "TYPE65400": "\\# 3 0100ff",
}
"""The text of each type as it is shown."""


class ExampleTests(SynchronousTestCase):
    """The text of each type, as the RFC of the type writes it."""

    def check(self, rtype: int, shown: str) -> None:
        rdata = parse_data(rtype, shown)
        self.assertEqual(show_data(raw(HOST, rtype, rdata, 9)), shown)
        self.assertEqual(parse_data(rtype, f"\\# {len(rdata)} {rdata.hex()}"), rdata)


def _example(type_name: str, shown: str) -> None:
    rtype = RecordType[type_name] if type_name in RecordType.__members__ else int(type_name[4:])
    setattr(ExampleTests, f"test_{type_name}", lambda self: self.check(rtype, shown))


for each in EXAMPLES.items():
    _example(*each)


class ParseDataTests(SynchronousTestCase):
    """Text that is not as it is shown, and text that is wrong."""

    def refused(self, rtype: int, text: str, reason: str) -> None:
        error = self.assertRaises(ValueError, parse_data, rtype, text)
        self.assertIn(reason, str(error))

    def test_location_with_parts_left_out(self) -> None:
        self.assertEqual(
            parse_data(RecordType.LOC, "52 n 4 30 E 10"),
            parse_data(RecordType.LOC, "52 0 0 N 4 30 0 E 10.00m"),
        )

    def test_location_of_rfc_1876(self) -> None:
        """Thousandths of a second from 2^31, and centimetres from 100 km below the sea."""
        rdata = parse_data(RecordType.LOC, "42 21 54 N 71 06 18 W -24m 30m")
        self.assertEqual(rdata.hex(), "0033161389172dd070be15f000988d20")

    def test_location_out_of_order(self) -> None:
        self.refused(RecordType.LOC, "4 E 52 N 10m", "a location is written like")

    def test_strings_without_quotes(self) -> None:
        self.assertEqual(parse_data(RecordType.TXT, "a=1 b\\ c"), b"\x03a=1\x03b c")

    def test_parameters_in_quotes_and_out_of_order(self) -> None:
        self.assertEqual(
            parse_data(RecordType.HTTPS, '1 www.example.com port="443" alpn="h2,h3"'),
            parse_data(RecordType.HTTPS, "1 www.example.com. alpn=h2,h3 port=443"),
        )

    def test_parameter_twice(self) -> None:
        self.refused(RecordType.SVCB, "1 . port=1 port=2", "occurs twice")

    def test_name_that_dnslib_would_change(self) -> None:
        self.refused(RecordType.HTTPS, "1 büro.local.", "only plain ASCII names")

    def test_certificate_authority_in_one_word(self) -> None:
        self.refused(RecordType.CAA, "000569", "CAA data")

    def test_key_that_is_no_base64(self) -> None:
        self.refused(RecordType.DNSKEY, "256 3 8 !AwEAAag=", "no Base64")

    def test_part_that_is_missing(self) -> None:
        self.refused(RecordType.MX, "10", "there are 2 parts, not 1")

    def test_number_out_of_range(self) -> None:
        self.refused(RecordType.MX, "65536 a.local", "65536 is no number from 0 to 65535")

    def test_number_that_dnslib_refuses(self) -> None:
        self.refused(RecordType.TLSA, "256 1 1 00", "TLSA data '256 1 1 00'")

    def test_string_too_long(self) -> None:
        self.refused(RecordType.HINFO, "a" * 256 + " b", "at most 255 octets")

    def test_quote_left_open(self) -> None:
        self.refused(RecordType.TXT, '"a b', "left open")

    def test_escape_out_of_range(self) -> None:
        self.refused(RecordType.TXT, "\\256", "above \\255")

    def test_octets_of_another_length(self) -> None:
        self.refused(65400, "\\# 2 00", "there are 1 octets, not 2")

    def test_octets_that_are_none(self) -> None:
        self.refused(65400, "\\# 1 0g", "hexadecimal")

    def test_octets_of_another_layout(self) -> None:
        self.refused(RecordType.SRV, "\\# 1 00", "SRV data")

    def test_type_without_a_form(self) -> None:
        self.refused(65400, "something", "given in octets")

    def test_several_addresses(self) -> None:
        self.refused(RecordType.A, "192.0.2.1 192.0.2.2", "one address")


SHOWN_TYPES = sorted({*LAYOUTS, *(RecordType[name] for name in EXAMPLES if name in RecordType.__members__)})
NAMES = st.lists(st.binary(min_size=1, max_size=5) | st.sampled_from([b" a", b'"', b"a"]), max_size=4)


class HostileRdataTests(SynchronousTestCase):
    """Any rdata is shown, on one line, and what is shown is read to the same octets."""

    def check(self, rtype: int, rdata: bytes) -> None:
        shown = show_data(Record(HOST, rtype, 1, 9, rdata))
        self.assertNotIn("\n", shown)
        try:
            raw(HOST, rtype, rdata, 9)
        except ValueError:
            return
        self.assertEqual(parse_data(rtype, shown), rdata, shown)

    def test_bit_of_no_type(self) -> None:
        """What is shown reads back to the same octets, bit 0 of a bitmap included."""
        self.check(RecordType.NSEC, HOST.wire + b"\0\1\xc0")

    def test_empty_end_of_a_bitmap(self) -> None:
        self.check(RecordType.NSEC, HOST.wire + b"\0\2\x40\0")

    @settings(deadline=None, max_examples=300)
    @given(st.sampled_from(SHOWN_TYPES), st.binary(max_size=60))
    def test_random_octets(self, rtype: int, rdata: bytes) -> None:
        self.check(rtype, rdata)

    @settings(deadline=None, max_examples=300)
    @given(st.sampled_from(sorted(EXAMPLES)), st.data())
    def test_damaged_examples(self, type_name: str, data: Any) -> None:
        rtype = RecordType[type_name] if type_name in RecordType.__members__ else int(type_name[4:])
        rdata = bytearray(parse_data(rtype, EXAMPLES[type_name]))
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(rdata)))
            rdata[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        self.check(rtype, bytes(rdata))

    @settings(deadline=None, max_examples=300)
    @given(NAMES, NAMES)
    def test_names(self, first: list[bytes], second: list[bytes]) -> None:
        one, other = Name.from_labels(first).wire, Name.from_labels(second).wire
        self.check(RecordType.PTR, one)
        self.check(RecordType.RP, one + other)
        self.check(RecordType.SOA, one + other + bytes(20))
        self.check(RecordType.HTTPS, b"\0\1" + one)

    @settings(deadline=None, max_examples=300)
    @given(st.sampled_from(SHOWN_TYPES), st.text(max_size=40))
    def test_random_text(self, rtype: int, text: str) -> None:
        """It is read, or refused with ValueError."""
        try:
            rdata = parse_data(rtype, text)
        except ValueError:
            return
        self.check(rtype, rdata)

    @settings(deadline=None, max_examples=300)
    @given(st.sampled_from(sorted(EXAMPLES)), st.data())
    def test_damaged_text(self, type_name: str, data: Any) -> None:
        """What is read can be shown."""
        rtype = RecordType[type_name] if type_name in RecordType.__members__ else int(type_name[4:])
        words = EXAMPLES[type_name].split(" ")
        at = data.draw(st.integers(0, len(words) - 1))
        words[at : at + 1] = data.draw(st.lists(st.sampled_from([*words, "1", "-1", "9" * 9, "a", '"', "="])))
        try:
            rdata = parse_data(rtype, " ".join(words))
        except ValueError:
            return
        self.check(rtype, rdata)


class LazyTests(SynchronousTestCase):
    def test_dnslib_is_imported_for_such_a_record_only(self) -> None:
        program = "import mcast, mcast.dns.presentation, sys; print('dnslib' in sys.modules)"
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        self.assertEqual(ran.stdout.strip(), "False")
